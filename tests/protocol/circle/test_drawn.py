"""Data that a triggered run draws: a version of its own in the data cache, which the run's commit names, dvc gives back,
explain walks through, and the gates judge by its contract. Also when the server dies in between."""
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess

import pytest

SLIPWAY = os.environ["SLIPWAY_BINARY"]
PYTHON = os.environ["SLIPWAY_PYTHON_MLFLOW3"]
DVC = os.environ["SLIPWAY_PYTHON_DVC"]
API = "/api/slipway/v1"
HEAD = "prediction_id,event_time,version,hour,rain,prediction,rides\n"
PROJECT = """version: 1
project: rides
use_case: {problem: how many rides, user: dispatcher, owner: ops@example.org, requirements: []}
contracts: {data/live.csv: contracts/live.yaml}
pipelines: {train: {stages: [train]}}
triggers:
  asked:
    pipeline: train
    cloudevent: {type: org.example.asked}
    with: {data: {from: deployments/rides, labelled: true, to: data/live.csv}}
deployments:
  rides: {model: rides, gates: [integrity, contract], rollout: [{shadow: {percent: 100, min_requests: 1000}}]}
"""
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: live
version: 1.0.0
status: active
schema:
  - name: live
    properties:
      - {name: hour, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0, maximum: 23}}
      - {name: rain, logicalType: number, required: true}
      - name: rides
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 0}
        customProperties: [{property: slipway.role, value: target}]
    quality:
      - {metric: rowCount, mustBeGreaterOrEqualTo: 0}
"""
STAGES = """stages:
  train: {cmd: %s train.py, deps: [data/live.csv, train.py], outs: [model.ubj]}
""" % PYTHON
TRAIN = """import mlflow, mlflow.xgboost, pandas, xgboost
live = pandas.read_csv("data/live.csv")
rows = pandas.DataFrame({"hour": [8.0, 12.0, *live.hour], "rain": [0.0, 1.0, *live.rain], "rides": [70.0, 10.0, *live.rides]})
mlflow.set_experiment("rides")
with mlflow.start_run():
    model = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(rows[["hour", "rain"]], rows.rides)
    mlflow.xgboost.log_model(model, name="model", pip_requirements=[], registered_model_name="rides")
model.save_model("model.ubj")
"""


class Project:
    def __init__(self, root):
        self.root, self.day = root, 0
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.env.update(PYTHONWARNINGS="ignore", MLFLOW_LOGGING_LEVEL="ERROR", GIT_PYTHON_REFRESH="quiet",
                        DVC_NO_ANALYTICS="1", OMP_NUM_THREADS="1")
        root.mkdir(parents=True)
        self.run("git", "init", "-q", "-b", "main", ".")
        self.run("git", "config", "user.name", "t")
        self.run("git", "config", "user.email", "t@example.org")
        self.slipway("init")
        for name, text in {"slipway.yaml": PROJECT, "contracts/live.yaml": CONTRACT, "dvc.yaml": STAGES, "train.py": TRAIN,
                           "data/live.csv": HEAD}.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)

    def run(self, *command, cwd=None, code=0):
        done = subprocess.run(command, cwd=cwd or self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120)
        assert done.returncode == code, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def slipway(self, *arguments, **options):
        return self.run(SLIPWAY, *arguments, **options)

    def json(self, *arguments, **options):
        return json.loads(self.slipway("--json", *arguments, **options))

    def dvc(self, *arguments, cwd):
        return self.run(DVC, "-m", "dvc", *arguments, cwd=cwd)

    def saved(self):
        """All that it is, to be there again later; paths in it are absolute."""
        self.stop()
        keep = self.root.with_name("saved")
        shutil.copytree(self.root, keep, symlinks=True)
        return keep

    def restore(self, keep, **environment):
        shutil.rmtree(self.root)
        shutil.copytree(keep, self.root, symlinks=True)
        self.start(**environment)
        self.turn_clock()

    def commit(self, message):
        self.run("git", "add", ".")
        self.run("git", "commit", "-qm", message)

    def start(self, **environment):
        self.server = subprocess.Popen(
            [SLIPWAY, "up", "--clock", "replay", "--listen", "127.0.0.1:0", "--log-level", "error"], cwd=self.root,
            env={**self.env, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.server.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        self.address = line.split("http://")[1].strip()

    def stop(self):
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(timeout=60)
        self.server.stdout.close()

    def call(self, method, path, body, kind="application/json"):
        connection = http.client.HTTPConnection(self.address, timeout=120)
        connection.request(method, path, json.dumps(body), {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        assert 200 <= answer.status < 300, (path, answer.status, text)
        return json.loads(text)

    def turn_clock(self):
        self.day += 1
        self.call("POST", f"{API}/clock", {"time": f"2011-05-{self.day:02}T00:00:00Z"})

    def go_live(self):
        self.start()
        self.turn_clock()
        self.slipway("apply")
        self.slipway("repro")
        self.commit("a first model")
        self.turn_clock()
        assert self.json("deployments", "rides")["stable"] == 1, self.slipway("gates", "show", "rides", code=1)

    def live_through(self, truths):
        """An answer for each, and what was true; only those with a label are for training."""
        labels = []
        for hour, truth in enumerate(truths):
            inputs = [{"name": name, "datatype": "FP64", "shape": [1], "data": [value]}
                      for name, value in {"hour": hour, "rain": 0.25}.items()]
            answer = self.call("POST", "/v2/models/rides/infer", {
                "inputs": inputs, "parameters": {"event_time": f"2011-05-{self.day:02}T{hour:02}:00:00Z"}})
            if truth is not None:
                labels.append({"prediction_id": answer["parameters"]["prediction_id"], "value": truth})
        self.call("POST", f"{API}/feedback", {"labels": labels})
        self.turn_clock()

    def ask_for_a_run(self):
        event = {"specversion": "1.0", "id": "1", "source": "/t", "type": "org.example.asked", "data": {}}
        self.call("POST", "/events", event, "application/cloudevents+json")
        self.turn_clock()

    def newest_run(self):
        run = self.json("runs")["runs"][0]
        assert run["state"] == "succeeded", (run, self.slipway("logs", run["id"]))
        return run

    def events(self, kind):
        return [event for event in self.json("events", "--after", "0", "--limit", "1000")["events"] if event["type"] == kind]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A first version that is live, saved; its empty table is tracked by git."""
    project = Project(tmp_path_factory.mktemp("live") / "rides")
    project.commit("data")
    project.go_live()
    return project, project.saved(), project.day


@pytest.fixture
def project(live):
    project, keep, project.day = live
    project.restore(keep)
    yield project
    project.stop()


def drawn_by(project, run):
    """Digest and text of what the run drew, as the cache has it."""
    data, = run["plan"]["data"]
    assert data["to"] == "data/live.csv"
    file = project.root / ".dvc" / "cache" / "files" / "md5" / data["md5"][:2] / data["md5"][2:]
    text = file.read_bytes()
    assert hashlib.md5(text).hexdigest() == data["md5"]
    assert file.stat().st_mode & 0o222 == 0, "as every object of the cache"
    return data["md5"], text.decode()


def test_a_run_is_made_again_from_its_commit(project, tmp_path):
    made_again(project, tmp_path)


def test_also_where_the_table_was_added_before(tmp_path):
    project = Project(tmp_path / "rides")
    project.slipway("add", "data/live.csv")
    project.commit("data")
    project.go_live()
    try:
        made_again(project, tmp_path)
    finally:
        project.stop()


def made_again(project, tmp_path):
    project.live_through([70, 60, None, 1000000, 0])
    project.ask_for_a_run()
    run = project.newest_run()
    md5, text = drawn_by(project, run)
    lines = text.splitlines()
    assert lines[0] + "\n" == HEAD, "labels stand under the name of the contract's target"
    assert [line.split(",")[-1] for line in lines[1:]] == ["70", "60", "1000000", "0"], "integers stay integers"
    show = lambda path: project.run("git", "show", f"{run['ref']}:{path}")  # noqa: E731
    assert md5 in show("dvc.lock") and md5 in show("data/live.csv.dvc")
    assert "/live.csv" in show("data/.gitignore").split()
    assert project.run("git", "ls-tree", run["ref"], "data/live.csv") == "", "data is no business of git's"
    assert (project.root / "data" / "live.csv").read_text() == HEAD, "the person's folder is as it was"
    assert project.run("git", "status", "--porcelain") == ""

    again = tmp_path / "again"
    project.run("git", "worktree", "add", "-q", str(again), run["ref"])
    project.dvc("cache", "dir", "--local", str(project.root / ".dvc" / "cache"), cwd=again)
    project.dvc("checkout", cwd=again)
    assert (again / "data" / "live.csv").read_bytes().decode() == text
    assert "up to date" in project.dvc("status", cwd=again)
    assert "didn't change, skipping" in project.dvc("repro", cwd=again)
    said = project.slipway("repro", cwd=again)
    assert "didn't change, skipping" in said and "Running" not in said, said
    (again / "data" / "live.csv").unlink()
    project.slipway("checkout", cwd=again)
    assert (again / "data" / "live.csv").read_bytes().decode() == text


def test_explain_walks_through_it_and_the_gate_has_judged_it(project):
    project.live_through([70, 60])
    project.ask_for_a_run()
    run = project.newest_run()
    md5, _ = drawn_by(project, run)
    edges = [(edge["effect"], edge["relation"], edge["cause"]) for edge in project.json("explain", "models:/rides/2")["edges"]]
    kinds = lambda node: node if isinstance(node, str) else f"{node['kind']}:{node['id']}"  # noqa: E731
    edges = [(kinds(effect), relation, kinds(cause)) for effect, relation, cause in edges]
    assert (f"data:{md5}", "drawn_from", "deployment:rides") in edges
    assert (f"pipeline_run:{run['id']}", "used", f"data:{md5}") in edges
    assert any(effect.startswith("attempt:") and cause == f"data:{md5}" for effect, _, cause in edges)
    said = project.slipway("explain", "models:/rides/2")
    assert f"data {md5}" in said and "drawn from deployment rides" in said, said
    drawn, = project.events("data.drawn")
    assert drawn["subject"] == f"data:{md5}" and drawn["data"]["run"] == run["id"]
    assert "data.drawn" in project.slipway("events", "--why", run["id"])
    contract, = [gate for gate in project.json("gates", "show", "rides")["gates"] if gate["gate"] == "contract"]
    assert contract["status"] == "pass", contract
    table, = contract["evidence"]["tables"]
    assert (table["table"], table["contract"], table["data"]) == ("data/live.csv", "contracts/live.yaml", md5)
    assert table["verdict"], "every rule's verdict is kept"


def test_labels_that_break_the_contract_stop_the_version(project):
    project.live_through([70, -5])
    project.ask_for_a_run()
    md5, _ = drawn_by(project, project.newest_run())
    stopped, = project.events("rollout.stopped")
    assert stopped["data"]["version"] == 2
    assert "data/live.csv: fail" in stopped["data"]["reason"] and "rides/range" in stopped["data"]["reason"], stopped
    assert project.json("deployments", "rides")["stable"] == 1
    contract, = [gate for gate in project.json("gates", "show", "rides", code=1)["gates"] if gate["gate"] == "contract"]
    assert contract["status"] == "fail" and contract["evidence"]["tables"][0]["data"] == md5


@pytest.mark.parametrize("point", ["run.data_drawn", "run.data_kept", "run.attempt_begun"])
def test_whenever_the_server_dies_it_is_drawn_once(project, point):
    project.live_through([70, 60, 50])
    project.stop()
    project.start(SLIPWAY_FAILPOINT=point)
    project.day -= 1
    project.turn_clock()
    with pytest.raises((OSError, http.client.HTTPException)):
        project.ask_for_a_run()
    assert project.server.wait(timeout=60) == -signal.SIGKILL
    project.server.stdout.close()
    project.start()
    project.turn_clock()
    run = project.newest_run()
    md5, text = drawn_by(project, run)
    assert text.count("\n") == 4
    drawn, = project.events("data.drawn")
    assert drawn["subject"] == f"data:{md5}"
    assert not (project.root / ".slipway" / "runs" / run["id"] / "drawing").exists()
    assert project.json("deployments", "rides")["rollouts"][0]["version"] == 2
