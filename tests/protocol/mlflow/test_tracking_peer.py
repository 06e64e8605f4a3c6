"""The same calls to the real server and to ours, in one order; every answer, refusals included, must be equal. Where
ours differs on purpose, the step says what ours answers and why."""
import json
import re

import pytest
from conftest import Peer, own_store
from peer import Comparable, RealServer
from server import Server

pytestmark = pytest.mark.since(3)


class Pair:
    """The real server and ours; remembers what a call made, for each of them."""

    def __init__(self, theirs, ours):
        self.peers = [theirs, ours]
        self.made = [{}, {}]

    def fill(self, value, made):
        """"{run}" becomes the id of the run that was made under that name."""
        if isinstance(value, str):
            for name, id in made.items():
                value = value.replace("{" + name + "}", id)
            return value
        if isinstance(value, list):
            return [self.fill(item, made) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item, made) for key, item in value.items()}
        return value

    def call(self, method, path, body=None, make=None, **query):
        answers = []
        for peer, made in zip(self.peers, self.made):
            status, answer = peer.call(method, self.fill(path, made), self.fill(body, made), **self.fill(query, made))
            if make and status == 200:
                name, *keys = make
                id = answer
                for key in keys:
                    id = id[key]
                made[name] = id
            answers.append(Comparable(made).answer(status, answer))
        return answers

    def agree(self, method, path, body=None, make=None, **more):
        theirs, ours = self.call(method, path, body, make, **more)
        assert ours == theirs, f"{method} {path} {str(body)[:300]} {more}"

    def differ(self, why, expected, method, path, body=None, **query):
        """The real server does one thing, ours another, and that is meant."""
        theirs, ours = self.call(method, path, body, **query)
        status_and_code, words = expected[:2], expected[2:]
        assert ours[:len(status_and_code)] == status_and_code, why
        assert all(word in ours[2] for word in words), why
        assert ours != theirs, f"no longer true: {why}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    ours = Server(folder / "state", arguments=own_store())
    ours.start()
    theirs = RealServer(folder / "mlflow")
    yield Pair(Peer(f"http://{theirs.address}"), Peer(f"http://{ours.address}"))
    theirs.stop()
    assert ours.stop() == 0


def post(pair, path, body=None, **more):
    pair.agree("POST", path, body, **more)


def get(pair, path, **query):
    pair.agree("GET", path, **query)


@pytest.fixture
def made(pair, request):
    """A fresh experiment {e} and a run {r} in it."""
    post(pair, "experiments/create", {"name": request.node.name}, make=("e", "experiment_id"))
    post(pair, "runs/create", {"experiment_id": "{e}", "start_time": 5, "user_id": "ann", "run_name": "one",
                               "tags": [{"key": "z", "value": "1"}, {"key": "a", "value": ""}]},
         make=("r", "run", "info", "run_id"))


INVALID = (400, "INVALID_PARAMETER_VALUE")


def test_experiments(pair):
    get(pair, "experiments/get", experiment_id="0")
    post(pair, "experiments/create", {"name": "first", "tags": [{"key": "b", "value": "1"}, {"key": "c"}]},
         make=("e", "experiment_id"))
    get(pair, "experiments/get", experiment_id="{e}")
    get(pair, "experiments/get-by-name", experiment_name="first")
    get(pair, "experiments/get-by-name", experiment_name="none")
    get(pair, "experiments/get-by-name")
    get(pair, "experiments/get", experiment_id="12345")
    get(pair, "experiments/get", experiment_id="x")
    get(pair, "experiments/get")
    post(pair, "experiments/create", {})
    for name in ("", None, 5, "n" * 501, ["a"]):
        post(pair, "experiments/create", {"name": name})
    post(pair, "experiments/create", {"name": "é" * 500})
    post(pair, "experiments/update", {"experiment_id": "{e}", "new_name": "renamed"})
    get(pair, "experiments/get", experiment_id="{e}")
    post(pair, "experiments/update", {"experiment_id": "{e}"})
    post(pair, "experiments/update", {"experiment_id": "12345", "new_name": "x"})
    post(pair, "experiments/set-experiment-tag", {"experiment_id": "{e}", "key": "k", "value": "v"})
    post(pair, "experiments/set-experiment-tag", {"experiment_id": "{e}", "key": "empty"})
    for tag in ({"key": "k", "value": 5}, {"key": "k" * 251, "value": "v"}, {"key": "k", "value": "v" * 20001},
                {"key": "a!", "value": "v"}, {"key": "a/../b", "value": "v"}, {"key": "", "value": "v"}, {"value": "v"},
                {"key": "é漢 a-b.c:d/e_f", "value": "v"}):
        post(pair, "experiments/set-experiment-tag", {"experiment_id": "{e}", **tag})
    post(pair, "experiments/delete-experiment-tag", {"experiment_id": "{e}", "key": "k"})
    post(pair, "experiments/delete-experiment-tag", {"experiment_id": "{e}", "key": "k"})
    get(pair, "experiments/get", experiment_id="{e}")
    post(pair, "experiments/restore", {"experiment_id": "{e}"})
    post(pair, "experiments/delete", {"experiment_id": "{e}"})
    post(pair, "experiments/delete", {"experiment_id": "{e}"})
    post(pair, "experiments/update", {"experiment_id": "{e}", "new_name": "again"})
    post(pair, "experiments/set-experiment-tag", {"experiment_id": "{e}", "key": "k", "value": "v"})
    post(pair, "experiments/delete-experiment-tag", {"experiment_id": "{e}", "key": "k"})
    post(pair, "runs/create", {"experiment_id": "{e}"})
    post(pair, "experiments/restore", {"experiment_id": "{e}"})
    get(pair, "experiments/get", experiment_id="{e}")


def test_artifact_locations(pair):
    for n, location in enumerate(("s3://b/p", "s3://b/p/", "s3://b/p?q=1", "s3://b/x;p", "file:///srv/x", "/srv/x", "dbfs:/x",
                                  "mlflow-artifacts:/x")):
        post(pair, "experiments/create", {"name": f"at {location}", "artifact_location": location},
             make=("at", "experiment_id"))
        get(pair, "experiments/get", experiment_id="{at}")
        post(pair, "runs/create", {"experiment_id": "{at}", "run_name": "x"})
    for location in ("runs:/x", "s3://b/x#frag", "/srv/x;p", "http://x/y;p", "ftp://x/y;p", "sip:a;p", "s3://b/x?a=../..", "s3://b/x?a=%2e%2e/",
                     "s3://b/x?a=%252e%252e"):
        post(pair, "experiments/create", {"name": f"at {location}", "artifact_location": location})
    for scheme in ("http", "https", "ftp", "hdfs", "abfss", "mlflow-artifacts"):
        pair.differ("no variable of MLflow's is named, for it has none here", (*INVALID, f"'{scheme}' scheme"), "POST",
                    "experiments/create", {"name": scheme, "artifact_location": f"{scheme}://h/x"})


def test_runs(pair, made):
    get(pair, "runs/get", run_id="{r}")
    get(pair, "runs/get", run_uuid="{r}")
    get(pair, "runs/get")
    get(pair, "runs/get", run_id="none")
    post(pair, "runs/create", {"experiment_id": "{e}", "tags": [{"key": "mlflow.runName", "value": "tagged"}]})
    for experiment in ("{e}", "99999"):
        post(pair, "runs/create", {"experiment_id": experiment, "run_name": "a",
                                   "tags": [{"key": "mlflow.runName", "value": "b"}]})
    post(pair, "runs/create", {"experiment_id": "{e}", "run_name": "a", "start_time": "12"})
    post(pair, "runs/create", {"experiment_id": "99999"})
    post(pair, "runs/create", {"experiment_id": "abc"})
    post(pair, "runs/update", {"run_id": "{r}", "status": "FINISHED", "end_time": 9})
    post(pair, "runs/update", {"run_id": "{r}", "status": 4})
    post(pair, "runs/update", {"run_id": "{r}", "run_name": "two"})
    post(pair, "runs/update", {"run_id": "{r}", "run_name": ""})
    post(pair, "runs/update", {"run_id": "{r}", "end_time": 0})
    get(pair, "runs/get", run_id="{r}")
    post(pair, "runs/update", {"run_uuid": "{r}", "status": "KILLED", "end_time": "10"})
    get(pair, "runs/get", run_id="{r}")
    post(pair, "runs/update", {"status": "FINISHED"})
    post(pair, "runs/update", {"run_id": "none", "status": "FINISHED"})
    post(pair, "runs/update", {"run_id": "{r}", "end_time": "x"})
    post(pair, "runs/delete", {"run_id": "{r}"})
    post(pair, "runs/delete", {"run_id": "{r}"})
    get(pair, "runs/get", run_id="{r}")
    for path, body in (("runs/update", {"status": "RUNNING"}), ("runs/log-metric", {"key": "k", "value": 1, "timestamp": 1}),
                       ("runs/log-parameter", {"key": "k", "value": "1"}), ("runs/set-tag", {"key": "k", "value": "1"}),
                       ("runs/delete-tag", {"key": "z"}), ("runs/log-batch", {}), ("runs/log-inputs", {}),
                       ("runs/outputs", {"models": [{"model_id": "m"}]})):
        post(pair, path, {"run_id": "{r}", **body})
        post(pair, path, {"run_id": "none", **body})
        post(pair, path, body)
    post(pair, "runs/restore", {"run_id": "{r}"})
    get(pair, "runs/get", run_id="{r}")
    post(pair, "runs/delete", {"run_id": "none"})
    post(pair, "runs/restore", {})
    pair.differ("absent means the default experiment", (200,), "POST", "runs/create", {"run_name": "x"})
    pair.differ("a status that is none is refused, not passed over", (*INVALID, "'status'"), "POST", "runs/update",
                {"run_id": "{r}", "status": "BOGUS"})


def test_params_and_tags(pair, made):
    for body in ({"key": "p", "value": "1"}, {"key": "p", "value": "1"}, {"key": "p", "value": "2"}, {"key": "none"},
                 {"key": "p2", "value": ""}, {"key": "n", "value": 5}, {"value": "1"}, {"key": "", "value": "1"},
                 {"key": "a!", "value": "1"}, {"key": "/a", "value": "1"}, {"key": "a/", "value": "1"},
                 {"key": ".", "value": "1"}, {"key": "../a", "value": "1"}, {"key": "k" * 251, "value": "1"},
                 {"key": "long", "value": "é" * 6001}, {"key": "漢字 é-_.:/x", "value": "1"}):
        post(pair, "runs/log-parameter", {"run_id": "{r}", **body})
        post(pair, "runs/set-tag", {"run_id": "{r}", **body})
    post(pair, "runs/set-tag", {"run_uuid": "{r}", "key": "by uuid", "value": "1"})
    post(pair, "runs/set-tag", {"run_id": "{r}", "key": "long tag", "value": "é" * 8001})
    post(pair, "runs/set-tag", {"run_id": "{r}", "key": "mlflow.runName", "value": "renamed"})
    get(pair, "runs/get", run_id="{r}")
    post(pair, "runs/set-tag", {"run_id": "{r}", "key": "mlflow.runName", "value": ""})
    post(pair, "runs/delete-tag", {"run_id": "{r}", "key": "z"})
    post(pair, "runs/delete-tag", {"run_id": "{r}", "key": "z"})
    post(pair, "runs/delete-tag", {"run_id": "{r}"})
    get(pair, "runs/get", run_id="{r}")


def test_tags_of_a_new_run_are_kept_whole(pair, made):
    long = "é" * 9000
    post(pair, "runs/create", {"experiment_id": "{e}", "run_name": long, "tags": [
        {"key": "mlflow.note.content", "value": long}, {"key": "k" * 300, "value": "1"}, {"key": "a!", "value": "1"}]},
         make=("long", "run", "info", "run_id"))
    get(pair, "runs/get", run_id="{long}")
    post(pair, "runs/update", {"run_id": "{long}", "run_name": long + "2"})
    get(pair, "runs/get", run_id="{long}")
    for call, body in (("set-tag", {"key": "mlflow.runName", "value": long}), ("set-tag", {"key": "t", "value": long}),
                       ("log-batch", {"tags": [{"key": "b", "value": long}]}),
                       ("log-model", {"model_json": json.dumps({"run_id": "r", "artifact_path": long, "flavors": {},
                                                                "utc_time_created": "x", "model_uuid": "u"})})):
        post(pair, f"runs/{call}", {"run_id": "{long}", **body})
    get(pair, "runs/get", run_id="{long}")


def test_metrics(pair, made):
    for body in ({"key": "m", "value": 1, "timestamp": 1}, {"key": "m", "value": 1.0, "timestamp": 1, "step": 0},
                 {"key": "m", "value": "2.5", "timestamp": "2", "step": "3"}, {"key": "n", "value": "NaN", "timestamp": 1},
                 {"key": "i", "value": "Infinity", "timestamp": 1}, {"key": "i", "value": "-Infinity", "timestamp": 0},
                 {"key": "s", "value": 1, "timestamp": 5, "step": -3}, {"key": "s", "value": 2, "timestamp": 4, "step": -3},
                 {"key": "s", "value": 0, "timestamp": 5, "step": -3},
                 {"key": "x", "value": "x", "timestamp": 1}, {"key": "x", "value": 1}, {"key": "x", "timestamp": 1},
                 {"value": 1, "timestamp": 1}, {"key": "x", "value": 1, "timestamp": -1},
                 {"key": "x", "value": 1, "timestamp": "t"}, {"key": "x", "value": 1, "timestamp": 1, "step": "s"},
                 {"key": "a!", "value": 1, "timestamp": 1}, {"key": "a//b", "value": 1, "timestamp": 1},
                 {"key": "k" * 251, "value": 1, "timestamp": 1}, {"key": "a/b c", "value": 1e-7, "timestamp": 1}):
        post(pair, "runs/log-metric", {"run_id": "{r}", **body})
    get(pair, "runs/get", run_id="{r}")
    for key in ("m", "n", "i", "s", "none"):
        get(pair, "metrics/get-history", run_id="{r}", metric_key=key, max_results=25000)
    get(pair, "metrics/get-history", run_id="{r}", metric_key="m")
    get(pair, "metrics/get-history", run_id="none", metric_key="m")
    get(pair, "metrics/get-history", run_id="{r}")
    get(pair, "metrics/get-history", metric_key="m")
    get(pair, "metrics/get-history", run_id="{r}", metric_key="m", max_results=0)
    get(pair, "metrics/get-history", run_id="{r}", metric_key="m", page_token="zzz")
    pair.differ("a flag is no number", (*INVALID, "'bool'"), "POST", "runs/log-metric",
                {"run_id": "{r}", "key": "flag", "value": True, "timestamp": 1})


def test_batches(pair, made):
    metrics = [{"key": "m", "value": i % 3, "timestamp": i // 2, "step": i // 4} for i in range(40)]
    post(pair, "runs/log-batch", {
        "run_id": "{r}", "metrics": [*metrics, *metrics, {"key": "n", "value": "NaN", "timestamp": 0}],
        "params": [{"key": "p", "value": "1"}, {"key": "empty"}], "tags": [{"key": "t", "value": "1"}, {"key": "u"}]})
    get(pair, "runs/get", run_id="{r}")
    get(pair, "metrics/get-history", run_id="{r}", metric_key="m", max_results=1000)
    point = {"key": "m", "value": 1, "timestamp": 1}
    for body in ({"metrics": "x"}, {"params": {}}, {"tags": 5}, {"metrics": [{}]}, {"metrics": [{"key": "m"}]},
                 {"metrics": [{"key": "m", "value": 1}]}, {"metrics": [{**point, "timestamp": -1}]},
                 {"metrics": [point, {**point, "key": "a!"}]}, {"params": [{"value": "1"}]}, {"tags": [{"value": "1"}]},
                 {"params": [{"key": "a!", "value": "1"}]}, {"tags": [{"key": "a//b", "value": "1"}]},
                 {"params": [{"key": "k" * 251, "value": "1"}]}, {"tags": [{"key": "k" * 251, "value": "1"}]},
                 {"metrics": [{**point, "key": "k" * 251}]},
                 {"params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}]},
                 {"params": [{"key": "p", "value": "2"}, {"key": "new", "value": "1"}]},
                 {"metrics": [point] * 1001}, {"params": [{"key": f"p{i}", "value": ""} for i in range(101)]},
                 {"tags": [{"key": f"t{i}", "value": ""} for i in range(101)]},
                 {"metrics": [point] * 950, "params": [{"key": f"p{i}", "value": ""} for i in range(51)]},
                 {"params": [{"key": "fresh", "value": "é" * 6001}]}, {"tags": [{"key": "fresh", "value": "é" * 8001}]},
                 {"tags": [{"key": "mlflow.runName", "value": "by batch"}]}):
        post(pair, "runs/log-batch", {"run_id": "{r}", **body})
    post(pair, "runs/log-batch", {"run_id": "../r"})
    post(pair, "runs/log-batch", {"run_id": ""})
    get(pair, "runs/get", run_id="{r}")


def test_inputs_and_outputs(pair, made):
    bikes = {"name": "bikes", "digest": "d1", "source_type": "local", "source": "/x"}
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [
        {"tags": [{"key": "mlflow.data.context", "value": "train"}], "dataset": bikes},
        {"tags": [{"key": "mlflow.data.context", "value": "again"}], "dataset": bikes},
        {"dataset": {**bikes, "name": "cars", "schema": "s", "profile": "p"}}], "models": [{"model_id": "m-1"}]})
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [
        {"tags": [{"key": "mlflow.data.context", "value": "later"}], "dataset": {**bikes, "source": "/y"}}]})
    post(pair, "runs/outputs", {"run_id": "{r}", "models": [{"model_id": "m-2", "step": 4}, {"model_id": "m-3"}]})
    get(pair, "runs/get", run_id="{r}")
    post(pair, "runs/search", {"experiment_ids": ["{e}"]})
    post(pair, "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["{e}"]})
    post(pair, "/ajax-api/2.0/mlflow/experiments/search-datasets", {})
    post(pair, "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [str(i) for i in range(21)]})
    for dataset in ({**bikes, "name": "n" * 501}, {**bikes, "digest": "d" * 37}, {**bikes, "source": "s" * 65536},
                    {**bikes, "schema": "s" * 1048576}):
        post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [{"dataset": dataset}]})
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [
        {"dataset": bikes, "tags": [{"key": "k" * 256, "value": ""}]}]})
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": [
        {"dataset": bikes, "tags": [{"key": "k", "value": "v" * 501}]}]})
    post(pair, "runs/log-inputs", {"run_id": "{r}", "datasets": "x"})
    post(pair, "runs/log-inputs", {"run_id": "../r"})
    post(pair, "runs/outputs", {"run_id": "{r}"})
    post(pair, "runs/outputs", {"run_id": "{r}", "models": []})
    post(pair, "runs/outputs", {"run_id": "{r}", "models": "m"})
    post(pair, "runs/outputs", {"run_id": "no such run", "models": [{"model_id": "m-2"}]})
    get(pair, "runs/get", run_id="{r}")
    pair.differ("a dataset without a name is none", (*INVALID, "datasets[0].dataset.name"), "POST", "runs/log-inputs",
                {"run_id": "{r}", "datasets": [{}]})
    for model in ({"step": 1}, {}, {"model_id": ""}, {"model_id": None}):
        pair.differ("a model without an id is none", (*INVALID, "models[0].model_id"), "POST", "runs/outputs",
                    {"run_id": "{r}", "models": [model]})


def test_the_record_of_models_of_older_clients(pair, made):
    model = {"run_id": "{r}", "artifact_path": "model", "utc_time_created": "2026-01-01 00:00:00.000000",
             "model_uuid": "u", "flavors": {"python_function": {"loader_module": "x", "config": {}}}, "more": 1}
    for body in (model, {**model, "artifact_path": "other"}, {}, []):
        for dumped in (json.dumps(body), json.dumps(body)[:-1]):
            if body == []:
                continue
            post(pair, "runs/log-model", {"run_id": "{r}", "model_json": dumped})
    post(pair, "runs/log-model", {"run_id": "{r}"})
    get(pair, "runs/get", run_id="{r}")


def test_charts(pair, made):
    post(pair, "runs/create", {"experiment_id": "{e}", "run_name": "two"}, make=("r2", "run", "info", "run_id"))
    for run in ("{r}", "{r2}"):
        for start in range(0, 3000, 1000):
            post(pair, "runs/log-batch", {"run_id": run, "metrics": [
                {"key": "m", "value": i / 7, "timestamp": i, "step": i // 2} for i in range(start, start + 1000)]})
    bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    get(pair, bulk, run_id="{r}", metric_key="m", max_results=10)
    get(pair, bulk, run_id="{r}", metric_key="m")
    get(pair, bulk, run_id="none", metric_key="m")
    get(pair, bulk)
    get(pair, bulk, run_id="{r}")
    get(pair, bulk, run_id=[str(i) for i in range(101)], metric_key="m")
    interval = "metrics/get-history-bulk-interval"
    for query in ({}, {"max_results": 10}, {"max_results": 1}, {"max_results": 7, "start_step": 100, "end_step": 900},
                  {"start_step": 3, "end_step": 3}, {"start_step": 3}, {"start_step": 4, "end_step": 3},
                  {"max_results": 0}, {"max_results": 2501}):
        get(pair, interval, run_ids=["{r}", "{r2}"], metric_key="m", **query)
    get(pair, interval, run_ids="none", metric_key="m")
    get(pair, interval, metric_key="m")
    get(pair, interval, run_ids="{r}")
    get(pair, interval, run_ids=[str(i) for i in range(101)], metric_key="m")


def test_bodies(pair):
    for body in (b"null", b"{}", b""):
        post(pair, "experiments/create", body)
    post(pair, "experiments/create", json.dumps(json.dumps({"name": "twice"})).encode())
    pair.agree("POST", "experiments/create", b'{"name": "x"}', headers={"Content-Type": "text/plain"})
    pair.agree("POST", "experiments/create", b'{"name": "charset"}',
               headers={"Content-Type": "application/json; charset=utf-8"})
    post(pair, "experiments/create", {"name": "unknown fields", "more": {"deep": [1]}})
    pair.differ("a number is good as an id, as it was in older versions", (200,), "POST", "runs/create",
                {"experiment_id": 0, "run_name": "a number as id"})
    get(pair, "/health")
    get(pair, "/version")
    for method, path in (("GET", "nothing"), ("GET", "runs/create"), ("POST", "runs/get"), ("PUT", "runs/create")):
        theirs, ours = pair.call(method, path, {} if method != "GET" else None)
        assert ours[0] == theirs[0]
    pair.differ("what is not JSON is refused, not taken for nothing", (*INVALID, "JSON"), "POST", "experiments/create",
                b'{"name": ')


# --- searches ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def searched(pair):
    """Runs r0 to r5, which differ in everything that can be searched."""
    post(pair, "experiments/create", {"name": "searched"}, make=("s", "experiment_id"))
    for n in range(6):
        post(pair, "runs/create", {
            "experiment_id": "{s}", "start_time": 100 + n, "run_name": f"run {n}", "user_id": "ann" if n % 2 else "bob",
            "tags": [{"key": "t", "value": f"Tag{n % 3}"}, {"key": "odd name.x", "value": str(n)}]},
             make=(f"r{n}", "run", "info", "run_id"))
        metrics = [{"key": "m", "value": n / 2, "timestamp": 1}, {"key": "with space", "value": -n, "timestamp": 1}]
        if n == 5:
            metrics[0]["value"] = "NaN"
        if n < 4:
            metrics.append({"key": "some", "value": 1e10 * n, "timestamp": 1})
        post(pair, "runs/log-batch", {"run_id": f"{{r{n}}}", "metrics": metrics, "params": [
            {"key": "p", "value": ["a", "A", "ab", "b", "é", ""][n]}, {"key": "a.b", "value": str(n)}]})
        if n % 2:
            post(pair, "runs/log-inputs", {"run_id": f"{{r{n}}}", "datasets": [
                {"dataset": {"name": f"data{n}", "digest": "d", "source_type": "local", "source": "x"},
                 "tags": [{"key": "mlflow.data.context", "value": "train" if n < 3 else "test"}]}]})
    post(pair, "runs/update", {"run_id": "{r2}", "status": "FINISHED", "end_time": 500})
    post(pair, "runs/delete", {"run_id": "{r0}"})


FILTERS = """
metrics.m > 1
metric.m>=1
metrics.m = 0.5
metrics.m != 0.5
metrics.m < 1e0
metrics.m <= +1
metrics.m > -1
metrics.m > .5
metrics.m > 1.
metrics.m > '1'
metrics.m > abc
metrics.m LIKE 1
metrics.m IN (1)
metrics.`with space` < -2
metrics."with space" < -2
metrics.with space < -2
metrics.some > 0 AND metrics.m < 1.5
metrics.some > 0 and metrics.m < 1.5 AND params.p = 'A'
metrics.none > 0
params.p = 'a'
params.p = "a"
params.p = `a`
params.p = a
params.p = 1
params.p != 'a'
params.p LIKE 'a%'
params.p ilike 'a%'
params.p ILIKE '%'
params.p like '_'
params.p > 'a'
params.p IN ('a', 'b')
params.`a.b` = '3'
params.a.b = '3'
params."a.b" = '3'
parameter.p = 'a'
parameters.p = 'a'
param.p = 'a'
Params.p = 'a'
tags.t = 'Tag1'
tag.t = 'Tag1'
tags.t ILIKE 'tag%'
tags.t LIKE 'tag%'
tags.`odd name.x` = '4'
tags.t = 'Tag1' AND tags.t = 'Tag2'
tags.none = ''
tags.t IS NULL
tags.none IS NULL
tags.none IS NOT NULL
tags.t IS NOT NULL
params.none IS NULL
metrics.none IS NULL
attributes.status = 'FINISHED'
attribute.status != 'FINISHED'
attr.status = 'RUNNING'
run.status = 'RUNNING'
status = 'RUNNING'
status = 'running'
status IN ('RUNNING')
status > 'A'
run_name = 'run 3'
`run name` = 'run 3'
"Run Name" LIKE 'run%'
attributes.`Run name` ILIKE 'RUN%'
run_name IN ('run 1', 'run 2')
start_time > 100
start_time >= 101 AND start_time < 102
start_time = '101'
start_time = 101.5
created = 101
Created > 100
end_time > 0
end_time = 500
user_id = 'ann'
artifact_uri LIKE 'mlflow-artifacts:%'
run_id = 'x'
run_id IN ('x', 'y')
run_id NOT IN ('x')
run_id IN ()
run_id IN ('x',)
run_id IN (1)
run_id IN 'x'
run_id IN ('x' 'y')
lifecycle_stage = 'active'
attributes.experiment_id = '1'
foo = 'x'
foo.bar = 'x'
dataset.name = 'data1'
datasets.name LIKE 'data%'
dataset.digest = 'd' AND dataset.name = 'data3'
dataset.context = 'train'
dataset.context != 'train'
dataset.name IN ('data1', 'data5')
dataset.name NOT IN ('data1')
dataset.other = 'x'
dataset.name > 'x'
NOT params.p = 'a'
params.p = 'a';
params.p = 'a'; params.p = 'b'
params.p
params.p =
= 'a'
params.p == 'a'
params.p <> 'a'
params.p = 'a' AND
AND params.p = 'a'
params.p = 'a' params.p = 'b'
'a' = params.p
params.p = 'it''s'
params.p = "it's"
params.p = ''
metrics.m > 1 -- comment
.p = 'a'
params. = 'a'
params.`p = 'a'
params.p = 'a
1 = 1
params.p = 'A' tags.t = 'Tag0'
params.p = 'A' run_id IN ('x')
run_id IN ('x') params.p = 'A'
""".strip().split("\n")

# What ours answers otherwise.
FILTERS_OURS = {
    "run_id IN ('x' 'y')": "Python joins two texts, which nobody means here",
    "params.p = 'A' run_id IN ('x')": "the AND that is missing is named, not a value that is right",
}


def without_pieces(answer):
    """Which words of a filter a message names depends on how far its reader got; that it was refused does not."""
    if answer[0] != 400:
        return answer
    return (*answer[:2], re.sub(r"(Invalid clause\(s\) in filter string|got different type in list):.*", r"\1", answer[2],
                                flags=re.S))


@pytest.mark.parametrize("filter, found", [
    ("params.p = 'a' OR params.p = 'ab'", ["run 2"]), ("params.p = 'A' or params.p = 'ab'", ["run 1", "run 2"]),
    ("(params.p = 'A')", ["run 1"]), ("(params.p = 'A' OR metrics.m >= 1.5) AND tags.t != 'Tag0'", ["run 1", "run 4"]),
    ("params.p = 'A' OR metrics.m >= 1.5 AND tags.t = 'Tag0'", ["run 1", "run 3"])])
def test_alternatives_are_ours_alone(pair, searched, filter, found):
    body = {"experiment_ids": ["{s}"], "filter": filter, "order_by": ["attributes.start_time ASC"]}
    theirs, ours = pair.call("POST", "runs/search", body)
    assert theirs[0] == 400 and "Invalid clause(s)" in theirs[2]
    assert [run["info"]["run_name"] for run in ours[1].get("runs", [])] == found


@pytest.mark.parametrize("filter", FILTERS)
def test_run_filters(pair, searched, filter):
    body = {"experiment_ids": ["{s}"], "filter": filter, "order_by": ["attributes.start_time ASC"]}
    theirs, ours = map(without_pieces, pair.call("POST", "runs/search", body))
    if filter in FILTERS_OURS:
        assert ours[:2] == INVALID and ours != theirs, FILTERS_OURS[filter]
    else:
        assert ours == theirs


@pytest.mark.parametrize("order", [
    [], ["metrics.m"], ["metrics.m DESC"], ["metrics.some ASC"], ["metrics.some DESC"], ["params.p"], ["params.p desc"],
    ["tags.t ASC", "metrics.m DESC"], ["attributes.start_time"], ["start_time DESC"], ["start_time ASC", "run_name DESC"],
    ["end_time"], ["end_time DESC"], ["status"], ["run_name"], ["user_id", "metrics.`with space`"], ["created DESC"],
    ["foo"], ["metrics.m UP"],
    ["metrics.m DESC x"], [""], ["metrics.none"], ["params.none DESC"], ["dataset.name"], ["metrics.`with space` DESC"],
    ["`Run Name`"], ["attributes.lifecycle_stage"]])
def test_run_orders(pair, searched, order):
    pair.agree("POST", "runs/search", {"experiment_ids": ["{s}"], "order_by": order})


def test_run_searches(pair, searched):
    pair.differ("asking for one order twice is the caller's mistake, not the server's", (*INVALID, "duplicate"), "POST",
                "runs/search", {"experiment_ids": ["{s}"], "order_by": ["metrics.m", "metrics.m DESC"]})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3, "3"):
        post(pair, "runs/search", {"experiment_ids": ["{s}"], "run_view_type": view})
    for ids in ([], ["99999"], ["{s}", "0", "{s}"], ["x"]):
        post(pair, "runs/search", {"experiment_ids": ids, "filter": "metrics.m > 0"})
    post(pair, "runs/search", {"experiment_ids": ["x"], "filter": "metrics.m > 'x'"})
    post(pair, "runs/search", {"experiment_ids": ["x"], "order_by": ["foo"]})
    for max_results in (1, 2, 5, 6, "3", 0, -1, 50000, 50001):
        post(pair, "runs/search", {"experiment_ids": ["{s}"], "max_results": max_results})
    theirs, ours = pair.call("POST", "runs/search", {"experiment_ids": ["{s}"], "max_results": 2})
    assert ours == theirs and ours[1]["next_page_token"]
    # {"offset": 2}, which is their token and good for ours too; no token; {"offset": 0}
    for token in ("eyJvZmZzZXQiOiAyfQ==", "zzz", "eyJvZmZzZXQiOiAwfQ=="):
        post(pair, "runs/search", {"experiment_ids": ["{s}"], "max_results": 2, "page_token": token})


EXPERIMENT_FILTERS = """
name = 'found 1'
name != 'found 1'
name LIKE 'found%'
name ILIKE 'FOUND%'
attribute.name = 'found 2'
attributes.name = 'found 2'
tags.t = 'a'
tag.t = 'a'
tags.t != 'a'
tags.t ILIKE 'A'
tags.`odd name` = 'x'
tags.none IS NULL
tags.none IS NOT NULL
creation_time > 0
creation_time > 'x'
last_update_time < 99999999999999
last_update_time LIKE 'x'
name > 'a'
name IN ('found 1')
foo = 'x'
params.t = 'a'
name = 'found 1' AND tags.t = 'a'
name = 'found 1' OR
name = found
name
""".strip().split("\n")


@pytest.fixture(scope="module")
def experiments(pair):
    for n in range(4):
        post(pair, "experiments/create", {"name": f"found {n}", "tags": [
            {"key": "t", "value": "abab"[n]}, {"key": "odd name", "value": "x"}]}, make=(f"e{n}", "experiment_id"))
    post(pair, "experiments/delete", {"experiment_id": "{e3}"})


def only_found(answer):
    """Of an answer with experiments, those that `experiments` made."""
    if answer[0] != 200:
        return answer
    return answer[0], [e for e in answer[1].get("experiments", []) if e["name"].startswith("found")]


@pytest.mark.parametrize("filter", EXPERIMENT_FILTERS)
def test_experiment_filters(pair, experiments, filter):
    theirs, ours = map(only_found, pair.call("POST", "experiments/search", {
        "max_results": 1000, "filter": filter, "order_by": ["name"]}))
    if filter == "name = found":  # the word `name` is a keyword of SQL, which hides the value from MLflow's reader
        assert ours[:2] == theirs[:2] == INVALID
    else:
        assert ours == theirs


def test_experiment_searches(pair, experiments):
    for order in (["name"], ["name DESC"], ["experiment_id"], ["experiment_id DESC"], ["creation_time", "name DESC"],
                  ["last_update_time DESC", "name"], ["foo"], ["name UP"], ["tags.t"]):
        post(pair, "experiments/search", {"max_results": 1000, "order_by": order, "filter": "name LIKE 'found%'"})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL", 2):
        post(pair, "experiments/search", {"max_results": 1000, "view_type": view, "filter": "name LIKE 'found%'",
                                          "order_by": ["name"]})
    for max_results in (1, 2, 3, 0, -1, 50001):
        post(pair, "experiments/search", {"max_results": max_results, "order_by": ["name"],
                                          "filter": "name LIKE 'found%'"})
    get(pair, "experiments/search", max_results=2, order_by="name", filter="name LIKE 'found%'")
    get(pair, "experiments/search", max_results=2, order_by=["creation_time DESC", "name"], filter="name LIKE 'found%'")
    pair.differ("a search without a bound has a default", (200,), "POST", "experiments/search", {})


def test_an_assessment_has_a_kind_before_a_name(pair):
    for assessment in ({}, {"key": "a"}, {"assessment_name": "a"}):
        post(pair, "/api/3.0/mlflow/traces/none/assessments", {"assessment": assessment})


def test_a_call_into_a_workspace_is_refused(pair, made):
    there = {"X-MLFLOW-WORKSPACE": "team-a"}
    for method, path, body in (
            ("GET", "experiments/get?experiment_id={e}", None), ("POST", "experiments/create", {"name": "in a workspace"}),
            ("POST", "runs/create", {"experiment_id": "{e}"}), ("POST", "runs/log-batch", {"run_id": "{r}"}),
            ("POST", "runs/search", {"experiment_ids": ["{e}"]}), ("POST", "registered-models/create", {"name": "there"}),
            ("POST", "/ajax-api/2.0/mlflow/runs/search", {"experiment_ids": ["{e}"]}),
            ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=x", None), ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", b"x"),
            ("GET", "/get-artifact?run_uuid={r}&path=x", None), ("POST", "/api/3.0/mlflow/traces/search", {"locations": []}),
            ("POST", "/graphql", {"query": "query q { x }", "operationName": "q"})):
        pair.agree(method, path, body, headers=there)
    pair.agree("GET", "experiments/get-by-name", experiment_name="in a workspace")
    for value in ("", "  "):
        pair.agree("GET", "experiments/get", experiment_id="{e}", headers={"X-MLFLOW-WORKSPACE": value})
    server_info = [peer.call("GET", "/api/3.0/mlflow/server-info", headers=there)[0] for peer in pair.peers]
    assert server_info == [200, 200]
