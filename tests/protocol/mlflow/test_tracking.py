"""What a normal training script asks of tracking, by the real client, and what it must get."""
import math
import subprocess
import sys
import time

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException


def code_of(failure):
    return failure.value.error_code


# --- experiments ---------------------------------------------------------------------------------------------------

def test_set_experiment_makes_it_once(name):
    made = mlflow.set_experiment(name)
    again = mlflow.set_experiment(name)
    assert made.experiment_id == again.experiment_id
    assert (made.name, made.lifecycle_stage) == (name, "active")
    assert made.artifact_location == f"mlflow-artifacts:/{made.experiment_id}"
    assert made.creation_time == made.last_update_time > 0


def test_the_default_experiment_is_there(client):
    default = client.get_experiment("0")
    assert (default.name, default.lifecycle_stage) == ("Default", "active")


def test_an_experiment_is_found_by_name_and_by_id(client, name):
    id = client.create_experiment(name, tags={"team": "blue", "empty": ""})
    assert client.get_experiment_by_name(name).experiment_id == id
    assert client.get_experiment(id).tags == {"team": "blue", "empty": ""}
    assert client.get_experiment_by_name(name + " nowhere") is None


def test_experiment_names_are_taken_once(client, name):
    client.create_experiment(name)
    with pytest.raises(MlflowException, match="already exists") as failure:
        client.create_experiment(name)
    assert code_of(failure) == "RESOURCE_ALREADY_EXISTS"


def test_an_experiment_keeps_its_own_artifact_location(client, name):
    id = client.create_experiment(name, artifact_location="s3://bucket/path?region=x")
    run = client.create_run(id)
    assert run.info.artifact_uri == f"s3://bucket/path/{run.info.run_id}/artifacts?region=x"


def test_an_unknown_experiment_is_missing(client):
    with pytest.raises(MlflowException, match="No Experiment with id=987654321 exists") as failure:
        client.get_experiment("987654321")
    assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"


def test_an_experiment_is_renamed(client, experiment, name):
    client.rename_experiment(experiment, name)
    assert client.get_experiment(experiment).name == name


def test_experiment_tags_are_set_and_replaced(client, experiment):
    client.set_experiment_tag(experiment, "k", "1")
    client.set_experiment_tag(experiment, "k", "2")
    client.set_experiment_tag(experiment, "mlflow.note.content", "text with 'quotes' and é漢")
    assert client.get_experiment(experiment).tags == {
        "k": "2", "mlflow.note.content": "text with 'quotes' and é漢"}


@pytest.mark.since(3)
def test_an_experiment_tag_is_deleted(client, experiment):
    client.set_experiment_tag(experiment, "k", "1")
    client.delete_experiment_tag(experiment, "k")
    assert client.get_experiment(experiment).tags == {}
    with pytest.raises(MlflowException) as failure:
        client.delete_experiment_tag(experiment, "k")
    assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"


def test_deleting_an_experiment_deletes_its_runs_and_restoring_brings_them_back(client, experiment):
    run = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_run(experiment)
    client.restore_experiment(experiment)
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_experiments_are_searched_by_name_and_tag_and_come_in_pages(client, name):
    ids = [client.create_experiment(f"{name} {i}", tags={"group": name, "n": str(i)}) for i in range(5)]
    mine = f"tags.group = '{name}'"
    assert [e.experiment_id for e in mlflow.search_experiments(filter_string=mine)] == ids[::-1]
    ordered = mlflow.search_experiments(filter_string=mine, order_by=["name ASC"])
    assert [e.experiment_id for e in ordered] == ids
    assert [e.experiment_id for e in mlflow.search_experiments(filter_string=f"{mine} AND name LIKE '%3'")] == [ids[3]]
    first = client.search_experiments(filter_string=mine, max_results=3)
    assert len(first) == 3 and first.token
    rest = client.search_experiments(filter_string=mine, max_results=3, page_token=first.token)
    assert [e.experiment_id for e in [*first, *rest]] == ids[::-1] and not rest.token
    client.delete_experiment(ids[0])
    deleted = mlflow.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string=mine)
    assert [e.experiment_id for e in deleted] == [ids[0]]


# --- runs ----------------------------------------------------------------------------------------------------------

def test_a_run_lives_from_start_to_end(client, experiment):
    before = int(time.time() * 1000) - 1
    with mlflow.start_run(run_name="first", tags={"team": "blue"}, description="what it is") as active:
        id = active.info.run_id
        running = client.get_run(id)
        assert running.info.status == "RUNNING" and running.info.end_time is None
    run = client.get_run(id)
    assert len(id) == 32
    assert (run.info.run_name, run.info.status, run.info.lifecycle_stage) == ("first", "FINISHED", "active")
    assert before <= run.info.start_time <= run.info.end_time
    assert run.info.experiment_id == experiment
    assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{id}/artifacts"
    assert run.data.tags["team"] == "blue"
    assert run.data.tags["mlflow.note.content"] == "what it is"
    assert run.data.tags["mlflow.runName"] == "first"
    assert "mlflow.user" in run.data.tags


def test_a_run_without_a_name_gets_one(client, experiment):
    run = client.create_run(experiment)
    assert run.info.run_name
    assert run.data.tags["mlflow.runName"] == run.info.run_name


def test_a_failed_run_says_so(client, experiment):
    with pytest.raises(RuntimeError):
        with mlflow.start_run() as active:
            raise RuntimeError("no")
    assert client.get_run(active.info.run_id).info.status == "FAILED"


def test_nested_runs_know_their_parent(client, experiment):
    with mlflow.start_run() as parent:
        with mlflow.start_run(nested=True) as child:
            pass
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    found = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert [run.info.run_id for run in found] == [child.info.run_id]


def test_a_run_goes_on(client, experiment):
    with mlflow.start_run() as first:
        mlflow.log_metric("m", 1)
    with mlflow.start_run(run_id=first.info.run_id):
        assert client.get_run(first.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 2, step=1)
    run = client.get_run(first.info.run_id)
    assert run.info.status == "FINISHED" and run.data.metrics == {"m": 2}


def test_a_run_is_renamed_by_update_and_by_tag(client, experiment):
    id = client.create_run(experiment, run_name="a").info.run_id
    client.update_run(id, name="b")
    assert client.get_run(id).info.run_name == client.get_run(id).data.tags["mlflow.runName"] == "b"
    client.set_tag(id, "mlflow.runName", "c")
    assert client.get_run(id).info.run_name == client.get_run(id).data.tags["mlflow.runName"] == "c"


def test_a_run_is_deleted_and_restored(client, experiment):
    id = client.create_run(experiment).info.run_id
    client.delete_run(id)
    assert client.get_run(id).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="must be in the 'active' state") as failure:
        client.log_metric(id, "m", 1)
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"
    client.restore_run(id)
    client.log_metric(id, "m", 1)
    assert client.get_run(id).data.metrics == {"m": 1}


def test_an_unknown_run_is_missing(client):
    with pytest.raises(MlflowException, match="Run with id=00000000000000000000000000000000 not found") as failure:
        client.get_run("0" * 32)
    assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"


# --- logging -------------------------------------------------------------------------------------------------------

def test_params_metrics_and_tags_are_kept(client, experiment):
    with mlflow.start_run() as active:
        mlflow.log_param("depth", 6)
        mlflow.log_params({"eta": 0.1, "name": "é漢", "empty": "", "long": "x" * 6000})
        mlflow.log_metric("loss", 0.5, step=3)
        mlflow.log_metrics({"a": 1, "b/c d": -2.5e-300}, step=2)
        mlflow.set_tag("one", "1")
        mlflow.set_tags({"two": 2, "three": ""})
    data = client.get_run(active.info.run_id).data
    assert data.params == {"depth": "6", "eta": "0.1", "name": "é漢", "empty": "", "long": "x" * 6000}
    assert data.metrics == {"loss": 0.5, "a": 1, "b/c d": -2.5e-300}
    assert {key: data.tags[key] for key in ("one", "two", "three")} == {"one": "1", "two": "2", "three": ""}


def test_a_param_is_set_once(client, experiment):
    id = client.create_run(experiment).info.run_id
    client.log_param(id, "p", "1")
    client.log_param(id, "p", "1")
    with pytest.raises(MlflowException, match="Changing param values is not allowed") as failure:
        client.log_param(id, "p", "2")
    assert code_of(failure) == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_batch(id, params=[Param("p", "2"), Param("q", "1")])
    assert client.get_run(id).data.params == {"p": "1"}


def test_a_batch_is_kept_whole(client, experiment):
    id = client.create_run(experiment).info.run_id
    client.log_batch(id, [Metric(f"m{i}", i / 7, 1000 + i, i) for i in range(800)],
                     [Param(f"p{i}", "v" * i) for i in range(100)], [RunTag(f"t{i}", "x") for i in range(100)])
    data = client.get_run(id).data
    assert data.metrics == {f"m{i}": i / 7 for i in range(800)}
    assert data.params == {f"p{i}": "v" * i for i in range(100)}
    assert sum(key.startswith("t") for key in data.tags) == 100


def test_a_refused_batch_leaves_nothing(ours, client, experiment):
    id = client.create_run(experiment).info.run_id
    client.log_param(id, "p", "1")
    status, answer = ours.call("POST", "runs/log-batch", {
        "run_id": id, "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
        "params": [{"key": "p", "value": "2"}], "tags": [{"key": "t", "value": "1"}]})
    assert status == 400, answer
    data = client.get_run(id).data
    assert data.metrics == {} and "t" not in data.tags


def test_numbers_that_are_none_are_kept(client, experiment):
    id = client.create_run(experiment).info.run_id
    client.log_metric(id, "nan", math.nan, timestamp=1)
    client.log_metric(id, "inf", math.inf, timestamp=1)
    client.log_metric(id, "minus", -math.inf, timestamp=1)
    metrics = client.get_run(id).data.metrics
    assert math.isnan(metrics["nan"])
    # As in MLflow on SQL: the largest numbers there are.
    assert metrics["inf"] == sys.float_info.max and metrics["minus"] == -sys.float_info.max
    assert math.isnan(client.get_metric_history(id, "nan")[0].value)


def test_the_latest_metric_is_that_of_the_last_step_then_time_then_value(client, experiment):
    id = client.create_run(experiment).info.run_id
    for value, timestamp, step in [(1, 100, 5), (2, 900, 4), (3, 50, 5), (4, 100, 5), (0, 100, 5)]:
        client.log_metric(id, "m", value, timestamp=timestamp, step=step)
    assert client.get_run(id).data.metrics == {"m": 4}


def test_a_history_is_ordered_and_has_each_point_once(client, experiment):
    id = client.create_run(experiment).info.run_id
    for value, timestamp, step in [(3, 20, 1), (1, 10, 2), (2, 10, 1), (2, 10, 1)]:
        client.log_metric(id, "m", value, timestamp=timestamp, step=step)
    history = client.get_metric_history(id, "m")
    assert [(m.timestamp, m.step, m.value) for m in history] == [(10, 1, 2), (10, 2, 1), (20, 1, 3)]
    assert client.get_metric_history(id, "no such metric") == []


def test_a_long_history_comes_whole(client, experiment):
    id = client.create_run(experiment).info.run_id
    for start in range(0, 30_000, 1000):
        client.log_batch(id, [Metric("m", i, i, i) for i in range(start, start + 1000)])
    history = client.get_metric_history(id, "m")
    assert [m.step for m in history] == list(range(30_000))
    assert client.get_run(id).data.metrics == {"m": 29_999}


def test_a_tag_is_deleted(client, experiment):
    id = client.create_run(experiment).info.run_id
    client.set_tag(id, "t", "1")
    client.delete_tag(id, "t")
    assert "t" not in client.get_run(id).data.tags
    with pytest.raises(MlflowException, match=f"No tag with name: t in run with id {id}") as failure:
        client.delete_tag(id, "t")
    assert code_of(failure) == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("key", ["a!", "a/../b", "/a", "a//b", "x" * 251, "."])
def test_names_that_lead_elsewhere_are_refused(ours, client, experiment, key):
    id = client.create_run(experiment).info.run_id
    for path, body in [("runs/log-metric", {"value": 1, "timestamp": 1}), ("runs/log-parameter", {"value": "1"}),
                       ("runs/set-tag", {"value": "1"})]:
        status, answer = ours.call("POST", path, {"run_id": id, "key": key, **body})
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_inputs_are_kept(client, experiment):
    data = mlflow.data.meta_dataset.MetaDataset(
        mlflow.data.http_dataset_source.HTTPDatasetSource("http://example.com/bikes.csv"), name="bikes", digest="d1")
    with mlflow.start_run() as active:
        mlflow.log_input(data, context="train")
        mlflow.log_input(data, context="train")
    [used] = client.get_run(active.info.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.dataset.source_type) == ("bikes", "d1", "http")
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "train"}
    for clause in ("dataset.name = 'bikes'", "dataset.digest = 'd1'", "dataset.context = 'train'"):
        found = client.search_runs([experiment], clause)
        assert [run.info.run_id for run in found] == [active.info.run_id]
    assert client.search_runs([experiment], "dataset.name = 'cars'") == []


@pytest.mark.since(3)
def test_models_that_a_run_used_and_made_are_kept(client, experiment):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput
    id = client.create_run(experiment).info.run_id
    client.log_inputs(id, models=[LoggedModelInput("m-" + "1" * 32)])
    client.log_outputs(id, [LoggedModelOutput("m-" + "2" * 32, step=3)])
    run = client.get_run(id)
    assert [model.model_id for model in run.inputs.model_inputs] == ["m-" + "1" * 32]
    assert [(model.model_id, model.step) for model in run.outputs.model_outputs] == [("m-" + "2" * 32, 3)]


# --- search --------------------------------------------------------------------------------------------------------

@pytest.fixture
def three(client, experiment):
    """Runs a, b, c with metric m 1, 2, NaN, param p, tag t and start times 1, 2, 3; c has no x."""
    ids = {}
    for n, (letter, value) in enumerate([("a", 1.0), ("b", 2.0), ("c", math.nan)]):
        id = client.create_run(experiment, start_time=n + 1, run_name=letter, tags={"t": letter}).info.run_id
        client.log_metric(id, "m", value, timestamp=1)
        client.log_param(id, "p", letter.upper())
        if letter != "c":
            client.log_metric(id, "x", -value, timestamp=1)
        ids[id] = letter
    return ids


@pytest.mark.parametrize("filter, found", [
    ("", "cba"),
    ("metrics.m > 1", "b"),
    ("metrics.m >= 1 and metrics.x < -1.5", "b"),
    ("metrics.m = 1", "a"),
    ("params.p = 'B'", "b"),
    ("params.p != 'B'", "ca"),
    ("params.p ILIKE 'b%'", "b"),
    ("params.p LIKE 'b%'", ""),
    ("tags.t IN ('a', 'c')", None),
    ("tags.t = 'a' OR tags.t = 'b'", "ba"),
    ("metrics.m >= 1 AND (tags.t = 'a' OR tags.t = 'c')", "a"),
    ("(tags.t = 'a' OR tags.t = 'b'", None),
    ("attributes.run_name = 'c'", "c"),
    ("run_name LIKE '%'", "cba"),
    ("attributes.start_time > 1", "cb"),
    ("attributes.status = 'RUNNING'", "cba"),
    ("attributes.status = 'FINISHED'", ""),
    ("tags.`t` = \"a\"", "a"),
    ("params.none = 'x'", ""),
    ("params.none != 'x'", ""),
    ("metrics.x != 7", "ba"),
])
def test_runs_are_searched(client, experiment, three, filter, found):
    if found is None:
        with pytest.raises(MlflowException) as failure:
            client.search_runs([experiment], filter)
        assert code_of(failure) == "INVALID_PARAMETER_VALUE"
        return
    assert "".join(three[run.info.run_id] for run in client.search_runs([experiment], filter)) == found


@pytest.mark.parametrize("order, found", [
    (["metrics.m ASC"], "abc"),
    (["metrics.m DESC"], "bac"),
    (["metrics.x ASC"], "bac"),
    (["params.p DESC"], "cba"),
    (["tags.t"], "abc"),
    (["attributes.start_time ASC"], "abc"),
    (["run_name DESC"], "cba"),
    (["status ASC", "metrics.m DESC"], "bac"),
])
def test_found_runs_are_ordered(client, experiment, three, order, found):
    runs = client.search_runs([experiment], order_by=order)
    assert "".join(three[run.info.run_id] for run in runs) == found


def test_found_runs_come_in_pages(client, experiment, three):
    first = client.search_runs([experiment], max_results=2)
    assert "".join(three[run.info.run_id] for run in first) == "cb"
    rest = client.search_runs([experiment], max_results=2, page_token=first.token)
    assert "".join(three[run.info.run_id] for run in rest) == "a" and not rest.token


@pytest.mark.parametrize("order", [[], ["metrics.m DESC"], ["params.p"], ["tags.none", "attributes.end_time"]])
def test_pages_join_however_many_runs_come_meanwhile(client, experiment, three, order):
    found, token = [], None
    while True:
        page = client.search_runs([experiment], order_by=order, max_results=1, page_token=token)
        found += [three[run.info.run_id] for run in page if run.info.run_id in three]
        if not (token := page.token):
            break
        newer = client.create_run(experiment, start_time=2**41).info.run_id  # would be the first
        client.log_metric(newer, "m", 1e9)
        client.log_param(newer, "p", "")
    assert sorted(found) == ["a", "b", "c"]


def test_runs_are_searched_by_what_is_kept_of_a_whole_series(client, experiment):
    runs = {}
    for run, losses in {"deep": [3, 0.1, 2], "flat": [1, 1, 1], "lost": [math.nan]}.items():
        runs[client.create_run(experiment, run_name=run).info.run_id] = run
        for step, loss in enumerate(losses):
            client.log_metric(list(runs)[-1], "loss", loss, step=step)
    client.log_metric(list(runs)[1], "loss.min", 50)

    def found(filter="", order=(), **more):
        return [runs[run.info.run_id] for run in
                client.search_runs([experiment], filter, order_by=list(order), **more)]

    assert found("metrics.loss.min < 0.5") == ["deep"]
    assert found("metrics.loss.max >= 3 and metrics.loss.count = 3") == ["deep"]
    assert found("metrics.loss.last_step = 0") == ["lost"]
    assert found("metrics.loss.min = 50") == found("metrics.`loss.min` > 0") == ["flat"]
    assert found(order=["metrics.loss.min DESC"]) == ["flat", "deep", "lost"]
    pages = client.search_runs([experiment], order_by=["metrics.loss.max ASC"], max_results=1)
    assert [runs[r.info.run_id] for r in pages] == ["flat"]
    rest = client.search_runs([experiment], order_by=["metrics.loss.max ASC"], page_token=pages.token)
    assert [runs[r.info.run_id] for r in rest] == ["deep", "lost"]


def test_a_page_token_is_of_one_search(client, experiment, three):
    token = client.search_runs([experiment], order_by=["metrics.m"], max_results=1).token
    for filter, order in (("metrics.m > 0", ["metrics.m"]), ("", ["metrics.m DESC"]), ("", [])):
        with pytest.raises(MlflowException) as failure:
            client.search_runs([experiment], filter, order_by=order, max_results=1, page_token=token)
        assert code_of(failure) == "INVALID_PARAMETER_VALUE"
    assert len(client.search_runs([experiment], order_by=["metrics.m"], max_results=1, page_token=token)) == 1


def test_found_runs_are_as_those_that_are_got(client, experiment, three):
    for found in client.search_runs([experiment], "metrics.m > 0"):
        got = client.get_run(found.info.run_id)
        assert found.info.__dict__ == got.info.__dict__
        assert found.data.to_dictionary() == got.data.to_dictionary()


def test_a_table_of_runs(experiment, three):
    table = mlflow.search_runs([experiment], order_by=["attributes.start_time ASC"])
    assert list(table["tags.mlflow.runName"]) == ["a", "b", "c"]
    assert list(table["params.p"]) == ["A", "B", "C"]
    assert list(table["metrics.m"])[:2] == [1, 2] and math.isnan(table["metrics.m"][2])


# --- the link with what started it ---------------------------------------------------------------------------------

def test_a_run_inside_a_stage_carries_its_attempt(client, ours, experiment):
    """The stock client adds what MLFLOW_RUN_CONTEXT holds to the runs that it makes."""
    script = "import mlflow\nwith mlflow.start_run() as run: mlflow.log_metric('m', 1)\nprint(run.info.run_id)"
    attempt = "01890000-0000-7000-8000-000000000001"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "MLFLOW_TRACKING_URI": ours.url, "MLFLOW_EXPERIMENT_ID": experiment,
             "MLFLOW_RUN_CONTEXT": f'{{"slipway.attempt": "{attempt}"}}', "MLFLOW_DISABLE_TELEMETRY": "true"})
    run = done.stdout.split()[-1]
    assert client.get_run(run).data.tags["slipway.attempt"] == attempt
    chain = ours.ask("GET", "/api/slipway/v1/explain", subject=f"run:{run}", direction="causes")
    # A tag alone is no proof, and this one names nothing that runs.
    assert [node["kind"] for node in chain["nodes"]] == ["run"]


# --- the server itself ---------------------------------------------------------------------------------------------

def test_the_server_says_what_it_is(ours):
    assert ours.call("GET", "/health") == (200, "OK")
    assert ours.call("GET", "/version") == (200, "3.17.2")
    info = ours.ask("GET", "/api/3.0/mlflow/server-info")
    assert info["store_type"] == "SqlStore" and info["workspaces_enabled"] is False


def test_both_prefixes_answer_alike(ours, experiment):
    query = {"experiment_id": experiment}
    assert (ours.ask("GET", "/api/2.0/mlflow/experiments/get", **query)
            == ours.ask("GET", "/ajax-api/2.0/mlflow/experiments/get", **query))


def test_what_is_not_there_is_missing(ours):
    for path in ("nothing", "/api/3.0/mlflow/nothing/at/all", "/ajax-api/2.0/mlflow/tracesx"):
        status, answer = ours.call("GET", path)
        assert (status, answer["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert ours.call("GET", "runs/create")[0] == 405


@pytest.mark.parametrize("method, path", [
    ("GET", "traces/tr-1/info"), ("POST", "/api/3.0/mlflow/datasets/create"), ("POST", "/ajax-api/3.0/mlflow/scorers/register"),
    ("GET", "/api/3.0/mlflow/workspaces"), ("GET", "/ajax-api/3.0/mlflow/gateway/secrets/list")])
def test_what_mlflow_has_and_this_server_not_yet_says_so(ours, method, path):
    status, answer = ours.call(method, path, {} if method == "POST" else None)
    assert (status, answer["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert path.rsplit("/", 1)[-1] in answer["message"]


def test_the_page_finds_no_gateway(ours):
    assert ours.ask("GET", "/ajax-api/2.0/mlflow/gateway-proxy", gateway_path="api/2.0/endpoints/") == {"endpoints": []}
