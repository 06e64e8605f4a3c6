"""Models by the real client: logged, registered, loaded back by every name they have, and served."""
import json
import time
import urllib.request

import mlflow
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

MAJOR = int(mlflow.__version__.split(".")[0])
COLUMNS = ["temp", "wind", "hour"]
rng = np.random.default_rng(7)
data = pd.DataFrame(rng.normal(size=(200, 3)).astype(np.float32), columns=COLUMNS)
target = (data["temp"] * 2 + np.sin(data["hour"])).to_numpy()
rows = data.iloc[:5]


def train(rounds):
    return xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(data, label=target), num_boost_round=rounds)


@pytest.fixture(scope="module")
def booster():
    return train(5)


def predict(booster):
    return booster.predict(xgb.DMatrix(rows))


def log(model, flavour=mlflow.xgboost, **more):
    """One line of a training script, in the words of the client's version."""
    where = {"name": "model"} if MAJOR >= 3 else {"artifact_path": "model"}
    return flavour.log_model(model, **where, signature=infer_signature(data, target), pip_requirements=[], **more)


@pytest.fixture
def logged(booster, experiment, name):
    with mlflow.start_run() as run:
        info = log(booster, registered_model_name=name)
    return run, info


def post(url, body, kind="application/json"):
    request = urllib.request.Request(url, body if isinstance(body, bytes) else json.dumps(body).encode(),
                                     {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


# --- log_model and back --------------------------------------------------------------------------------------------

def test_log_model_registers_a_version(client, logged, name):
    run, info = logged
    version = client.get_model_version(name, "1")
    assert (version.run_id, version.status, version.current_stage) == (run.info.run_id, "READY", "None")
    assert [str(v.version) for v in client.search_model_versions(f"name = '{name}'")] == ["1"]
    assert [str(v.version) for v in client.search_model_versions(f"run_id = '{run.info.run_id}'")] == ["1"]
    assert client.get_registered_model(name).latest_versions[0].version in ("1", 1)
    where = client.get_model_version_download_uri(name, "1")
    if MAJOR >= 3:
        assert version.source == f"models:/{info.model_id}"
        assert where == f"{mlflow.get_experiment(run.info.experiment_id).artifact_location}/models/{info.model_id}/artifacts"
    else:
        assert version.source == where == f"{run.info.artifact_uri}/model"


@pytest.mark.parametrize("by", ["number", "alias", "latest", "run", "uri"])
def test_a_model_is_loaded_by_each_of_its_names(client, booster, logged, name, by):
    run, info = logged
    client.set_registered_model_alias(name, "champion", "1")
    uri = {"number": f"models:/{name}/1", "alias": f"models:/{name}@champion", "latest": f"models:/{name}/latest",
           "run": f"runs:/{run.info.run_id}/model", "uri": info.model_uri}[by]
    np.testing.assert_array_equal(mlflow.xgboost.load_model(uri).predict(xgb.DMatrix(rows)), predict(booster))
    np.testing.assert_array_equal(mlflow.pyfunc.load_model(uri).predict(rows), predict(booster))


@pytest.mark.filterwarnings("ignore:.*stages.*")
def test_a_model_is_loaded_by_its_stage(client, booster, logged, name):
    client.transition_model_version_stage(name, "1", "Production")
    loaded = mlflow.xgboost.load_model(f"models:/{name}/Production")
    np.testing.assert_array_equal(loaded.predict(xgb.DMatrix(rows)), predict(booster))


def test_versions_of_two_runs_have_their_own_files(client, booster, logged, name):
    second = train(9)
    with mlflow.start_run():
        log(second, registered_model_name=name)
    client.set_registered_model_alias(name, "champion", "2")
    assert not np.array_equal(predict(booster), predict(second))
    for uri, wanted in ((f"models:/{name}/1", booster), (f"models:/{name}/2", second),
                        (f"models:/{name}@champion", second)):
        np.testing.assert_array_equal(mlflow.xgboost.load_model(uri).predict(xgb.DMatrix(rows)), predict(wanted))


def test_register_model_takes_a_run_uri(client, booster, experiment, name):
    with mlflow.start_run() as run:
        log(booster)
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", name)
    assert str(version.version) == "1" and version.run_id == run.info.run_id
    loaded = mlflow.xgboost.load_model(f"models:/{name}/1")
    np.testing.assert_array_equal(loaded.predict(xgb.DMatrix(rows)), predict(booster))


def test_a_version_is_copied_to_another_model(client, booster, logged, name):
    run, _ = logged
    copy = client.copy_model_version(f"models:/{name}/1", f"{name} copy")
    assert (str(copy.version), copy.run_id) == ("1", run.info.run_id)
    loaded = mlflow.xgboost.load_model(f"models:/{name} copy/1")
    np.testing.assert_array_equal(loaded.predict(xgb.DMatrix(rows)), predict(booster))


def test_the_model_s_own_record_is_complete(logged, name):
    run, info = logged
    model = mlflow.models.get_model_info(f"models:/{name}/1")
    assert model.run_id == run.info.run_id and "xgboost" in model.flavors
    assert model.signature.inputs.input_names() == COLUMNS


def test_autologging_registers_a_model(client, experiment, name):
    mlflow.xgboost.autolog(registered_model_name=name, log_datasets=False)
    try:
        with mlflow.start_run() as run:
            xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(data, label=target), num_boost_round=3,
                      evals=[(xgb.DMatrix(data, label=target), "train")], verbose_eval=False)
    finally:
        mlflow.xgboost.autolog(disable=True)
    logged = client.get_run(run.info.run_id).data
    assert logged.params["max_depth"] == "2" and logged.params["num_boost_round"] == "3"
    assert [p.step for p in client.get_metric_history(run.info.run_id, "train-rmse")][:3] == [0, 1, 2]
    assert client.get_model_version(name, "1").run_id == run.info.run_id
    assert len(mlflow.xgboost.load_model(f"models:/{name}/1").predict(xgb.DMatrix(rows))) == len(rows)


# --- logged models -------------------------------------------------------------------------------------------------

@pytest.mark.since(3)
def test_a_logged_model_is_tied_to_its_run(client, logged, experiment):
    run, info = logged
    model = mlflow.get_logged_model(info.model_id)
    assert (model.name, model.source_run_id, model.experiment_id) == ("model", run.info.run_id, experiment)
    assert model.status.value == "READY" and model.creation_timestamp <= model.last_updated_timestamp
    assert [out.model_id for out in client.get_run(run.info.run_id).outputs.model_outputs] == [info.model_id]
    # The server lists the version by number, and this client once more by text.
    made_of = json.loads(model.tags["mlflow.modelVersions"])
    assert {str(m["version"]) for m in made_of} == {"1"}


@pytest.mark.since(3)
def test_logged_models_have_params_tags_and_metrics(client, booster, experiment):
    with mlflow.start_run():
        info = log(booster, params={"depth": "3"}, tags={"team": "blue"})
        mlflow.log_metric("rmse", 0.5, step=1, model_id=info.model_id)
        mlflow.log_metrics({"rmse": 0.25, "mae": 0.125}, step=2, model_id=info.model_id)
    client.set_logged_model_tags(info.model_id, {"k": "v", "gone": "x"})
    client.delete_logged_model_tag(info.model_id, "gone")
    client.log_model_params(info.model_id, {"late": "yes"})
    model = client.get_logged_model(info.model_id)
    assert model.params == {"depth": "3", "late": "yes"}
    assert model.tags["team"] == "blue" and model.tags["k"] == "v" and "gone" not in model.tags
    assert sorted((m.key, m.step, m.value) for m in model.metrics) == [
        ("mae", 2, 0.125), ("rmse", 1, 0.5), ("rmse", 2, 0.25)]


@pytest.mark.since(3)
def test_logged_models_are_searched(client, booster, experiment):
    ids = []
    for i, rmse in enumerate([0.3, 0.1, 0.2]):
        with mlflow.start_run():
            info = log(booster, params={"i": str(i)}, tags={"odd": str(i % 2 == 1)})
            mlflow.log_metric("rmse", rmse, model_id=info.model_id)
        ids.append(info.model_id)

    def found(**query):
        return [ids.index(m.model_id) for m in
                mlflow.search_logged_models([experiment], output_format="list", **query)]
    assert sorted(found()) == [0, 1, 2]
    assert found(order_by=[{"field_name": "metrics.rmse", "ascending": True}]) == [1, 2, 0]
    assert sorted(found(filter_string="metrics.rmse < 0.25")) == [1, 2]
    assert found(filter_string="params.i = '0'") == [0]
    assert found(filter_string="tags.odd = 'True' AND name = 'model'") == [1]
    assert len(found(max_results=2)) == 2
    page = client.search_logged_models([experiment], max_results=2)
    rest = client.search_logged_models([experiment], max_results=2, page_token=page.token)
    assert sorted(ids.index(m.model_id) for m in [*page, *rest]) == [0, 1, 2] and not rest.token


@pytest.mark.since(3)
def test_a_logged_models_metric_that_is_no_number_is_another_than_any_number(client, experiment):
    for name, value in {"one": 1.0, "nan": float("nan"), "five": 5.0, "none": None}.items():
        model = mlflow.initialize_logged_model(name)
        if value is not None:
            with mlflow.start_run():
                mlflow.log_metric("q", value, model_id=model.model_id)

    def found(condition):
        return sorted(m.name for m in client.search_logged_models([experiment], filter_string=condition))
    assert found("metrics.q != 5") == ["nan", "one"]
    assert found("metrics.q < 7") == ["five", "one"]
    assert found("metrics.q != 5 AND metrics.q >= 1") == ["one"]


@pytest.mark.since(3)
@pytest.mark.parametrize("field, ascending", [("name", True), ("name", False), ("metrics.acc", True),
                                              ("metrics.acc", False), ("source_run_id", True)])
def test_found_logged_models_come_in_pages_in_any_order(client, experiment, field, ascending):
    values = {"c": 0.5, "a": None, "d": None, "b": 0.25, "e": 0.75}
    for name, value in values.items():
        model = mlflow.initialize_logged_model(name)
        if value is not None:
            with mlflow.start_run():
                mlflow.log_metric("acc", value, model_id=model.model_id)
    order = [{"field_name": field, "ascending": ascending}]
    whole = client.search_logged_models([experiment], order_by=order)
    assert len(whole) == len(values) and not whole.token
    found, token = [], None
    while True:
        page = client.search_logged_models([experiment], max_results=2, order_by=order, page_token=token)
        found += page
        token = page.token
        if not token:
            break
        assert len(page) == 2
    assert [model.model_id for model in found] == [model.model_id for model in whole]
    names = [model.name for model in found]
    if field == "name":
        assert names == sorted(values, reverse=not ascending)
    if field == "metrics.acc":  # those without it come last, either way
        assert names[:3] == (["b", "c", "e"] if ascending else ["e", "c", "b"])


@pytest.mark.since(3)
def test_a_model_without_a_run_is_finalized_and_deleted(client, experiment):
    model = mlflow.initialize_logged_model("lonely", params={"a": "1"})
    assert client.get_logged_model(model.model_id).status.value == "PENDING"
    assert client.finalize_logged_model(model.model_id, "FAILED").status.value == "FAILED"
    client.delete_logged_model(model.model_id)
    with pytest.raises(MlflowException, match=f"Logged model with ID '{model.model_id}' not found") as failure:
        client.get_logged_model(model.model_id)
    assert failure.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException, match="Invalid model name"):
        mlflow.initialize_logged_model("a/b")


@pytest.mark.since(3)
def test_the_files_of_a_logged_model_are_listed(client, ours, logged):
    _, info = logged
    names = {f.path for f in client.list_logged_model_artifacts(info.model_id)}
    assert {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"} <= names
    status, text = ours.call("GET", f"/ajax-api/2.0/mlflow/logged-models/{info.model_id}/artifacts/files"
                                    "?artifact_file_path=MLmodel")
    assert status == 200 and f"model_id: {info.model_id}" in text


# --- served --------------------------------------------------------------------------------------------------------

def test_a_registered_model_answers_invocations(ours, booster, logged, name):
    wanted = [float(p) for p in predict(booster)]
    url = f"{ours.url}/deployments/{urllib.request.quote(name)}/invocations"
    split = {"dataframe_split": {"columns": COLUMNS, "data": rows.to_numpy().tolist()}}
    records = {"dataframe_records": [dict(zip(COLUMNS, r)) for r in rows.to_numpy().tolist()]}
    assert post(url, split)["predictions"] == pytest.approx(wanted, abs=0)
    assert post(url, records)["predictions"] == pytest.approx(wanted, abs=0)
    csv = rows.to_csv(index=False, float_format="%.9g").encode()
    assert post(url, csv, "text/csv")["predictions"] == pytest.approx(wanted, abs=0)


def test_a_registered_model_answers_v2(client, ours, booster, logged, name):
    def infer(path):
        answer = post(f"{ours.url}/v2/models/{urllib.request.quote(name)}{path}/infer", {
            "inputs": [{"name": "input-0", "datatype": "FP32", "shape": list(rows.shape),
                        "data": rows.to_numpy().ravel().tolist()}]})
        return np.float32(answer["outputs"][0]["data"]).tolist()

    def infer_after_change(wanted):
        # What serves follows the registry at once, but not within the call that changed it.
        deadline = time.monotonic() + 30
        while infer("") != wanted and time.monotonic() < deadline:
            pass
        assert infer("") == wanted
    first = predict(booster).tolist()
    assert infer("/versions/1") == first
    assert infer("") == first
    booster_2 = train(9)
    second = predict(booster_2).tolist()
    with mlflow.start_run():
        log(booster_2, registered_model_name=name)
    infer_after_change(second)
    assert infer("/versions/2") == second
    client.set_registered_model_alias(name, "champion", "1")
    infer_after_change(first)


def test_a_deleted_version_is_served_no_more(client, ours, logged, name):
    url = f"/v2/models/{urllib.request.quote(name)}/versions/1"
    assert ours.call("GET", f"{url}/ready")[0] == 200
    client.delete_model_version(name, "1")
    deadline = time.monotonic() + 30
    while ours.call("GET", f"{url}/ready")[0] == 200 and time.monotonic() < deadline:
        pass
    assert ours.call("GET", f"{url}/ready")[0] == 400
    status, answer = ours.call("GET", url)
    assert status == 404 and "unknown model" in answer["error"]


def test_a_flavour_without_an_engine_is_registered_and_says_so(client, ours, experiment, name):
    from sklearn.linear_model import LinearRegression
    model = LinearRegression().fit(data, target)
    with mlflow.start_run():
        log(model, mlflow.sklearn, registered_model_name=name)
    assert client.get_model_version(name, "1").status == "READY"
    np.testing.assert_allclose(mlflow.pyfunc.load_model(f"models:/{name}/1").predict(rows), model.predict(rows))
    path = urllib.request.quote(name)
    assert ours.call("GET", f"/v2/models/{path}/versions/1/ready")[0] == 400
    for method, target_path, body in (
            ("POST", f"/v2/models/{path}/infer", {
                "inputs": [{"name": "input-0", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}),
            ("POST", f"/deployments/{path}/invocations", {"inputs": [[1, 2, 3]]})):
        status, answer = ours.call(method, target_path, body)
        assert status >= 400
        assert "not servable yet: flavour sklearn" in json.dumps(answer)
