"""A model that a stage logged and registered: checked data, golden rows of the environment that trained it, all gates."""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import pytest

from test_delivery import ReplayServer, call  # noqa: E402 (the same folder)

SLIPWAY = os.environ["SLIPWAY_BINARY"]
API = "/api/slipway/v1"
PROJECT = """version: 1
project: bikes
use_case:
  problem: how many bikes
  user: dispatcher
  owner: ops@example.org
  requirements:
    - {id: quality, metric: mae_relative, at_most: 0.35, on: holdout}
    - {id: latency, metric: latency_ms, at_most: 50, share: 0.99, on: serving}
contracts: {data/hour.csv: contracts/hour.odcs.yaml}
deployments:
  bikes:
    model: bikes
    gates: [integrity, signature, contract, parity, quality, performance]
    rollout: [{shadow: {percent: 100, min_requests: 20, max_wait: 14d}}]
    guards: [{metric: error_rate, critical: true}, {requirement: latency}]
"""
TRAIN = """import os
import mlflow, pandas, xgboost
hours = pandas.read_csv("data/hour.csv")
rows = hours[["temp", "hour", "wet"]].astype("float32")
booster = xgboost.train({"max_depth": 4, "nthread": 1}, xgboost.DMatrix(rows, label=hours["cnt"]), 40)
mlflow.set_experiment("stage")
with mlflow.start_run():
    made = mlflow.xgboost.log_model(booster, name="model", pip_requirements=[],
                                    signature=mlflow.models.infer_signature(rows, hours["cnt"].astype("float32")))
open("version.txt", "w").write(mlflow.register_model(made.model_uri, "bikes").version)
"""
GOLDEN = "        golden: {table: data/held.csv, target: cnt}\n"
STAGES = """stages:
  train:
    cmd: PYTHON train.py
    deps: [train.py, data/hour.csv, data/held.csv]
    outs: [version.txt]
    meta:
      slipway:
"""


def hours(first, last, scale=1):
    lines = ["temp,hour,wet,cnt"]
    for i in range(first, last):
        lines.append(f"{i % 97 / 97:.4f},{i % 24},{int(i % 5 == 0)},{scale * (100 + 10 * (i % 24) + i % 7)}")
    return "\n".join(lines) + "\n"


class Project:
    def __init__(self, root):
        self.root = root
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.env["OMP_NUM_THREADS"] = "1"
        for folder in (root, root / "data", root / "contracts"):
            folder.mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=root, env=self.env, check=True)
        self.slipway("init")
        (root / "data" / "hour.csv").write_text(hours(0, 800))
        (root / "data" / "held.csv").write_text(hours(800, 1100))
        (root / "train.py").write_text(TRAIN)
        (root / "slipway.yaml").write_text(PROJECT)
        self.stages(GOLDEN)
        self.slipway("infer", "data/hour.csv", "-o", "contracts/hour.odcs.yaml", "--as-of", "2011-05-01T00:00:00Z")
        contract = root / "contracts" / "hour.odcs.yaml"  # a proposal, which a person makes binding
        contract.write_text(contract.read_text().replace("slipway.severity, value: warn", "slipway.severity, value: fail"))
        self.server = ReplayServer(root / ".slipway")
        self.server.start()
        self.hour = 0
        self.settle()
        self.slipway("apply")
        self.settle()

    def stages(self, golden):
        (self.root / "dvc.yaml").write_text(STAGES.replace("PYTHON", sys.executable) + golden)

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def settle(self):
        self.hour += 1
        status, answer = call(self.server.connect(timeout=120), "POST", f"{API}/clock",
                              {"time": f"2011-05-{1 + self.hour // 24:02}T{self.hour % 24:02}:00:00Z"})
        assert status == 200, answer

    def gates(self):
        """Of the newest rollout."""
        self.settle()
        status, shown = call(self.server.connect(), "GET", f"{API}/deployments/bikes")
        assert status == 200, shown
        return shown["rollouts"][0], {gate["gate"]: gate for gate in shown["rollouts"][0]["gates"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("stage") / "bikes")
    yield project
    assert project.server.stop() == 0


def test_all_gates_have_what_they_ask_for(project):
    said = project.slipway("repro")
    assert "slipway.golden" not in said, "it has nothing to complain of"
    rollout, gates = project.gates()
    assert {gate: found["status"] for gate, found in gates.items()} == dict.fromkeys(gates, "pass"), gates
    assert rollout["phase"] == "live"
    assert gates["parity"]["evidence"]["rows"] >= 300, "the held-out rows, and some with gaps and ends"
    assert gates["quality"]["evidence"]["requirements"][0]["rows"] == 300, "the held-out rows alone"
    assert gates["contract"]["evidence"]["tables"][0]["table"] == "data/hour.csv"


def test_a_check_by_hand_is_a_fact_about_the_bytes(project):
    catalogue = sqlite3.connect(f"file:{project.root}/.slipway/catalog.db?mode=ro", uri=True)
    kept = "select count(*) from judgements where about_kind = 'data' and status = 'pass'"
    before = catalogue.execute(kept).fetchone()[0]
    project.slipway("check", "data/hour.csv", "--as-of", "2011-05-01T00:00:00Z")
    assert catalogue.execute(kept).fetchone()[0] == before + 1
    project.slipway("check", "data/hour.csv", "--as-of", "2011-05-01T00:00:00Z", "--no-record")
    assert catalogue.execute(kept).fetchone()[0] == before + 1
    catalogue.close()


def test_a_model_that_is_worse_on_the_held_out_rows_is_stopped(project):
    # Trained on targets that are three times too large; what was held out is as it was.
    (project.root / "data" / "hour.csv").write_text(hours(0, 800, scale=3))
    project.slipway("repro")
    rollout, gates = project.gates()
    assert rollout["phase"] == "stopped"
    assert gates["quality"]["status"] == "fail"
    assert "at most 0.35 is asked for" in gates["quality"]["words"]
    assert gates["parity"]["status"] == "pass"


def test_without_golden_rows_and_on_data_that_breaks_its_contract_a_version_does_not_pass(project):
    (project.root / "data" / "hour.csv").write_text(hours(0, 799) + "0.5,12,,200\n")  # nobody knows whether it was wet
    project.stages("        golden: false\n")
    project.slipway("repro", "--force")
    rollout, gates = project.gates()
    assert rollout["phase"] == "stopped"
    assert gates["parity"]["status"] == "no_data" and gates["parity"]["words"].startswith("there are no golden rows: ")
    assert gates["contract"]["status"] == "fail", gates["contract"]["words"]
    assert "wet" in gates["contract"]["words"]
    assert json.loads(project.slipway("--json", "gates", "show", "bikes", code=1))["phase"] == "stopped"


def in_folder(project, tables):
    """The project's training reads a folder with these tables."""
    folder = project.root / "data" / "split"
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (project.root / "train.py").write_text(TRAIN.replace("data/hour.csv", "data/split/a/train.csv"))
    stage = STAGES.replace("PYTHON", sys.executable).replace("data/hour.csv, data/held.csv", "data/split")
    (project.root / "dvc.yaml").write_text(stage.split("    meta:")[0])


def test_golden_rows_are_found_in_a_folder_that_the_stage_depends_on(project):
    in_folder(project, {"a/README.txt": "no table", "a/broken.csv": '"temp', "a/daily.csv": "day,cnt\n1,2\n",
                        "a/train.csv": hours(0, 800), "b/held.csv": hours(800, 1100)})
    said = project.slipway("repro")
    assert "slipway.golden" not in said, said
    _, gates = project.gates()
    assert (gates["parity"]["status"], gates["performance"]["status"]) == ("pass", "pass"), gates
    assert gates["parity"]["evidence"]["rows"] > 800, "of the first table with all columns"


def test_a_table_of_few_different_rows_gives_golden_rows_that_differ(project):
    (project.root / "data" / "held.csv").write_text("temp,hour,wet,cnt\n" + "0.5,12,0,220\n0.4,12,1,220\n" * 20)
    project.stages(GOLDEN)
    project.slipway("repro", "--force")
    _, gates = project.gates()
    assert gates["parity"]["status"] == "pass", gates["parity"]
    assert gates["parity"]["evidence"]["different_rows"] >= 128
    assert gates["quality"]["status"] == "no_data", "what came true is known of two different rows only"
    assert "40 rows were held out, but only 2 different ones, at least 30 are needed" in gates["quality"]["words"]


def test_where_no_table_has_the_columns_repro_and_the_gates_say_what_helps(project):
    in_folder(project, {"a/train.csv": hours(0, 700)})
    (project.root / "train.py").write_text((project.root / "train.py").read_text() + "os.remove('data/split/a/train.csv')\n"
                                           + "open('data/split/daily.csv', 'w').write('day,cnt\\n1,2\\n')\n")
    said = project.slipway("repro")
    line, = (line for line in said.splitlines() if "slipway.golden" in line)
    assert "slipway.golden: no golden rows of models:/m-" in line
    assert "split/daily.csv has all columns of the model as numbers; name one in dvc.yaml" in line
    _, gates = project.gates()
    for gate in ("parity", "performance"):
        assert gates[gate]["status"] == "no_data"
        assert "stage 'train' depends on" in gates[gate]["words"], gates[gate]["words"]
        assert "meta: {slipway: {golden: {table: PATH, target: COLUMN}}}" in gates[gate]["words"]
