"""What each endpoint refuses, as rows of one table: what is missing, of a wrong type, unknown, too long, deleted, taken. Every
answer is held to what the reference says of it (status, error_code, words that clients look for), and to what the real server
answers to the same call; where the two differ, MEANT of test_differential.py must say why."""
import copy
import dataclasses
import pathlib
import re

import pytest
from conftest import Peer, own_store
from peer import RealServer
from sequences import Call
from server import Server
from test_differential import Differing, why

pytestmark = pytest.mark.since(3)
INVALID = (400, "INVALID_PARAMETER_VALUE")
ABSENT = (404, "RESOURCE_DOES_NOT_EXIST")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")
SEE = " See the API docs for more information about request parameters."
NO_ID = "0" * 32
KEY = "k" * 251
TOO_LONG = "exceeds the maximum length"
TAG = {"key": "k", "value": "v"}


@dataclasses.dataclass
class Endpoint:
    method: str
    path: str
    good: dict                                   # a call that would do something
    required: list = dataclasses.field(default_factory=list)
    types: dict = dataclasses.field(default_factory=dict)    # parameter -> text, int, number, bool, list
    refused: list = dataclasses.field(default_factory=list)  # what of `good` is otherwise; (status, error_code); words...

    def __str__(self):
        return f"{self.method} {self.path}"


def e(method, path, good, required="", types=None, refused=()):
    return Endpoint(method, path, good, required.split(), types or {}, list(refused))


def get(path, good, *more, **named):
    return e("GET", path, good, *more, **named)


def post(path, good, *more, **named):
    return e("POST", path, good, *more, **named)


NO_RUN = ({"run_id": NO_ID}, ABSENT, f"Run with id={NO_ID} not found")
DEAD_RUN = ({"run_id": "{dr}"}, INVALID, "must be in the 'active' state")
NO_EXPERIMENT = ({"experiment_id": "987654"}, ABSENT, "No Experiment with id=987654 exists")
NO_MODEL = ({"name": "nobody"}, ABSENT, "Registered Model with name=nobody not found")
NO_VERSION = ({"version": "99"}, ABSENT, "Model Version (name=", ", version=99) not found")
DEAD_VERSION = ({"version": "2"}, ABSENT, ", version=2) not found")
BAD_VERSION = ({"version": "x"}, INVALID, "Parameter 'version' must be an integer, got 'x'.")
LONG_KEY = ({"key": KEY}, INVALID, TOO_LONG)
BAD_KEY = ({"key": "a/../b"}, INVALID, "a/../b")
ODD_KEY = ({"key": "a!"}, INVALID, "a!")
BAD_PAGE = ({"page_token": "bm90IGpzb24="}, INVALID, "Invalid page token")
EXPERIMENTS, RUNS, MODELS, VERSIONS, LOGGED = "experiments/", "runs/", "registered-models/", "model-versions/", "logged-models"

TABLE = [
    post(EXPERIMENTS + "create", {"name": "new {n}"}, "name", {"name": "text", "artifact_location": "text", "tags": "list"}, refused=[
        ({"name": "of {n}"}, TAKEN, "Experiment(name=", "already exists."),
        ({"name": "gone {n}"}, TAKEN, "Experiment(name=", "already exists."),
        ({"name": "n" * 501}, INVALID, TOO_LONG),
        ({"artifact_location": "s3://b/" + "x" * 2048}, INVALID, "cannot be greater than"),
        ({"artifact_location": "s3://b/x#frag"}, INVALID, "fragments or params"),
        ({"artifact_location": "s3://b/x?a=../.."}, INVALID, "Invalid query string"),
        ({"tags": [{"key": KEY, "value": "v"}]}, INVALID, TOO_LONG)]),
    get(EXPERIMENTS + "get", {"experiment_id": "{e}"}, "experiment_id", refused=[NO_EXPERIMENT]),
    get(EXPERIMENTS + "get-by-name", {"experiment_name": "of {n}"}, "experiment_name", refused=[
        ({"experiment_name": "nobody"}, ABSENT, "Could not find experiment with name 'nobody'")]),
    post(EXPERIMENTS + "search", {"max_results": 5}, "", {"max_results": "int", "filter": "text", "order_by": "list", "page_token": "text"}, refused=[
        ({"max_results": 50_001}, INVALID, "max_results"), ({"max_results": -1}, INVALID, "max_results"),
        ({"filter": "name ="}, INVALID), ({"filter": "bogus = 'x'"}, INVALID, "bogus"), BAD_PAGE,
        ({"order_by": ["bogus"]}, INVALID, "bogus")]),
    get(EXPERIMENTS + "search", {"max_results": 5}, refused=[({"max_results": 50_001}, INVALID, "max_results"), BAD_PAGE]),
    post(EXPERIMENTS + "delete", {"experiment_id": "{e}"}, "experiment_id", {"experiment_id": "text"}, refused=[
        NO_EXPERIMENT, ({"experiment_id": "{d}"}, ABSENT, "No Experiment with id=")]),
    post(EXPERIMENTS + "restore", {"experiment_id": "{d}"}, "experiment_id", refused=[
        NO_EXPERIMENT, ({"experiment_id": "{e}"}, ABSENT, "No Experiment with id=")]),
    post(EXPERIMENTS + "update", {"experiment_id": "{e}", "new_name": "renamed {n}"}, "experiment_id", {"new_name": "text"}, refused=[
        NO_EXPERIMENT, ({"experiment_id": "{d}"}, (500, "INVALID_STATE"), "Cannot rename a non-active experiment."),
        ({"new_name": "gone {n}"}, (400, "*"))]),
    post(EXPERIMENTS + "set-experiment-tag", {"experiment_id": "{e}", "key": "k", "value": "v"}, "experiment_id key",
         {"key": "text", "value": "text"}, refused=[
             NO_EXPERIMENT, LONG_KEY, BAD_KEY, ODD_KEY, ({"value": "v" * 20_001}, INVALID, TOO_LONG),
             ({"experiment_id": "{d}"}, INVALID, "must be in the 'active' state")]),
    post(EXPERIMENTS + "delete-experiment-tag", {"experiment_id": "{e}", "key": "k"}, "experiment_id key", {"key": "text"}, refused=[
        NO_EXPERIMENT, ({"key": "none"}, ABSENT, "none"), ({"experiment_id": "{d}"}, INVALID, "must be in the 'active' state")]),
    post("/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": ["{e}"]}, "", {"experiment_ids": "list"}, refused=[
        ({"experiment_ids": None}, INVALID, "SearchDatasets request must specify at least one experiment_id."),
        ({"experiment_ids": [str(n) for n in range(21)]}, INVALID, "20"), ({"experiment_ids": []}, INVALID)]),

    post(RUNS + "create", {"experiment_id": "{e}", "run_name": "x"}, "",
         {"run_name": "text", "start_time": "int", "tags": "list", "user_id": "text"}, refused=[
             NO_EXPERIMENT, ({"experiment_id": "{d}"}, INVALID, "must be in the 'active' state"),
             ({"tags": [{"key": "mlflow.runName", "value": "other"}]}, INVALID, "mlflow.runName")]),
    get(RUNS + "get", {"run_id": "{r}"}, "run_id", refused=[NO_RUN]),
    post(RUNS + "update", {"run_id": "{r}", "status": "FINISHED"}, "run_id", {"end_time": "int", "run_name": "text"}, refused=[
        NO_RUN, DEAD_RUN]),
    post(RUNS + "delete", {"run_id": "{r}"}, "run_id", {"run_id": "text"}, refused=[NO_RUN]),
    post(RUNS + "restore", {"run_id": "{r}"}, "run_id", refused=[NO_RUN]),
    post(RUNS + "log-metric", {"run_id": "{r}", "key": "m", "value": 1, "timestamp": 1}, "run_id key value timestamp",
         {"key": "text", "value": "number", "timestamp": "int", "step": "int"}, refused=[
             NO_RUN, DEAD_RUN, LONG_KEY, BAD_KEY, ODD_KEY, ({"timestamp": -1}, INVALID, "timestamp"), ({"value": True}, INVALID, "'value'")]),
    post(RUNS + "log-parameter", {"run_id": "{r}", "key": "new", "value": "a"}, "run_id key", {"key": "text", "value": "text"}, refused=[
        NO_RUN, DEAD_RUN, LONG_KEY, BAD_KEY, ODD_KEY,
        ({"key": "k", "value": "b"}, INVALID, "Changing param values is not allowed. Param with key='k' was already logged with value='a' for run "
         "ID='", "Attempted logging new value 'b'.")]),
    post(RUNS + "set-tag", {"run_id": "{r}", "key": "k", "value": "v"}, "run_id key", {"key": "text", "value": "text"}, refused=[
        NO_RUN, DEAD_RUN, LONG_KEY, BAD_KEY, ODD_KEY]),
    post(RUNS + "delete-tag", {"run_id": "{r}", "key": "k"}, "run_id key", {"key": "text"}, refused=[
        NO_RUN, DEAD_RUN, ({"key": "none"}, ABSENT, "No tag with name: none in run with id")]),
    post(RUNS + "log-batch", {"run_id": "{r}"}, "run_id", {"metrics": "list", "params": "list", "tags": "list"}, refused=[
        NO_RUN, DEAD_RUN,
        ({"metrics": [{"key": f"m{n}", "value": 1, "timestamp": 1} for n in range(1001)]}, INVALID,
         "A batch logging request can contain at most 1000 metrics"),
        ({"params": [{"key": f"p{n}", "value": "1"} for n in range(101)]}, INVALID, "A batch logging request can contain at most 100 params"),
        ({"tags": [{"key": f"t{n}", "value": "1"} for n in range(101)]}, INVALID, "A batch logging request can contain at most 100 tags"),
        ({"metrics": [{"key": f"m{n}", "value": 1, "timestamp": 1} for n in range(999)], "tags": [{"key": f"t{n}", "value": ""} for n in range(2)]},
         INVALID, "A batch logging request can contain at most 1000"),
        ({"params": [{"key": "p", "value": "1"}] * 2}, INVALID, "Duplicate parameter keys"),
        ({"params": [{"key": "k", "value": "b"}]}, INVALID, "Params were already logged="),
        ({"metrics": [{"key": "m", "timestamp": 1}]}, INVALID, "Missing value for required parameter 'metrics[0].value'"),
        ({"metrics": [{"key": "m", "value": 1}]}, INVALID, "Missing value for required parameter 'metrics[0].timestamp'"),
        ({"metrics": [{"value": 1, "timestamp": 1}]}, INVALID, "metrics[0]"),
        ({"metrics": [{"key": KEY, "value": 1, "timestamp": 1}]}, INVALID, TOO_LONG),
        ({"params": [{"key": "a!", "value": "1"}]}, INVALID, "a!"), ({"tags": [{"key": "../x", "value": "1"}]}, INVALID, "../x")]),
    post(RUNS + "log-inputs", {"run_id": "{r}"}, "run_id", {"datasets": "list", "models": "list"}, refused=[
        NO_RUN, DEAD_RUN] + [
        ({"datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "x", **bad}}]}, INVALID, TOO_LONG)
        for bad in ({"name": "d" * 501}, {"digest": "1" * 37}, {"source": "s" * 65_536}, {"schema": "s" * 1_048_576},
                    {"profile": "p" * 16_777_216})] + [
        ({"datasets": [{"dataset": {"digest": "1", "source_type": "s", "source": "x"}}]}, INVALID, "name"),
        ({"datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "x"}, "tags": [{"key": "k" * 256, "value": "v"}]}]},
         INVALID, TOO_LONG),
        ({"datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "x"}, "tags": [{"key": "k", "value": "v" * 501}]}]},
         INVALID, TOO_LONG)]),
    post(RUNS + "outputs", {"run_id": "{r}", "models": [{"model_id": "{m}", "step": 1}]}, "run_id models", {"models": "list"}, refused=[
        NO_RUN, DEAD_RUN]),
    post(RUNS + "log-model", {"run_id": "{r}", "model_json": "{}"}, "run_id model_json", {"model_json": "text"}, refused=[
        ({"model_json": "nonsense"}, INVALID, "nonsense"), ({"model_json": '{"run_id": "x"}'}, INVALID, "artifact_path")]),
    post(RUNS + "search", {"experiment_ids": ["{e}"]}, "", {"filter": "text", "max_results": "int", "page_token": "text", "order_by": "list"}, refused=[
        ({"max_results": 50_001}, INVALID, "max_results"), ({"max_results": 0}, INVALID, "max_results"), ({"max_results": -1}, INVALID, "max_results"),
        BAD_PAGE, ({"filter": "metrics.m > 'x'"}, INVALID), ({"filter": "params.k = a"}, INVALID), ({"filter": "bogus.k = 'a'"}, INVALID),
        ({"filter": "attributes.bogus = 'a'"}, INVALID, "bogus"), ({"order_by": ["bogus.x"]}, INVALID),
        ({"order_by": ["metrics.m", "metrics.m"]}, INVALID, "duplicate"), ({"run_view_type": "BOGUS"}, INVALID, "run_view_type")]),
    get("metrics/get-history", {"run_id": "{r}", "metric_key": "m"}, "run_id metric_key", refused=[
        ({"max_results": "x"}, INVALID, "max_results"), ({"max_results": 10, "page_token": "!"}, INVALID)]),
    get("metrics/get-history-bulk-interval", {"run_ids": ["{r}"], "metric_key": "m"}, "run_ids metric_key", refused=[
        ({"run_ids": [f"{n:032x}" for n in range(101)]}, INVALID, "100"), ({"start_step": 1}, INVALID, "both must be specified"),
        ({"start_step": 5, "end_step": 1}, INVALID), ({"max_results": 2501}, INVALID, "max_results"), ({"max_results": 0}, INVALID, "max_results")]),
    get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", {"run_id": ["{r}"], "metric_key": "m"}, refused=[
        ({"run_id": None}, INVALID, "GetMetricHistoryBulk request must specify at least one run_id."),
        ({"metric_key": None}, INVALID, "GetMetricHistoryBulk request must specify a metric_key."),
        ({"run_id": [f"{n:032x}" for n in range(101)]}, INVALID, "100")]),
    get("artifacts/list", {"run_id": "{r}"}, "run_id", refused=[NO_RUN, ({"path": "../x"}, INVALID), ({"path": "/etc"}, INVALID)]),

    post(MODELS + "create", {"name": "new {n}"}, "name", {"name": "text", "description": "text", "tags": "list"}, refused=[
        ({"name": "{n}"}, TAKEN, "already exists"), ({"name": "a/b"}, INVALID), ({"tags": [{"key": KEY, "value": "v"}]}, INVALID, TOO_LONG),
        ({"tags": [{"key": "k", "value": "v" * 100_001}]}, INVALID, TOO_LONG)]),
    get(MODELS + "get", {"name": "{n}"}, "name", refused=[NO_MODEL]),
    post(MODELS + "rename", {"name": "{n}", "new_name": "other {n}"}, "name new_name", {"new_name": "text"}, refused=[
        NO_MODEL, ({"new_name": "second {n}"}, TAKEN, "already exists")]),
    e("PATCH", MODELS + "update", {"name": "{n}", "description": "d"}, "name", {"description": "text"}, refused=[NO_MODEL]),
    e("DELETE", MODELS + "delete", {"name": "{n}"}, "name", {"name": "text"}, refused=[NO_MODEL]),
    get(MODELS + "search", {}, refused=[
        ({"max_results": 1001}, INVALID, "max_results"), BAD_PAGE, ({"filter": "bogus = 'x'"}, INVALID), ({"filter": "name = x"}, INVALID)]),
    get(MODELS + "get-latest-versions", {"name": "{n}"}, "name", refused=[NO_MODEL, ({"stages": ["Bogus"]}, INVALID, "Bogus")]),
    post(MODELS + "get-latest-versions", {"name": "{n}"}, "name", {"stages": "list"}, refused=[NO_MODEL, ({"stages": ["Bogus"]}, INVALID, "Bogus")]),
    post(MODELS + "set-tag", {"name": "{n}", "key": "k", "value": "v"}, "name key", {"key": "text", "value": "text"}, refused=[
        NO_MODEL, LONG_KEY, BAD_KEY, ({"value": "v" * 100_001}, INVALID, TOO_LONG)]),
    e("DELETE", MODELS + "delete-tag", {"name": "{n}", "key": "k"}, "name key", {"key": "text"}, refused=[NO_MODEL]),
    post(MODELS + "alias", {"name": "{n}", "alias": "a", "version": "1"}, "name alias version", {"alias": "text"}, refused=[
        NO_VERSION, BAD_VERSION, ({"alias": "latest"}, INVALID, "latest"), ({"alias": "v1"}, INVALID, "v1"), ({"alias": "a b"}, INVALID),
        ({"alias": "a" * 256}, INVALID, TOO_LONG)]),
    e("DELETE", MODELS + "alias", {"name": "{n}", "alias": "a"}, "name alias", {"alias": "text"}, refused=[NO_MODEL]),
    get(MODELS + "alias", {"name": "{n}", "alias": "champ"}, "name alias", refused=[
        ({"alias": "none"}, INVALID, "Registered model alias none not found."), NO_MODEL]),

    post(VERSIONS + "create", {"name": "{n}", "source": "s3://b/x"}, "name source", {"source": "text", "tags": "list", "run_id": "text"}, refused=[
        NO_MODEL, ({"source": "/etc"}, INVALID, "Invalid model version source: '/etc'"),
        ({"source": "file:///etc"}, INVALID, "Invalid model version source"), ({"source": "s3://b/../x"}, INVALID, "Invalid model version source"),
        ({"tags": [{"key": "k", "value": "v" * 100_001}]}, INVALID, TOO_LONG)]),
    get(VERSIONS + "get", {"name": "{n}", "version": "1"}, "name version", refused=[NO_VERSION, DEAD_VERSION, BAD_VERSION]),
    get(VERSIONS + "get-download-uri", {"name": "{n}", "version": "1"}, refused=[
        NO_VERSION, DEAD_VERSION, ({"name": None}, INVALID, "Missing value for required parameter 'name'."),
        ({"version": None}, INVALID, "Parameter 'version' must be an integer, got ''.")]),
    get(VERSIONS + "search", {}, refused=[
        ({"max_results": 200_001}, INVALID, "max_results"), ({"filter": "bogus = 'x'"}, INVALID, "bogus"), ({"order_by": ["bogus"]}, INVALID),
        BAD_PAGE]),
    e("PATCH", VERSIONS + "update", {"name": "{n}", "version": "1", "description": "d"}, "name version", {"description": "text"}, refused=[
        NO_VERSION, DEAD_VERSION, BAD_VERSION]),
    post(VERSIONS + "transition-stage", {"name": "{n}", "version": "1", "stage": "Staging"}, "name version stage", {"stage": "text"}, refused=[
        NO_VERSION, DEAD_VERSION, BAD_VERSION, ({"stage": "Bogus"}, INVALID, "Bogus"),
        ({"stage": "Archived", "archive_existing_versions": True}, INVALID, "is not an Active stage")]),
    e("DELETE", VERSIONS + "delete", {"name": "{n}", "version": "1"}, "name version", {"name": "text"}, refused=[NO_VERSION, DEAD_VERSION, BAD_VERSION]),
    post(VERSIONS + "set-tag", {"name": "{n}", "version": "1", "key": "k", "value": "v"}, "name version key", {"value": "text"}, refused=[
        NO_VERSION, DEAD_VERSION, BAD_VERSION, LONG_KEY, BAD_KEY, ({"value": "v" * 100_001}, INVALID, TOO_LONG)]),
    e("DELETE", VERSIONS + "delete-tag", {"name": "{n}", "version": "1", "key": "k"}, "name version key", {"key": "text"}, refused=[
        NO_VERSION, DEAD_VERSION, BAD_VERSION]),

    post(LOGGED, {"experiment_id": "{e}", "name": "x"}, "experiment_id", {"name": "text", "params": "list", "tags": "list"}, refused=[
        NO_EXPERIMENT, ({"name": "a/b"}, INVALID, "a/b"), ({"experiment_id": "{d}"}, (400, "*"))]),
    get(LOGGED + "/{m}", {}, refused=[({"path": LOGGED + "/m-none"}, ABSENT, "m-none")]),
    e("PATCH", LOGGED + "/{m}", {"model_id": "{m}", "status": 2}, "model_id", refused=[
        ({"path": LOGGED + "/m-none", "model_id": "m-none"}, ABSENT, "m-none"), ({"status": "BOGUS"}, INVALID, "'status'")]),
    e("DELETE", LOGGED + "/{m}", {}, refused=[({"path": LOGGED + "/m-none"}, ABSENT, "m-none")]),
    e("PATCH", LOGGED + "/{m}/tags", {"tags": [TAG]}, "", {"tags": "list"}, refused=[({"path": LOGGED + "/m-none/tags"}, ABSENT, "m-none")]),
    e("DELETE", LOGGED + "/{m}/tags/k", {}, refused=[
        ({"path": LOGGED + "/m-none/tags/k"}, ABSENT, "m-none"), ({"path": LOGGED + "/{m}/tags/none"}, ABSENT, "none")]),
    post(LOGGED + "/{m}/params", {"model_id": "{m}", "params": [TAG]}, "model_id", {"params": "list"}, refused=[
        ({"path": LOGGED + "/m-none/params", "model_id": "m-none"}, ABSENT, "m-none")]),
    post(LOGGED + "/search", {"experiment_ids": ["{e}"]}, "experiment_ids", {"filter": "text", "max_results": "int"}, refused=[
        ({"filter": "bogus.x = 1"}, INVALID, "bogus"), ({"max_results": -1}, INVALID, "max_results"), BAD_PAGE,
        ({"datasets": [{"dataset_digest": "d"}]}, INVALID, "dataset_name")]),
    get(LOGGED + "/{m}/artifacts/directories", {}, refused=[
        ({"path": LOGGED + "/m-none/artifacts/directories"}, ABSENT, "m-none"), ({"artifact_directory_path": ".."}, INVALID)]),

    post("webhooks", {"name": "hook", "url": "https://93.184.216.34/x", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]},
         "name url events", {"name": "text", "url": "text", "events": "list"}, refused=[
             ({"name": "w" * 64}, INVALID), ({"name": "W!"}, INVALID), ({"events": []}, INVALID, "events"),
             ({"events": [{"entity": "MODEL_VERSION", "action": "DELETED"}]}, INVALID), ({"url": "ftp://x"}, INVALID)]),
    get("webhooks/none", {}, refused=[({}, ABSENT, "none")]),
    e("PATCH", "webhooks/none", {"description": "d"}, refused=[({}, ABSENT, "none")]),
    e("DELETE", "webhooks/none", {}, refused=[({}, ABSENT, "none")]),
    post("webhooks/none/test", {}, refused=[({}, ABSENT, "none")]),

    get("/api/3.0/mlflow/traces/tr-none", {}, refused=[({}, (404, "*"), "tr-none")]),
    get("/api/3.0/mlflow/traces/get", {"trace_id": "tr-none"}, "trace_id", refused=[({}, (404, "*"), "tr-none")]),
    get("/api/3.0/mlflow/traces/batchGet", {"trace_ids": ["tr-none"]}, "trace_ids"),
    post("/api/3.0/mlflow/traces/search", {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "{e}"}}]}, "locations",
         {"max_results": "int"}, refused=[({"max_results": 501}, INVALID, "max_results"), ({"filter": "bogus ="}, INVALID), BAD_PAGE]),
    post("/api/3.0/mlflow/traces/delete-traces", {"experiment_id": "{e}", "max_timestamp_millis": 1, "max_traces": 1}, "experiment_id"),
    e("PATCH", "/api/3.0/mlflow/traces/tr-none/tags", {"key": "k", "value": "v"}, "", refused=[({}, (404, "*"), "tr-none")]),
    post("/api/3.0/mlflow/traces/tr-none/assessments", {"assessment": {"assessment_name": "a", "feedback": {"value": 1}, "source": {
        "source_type": "HUMAN", "source_id": "x"}}}, "", refused=[({}, (404, "*"), "tr-none")]),
    get("/api/3.0/mlflow/traces/tr-none/assessments/a-none", {}, refused=[({}, (404, "*"), "none")]),
    e("PATCH", "/api/3.0/mlflow/traces/tr-none/assessments/a-none", {"assessment": {"assessment_name": "a"}, "update_mask": "assessment_name"}, "",
      refused=[({}, (404, "*"), "none")]),
    e("DELETE", "/api/3.0/mlflow/traces/tr-none/tags", {"key": "k"}, refused=[({}, (404, "*"), "tr-none")]),
    e("PATCH", "traces/tr-none/tags", {"key": "k", "value": "v"}, refused=[({}, (404, "*"), "tr-none")]),
    e("DELETE", "traces/tr-none/tags", {"key": "k"}, refused=[({}, (404, "*"), "tr-none")]),
    post("/api/3.0/mlflow/traces", {}, "trace"),
    post("/api/3.0/mlflow/traces/batchGetInfos", {"trace_ids": ["tr-none"]}, "trace_ids", {"trace_ids": "list"}),
    post("traces/delete-traces", {"experiment_id": "{e}", "max_timestamp_millis": 1, "max_traces": 1}, "experiment_id"),
    post("traces/link-to-run", {"run_id": "{r}", "trace_ids": ["tr-1"]}, "run_id trace_ids", {"trace_ids": "list"}, refused=[
        ({"trace_ids": [f"tr-{n}" for n in range(101)]}, INVALID, "100")]),

    get("/api/2.0/mlflow-artifacts/artifacts/{e}/{r}/artifacts/none", {}, refused=[({}, (404, "*"))]),
    get("/api/2.0/mlflow-artifacts/artifacts", {"path": "../x"}, refused=[({}, INVALID), ({"path": "/etc"}, INVALID)]),
    e("DELETE", "/api/2.0/mlflow-artifacts/artifacts/..", {}, refused=[({}, INVALID)]),
    e("PUT", "/api/2.0/mlflow-artifacts/artifacts/..", {}, refused=[({}, INVALID)]),
    get("/get-artifact", {"run_id": "{r}", "path": "none"}, refused=[({}, (404, "*")), ({"path": "../x"}, INVALID)]),
    get("/model-versions/get-artifact", {"name": "{n}", "version": "99", "path": "x"}, refused=[({}, ABSENT, "version=99")]),
]

LISTS = {"tags", "params", "metrics", "datasets", "models", "events", "stages", "order_by", "trace_ids", "experiment_ids", "locations"}
WRONG = {"text": (["a"],), "int": ("x", [1]), "number": ("x", [1]), "list": ("x", 5)}

# Where ours differs from the real server on purpose, beyond MEANT: (path, words of ours) -> why.
OURS = {
    ("runs/log-inputs", "datasets[0].dataset.name"): "a dataset without a name is none",
    ("logged-models/search", "max_results"): "refused with a reason",
    ("logged-models/search", "Invalid page token"): "without the words of a reader of JSON",
    ("*", "Invalid page token, decoded value="): "bytes are shown as what they say, not as Python writes them",
    ("*", "Invalid page token, could not base64-decode"): "letters that are none of base64 are not passed over",
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("errors")
    ours = Server(folder / "state", arguments=own_store())
    ours.start()
    theirs = RealServer(folder / "mlflow")
    yield Differing(Peer(f"http://{theirs.address}"), Peer(f"http://{ours.address}"))
    theirs.stop()
    assert ours.stop() == 0


@pytest.fixture
def world(pair, request):
    """On both servers: a run {r} of {e}, a deleted run {dr} of the deleted {d}, a model {n} whose version 2 is deleted, a logged model {m}."""
    name = re.sub(r"\W+", "-", request.node.name.split("[")[1])
    pair.made[:] = [{"n": name}, {"n": name}]

    def made(method, path, body, *make):
        for status, answer in pair.answers(Call(method, path, body, make=make or None))[0]:
            assert status == 200, (path, answer)
    for id, run, title in (("e", "r", "of {n}"), ("d", "dr", "gone {n}")):
        made("POST", "experiments/create", {"name": title}, id, "experiment_id")
        made("POST", "runs/create", {"experiment_id": f"{{{id}}}", "start_time": 1}, run, "run", "info", "run_id")
    made("POST", "runs/log-parameter", {"run_id": "{r}", "key": "k", "value": "a"})
    made("POST", "experiments/delete", {"experiment_id": "{d}"})
    for model in ("{n}", "second {n}"):
        made("POST", "registered-models/create", {"name": model})
    for _ in range(2):
        made("POST", "model-versions/create", {"name": "{n}", "source": "s3://b/x"})
    made("POST", "registered-models/alias", {"name": "{n}", "alias": "champ", "version": "1"})
    made("DELETE", "model-versions/delete", {"name": "{n}", "version": "2"})
    made("POST", "logged-models", {"experiment_id": "{e}", "name": "lm"}, "m", "model", "info", "model_id")
    return pair


def call_of(endpoint, changes):
    arguments = {**copy.deepcopy(endpoint.good), **{k: v for k, v in changes.items() if k != "path" or "path" in endpoint.good or endpoint.path
                                                    == "artifacts/list"}}
    arguments = {key: value for key, value in arguments.items() if value is not None}
    moved = "path" in changes and "path" not in arguments
    path = changes["path"] if moved else endpoint.path
    if "path" in arguments:  # which is no name for an argument of the call
        return Call("GET", path + "?" + "&".join(f"{key}={value}" for key, value in arguments.items()), odd=True)
    if endpoint.method == "GET":
        return Call("GET", path, None, arguments, odd=True)
    return Call(endpoint.method, path, arguments, odd=True)


def cases(endpoint):
    """(what is otherwise, (status, error_code), words...) of all that is refused."""
    for name in endpoint.required:
        yield {name: None}, INVALID, f"Missing value for required parameter '{name}'.", SEE
    for name, type in endpoint.types.items():
        for value in WRONG[type]:
            yield {name: value}, INVALID, name
    yield from endpoint.refused


def without_number(answer):
    """Each server counts its experiments for itself; they stand in the keys of their runs' files."""
    if not isinstance(answer, tuple):
        return answer
    return tuple(re.sub(r"'\d+/<r>/", "'<e>/<r>/", part) if isinstance(part, str) else part for part in answer)


def found_in(world, endpoint, changes, expected, *words):
    """What is wrong with the two answers; nothing when all is well."""
    call = call_of(endpoint, changes)
    raw, both = world.answers(call)
    theirs, ours = map(without_number, both)
    status, answer = raw[1]
    code = answer.get("error_code") if isinstance(answer, dict) else None
    message = answer.get("message", "") if isinstance(answer, dict) else str(answer)
    shown = f"{str(call)[:300]}: {status} {code} {message[:300]}"
    if status != expected[0] or expected[1] not in ("*", code):
        return f"{shown}\n    expected {expected}; theirs: {str(theirs)[:300]}"
    lost = [word for word in words if word not in message]
    if lost:
        return f"{shown}\n    lacks {lost}; theirs: {str(theirs)[:300]}"
    meant = any(path in ("*", endpoint.path) and word in message for path, word in OURS)
    if theirs != ours and not meant and why(call, theirs, ours) is None:
        return f"{shown}\n    theirs: {str(theirs)[:400]}"
    return None


@pytest.mark.parametrize("endpoint", TABLE, ids=str)
def test_refuses_what_is_wrong_in_the_words_of_the_reference(world, endpoint):
    found = [said for case in cases(endpoint) if (said := found_in(world, endpoint, *case))]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_every_served_endpoint_that_refuses_anything_is_in_the_table():
    rows = [line.split() for line in (pathlib.Path(__file__).parent / "endpoints.txt").read_text().splitlines()]
    # The twins of /ajax-api are the same routes; those of 2.0 traces are the same as those of 3.0.
    served = {(method, re.sub(r"^/api/2\.0/mlflow/", "", path)) for method, path, state in rows
              if state == "served" and (not path.startswith("/ajax-api/") or "get-history-bulk" in path and "interval" not in path)}
    plain = {(one.method, re.sub(r"^/api/2\.0/mlflow/", "", one.path)) for one in TABLE}

    def is_in(method, path):
        shape = re.compile(re.sub(r"<[^>]*>", "[^/]+", path.replace("<path:artifact_path>", ".+")) + "$")
        return any(method == m and shape.match(p) for m, p in plain)
    without = {
        ("GET", "/health"): "takes nothing", ("GET", "/version"): "takes nothing", ("GET", "/api/3.0/mlflow/server-info"): "takes nothing",
        ("GET", "/graphql"): "test_graphql_peer.py", ("POST", "/graphql"): "test_graphql_peer.py", ("GET", "webhooks"): "a list of all",
        ("DELETE", "/api/3.0/mlflow/traces/<trace_id>/assessments/<assessment_id>"): "one that is not there is gone",
        ("POST", "/api/2.0mlflow/experiments/search-datasets"): "the twin of the one in the table"}
    # Where the real server's store is a folder it has no uploads in parts and no addresses of files: test_artifacts.py.
    of_parts = {row for row in served if "/mpu/" in row[1] or "presigned" in row[1]}
    assert {row for row in served if not is_in(*row)} == set(without) | of_parts
