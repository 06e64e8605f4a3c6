"""What `slipway repro` found out reaches the catalogue, whoever dies on the way: the server that owns it, the run itself,
the supervisor of a stage. No finished stage is thrown away, no outcome is invented."""
import json
import os
import signal
import subprocess
import time

import pytest
from server import API, Server, call

SLIPWAY = os.environ["SLIPWAY_BINARY"]
ENV = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "SLIPWAY_STATE"))}


class Project:
    def __init__(self, root):
        self.root, self.state = root, root / ".slipway"
        root.mkdir()
        self.env = {**ENV, "SHELL": "/bin/sh", "GIT_CEILING_DIRECTORIES": str(root.parent)}
        subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
        self.must("init")
        subprocess.run("git add -A && git -c user.name=t -c user.email=t@t commit -qm first", shell=True, cwd=root, check=True)

    def slipway(self, *arguments, timeout=60):
        return subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)

    def must(self, *arguments):
        done = self.slipway(*arguments)
        assert done.returncode == 0, f"{arguments}: {done}"
        return done

    def start(self, *arguments):
        return subprocess.Popen([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def write(self, name, text):
        (self.root / name).write_text(text)

    def lock(self):
        path = self.root / "dvc.lock"
        return path.read_text() if path.exists() else ""

    def md5(self, out):
        return subprocess.run(["md5sum", out], cwd=self.root, capture_output=True, text=True, check=True).stdout.split()[0]

    def explain(self, subject):
        """kind -> nodes below the subject, as the server or a short-lived one knows them."""
        done = self.slipway("explain", subject, "--json")
        nodes = {}
        if done.returncode == 0:
            for node in json.loads(done.stdout)["nodes"]:
                nodes.setdefault(node["kind"], []).append(node)
        return nodes

    def attempts(self):
        """Of the work tree: ID -> state, from the whole graph."""
        import sqlite3
        catalogue = sqlite3.connect(f"file:{self.state / 'catalog.db'}?mode=ro", uri=True)
        rows = catalogue.execute("select ident, attributes from nodes where kind = 'attempt'").fetchall()
        return {name: json.loads(text) for name, text in rows}


def wait_until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def lives(pid):
    """A dead one that nobody has waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def server(project):
    server = Server(project.state)
    server.start()
    yield server
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
        server.kill()


TWO = """stages:
  a:
    cmd: touch began; while [ ! -e go ]; do sleep 0.05; done; echo 1 > c.txt
    deps: [x]
    outs: [c.txt]
  b:
    cmd: cp c.txt d.txt
    deps: [c.txt]
    outs: [d.txt]
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_dies_costs_no_stage_and_no_fact(project, server, how):
    project.write("dvc.yaml", TWO)
    project.write("x", "1\n")
    repro = project.start("repro")
    wait_until((project.root / "began").exists)
    server.process.send_signal(how)
    server.process.wait()
    project.write("go", "")
    out, err = repro.communicate(timeout=60)
    assert repro.returncode == 0, out + err
    assert "is gone; this run goes on" in err
    assert "a:" in project.lock() and "b:" in project.lock()
    states = [attempt["state"] for attempt in project.attempts().values()]
    assert states == ["succeeded", "succeeded"], states
    assert "attempt" in project.explain("data:" + project.md5("d.txt"))
    assert not list((project.state / "outbox").glob("*.log"))


def test_a_server_that_answers_no_more_costs_no_stage_and_gets_the_facts_later(project, server):
    project.write("dvc.yaml", TWO)
    project.write("x", "1\n")
    repro = project.start("repro")
    wait_until((project.root / "began").exists)
    server.process.send_signal(signal.SIGSTOP)
    project.write("go", "")
    out, err = repro.communicate(timeout=50)
    assert repro.returncode == 0, out + err
    assert "waits there for the next" in err
    assert "b:" in project.lock()
    server.process.send_signal(signal.SIGCONT)
    project.must("repro")  # has nothing to run, and takes along what waits
    assert "attempt" in project.explain("data:" + project.md5("d.txt"))
    assert not list((project.state / "outbox").glob("*.log"))


def test_what_a_killed_run_had_started_is_known(project, server):
    project.write("dvc.yaml", """stages:
  train:
    cmd: sh train.sh
    deps: [x]
    params: [lr]
    outs: [model]
""")
    project.write("params.yaml", "lr: 0.5\n")
    project.write("x", "1\n")
    project.write("train.sh", "touch began; echo $SLIPWAY_ATTEMPT > attempt; sleep 60\n")
    repro = project.start("repro")
    wait_until((project.root / "attempt").exists)
    wait_until(lambda: (project.root / "attempt").read_text().strip())
    attempt = (project.root / "attempt").read_text().strip()

    def is_whole():
        return {"commit", "data", "params", "environment"} <= project.explain(f"attempt:{attempt}").keys()

    wait_until(is_whole, 10)  # while it runs
    repro.kill()
    repro.wait()
    project.write("train.sh", "echo 1 > model\n")
    project.must("repro")
    assert is_whole()
    assert project.attempts()[attempt]["state"] == "cancelled"


def test_a_run_killed_at_once_leaves_what_it_had_started_to_the_next(project):
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: echo $SLIPWAY_ATTEMPT > attempt; kill -9 $(cat repro.pid) $PPID; sleep 60\n"
                              "    deps: [x]\n    outs: [o]\n")
    project.write("x", "1\n")
    project.write("repro.pid", "")
    repro = subprocess.Popen(["sh", "-c", 'echo $$ > repro.pid; exec "$0" repro', SLIPWAY], cwd=project.root, env=project.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    repro.wait(timeout=60)
    assert repro.returncode == -9
    attempt = (project.root / "attempt").read_text().strip()
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: echo 1 > o\n    deps: [x]\n    outs: [o]\n")
    project.must("repro")
    known = project.explain(f"attempt:{attempt}")
    assert {"commit", "data", "environment"} <= known.keys(), known
    # Its supervisor was killed too, unless it was faster than the kill.
    assert project.attempts()[attempt]["state"] in ("lost", "cancelled")


def test_a_param_too_long_for_the_catalogue_costs_nothing(project):
    project.write("params.yaml", f"short: 1\nlong: {'x' * 1_200_000}\n")
    project.write("dvc.yaml", "stages:\n  ok:\n    cmd: echo 1 > ok\n    params: [short]\n    outs: [ok]\n"
                              "  a:\n    cmd: echo 2 > a\n    params: [long]\n    deps: [ok]\n    outs: [a]\n")
    project.must("repro")
    assert "ok:" in project.lock() and "a:" in project.lock()
    assert "params" in project.explain("data:" + project.md5("a"))


def test_an_output_outside_of_the_project_is_refused_and_the_others_are_recorded(project):
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: echo 1 > a\n    outs: [a]\n"
                              "  b:\n    cmd: cp a ../outside.txt\n    deps: [a]\n    outs: [../outside.txt]\n")
    done = project.slipway("repro")
    assert done.returncode == 1, done
    assert "outside of DVC project: ../outside.txt" in done.stderr
    assert "a:" in project.lock() and "b:" not in project.lock()


def test_what_a_clone_restores_from_a_shared_cache_is_explained(project, tmp_path):
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: cp x y\n    deps: [x]\n    outs: [y]\n")
    project.write("x", "1\n")
    project.must("repro")
    clone = Project(tmp_path / "clone")
    clone.write("dvc.yaml", (project.root / "dvc.yaml").read_text())
    clone.write("x", "1\n")
    subprocess.run(["cp", "-a", project.root / ".dvc/cache", clone.root / ".dvc/"], check=True)
    done = clone.must("repro")
    assert "is cached" in done.stdout
    known = clone.explain("data:" + clone.md5("y"))
    assert {"attempt", "data", "commit"} <= known.keys(), known
    (state,) = [attempt["state"] for attempt in clone.attempts().values()]
    assert state == "restored"


def test_a_stage_whose_supervisor_is_killed_does_not_live_on_beside_the_next_run(project):
    project.write("dvc.yaml", "stages:\n  w:\n    cmd: sh w.sh && true\n    deps: [x]\n    outs: [out.txt]\n")
    project.write("w.sh", 'x=$(cat x); echo $$ > pid.$x; [ $x = 1 ] && sleep 3; echo "result of $x" > out.txt\n')
    project.write("x", "1\n")
    repro = project.start("repro")
    wait_until((project.root / "pid.1").exists)
    wait_until(lambda: (project.root / "pid.1").read_text().strip())
    pid = int((project.root / "pid.1").read_text())
    session = os.getsid(pid)  # the supervisor leads it
    os.kill(session, signal.SIGKILL)
    repro.wait(timeout=30)
    assert repro.returncode == 1
    assert not lives(pid), "the stage lives on"
    project.write("x", "2\n")
    project.must("repro")
    assert (project.root / "out.txt").read_text() == "result of 2\n"
    assert sorted(attempt["state"] for attempt in project.attempts().values()) == ["lost", "succeeded"]


def test_a_run_left_running_ends_with_its_attempt_and_no_other_does(project, server):
    project.write("dvc.yaml", "stages:\n  a:\n    cmd: echo $MLFLOW_TRACKING_TOKEN > token; while [ ! -e go ]; do sleep 0.05; done; exit 3\n")
    repro = project.start("repro")
    wait_until((project.root / "token").exists)
    wait_until(lambda: (project.root / "token").read_text().strip())
    token = (project.root / "token").read_text().strip()
    connection = server.connect()
    runs = []
    for headers in ({"Authorization": f"Bearer {token}"}, {}):
        status, answer = call(connection, "POST", f"{API}/runs/create", {"experiment_id": "0", "start_time": 1}, headers)
        assert status == 200, answer
        runs.append(answer["run"]["info"]["run_id"])
    project.write("go", "")
    repro.communicate(timeout=30)
    states = [call(connection, "GET", f"{API}/runs/get?run_id={run}")[1]["run"]["info"]["status"] for run in runs]
    assert states == ["FAILED", "RUNNING"]


def test_a_context_of_the_users_own_stays(project):
    project.env["MLFLOW_RUN_CONTEXT"] = '{"team":"blue","slipway.stage":"mine"}'
    project.write("dvc.yaml", 'stages:\n  a:\n    cmd: echo "$MLFLOW_RUN_CONTEXT" > context\n    outs: [context]\n')
    project.must("repro")
    context = json.loads((project.root / "context").read_text())
    assert context["team"] == "blue" and context["slipway.stage"] == "a" and context["slipway.attempt"]


def test_lines_about_dvc_lock_stand_between_stages(project):
    project.write("dvc.yaml", "stages:\n  prepare:\n    cmd: echo 1 > p\n    outs: [p]\n"
                              "  train:\n    cmd: sleep 0.6; echo trained; cp p t\n    deps: [p]\n    outs: [t]\n")
    done = project.must("repro")
    text = done.stdout
    assert "lock" not in text[text.index("Running stage 'train'"):text.index("trained")], text
    assert text.count("Updating lock file 'dvc.lock'") == 1, text
    assert done.stderr.count("until this run ends; `slipway up` shows its runs afterwards") == 1, done.stderr
