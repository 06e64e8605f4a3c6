"""A project file on its way: laid out, found wanting, planned, applied; by a command alone and beside a server."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "faults"))
from server import Server, call  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
SKETCH = (ROOT / "fuzz" / "corpus" / "project_file" / "sketch").read_text()
API = "/api/slipway/v1"
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: hour
version: 1.0.0
status: active
schema: [{name: hour, properties: [{name: cnt, logicalType: integer}]}]
"""


class Project:
    def __init__(self, root):
        self.root = root
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        root.mkdir()
        self.git("init", "-q", ".")

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.root, env=self.env, check=True, capture_output=True,
                              text=True).stdout.strip()

    def start(self, *arguments):
        return subprocess.Popen([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def slipway(self, *arguments, code=0):
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (arguments, process.returncode, out, err)
        return out + err

    def json(self, *arguments, code=0):
        return json.loads(self.slipway("--json", *arguments, code=code))

    def write(self, **changes):
        """The product's example, with each key of `changes` replaced by its value."""
        text = SKETCH
        for old, new in changes.get("replace", {}).items():
            assert old in text, old
            text = text.replace(old, new)
        (self.root / "slipway.yaml").write_text(text)
        (self.root / "contracts").mkdir(exist_ok=True)
        (self.root / "contracts" / "hour.odcs.yaml").write_text(changes.get("contract", CONTRACT))


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "bikes")


@pytest.fixture
def server(project):
    server = Server(project.root / ".slipway")
    server.start()
    yield server
    server.stop()


def test_init_lays_out_what_lint_asks_for(project):
    made = project.json("init")["made"]
    assert "slipway.yaml" in made and (project.root / "docs" / "model.md").exists()
    assert (project.root / ".dvc" / "config").exists()
    missing = [finding["rule"] for finding in project.json("lint", code=1)["missing"]]
    assert missing == ["purpose", "user", "owner", "requirements", "contracts", "tests", "selection-criteria",
                       "experiments", "pseudo-code"]
    assert project.slipway("plan").startswith("+ project bikes\n")


def test_init_adds_to_what_is_there(project):
    project.slipway("init")
    (project.root / "slipway.yaml").write_text("version: 1\nproject: mine\n")
    assert project.json("init") == {"made": []}
    assert (project.root / "slipway.yaml").read_text() == "version: 1\nproject: mine\n"


def test_a_repository_that_uses_dvc_already_gets_slipway_yaml_alone(project):
    project.slipway("dvc", "init", "-q")
    before = {path.name for path in project.root.iterdir()}
    for command, code in (("lint", 1), ("plan", 3)):
        assert "`slipway init --minimal`" in project.slipway(command, code=code)
    assert project.json("init", "--minimal") == {"made": ["slipway.yaml"]}
    assert {path.name for path in project.root.iterdir()} - before == {"slipway.yaml"}
    assert project.slipway("plan").startswith("+ project bikes\n")


def test_lint_says_nothing_of_a_complete_project(project):
    project.slipway("init")
    project.write(contract=CONTRACT.replace("integer", "integer, description: rentals") + """
team: {name: Operations}
description: {purpose: demand, limitations: one city}
customProperties: [{property: source, value: docks}, {property: labelling, value: counted}]
""")
    stages = ["prepare", "train", "evaluate", "build-app"]
    (project.root / "dvc.yaml").write_text("stages:\n" + "".join(f"  {s}: {{cmd: 'true', deps: [data/hour.csv]}}\n" for s in stages))
    (project.root / "tests" / "data" / "test_features.py").write_text("def test_it(): pass\n")
    for path in ("data/hour.csv", "train/train.py", "app/app.py"):  # what triggers wait for
        (project.root / path).parent.mkdir(exist_ok=True)
        (project.root / path).write_text("x\n")
    page = project.root / "docs" / "model.md"
    page.write_text(page.read_text().replace("<!--", "").replace("-->", ""))
    assert project.slipway("lint") == "nothing is missing\n"


def test_plan_makes_nothing(project):
    project.write()
    text = project.slipway("plan")
    assert "+ deployment bikes\n" in text
    assert "requirement freshness is enforced by monitor age of bikes\n" in text
    assert "rollout of bikes, 24/d (declared), alpha 0.0125 a guard and step\n" in text
    assert not (project.root / ".slipway").exists()


def test_every_fault_is_reported_and_nothing_applied(project):
    project.write(replace={"gates:": "gtes:", "pipeline: package,": "pipeline: pakage,"})
    text = project.slipway("apply", code=3)
    assert 'slipway.yaml:19:24: found the pipeline "pakage", expected train or package; did you mean "package"?' in text
    assert 'slipway.yaml:30:5: found the key "gtes"' in text
    project.write()
    assert project.json("plan")["first"]


def test_what_a_module_could_not_act_on_is_refused(project):
    project.write(contract="apiVersion: v3.1.0\nschma: []\n",
                  replace={'cron: "30 2 * * *", tz: Europe/Berlin': 'cron: "61 2 * * *", tz: Europe/Berlni',
                           "percent: 50": "percent: 100"})
    text = project.slipway("apply", code=3)
    assert re.search(r"slipway.yaml:16:36: .*61", text) and re.search("slipway.yaml:16:54: .*Europe/Berlni", text), text
    assert "contracts/hour.odcs.yaml:2:1: " in text
    assert "slipway.yaml:34:" in text and "nothing to compare with" in text
    places = [finding["where"] for finding in project.json("lint", code=1)["missing"] if finding["rule"] == "declaration"]
    assert "contracts/hour.odcs.yaml:2:1" in places


def test_a_contract_that_is_not_there_is_named(project):
    project.write()
    (project.root / "contracts" / "hour.odcs.yaml").unlink()
    assert 'found no file "contracts/hour.odcs.yaml", expected the contract of' in project.slipway("apply", code=3)


def test_apply_is_done_once_and_says_what_changed(project):
    project.write()
    assert "applied as number 1" in project.slipway("apply")
    warnings = [line for line in project.slipway("plan").splitlines(True) if line.startswith("warning: ")]
    assert warnings  # as true as the first time
    assert project.slipway("apply") == "nothing changed: this is what is applied already\n" + "".join(warnings)
    project.write(replace={'cron: "30 2 * * *"': 'cron: "0 3 * * *"'})
    assert '~ trigger nightly\n    cron: "30 2 * * *" -> "0 3 * * *"\n' in project.slipway("plan")
    done = project.json("apply")
    assert done["number"] == 2
    assert [(c["change"], c["kind"], c["name"]) for c in done["plan"]["changes"]] == [("changed", "trigger", "nightly")]


def test_a_rollout_that_cannot_end_is_refused(project):
    project.write(replace={"margin: 0.1": "margin: 0.01"})
    plan = project.json("plan", code=1)
    assert len(plan["refusals"]) == 2 and plan["refusals"][0].startswith("slipway.yaml:33:9: this shadow of bikes")
    assert "can't end" in project.slipway("apply", code=1)
    project.write()
    assert project.json("apply")["number"] == 1


def test_the_owner_of_the_state_applies(project, server):
    project.write()
    assert project.json("plan")["first"]
    assert project.json("apply")["number"] == 1
    connection = server.connect()
    status, applied = call(connection, "GET", f"{API}/project")
    assert status == 200
    assert applied["text"] == SKETCH
    assert applied["documents"] == {"contracts/hour.odcs.yaml": CONTRACT}
    assert applied["bindings"][1] == {"requirement": "latency", "enforced_by": [
        {"kind": "guard", "deployment": "bikes", "name": "latency"}]}
    assert {"kind": "monitor", "name": "bikes/age"} == {k: v for k, v in applied["objects"][18].items() if k != "value"}
    project.write(replace={"margin: 0.1": "margin: 0.01"})
    assert "can't end" in project.slipway("apply", code=1)
    assert project.json("plan", code=1)["changes"][0]["fields"] == [
        {"field": "guards.error_rate.margin", "old": 0.1, "new": 0.01}]
    assert call(connection, "GET", f"{API}/project/history")[1]["applied"][0]["number"] == 1


def test_what_applied_alone_is_there_for_the_server(project):
    project.write()
    assert "it takes hold when `slipway up` runs" in project.slipway("apply")
    server = Server(project.root / ".slipway")
    server.start()
    try:
        assert call(server.connect(), "GET", f"{API}/project")[1]["number"] == 1
    finally:
        server.stop()


def test_nobody_applies_who_cannot_read_the_state(server):
    connection = server.connect()
    assert call(connection, "GET", f"{API}/project")[0] == 404
    body = {"text": "version: 1\nproject: p\n"}
    assert call(connection, "POST", f"{API}/project", body)[0] == 403
    assert call(connection, "POST", f"{API}/project/plan", body)[0] == 200
    assert call(connection, "POST", f"{API}/project/plan", {"text": "version: 2\n"})[0] == 400
    assert call(connection, "GET", f"{API}/project/history?limit=0")[0] == 400
    assert call(connection, "GET", f"{API}/project")[0] == 404


def test_the_commit_is_kept_with_it(project, server):
    project.write()
    project.git("add", "-A")
    project.git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "first")
    project.slipway("apply")
    project.write(replace={"percent: 50": "percent: 40"})
    project.slipway("apply")
    rows = call(server.connect(), "GET", f"{API}/project/history")[1]["applied"]
    head = project.git("rev-parse", "HEAD")
    assert [(row["number"], row["commit"], row["dirty"]) for row in rows] == [(2, head, True), (1, head, False)]


def test_many_at_once_apply_one(project, server):
    project.write()
    started = [project.start("--json", "apply") for _ in range(6)]
    done = [json.loads(process.communicate(timeout=60)[0]) for process in started]
    assert sorted(one["changed"] for one in done) == [False] * 5 + [True]
    assert {one["number"] for one in done} == {1}


def test_many_at_once_apply_one_without_a_server(project):
    project.write()
    started = [project.start("--json", "apply") for _ in range(4)]
    for process in started:
        process.communicate(timeout=60)
    assert project.json("apply") | {"plan": None} == {"changed": False, "number": 1, "event_seq": 0, "plan": None,
                                                       "digest": project.json("apply")["digest"]}
