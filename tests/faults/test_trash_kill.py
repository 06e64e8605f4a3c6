"""The trash is emptied by a server that is killed on the way: what was asked for goes on when it is started again, and
neither rows nor files are left over."""
import http.client
import pathlib
import sqlite3

import pytest

from server import API, Server, call, create_run

GC = "/api/slipway/v1/tracked-runs/gc"


def put(connection, path, text):
    connection.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", text)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def asked_for(server):
    """A run of a deleted experiment, with files and more points than a transaction removes, and one that stays."""
    connection = server.connect()
    status, answer = call(connection, "POST", f"{API}/experiments/create", {"name": "old"})
    assert status == 200
    experiment = answer["experiment_id"]
    run, kept = create_run(connection, experiment), create_run(connection)
    for one, where in ((run, experiment), (kept, "0")):
        put(connection, f"{where}/{one}/artifacts/deep/a.txt", "x" * 1000)
        for part in range(4):
            metrics = [{"key": f"m{part}.{i}", "value": i, "timestamp": 1, "step": part} for i in range(1000)]
            assert call(connection, "POST", f"{API}/runs/log-batch", {"run_id": one, "metrics": metrics})[0] == 200
    assert call(connection, "POST", f"{API}/logged-models", {"experiment_id": experiment, "name": "m"})[0] == 200
    assert call(connection, "POST", f"{API}/experiments/delete", {"experiment_id": experiment})[0] == 200
    connection.close()
    return experiment, run, kept


def empty(server):
    """Asks for it and for the work; the server may die of either."""
    connection = server.connect()
    try:
        status, answer = call(connection, "POST", GC, {})
        assert status == 200, answer
        while call(connection, "POST", GC + "/work", {})[1]["left"] > 0:
            pass
        return answer
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def rest(state, run):
    with sqlite3.connect(pathlib.Path(state) / "catalog.db") as catalogue:
        counts = {table: catalogue.execute(f"select count(*) from {table}").fetchone()[0]
                  for table in ("runs", "removals", "logged_models", "metric_series", "metric_batches", "metric_chunks")}
        counts["nodes"] = catalogue.execute("select count(*) from nodes where ident = ?", (run,)).fetchone()[0]
        return counts


@pytest.mark.parametrize("point", ["trash.asked", "trash.some_rows_gone", "trash.some_rows_gone:2", "trash.rows_gone",
                                   "trash.files_gone", "trash.rows_gone:2", "trash.files_gone:2", "event.run.removed",
                                   "event.model.removed", "event.experiment.removed"])
def test_a_removal_goes_on_after_a_kill(tmp_path, point):
    server = Server(tmp_path / "state")
    server.start()
    experiment, run, kept = asked_for(server)
    assert server.stop() == 0
    server.environment = {"SLIPWAY_FAILPOINT": point}
    server.start()
    assert empty(server) is None, "the server was to die on the way"
    server.process.wait()
    server.process.stdout.close()
    server.environment = {}
    server.start()
    connection = server.connect()
    # Nobody has to ask again; asking to work is asking to wait.
    while call(connection, "POST", GC + "/work", {})[1]["left"] > 0:
        pass
    assert call(connection, "GET", f"{API}/runs/get?run_id={run}")[0] == 404
    assert call(connection, "GET", f"{API}/experiments/get?experiment_id={experiment}")[0] == 404
    assert call(connection, "GET", f"{API}/runs/get?run_id={kept}")[0] == 200
    connection.close()
    assert server.stop() == 0
    counts = rest(tmp_path / "state", run)
    assert counts["removals"] == 0 and counts["runs"] == 1 and counts["nodes"] == 0 and counts["logged_models"] == 0
    assert counts["metric_series"] == 4000
    artifacts = tmp_path / "state" / "artifacts"
    assert not (artifacts / experiment).exists()
    assert (artifacts / "0" / kept / "artifacts" / "deep" / "a.txt").read_text() == "x" * 1000
