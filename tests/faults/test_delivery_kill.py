"""Versions on their way to serve, while the server is killed again and again at whatever moment: each still gets there,
once, and what was counted before a kill is not counted twice."""
import json
import os
import random
import sqlite3
import subprocess
import time

import pytest

from server import Server, call, create_run

LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
VERSIONS = 12 if LONG else 4
API = "/api/slipway/v1"
MLFLOW = "/api/2.0/mlflow"
PROJECT = """version: 1
project: bikes
use_case: {problem: p, user: u, owner: o@example.org, requirements: []}
deployments:
  live:
    model: bikes
    gates: [integrity]
    rollout:
      - shadow: {percent: 100, min_requests: 30, max_wait: 14d}
      - canary: {percent: 50, min_requests: 30, max_wait: 14d}
    guards: [{metric: error_rate, critical: true}]
"""
MLMODEL = "flavors:\n  xgboost:\n    data: model.json\n    model_class: xgboost.core.Booster\n"


def stump(low, high):
    """A model of two columns: low where the first is below 10, else high."""
    tree = {"tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "3", "size_leaf_vector": "1"}, "id": 0,
            "left_children": [1, -1, -1], "right_children": [2, -1, -1], "parents": [2147483647, 0, 0],
            "split_indices": [0, 0, 0], "split_type": [0, 0, 0], "default_left": [0, 0, 0], "loss_changes": [0, 0, 0],
            "sum_hessian": [1, 1, 1], "categories": [], "categories_nodes": [], "categories_segments": [],
            "categories_sizes": [], "base_weights": [0, 0, 0], "split_conditions": [10, low, high]}
    trees = {"gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "tree_info": [0],
             "iteration_indptr": [0, 1], "trees": [tree]}
    return {"version": [2, 1, 0], "learner": {
        "attributes": {}, "feature_names": ["x", "y"], "feature_types": ["float", "float"],
        "gradient_booster": {"name": "gbtree", "model": trees},
        "learner_model_param": {"base_score": "0", "boost_from_average": "0", "num_class": "0", "num_feature": "2",
                                "num_target": "1"},
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}}}


@pytest.fixture
def server(tmp_path):
    (tmp_path / "slipway.yaml").write_text(PROJECT)
    server = Server(tmp_path / ".slipway")
    server.start()
    subprocess.run([os.environ["SLIPWAY_BINARY"], "apply"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    call(server.connect(), "POST", f"{MLFLOW}/registered-models/create", {"name": "bikes"})
    yield server
    assert server.stop() == 0


def register(server, number):
    run = create_run(server.connect())
    folder = server.state / "artifacts" / "0" / run / "artifacts" / "model"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text(MLMODEL)
    (folder / "model.json").write_text(json.dumps(stump(number, number + 0.5)))
    status, answer = call(server.connect(), "POST", f"{MLFLOW}/model-versions/create",
                          {"name": "bikes", "run_id": run, "source": f"mlflow-artifacts:/0/{run}/artifacts/model"})
    assert status == 200, answer
    assert answer["model_version"]["version"] == str(number)


def ask(server, times):
    """Answers that were given: all but those of a deployment that serves nothing yet."""
    connection = server.connect()
    body = {"dataframe_split": {"columns": ["x", "y"], "data": [[1, 2]]}}
    answers = [call(connection, "POST", "/deployments/live/invocations", body) for _ in range(times)]
    assert {status for status, _ in answers} <= {200, 503}, answers[0]
    return [answer["predictions"][0] for status, answer in answers if status == 200]


def newest(server):
    status, shown = call(server.connect(), "GET", f"{API}/deployments/live")
    assert status == 200, shown
    return shown["rollouts"][0] if shown["rollouts"] else {"version": 0, "phase": "none"}


def go_live(server, version):
    """Asks until it serves; a decision is made twice a second at the least."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        ask(server, 60)
        rollout = newest(server)
        if rollout["version"] == version and rollout["phase"] == "live":
            return rollout
    raise AssertionError(rollout)


def test_a_live_version_that_is_gone_goes_on_until_a_restart_and_makes_way_for_the_next(server):
    register(server, 1)
    go_live(server, 1)
    delete = ("DELETE", f"{MLFLOW}/model-versions/delete", {"name": "bikes", "version": "1"})
    status, answer = call(server.connect(), *delete)
    assert status == 409 and "deployment live serves it" in answer["message"], answer
    for request in (("POST", f"{MLFLOW}/model-versions/set-tag",
                     {"name": "bikes", "version": "1", "key": "slipway.delete", "value": "bikes/1"}), delete):
        status, answer = call(server.connect(), *request)
        assert status == 200, answer
    register(server, 2)
    ask(server, 60)
    assert set(ask(server, 5)) <= {1, 1.5, 2, 2.5}, "what is in memory answers"
    server.kill()
    server.start()
    shown = go_live(server, 2)
    assert set(ask(server, 5)) <= {2, 2.5}
    register(server, 3)
    assert go_live(server, 3)["version"] == 3, "the way is free"
    status, shown = call(server.connect(), "GET", f"{API}/deployments/live")
    assert status == 200 and shown["stable"] == 3 and not shown.get("waiting")
    catalogue = sqlite3.connect(f"file:{server.state}/catalog.db?mode=ro", uri=True)
    assert catalogue.execute("select count(*) from deployment_quarantine").fetchone()[0] == 0, "nobody else is blamed"
    catalogue.close()


def test_every_version_gets_there_once_whatever_is_killed(server):
    chance = random.Random(20110501)
    kills = 0
    for version in range(1, VERSIONS + 1):
        register(server, version)
        # By time, not by lives: how short those are depends on the machine, how often the loop turns does not.
        end = time.monotonic() + 60
        while time.monotonic() < end:
            ask(server, chance.randrange(0, 90))
            server.kill()
            kills += 1
            server.start()
            # The other half of the way without a kill, so that it ends: requests until a step is done.
            ask(server, 60)
            rollout = newest(server)
            if rollout["version"] == version and rollout["phase"] == "live":
                break
        assert (rollout["version"], rollout["phase"]) == (version, "live")
        assert set(ask(server, 5)) <= {version, version + 0.5}
    print(f"{kills} kills")

    catalogue = sqlite3.connect(f"file:{server.state}/catalog.db?mode=ro", uri=True)
    count = lambda sql: catalogue.execute(sql).fetchone()[0]  # noqa: E731
    assert count("select count(*) from rollouts") == VERSIONS
    assert count("select count(*) from gate_verdicts") == VERSIONS
    for kind in ("requested", "gates_started", "promoted", "settled"):
        assert count(f"select count(*) from events where type = 'rollout.{kind}'") == VERSIONS, kind
    assert count("select count(*) from events where type = 'rollout.advanced'") == 2 * (VERSIONS - 1)
    assert count("select count(*) from events where type = 'gate.judged'") == VERSIONS
    assert count("select count(*) from events where type = 'alias.set'") == VERSIONS
    # Nothing was counted twice: no step has more answers than were asked for at all.
    for (counts,) in catalogue.execute("select counts from rollout_counts"):
        assert json.loads(counts)["candidate"]["errors"] == 0
    catalogue.close()
