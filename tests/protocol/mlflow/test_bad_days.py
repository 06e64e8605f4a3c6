"""Calls that nobody means well, or that a script makes in a loop: what a client gets, and that the server goes on."""
import concurrent.futures
import os
import time

import pytest
from server import API as V2, Server, call, create_run

LONG = os.environ.get("SLIPWAY_TEST_LONG") == "1"
PARAMS = 10 ** 6 if LONG else 10 ** 5
MIB = 1 << 20


def status_of(ours, path, body):
    status, answer = ours.call("POST", path, body)
    return status, answer.get("error_code") if isinstance(answer, dict) else None


def test_a_tag_of_two_megabytes(ours, client, experiment, name):
    """Of a run it is cut, as MLflow cuts it; elsewhere it is refused, and named."""
    run = client.create_run(experiment).info.run_id
    long = "é" * MIB
    assert status_of(ours, "runs/set-tag", {"run_id": run, "key": "k", "value": long}) == (200, None)
    assert client.get_run(run).data.tags["k"] == "é" * 8000
    batch = {"run_id": run, "tags": [{"key": "b", "value": long}], "params": [{"key": "p", "value": long}]}
    assert status_of(ours, "runs/log-batch", batch) == (200, None)
    assert client.get_run(run).data.params["p"] == "é" * 6000
    refused = (400, "INVALID_PARAMETER_VALUE")
    assert status_of(ours, "experiments/set-experiment-tag",
                     {"experiment_id": experiment, "key": "k", "value": long}) == refused
    client.create_registered_model(name)
    assert status_of(ours, "registered-models/set-tag", {"name": name, "key": "k", "value": long}) == refused
    assert status_of(ours, "runs/set-tag", {"run_id": run, "key": long, "value": "v"}) == refused
    status, _ = ours.call("POST", "runs/set-tag", {"run_id": run, "key": "k", "value": "x" * (9 * MIB)})
    assert status == 413
    assert client.get_run(run).data.tags["k"] == "é" * 8000


def test_very_many_params_in_batches(tmp_path):
    """One run takes them all, others are as quick as before, and the run is read back whole."""
    server = Server(tmp_path / "state")
    server.start()
    run = create_run(server.connect())

    def log(first, last):
        connection = server.connect(timeout=120)
        for begin in range(first, last, 100):
            params = [{"key": f"p{i}", "value": f"{i}"} for i in range(begin, begin + 100)]
            assert call(connection, "POST", f"{V2}/runs/log-batch", {"run_id": run, "params": params}) == (200, {})

    clients = 4
    share = PARAMS // clients
    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(log, i * share, (i + 1) * share) for i in range(clients)]:
            done.result()
    connection = server.connect(timeout=300)
    status, answer = call(connection, "GET", f"{V2}/runs/get?run_id={run}")
    params = {one["key"]: one["value"] for one in answer["run"]["data"]["params"]}
    assert status == 200 and len(params) == PARAMS and params[f"p{PARAMS - 1}"] == str(PARAMS - 1)
    for value, hits in ((str(PARAMS // 2), 1), ("x", 0)):
        body = {"experiment_ids": ["0"], "filter": f"params.p{PARAMS // 2} = '{value}'"}
        status, answer = call(connection, "POST", f"{V2}/runs/search", body)
        assert status == 200 and len(answer.get("runs", [])) == hits
    changed = {"run_id": run, "params": [{"key": "p7", "value": "other"}]}
    assert call(connection, "POST", f"{V2}/runs/log-batch", changed)[0] == 400
    assert server.stop() == 0


@pytest.mark.parametrize("joint", [" AND ", " OR ", ","])
@pytest.mark.parametrize("path, extra", [
    ("runs/search", {"experiment_ids": ["0"]}), ("experiments/search", {"max_results": 10}),
    ("logged-models/search", {"experiment_ids": ["0"]}),
    ("/api/3.0/mlflow/traces/search", {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}]})])
def test_a_filter_of_very_many_terms(ours, path, extra, joint):
    """Refused at once, whether by its length or by its terms, and however they are joined."""
    for terms in (10 ** 5, 4000):
        filter = joint.join(["tags.a = '1'"] * terms)
        began = time.monotonic()
        assert status_of(ours, path, {"filter": filter, **extra}) == (400, "INVALID_PARAMETER_VALUE")
        assert time.monotonic() - began < 10
    deep = "(" * 10 ** 5 + "tags.a = '1'" + ")" * 10 ** 5
    assert status_of(ours, path, {"filter": deep, **extra})[0] == 400


def test_page_tokens_of_another_query(ours, client, experiment):
    """Refused where a token belongs to its search; elsewhere it is a number of rows to pass over, as with MLflow."""
    for i in range(3):
        client.create_run(experiment, tags={"k": str(i)})
    search = {"experiment_ids": [experiment], "max_results": 1}
    token = ours.ask("POST", "runs/search", {**search, "order_by": ["start_time DESC"]})["next_page_token"]
    for other in ({"filter": "tags.k = '1'"}, {"order_by": ["tags.k ASC"]}, {"run_view_type": "ALL"},
                  {"experiment_ids": ["0"]}):
        body = {**search, "order_by": ["start_time DESC"], **other, "page_token": token}
        assert status_of(ours, "runs/search", body) == (400, "INVALID_PARAMETER_VALUE"), other
    elsewhere = [("experiments/search", {"max_results": 5}), ("logged-models/search", {"experiment_ids": [experiment]}),
                 ("/api/3.0/mlflow/traces/search", {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}]})]
    said = [ours.call("POST", path, {**body, "page_token": token}) for path, body in elsewhere]
    said += [ours.call("GET", path, page_token=token) for path in (
        "registered-models/search", "model-versions/search", "webhooks")]
    for status, answer in said:
        assert status == 200 or (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer
