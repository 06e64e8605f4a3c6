"""What a stage does with the stock client is tied to its attempt, and the attempt to commit, data, parameters and
environment; `slipway explain` walks it back. The user's script has no line that knows of Slipway."""
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "faults"))
from server import Server, call  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
PYTHON = pathlib.Path(os.environ["SLIPWAY_PYTHON_MLFLOW3"])

TRAIN = """
import mlflow

with mlflow.start_run(run_name="fluent") as run:
    mlflow.log_param("lr", 0.1)
    mlflow.log_text("flavors: {}", "model/MLmodel")
client = mlflow.MlflowClient()
other = client.create_run("0", run_name="bare")  # the fluent API, which adds tags, is not asked
client.create_registered_model("tiny")
client.create_model_version("tiny", f"runs:/{run.info.run_id}/model", run.info.run_id)
open("model.txt", "w").write(open("data.txt").read() * 2)
"""

PIPELINE = """stages:
  train:
    cmd: python train.py
    deps: [data.txt, train.py]
    params: [train]
    outs: [model.txt]
  score:
    cmd: env | grep -E '^(MLFLOW|SLIPWAY)_' > env.txt; wc -c < model.txt > score.json
    deps: [model.txt]
    outs: [env.txt]
    metrics: [score.json: {cache: false}]
"""


class Project:
    def __init__(self, root, files, **environment):
        self.root = root
        names = [name for name in os.environ if name.startswith(("MLFLOW_", "SLIPWAY_"))]
        self.env = {name: value for name, value in os.environ.items() if name not in names}
        self.env.update(PATH=f"{PYTHON.parent}:{os.environ['PATH']}", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
                        GIT_PYTHON_REFRESH="quiet", SHELL="/bin/sh", **environment)
        root.mkdir()
        self.run("git", "init", "-q", ".")
        self.slipway("init")
        self.write(files)

    def write(self, files):
        for name, text in files.items():
            (self.root / name).write_text(text)

    def run(self, *command, code=0):
        done = subprocess.run(command, cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == code, done
        return done.stdout

    def slipway(self, *arguments, code=0):
        return self.run(SLIPWAY, *arguments, code=code)

    def commit(self):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "state")
        return self.run("git", "rev-parse", "HEAD").strip()

    def explain(self, subject):
        return Chain(json.loads(self.slipway("explain", subject, "--json")))

    def md5(self, name):
        return hashlib.md5((self.root / name).read_bytes()).hexdigest()


class Chain:
    def __init__(self, answer):
        self.nodes = {f"{node['kind']}:{node['id']}": node for node in answer["nodes"]}
        self.edges = answer["edges"]

    def of(self, kind):
        return [name for name in self.nodes if name.startswith(kind + ":")]

    def only(self, kind):
        found = self.of(kind)
        assert len(found) == 1, (kind, list(self.nodes))
        return found[0]

    def causes(self, effect, relation):
        return {edge["cause"]: edge["attributes"] for edge in self.edges if (edge["effect"], edge["relation"]) == (effect, relation)}


def runs_of(server):
    connection = server.connect()
    status, answer = call(connection, "POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"]})
    assert status == 200, answer
    runs = {}
    for run in answer["runs"]:
        tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        runs[run["info"]["run_name"]] = run["info"]["run_id"], tags
    return runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project that was reproduced once, with no server running: (project, its commit, runs by name)."""
    project = Project(tmp_path_factory.mktemp("link") / "project",
                      {"data.txt": "hello\n", "train.py": TRAIN, "dvc.yaml": PIPELINE, "params.yaml": "train: {lr: 0.1, seed: 7}\n"})
    project.slipway("add", "data.txt")
    commit = project.commit()
    project.slipway("repro")
    server = Server(project.root / ".slipway")
    server.start()
    runs = runs_of(server)
    assert server.stop() == 0
    return project, commit, runs


def test_a_run_of_the_fluent_api_carries_the_attempt_as_a_tag(made):
    project, _, runs = made
    run, tags = runs["fluent"]
    attempt = project.explain(f"run:{run}").only("attempt")
    assert tags["slipway.attempt"] == attempt.removeprefix("attempt:")
    assert tags["slipway.stage"] == "train"


def test_a_run_made_past_the_fluent_api_is_tied_by_the_token(made):
    project, _, runs = made
    chains = [project.explain(f"run:{runs[name][0]}") for name in ("fluent", "bare")]
    assert chains[0].only("attempt") == chains[1].only("attempt")
    assert "slipway.attempt" not in runs["bare"][1]


def test_a_run_leads_to_commit_data_parameters_and_environment(made):
    project, commit, runs = made
    run = f"run:{runs['fluent'][0]}"
    chain = project.explain(run)
    attempt = chain.only("attempt")
    assert list(chain.causes(run, "produced_by")) == [attempt]
    used = chain.causes(attempt, "used")
    assert used[f"commit:{commit}"] == {"dirty": False}
    assert used[f"data:{project.md5('data.txt')}"] == {"path": "data.txt"}
    assert used[f"data:{project.md5('train.py')}"] == {"path": "train.py"}
    values = chain.nodes[chain.only("params")]["attributes"]["values"]
    assert values == {"params.yaml": {"train": {"lr": 0.1, "seed": 7}}}
    assert chain.only("params") in used and chain.only("environment") in used and len(used) == 5
    attributes = chain.nodes[attempt]["attributes"]
    assert (attributes["stage"], attributes["command"], attributes["state"]) == ("train", "python train.py", "succeeded")


def test_the_environment_is_what_the_command_ran_in(made):
    project, _, runs = made
    chain = project.explain(f"run:{runs['fluent'][0]}")
    environment = chain.nodes[chain.only("environment")]["attributes"]
    said = subprocess.run([PYTHON, "-c", "import platform, importlib.metadata as m, json; print(json.dumps([platform.python_version(), "
                           "platform.release(), platform.machine(), sorted({f'{d.name}=={d.version}' for d in m.distributions()})]))"],
                          env=project.env, capture_output=True, text=True, check=True)
    version, kernel, machine, packages = json.loads(said.stdout)
    interpreter = environment["interpreter"]
    assert interpreter["version"] == version
    assert interpreter["packages"] == packages
    assert interpreter["packages_sha256"] == hashlib.sha256("\n".join(packages).encode()).hexdigest()
    assert interpreter["program_sha256"] == hashlib.sha256(PYTHON.resolve().read_bytes()).hexdigest()
    assert environment["system"]["kernel"] == f"Linux {kernel}" and environment["system"]["machine"] == machine
    assert re.fullmatch("[0-9a-f]{64}", environment["processor"]["flags_sha256"])
    assert environment["seeds"] == {"params.yaml:train.seed": 7}


def test_a_model_version_leads_through_its_run_to_the_commit(made):
    project, commit, runs = made
    chain = project.explain("models:/tiny/1")
    version, run = chain.only("model_version"), f"run:{runs['fluent'][0]}"
    assert run in chain.causes(version, "produced_by")
    assert chain.only("attempt") in chain.causes(run, "produced_by")
    assert chain.of("commit") == [f"commit:{commit}"]
    tree = project.slipway("explain", "models:/tiny/1")
    assert project.slipway("explain", "models:/tiny") == tree  # what its bare name means
    assert commit[:12] in tree and project.md5("data.txt") in tree and "stage train of dvc.yaml" in tree


def test_the_server_explains_what_the_command_explains_aliases_included(made):
    project, _, _ = made
    server = Server(project.root / ".slipway")
    server.start()
    connection = server.connect()
    status, answer = call(connection, "POST", "/api/2.0/mlflow/registered-models/alias", {"name": "tiny", "alias": "best", "version": "1"})
    assert status == 200, answer
    told = [call(connection, "GET", f"/api/slipway/v1/explain?subject={subject}", None) for subject in ("models:/tiny/1", "models:/tiny@best")]
    assert [status for status, _ in told] == [200, 200]
    assert told[0] == told[1] and told[0][1]["nodes"] == list(project.explain("models:/tiny@best").nodes.values())
    assert server.stop() == 0


def test_data_leads_through_two_stages_to_where_it_began(made):
    project, _, _ = made
    chain = project.explain(f"data:{project.md5('score.json')}")
    assert sorted(chain.nodes[name]["attributes"]["stage"] for name in chain.of("attempt")) == ["score", "train"]
    score = next(name for name in chain.of("attempt") if chain.nodes[name]["attributes"]["stage"] == "score")
    assert chain.causes(f"data:{project.md5('score.json')}", "produced_by") == {score: {"path": "score.json"}}
    assert f"data:{project.md5('model.txt')}" in chain.causes(score, "used")
    assert f"data:{project.md5('data.txt')}" in chain.nodes


def test_a_command_is_told_where_to_log(made):
    project, _, runs = made
    told = dict(line.split("=", 1) for line in (project.root / "env.txt").read_text().splitlines())
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", told["SLIPWAY_URL"])
    assert told["MLFLOW_TRACKING_URI"] == told["SLIPWAY_URL"]
    context = json.loads(told["MLFLOW_RUN_CONTEXT"])
    assert context["slipway.stage"] == "score" and context["slipway.attempt"] != runs["fluent"][1]["slipway.attempt"]
    assert told["MLFLOW_TRACKING_TOKEN"]


SMALL = {"dvc.yaml": "stages:\n  s:\n    cmd: cat x > y; env | grep -E '^(MLFLOW|SLIPWAY)_' > env.txt; true\n    deps: [x]\n    outs: [y]\n"
                     "    metrics: [env.txt: {cache: false}]\n",
         "x": "1\n", "notes.md": "one\n"}


def commit_of(project, chain):
    commit = chain.only("commit")
    return chain.causes(chain.only("attempt"), "used")[commit]


def digest_of(project, *names):
    """Of files by name and content, which no setting of git's changes."""
    states = [name.encode() + b"\0file " + hashlib.sha256((project.root / name).read_bytes()).hexdigest().encode() + b"\n" for name in names]
    return hashlib.sha256(b"".join(states)).hexdigest()


def test_a_dirty_tree_is_shown_with_the_digest_of_its_difference(tmp_path):
    project = Project(tmp_path / "project", SMALL)
    project.commit()
    project.slipway("repro")
    assert commit_of(project, project.explain(f"data:{project.md5('y')}")) == {"dirty": False}

    # What repro wrote itself (dvc.lock, .gitignore, outputs) is tracked and differs now; it does not count.
    project.write({"x": "2\n"})
    project.commit()
    project.write({"dvc.yaml": SMALL["dvc.yaml"].replace("cat x", "cat x x")})
    project.commit()
    project.slipway("repro")
    assert project.run("git", "status", "--porcelain").split() == ["M", "dvc.lock", "M", "env.txt"]
    project.write({"dvc.yaml": SMALL["dvc.yaml"].replace("cat x", "cat x x x"), "notes.md": "two\n"})
    project.slipway("repro")
    chain = project.explain(f"data:{project.md5('y')}")
    digest = digest_of(project, "dvc.yaml", "notes.md")
    assert commit_of(project, chain) == {"dirty": True, "diff": digest}
    assert digest[:12] in project.slipway("explain", f"data:{project.md5('y')}")


def test_with_a_server_running_everything_goes_there(tmp_path):
    project = Project(tmp_path / "project", SMALL)
    commit = project.commit()
    server = Server(project.root / ".slipway")
    server.start()
    project.slipway("repro")
    told = dict(line.split("=", 1) for line in (project.root / "env.txt").read_text().splitlines())
    assert told["MLFLOW_TRACKING_URI"] == told["SLIPWAY_URL"] == f"http://{server.address}"
    assert project.explain(f"data:{project.md5('y')}").of("commit") == [f"commit:{commit}"]
    connection = server.connect()
    status, answer = call(connection, "POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "run_name": "late"},
                          {"Authorization": f"Bearer {told['MLFLOW_TRACKING_TOKEN']}"})
    assert status == 200, answer
    # The attempt is over: its token, and its name in a tag, make no run its own any more.
    run, attempt = answer["run"]["info"]["run_id"], json.loads(told["MLFLOW_RUN_CONTEXT"])["slipway.attempt"]
    status, answer = call(connection, "POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": run, "key": "slipway.attempt", "value": attempt})
    assert status == 200, answer
    assert project.explain(f"run:{run}").of("attempt") == []
    assert server.stop() == 0


def test_a_run_made_elsewhere_leads_to_the_commit_that_its_client_tells(tmp_path):
    project = Project(tmp_path / "project", {"a.txt": "1\n"})
    commit = project.commit()
    server = Server(project.root / ".slipway")
    server.start()
    status, answer = call(server.connect(), "POST", "/api/2.0/mlflow/runs/create",
                          {"experiment_id": "0", "tags": [{"key": "mlflow.source.git.commit", "value": commit}]})
    assert status == 200, answer
    run = f"run:{answer['run']['info']['run_id']}"
    assert project.explain(run).causes(run, "used") == {f"commit:{commit}": {"told_by": "client"}}
    assert project.explain(f"commit:{commit[:12]}").only("commit") == f"commit:{commit}"
    assert server.stop() == 0


def test_files_that_git_does_not_know_are_shown_beside_the_commit(tmp_path):
    project = Project(tmp_path / "project", {**SMALL, "dvc.yaml": "stages:\n  s:\n    cmd: . ./lib.sh\n    deps: [x]\n    outs: [y]\n"})
    commit = project.commit()
    project.write({"lib.sh": "cat x > y\n"})
    project.slipway("repro")
    told = commit_of(project, project.explain(f"data:{project.md5('y')}"))
    assert told == {"dirty": False, "untracked": 1, "untracked_digest": digest_of(project, "lib.sh")}
    assert f"commit {commit[:12]}  with 1 untracked file" in project.slipway("explain", "y")
    project.run("git", "rm", "-q", "--cached", "dvc.yaml")
    project.run("git", "commit", "-qm", "without")
    project.slipway("repro", "-f")
    assert commit_of_last(project)["dirty"] is True


def commit_of_last(project):
    """Of the attempt that began last."""
    chain = project.explain(f"data:{project.md5('y')}")
    last = max(chain.of("attempt"), key=lambda name: chain.nodes[name]["attributes"]["started_ms"])
    return next(attributes for cause, attributes in chain.causes(last, "used").items() if cause.startswith("commit:"))


def test_a_commit_made_while_a_stage_runs_is_that_of_the_next_stage(tmp_path):
    project = Project(tmp_path / "project", {"x": "1\n", "dvc.yaml": (
        "stages:\n  a:\n    cmd: cat x > a; echo 2 > x2; git add x2; git commit -qm second\n    deps: [x]\n    outs: [a]\n"
        "  b:\n    cmd: cat a a > b\n    deps: [a]\n    outs: [b]\n")})
    first = project.commit()
    project.slipway("repro")
    second = project.run("git", "rev-parse", "HEAD").strip()
    chain = project.explain(f"data:{project.md5('b')}")
    by_stage = {chain.nodes[name]["attributes"]["stage"]: [cause for cause in chain.causes(name, "used") if cause.startswith("commit:")]
                for name in chain.of("attempt")}
    assert by_stage == {"a": [f"commit:{first}"], "b": [f"commit:{second}"]}


def test_equal_bytes_join_nothing(tmp_path):
    project = Project(tmp_path / "project", {"x": "1\n", "dvc.yaml": (
        "stages:\n  other:\n    cmd: cat x > q.txt\n    deps: [x]\n    outs: [q.txt]\n"
        "  prep:\n    cmd: cat x > p.txt\n    deps: [x]\n    outs: [p.txt]\n"
        "  train:\n    cmd: cat p.txt p.txt > m\n    deps: [p.txt]\n    outs: [m]\n"
        "  copy:\n    cmd: cp m n\n    deps: [m]\n    outs: [n]\n"
        "  use:\n    cmd: cat n n > u\n    deps: [n]\n    outs: [u]\n")})
    project.commit()
    project.slipway("repro")
    tree = project.slipway("explain", "u")
    produced = [line.split("stage ")[1].split()[0] for line in tree.splitlines() if "─ produced by" in line]
    assert produced == ["use", "copy", "train", "prep"]
    project.slipway("repro", "-f", "train")
    train = next(line for line in tree.splitlines() if "stage train" in line).split("attempt ")[1].split()[0]
    later = project.slipway("explain", f"attempt:{train}")  # what was made since is no cause of it
    assert (later.count("stage train"), later.count("stage prep")) == (1, 1)


def test_data_are_found_by_their_path(tmp_path):
    project = Project(tmp_path / "project", {**SMALL, "h.txt": "h\n"})
    project.slipway("add", "h.txt")
    commit = project.commit()
    project.slipway("repro")
    assert project.explain("y").nodes == project.explain(f"data:{project.md5('y')}").nodes
    for subject in ("h.txt", f"data:{project.md5('h.txt')}"):
        assert f"tracked by h.txt.dvc in commit {commit[:12]}, made by no attempt" in project.slipway("explain", subject)


def test_a_tracking_server_that_the_user_chose_stays(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        uri = f"http://127.0.0.1:{theirs.getsockname()[1]}"
        project = Project(tmp_path / "project", SMALL, MLFLOW_TRACKING_URI=uri, MLFLOW_TRACKING_TOKEN="theirs")
        project.slipway("repro")
    told = dict(line.split("=", 1) for line in (project.root / "env.txt").read_text().splitlines())
    assert told["MLFLOW_TRACKING_URI"] == uri and told["MLFLOW_TRACKING_TOKEN"] == "theirs"
    assert told["SLIPWAY_URL"] != told["MLFLOW_TRACKING_URI"]
    assert "slipway.attempt" in told["MLFLOW_RUN_CONTEXT"]


def test_a_tracking_server_of_this_machine_that_is_gone_is_not_waited_for(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        uri = f"http://127.0.0.1:{theirs.getsockname()[1]}"
    project = Project(tmp_path / "project", SMALL, MLFLOW_TRACKING_URI=uri, MLFLOW_TRACKING_TOKEN="theirs")
    done = subprocess.run([SLIPWAY, "repro"], cwd=project.root, env=project.env, capture_output=True, text=True, check=True)
    told = dict(line.split("=", 1) for line in (project.root / "env.txt").read_text().splitlines())
    assert told["MLFLOW_TRACKING_URI"] == told["SLIPWAY_URL"] and told["MLFLOW_TRACKING_TOKEN"] not in ("", "theirs")
    assert done.stderr.count(f"MLFLOW_TRACKING_URI is {uri}, where nobody answers: ") == 1


def test_a_restored_output_still_leads_to_the_attempt_that_made_it(tmp_path):
    project = Project(tmp_path / "project", {**SMALL, "dvc.yaml": SMALL["dvc.yaml"].replace("env.txt", "n.txt")})
    project.slipway("repro")
    first, md5 = project.explain(f"data:{project.md5('y')}").only("attempt"), project.md5("y")
    project.write({"x": "2\n"})
    project.slipway("repro")
    project.write({"x": "1\n"})
    assert "is cached" in project.slipway("repro")
    assert project.md5("y") == md5
    assert project.explain(f"data:{md5}").only("attempt") == first


def test_a_failed_attempt_is_on_record(tmp_path):
    project = Project(tmp_path / "project", {**SMALL, "dvc.yaml": SMALL["dvc.yaml"].replace("cat x", "cat x x").replace("; true", "; exit 3")})
    project.slipway("repro", code=1)
    told = dict(line.split("=", 1) for line in (project.root / "env.txt").read_text().splitlines())
    attempt = json.loads(told["MLFLOW_RUN_CONTEXT"])["slipway.attempt"]
    attributes = project.explain(f"attempt:{attempt}").nodes[f"attempt:{attempt}"]["attributes"]
    assert (attributes["state"], attributes["exit_code"]) == ("failed", 3)
    project.slipway("explain", f"data:{project.md5('y')}", code=3)  # what it left was never taken
