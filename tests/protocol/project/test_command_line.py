"""What every command says, and how it ends: one JSON document under --json, one exit code for one mistake."""
import json
import os
import shlex
import signal
import subprocess

import pytest

SLIPWAY = os.environ["SLIPWAY_BINARY"]
TABLE = "station,at,bikes\n1,2026-03-01T10:00:00Z,4\n2,2026-03-01T10:30:00Z,7\n"
VIEW = """kind: feature_view
name: station
owner: ops@example.org
entity: {station: int64}
source: {file: rides.csv, event_time: at, columns: {bikes: int64}}
ttl: 2h
features:
  bikes: int64
"""
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: rides
version: 1.0.0
status: active
schema: [{name: rides, properties: [{name: bikes, logicalType: integer}]}]
"""
STAGES = "stages:\n  train:\n    cmd: sort raw.csv > sorted.csv\n    deps: [raw.csv]\n    outs: [sorted.csv]\n"
VARS = "vars: [{a: 1}]\nstages:\n  train:\n    cmd: echo ${a} > out\n    outs: [out]\n"


class Project:
    def __init__(self, root, *init):
        self.root = root
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.env |= {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_COMMITTER_NAME": "t",
                     "GIT_COMMITTER_EMAIL": "t@example.org"}
        root.mkdir()
        if not init:
            return
        self.git("init", "-q", ".")
        self.run("init")
        self.write({"raw.csv": "b\na\n", "rides.csv": TABLE, "features/station.yaml": VIEW, "entities.csv":
                    "station,event_timestamp\n1,2026-03-01T11:00:00Z\n", "rides.odcs.yaml": CONTRACT, "dvc.yaml": STAGES})
        with open(root / "slipway.yaml", "a") as file:
            file.write("\nfeatures: [features/station.yaml]\n")

    def write(self, files):
        for name, content in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content)

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.root, env=self.env, check=True, capture_output=True, text=True).stdout

    def run(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120)
        assert code is None or done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments, code=0):
        done = self.run("--json", *arguments, code=code)
        assert done.stdout.endswith("\n"), (arguments, done.stdout)
        document = json.loads(done.stdout)  # one, and nothing else
        if done.returncode > 1:
            assert isinstance(document["error"], str) and isinstance(document["code"], str), (arguments, document)
        return document


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project", "init")


# In an order that makes sense: each with the codes it may end with.
GOOD = [
    (["init"], 0), (["lint"], 1), (["plan"], None), (["apply"], None), (["add", "raw.csv"], 0), (["status"], 1),
    (["repro"], 0), (["repro"], 0), (["status"], 0), (["commit"], 0), (["commit", "train"], 0), (["checkout"], 0),
    (["profile", "rides.csv"], 0), (["profile", "rides.csv", "-o", "rides.json"], 0), (["infer", "rides.csv"], 0),
    (["infer", "rides.csv", "-o", "new.yaml"], 0), (["check", "rides.csv", "--contract", "rides.odcs.yaml"], 0),
    (["features", "train-set", "--view", "station", "--entities", "entities.csv", "-o", "set.csv"], 0),
    (["features", "materialize", "--view", "station"], 0),
    (["features", "get", "--view", "station", "--at", "2026-03-01T11:00:00Z", "1"], 0),
    (["explain", "sorted.csv"], 0), (["explain", "--effects", "raw.csv"], 0),
]


def table(project):
    """All commands that answer in JSON; `up` has a test of its own."""
    return [command for command in project.json("--help")["commands"] if command["name"] not in ("up", "dvc")]


def examples(command):
    """The arguments of each example in the help."""
    assert command["examples"], command["name"]
    for example in command["examples"]:
        words = shlex.split(example.rsplit("slipway ", 1)[1])
        yield [word for word in words if word != "--json"]


def test_every_command_answers_json_with_one_document(project):
    for arguments, code in GOOD:
        project.json(*arguments, code=code)


def test_every_example_answers_json_with_one_document(project):
    for command in table(project):
        for arguments in examples(command):
            assert arguments[0] == command["name"]
            project.json(*arguments, code=None)


BAD = {
    "init": ["init", "--no-scm", "--subdir"], "add": ["add", "nothere"], "status": ["status", "nothere"],
    "repro": ["repro", "nothere"], "commit": ["commit", "nothere"], "checkout": ["checkout", "nothere"],
    "profile": ["profile", "nothere.csv"], "infer": ["infer", "nothere.csv"], "check": ["check", "nothere.csv"],
    "features": ["features", "get", "--view", "nothere", "1"], "explain": ["explain", "models:/nothere/1"],
}


def test_every_command_answers_json_with_one_document_when_it_goes_wrong(project, tmp_path):
    bare = Project(tmp_path / "bare")
    for command in table(project):
        arguments = BAD.get(command["name"], [command["name"], "nothere"])
        for place in (project, bare):
            done = place.run("--json", *arguments, code=None)
            assert done.returncode > 1 and json.loads(done.stdout)["error"], (arguments, done)
        project.json(command["name"], "--no-such-flag", code=2)
    assert project.json("up", "--listen", "nothere", code=2)["error"]


def test_a_failed_stage_is_told_in_the_document(project):
    project.write({"dvc.yaml": "stages:\n  s:\n    cmd: echo said; exit 3\n"})
    assert project.json("repro", code=1)["failed"] == {"s": "failed to run: echo said; exit 3, exited with 3"}


def test_a_changed_stage_is_refused_in_a_document(project):
    project.json("repro")
    project.write({"raw.csv": "c\n"})
    said = project.json("commit", code=1)
    assert "train" in said["error"] and said["code"] == "conflict"


def test_up_says_its_address_in_a_document(project):
    server = subprocess.Popen([SLIPWAY, "--json", "up", "--listen", "127.0.0.1:0"], cwd=project.root, env=project.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        document = json.loads(server.stdout.readline())
        assert document["url"].startswith("http://127.0.0.1:")
    finally:
        server.send_signal(signal.SIGTERM)
        rest, _ = server.communicate(timeout=60)
    assert rest == "" and server.returncode == 0


@pytest.mark.parametrize("arguments", [
    ["deployments"], ["deployments", "bikes"], ["deploy", "bikes", "--freeze"], ["gates", "show", "bikes"], ["plan"], ["monitors"],
    ["incidents"], ["incidents", "1", "--close", "--reason", "none"], ["explain", "raw.csv"], ["runs"], ["report"], ["events"],
    ["features", "get", "--view", "station", "1"], ["feedback", "bikes.019753a8-3c1a-7e05-8a4e-0f6b1d2c3e4f", "1"]], ids=" ".join)
def test_looking_at_a_folder_makes_no_state_of_it(project, tmp_path, arguments):
    (tmp_path / "other").mkdir()
    project.run(*arguments, "--state", str(tmp_path / "other"), code=None)
    assert list((tmp_path / "other").iterdir()) == []


def test_apply_says_that_a_new_state_begins(project, tmp_path):
    project.write({"slipway.yaml": "version: 1\nproject: bikes\n"})
    said = project.run("apply", "--state", str(tmp_path / "new")).stdout
    assert said.startswith(f"a new state begins in {tmp_path / 'new'}\n"), said
    assert "begins" not in project.run("apply", "--state", str(tmp_path / "new")).stdout


@pytest.mark.parametrize("arguments", [["status"], ["repro"], ["commit"], ["checkout"], ["add"]], ids=" ".join)
def test_an_unknown_target_is_one_mistake(project, arguments):
    project.run("add", "raw.csv")
    said = project.run(*arguments, "trian", code=3)
    assert said.stderr.startswith("slipway: error: ") and said.stdout == ""


@pytest.mark.parametrize("command", ["status", "repro", "commit", "checkout"])
def test_a_slip_of_the_fingers_is_pointed_out(project, command):
    assert project.run(command, "trian", code=3).stderr.endswith("; did you mean 'train'?\n")


@pytest.mark.parametrize("command", ["status", "repro", "commit", "checkout"])
def test_what_is_not_understood_is_one_mistake(project, command):
    project.write({"dvc.yaml": VARS})
    said = project.run(command, code=3)
    assert said.stderr.startswith("slipway: error: dvc.yaml:1:1: not supported yet: ") and said.stdout == ""


def test_git_is_named_only_what_it_has_to_commit(project):
    assert "For git: .gitignore dvc.lock" in project.run("repro").stdout
    project.run("add", "rides.csv")
    assert project.run("commit").stdout == "\nFor git: rides.csv.dvc\n"
    project.git("add", "-A")
    project.git("commit", "-qm", "all")
    assert project.run("commit").stdout == "" and project.json("commit") == {"files": [], "staged": False}
    project.write({"rides.csv": TABLE + "3,2026-03-01T10:40:00Z,1\n"})
    assert project.run("commit", "-f").stdout == "\nFor git: rides.csv.dvc\n"
    assert project.json("commit") == {"files": ["rides.csv.dvc"], "staged": False}


def test_data_beside_stages_that_are_not_understood(project):
    project.run("add", "raw.csv", "rides.csv")
    project.write({"dvc.yaml": VARS, "raw.csv": "changed\n"})
    said = project.run("status", code=3)
    assert said.stdout.startswith("raw.csv.dvc\n") and "dvc.yaml:1:1: not supported yet" in said.stderr
    assert said.stderr.startswith("slipway: warning: passed over")
    assert project.run("status", "raw.csv", code=1).stderr == ""
    assert project.run("status", "rides.csv.dvc").stdout == "Data and pipelines are up to date.\n"
    documented = json.loads(project.run("--json", "status", code=3).stdout)
    assert list(documented) == ["raw.csv.dvc", "dvc.yaml"] and "not supported yet" in documented["dvc.yaml"][0]
    project.run("checkout", "-f", "raw.csv")
    assert (project.root / "raw.csv").read_text() == "b\na\n"
    (project.root / "rides.csv").unlink()
    said = project.run("checkout", code=3)
    assert said.stdout == "added rides.csv\n" and said.stderr.startswith("slipway: warning: passed over")
    assert project.run("status", "train", code=3).stderr.startswith("slipway: error: dvc.yaml:1:1: ")
    assert project.run("dvc", "status", "raw.csv").stderr == ""
