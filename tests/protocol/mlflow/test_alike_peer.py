"""Corners found beside the real server: the same calls, the same answers; where ours differs, the step says why."""
import pytest
from test_registry_peer import L, M, V, delete, logged, model, patch, run  # noqa: F401
from test_tracking_peer import INVALID, Pair, get, made, pair, post  # noqa: F401

pytestmark = pytest.mark.since(3)
TWICE = [{"key": "k", "value": "1"}, {"key": "k", "value": "2"}]


def test_names_that_are_taken(pair, made):
    post(pair, "experiments/create", {"name": "taken"})
    pair.differ("no text of a database in a message", (400, "BAD_REQUEST", "already exists"), "POST",
                "experiments/update", {"experiment_id": "{e}", "new_name": "taken"})
    post(pair, M + "create", {"name": "same"})
    post(pair, M + "rename", {"name": "same", "new_name": "same"})
    get(pair, M + "get", name="same")


def test_keys_that_come_twice(pair, made):
    why = "no text of a database in a message"
    twice = (400, "BAD_REQUEST", "more than once")
    pair.differ(why, (400, "RESOURCE_ALREADY_EXISTS", "more than once"), "POST", "experiments/create",
                {"name": "twice", "tags": TWICE})
    pair.differ(why, twice, "POST", "runs/create", {"experiment_id": "{e}", "tags": TWICE})
    for list in ("params", "tags"):
        pair.differ(why, twice, "POST", L, {"experiment_id": "{e}", "name": "m", list: TWICE})
    post(pair, M + "create", {"name": "twice", "tags": TWICE})
    post(pair, V + "create", {"name": "twice", "source": "s3://bucket/x", "tags": TWICE})


def test_keys_of_tags(pair, model):
    post(pair, "runs/create", {"experiment_id": "{e}", "start_time": 5, "run_name": "r",
                               "tags": [{"key": "x" * 251, "value": "v"}]})
    for key in ("\U0001F600", "é", "漢", "k!"):
        post(pair, M + "set-tag", {"name": "{n}", "key": key, "value": "v"})
        post(pair, V + "set-tag", {"name": "{n}", "version": "1", "key": key, "value": "v"})
        post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x", "tags": [{"key": key, "value": "v"}]})


def test_orders(pair, made):
    post(pair, "experiments/search", {"order_by": ["attribute.name DESC", "name"], "max_results": 1,
                                      "filter": "name = 'test_orders'"})
    pair.differ("our own list of keys", (*INVALID, "creation_timestamp"), "GET", M + "search",
                order_by="creation_timestamp")


def test_tokens_of_histories(pair, made):
    pair.differ("JSON is shown as JSON", (*INVALID, "Invalid page token"), "GET", "metrics/get-history", run_id="{r}",
                metric_key="none", page_token="eyJvZmZzZXQiOiAwfQ==")
    for token in ("bad", ""):
        get(pair, "metrics/get-history", run_id="{r}", metric_key="none", page_token=token)


@pytest.mark.parametrize("dataset", [{"dataset_name": "d", "dataset_digest": ""}, {"dataset_name": "d"},
                                     {"dataset_digest": "h"}, {"dataset_name": "", "dataset_digest": ""}], ids=str)
def test_datasets_of_metrics(pair, made, dataset):
    metric = {"key": "a", "value": 1, "timestamp": 1, "step": 0, **dataset}
    post(pair, "runs/log-metric", {"run_id": "{r}", **metric})
    post(pair, "runs/log-batch", {"run_id": "{r}", "metrics": [metric]})


def test_the_order_of_latest_versions(pair, model):
    for _ in range(4):
        post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x"})
    for version, stage in ((2, "Staging"), (3, "Production"), (4, "Staging")):
        post(pair, V + "transition-stage", {"name": "{n}", "version": str(version), "stage": stage})
    get(pair, M + "get", name="{n}")
    post(pair, M + "get-latest-versions", {"name": "{n}"})
    post(pair, M + "get-latest-versions", {"name": "{n}", "stages": ["Staging", "None", "Production"]})
    get(pair, M + "search", filter="name = '{n}'")
    patch(pair, M + "update", {"name": "{n}", "description": "d"})


def test_the_longest_name_has_versions(pair, run):
    name = "\U00010348" * 256
    post(pair, M + "create", {"name": name})
    post(pair, V + "create", {"name": name, "source": "s3://bucket/x"})
    get(pair, V + "get", name=name, version="1")


def test_the_status_of_logged_models(pair, run):
    for i, status in enumerate((None, "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_READY")):
        post(pair, L, {"experiment_id": "{e}", "name": f"n{i}"}, make=(f"m{i}", "model", "info", "model_id"))
        if status:
            patch(pair, f"{L}/{{m{i}}}", {"model_id": f"{{m{i}}}", "status": status})
    for ascending in (True, False):
        post(pair, L + "/search", {"experiment_ids": ["{e}"],
                                   "order_by": [{"field_name": "status", "ascending": ascending}]})
    post(pair, L + "/search", {"experiment_ids": ["{e}"], "filter": "status = '2'"})
