"""What happens outside becomes a run: over HTTP, by the calendar, by hand; in a work tree of its own, once, whatever dies."""
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import signal
import statistics
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

SLIPWAY = os.environ["SLIPWAY_BINARY"]
API = "/api/slipway/v1"
DVC = """stages:
  copy:
    cmd: cp in.txt out.txt
    deps: [in.txt]
    params: [note]
    outs: [out.txt]
"""
PROJECT = """version: 1
project: copies
use_case: {problem: copies, user: tester, owner: ops@example.org, requirements: []}
pipelines:
  copy: {stages: [copy]}
  twice: {stages: [copy], attempts: 2}
  short: {stages: [copy], timeout: 2s}
triggers:
"""
MESSAGE = "  message: {pipeline: copy, cloudevent: {type: org.example.ready}%s}\n"


class Project:
    def __init__(self, root):
        self.root = root
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        root.mkdir()
        self.git("init", "-q", "-b", "main", ".")
        self.slipway("init")
        self.write("in.txt", "1\n")
        self.write("params.yaml", "note: first\n")
        self.write("dvc.yaml", DVC)

    def write(self, name, text):
        (self.root / name).write_text(text)

    def git(self, *arguments):
        return subprocess.run(["git", *arguments], cwd=self.root, env=self.env, check=True, capture_output=True,
                              text=True).stdout.strip()

    def commit(self, message="x"):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments, code=0):
        return json.loads(self.slipway("--json", *arguments, code=code))

    def apply(self, triggers):
        self.write("slipway.yaml", PROJECT + triggers)
        self.commit("apply")
        return self.slipway("apply")

    def runs(self):
        return self.json("runs", "--limit", "1000")["runs"]

    def events(self, *kinds):
        return [event for event in self.json("events", "--after", "0", "--limit", "1000")["events"]
                if not kinds or event["type"] in kinds]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


class Server:
    """`slipway up` for a project, that may be killed."""

    def __init__(self, project, *arguments, port=0, **environment):
        self.project = project
        self.process = subprocess.Popen(
            [SLIPWAY, "up", "--listen", f"127.0.0.1:{port}", "--log-level", "warning", *arguments], cwd=project.root,
            env=dict(project.env, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        self.url = line.split(" at ")[1].strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=40)
        self.process.stdout.close()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.died()

    def died(self):
        assert self.process.wait(timeout=30) == -signal.SIGKILL

    def post(self, path, body, headers=None, status=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        if status is not None:
            assert got == status, (got, text)
        return json.loads(text)

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.loads(answer.read())

    def message(self, number, type="org.example.ready", data=None, status=202):
        event = {"specversion": "1.0", "id": str(number), "source": "/labels", "type": type, "data": data or {}}
        return self.post("/events", event, {"Content-Type": "application/cloudevents+json"}, status)

    def turn_to(self, time):
        return self.post(API + "/clock", {"time": time}, status=200)


def eventually(what, seconds=30):
    """The first true value of `what`; polls, for the other side is a process."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


def ended(project, count):
    return eventually(lambda: (lambda runs: len(runs) >= count and all(run["ended_ms"] for run in runs) and runs)(
        project.runs()))


# --- messages ---

def test_a_message_becomes_a_run_in_a_tree_of_its_own(project):
    project.apply("  message: {pipeline: copy, cloudevent: {type: org.example.ready}, "
                  "with: {params: {note: \"${event.data.day}\"}}}\n")
    head = project.git("rev-parse", "HEAD")
    project.write("in.txt", "a person is at work here\n")
    before = project.git("status", "--porcelain")
    with Server(project) as server:
        answer = server.message(1, data={"day": "2011-10-24"})
        assert answer["accepted"] == 1 and len(answer["runs"]) == 1
        run, = ended(project, 1)
        assert (run["id"], run["state"], run["commit"]) == (answer["runs"][0], "succeeded", head), run
        # The person's folder is as it was; what the run made is under a reference of its own.
        assert project.git("status", "--porcelain") == before
        assert not (project.root / "out.txt").exists()
        assert run["ref"] == f"refs/slipway/runs/{run['id']}"
        lock = project.git("show", run["ref"] + ":dvc.lock")
        assert "note: '2011-10-24'" in lock or "note: 2011-10-24" in lock, lock
        assert project.git("show", run["ref"] + ":params.yaml") in ("note: '2011-10-24'", "note: \"2011-10-24\"")
        assert project.git("log", "-1", "--format=%P", run["ref"]) == head
        eventually(lambda: not (project.root / ".slipway" / "runs" / run["id"] / "tree").exists())
        assert "Running stage 'copy'" in project.slipway("logs", run["id"][:13])
        # Why it ran, back to the message.
        why = project.json("events", "--why", run["id"])
        assert [event["type"] for event in why["events"]] == [
            "message.received", "trigger.fired", "pipeline_run.requested", "pipeline_run.attempt_started",
            "pipeline_run.succeeded"]
        assert why["events"][0]["subject"] == "message:/labels/1"
        closure = project.json("explain", "data:" + hashlib.md5(b"1\n").hexdigest())
        kinds = {node["kind"] for node in closure["nodes"]}
        assert {"message", "firing", "pipeline_run", "attempt", "data"} <= kinds, kinds


def test_what_is_told_twice_and_what_is_not_new(project):
    project.apply(MESSAGE % "")
    with Server(project) as server:
        assert server.message(1)["accepted"] == 1
        again = server.message(1)
        assert again == {"accepted": 0, "duplicates": 1, "unheard": 0, "runs": [], "decisions": [
            {"event": "1", "trigger": "message", "act": "duplicate", "rule": "duplicate",
             "reason": "it was told before; the first time counts"}]}
        ended(project, 1)
        other = server.message(2, type="org.example.other")
        assert other["unheard"] == 1
        assert other["decisions"][0]["reason"] == ("no trigger takes type org.example.other from source /labels: "
                                                   "message takes type org.example.ready")
        server.message(3)
        runs = ended(project, 2)
        assert [run["state"] for run in runs] == ["skipped", "succeeded"]
        assert runs[0]["reason"] == "no new information"


def test_all_ways_to_send_an_event(project):
    project.apply(MESSAGE % ", overlap: allow")
    with Server(project) as server:
        server.post("/events", b"hello", {
            "Content-Type": "text/plain", "ce-id": "b%201", "ce-source": "/b", "ce-specversion": "1.0",
            "ce-type": "org.example.ready"}, status=202)
        batch = [{"specversion": "1.0", "id": str(n), "source": "/c", "type": "org.example.ready"} for n in range(2)]
        assert server.post("/events", batch, {"Content-Type": "application/cloudevents-batch+json"})["accepted"] == 2
        assert {e["subject"] for e in project.events("message.received")} == {
            "message:/b/b 1", "message:/c/0", "message:/c/1"}
        server.post("/events", {"id": 1}, status=400)
        server.post("/events", b"<a/>", {"Content-Type": "application/cloudevents+xml"}, status=415)
        request = urllib.request.Request(server.url + "/events", method="OPTIONS",
                                         headers={"WebHook-Request-Origin": "sender.example.org"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["WebHook-Allowed-Origin"] == "sender.example.org"
        ended(project, 3)


def test_an_alert_that_is_sent_again_is_one(project):
    project.apply("  alert: {pipeline: copy, alert: {labels: {alertname: Late}}}\n")
    alert = {"version": "4", "status": "firing", "receiver": "r", "alerts": [
        {"status": "firing", "labels": {"alertname": "Late"}, "startsAt": "2011-10-24T00:00:00Z", "fingerprint": "f"},
        {"status": "resolved", "labels": {"alertname": "Late"}, "startsAt": "2011-10-01T00:00:00Z", "fingerprint": "g"}]}
    with Server(project) as server:
        assert server.post("/hooks/alertmanager", alert, status=202)["accepted"] == 1
        assert server.post("/hooks/alertmanager", alert, status=202)["duplicates"] == 1
        run, = ended(project, 1)
        assert run["trigger"] == "alert"


def test_a_storm_is_one_run_and_few_events(project):
    project.apply(MESSAGE % ", cooldown: 1d")
    with Server(project) as server:
        for begin in range(0, 10_000, 1000):
            batch = [{"specversion": "1.0", "id": str(n), "source": "/s", "type": "org.example.ready"}
                     for n in range(begin, begin + 1000)]
            answer = server.post("/events", batch, {"Content-Type": "application/cloudevents-batch+json"})
            assert answer["accepted"] == 1000
            # Who sent it is told why next to nothing came of it, in few words.
            assert len(answer["decisions"]) == 100 and answer["decisions_left_out"] == 900
            last = answer["decisions"][-1]
            assert (last["trigger"], last["act"], last["rule"]) == ("message", "ignored", "cooldown"), last
            assert "cools down" in last["reason"]
        ended(project, 1)
        decisions = server.get(API + "/triggers/decisions")["decisions"]
        assert sum(decision["times"] for decision in decisions) == 10_000
        assert len(decisions) <= 4
        assert len(project.events()) < 100


# --- the calendar, by a replayed clock ---

def test_the_calendar_fires_on_the_clock_of_the_server(project):
    with Server(project, "--clock", "replay") as server:
        server.turn_to("2011-10-28T12:00:00Z")
        project.apply("  nightly: {pipeline: copy, cron: \"30 2 * * *\", tz: Europe/Berlin, "
                      "with: {params: {note: \"${event.date}\"}}}\n")
        for day in ("29T01:00:00", "30T01:00:00", "31T02:00:00"):  # the clocks go back on the 30th
            server.turn_to(f"2011-10-{day}Z")
        runs = project.runs()
        assert [run["state"] for run in runs] == ["succeeded"] * 3, runs
        assert [event["subject"] for event in project.events("tick.received")] == [
            f"tick:nightly/2011-10-{day}T02:30" for day in (29, 30, 31)]
        # A jump over a week is one run: of the latest.
        server.turn_to("2011-11-08T00:00:00Z")
        assert len(project.runs()) == 4
        assert project.runs()[0]["plan"]["params"][0]["value"] == "2011-11-07"
        date = project.git("log", "-1", "--format=%cI", project.runs()[0]["ref"])
        assert date.startswith("2011-11-08T00:00:00"), date


# --- by hand ---

def test_a_person_runs_and_cancels(project):
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt", "sleep 60; cp in.txt out.txt"))
    project.apply("  {}\n")
    with Server(project) as server:
        run = project.json("run", "copy", "note=by hand")
        assert run["uncommitted"] == []
        eventually(lambda: "Running stage" in project.slipway("logs", run["id"]))
        project.slipway("cancel", run["id"])
        run, = ended(project, 1)
        assert run["state"] == "cancelled" and run["reason"].startswith("cancelled by "), run
        project.slipway("cancel", run["id"], code=1)
        assert not [line for line in subprocess.run(["pgrep", "-f", "sleep 60; cp in.txt"], capture_output=True,
                                                    text=True).stdout.split() if line]
        project.slipway("run", "nothing", code=3)
        project.slipway("run", "copy", "nonsense", code=2)
        project.slipway("run", "copy", "notes=x", code=2)
        project.slipway("run", "copy", "foo.yaml:x=3", code=2)
        assert len(project.runs()) == 1, "what nothing is called so starts nothing"
        assert server.get(API + "/runs/" + run["id"])["attempts_made"][0]["state"] == "cancelled"


def test_who_asks_for_a_run_is_told_of_what_it_will_not_see(project):
    project.apply("  {}\n")
    with Server(project):
        project.write("in.txt", "not committed")
        done = subprocess.run([SLIPWAY, "run", "copy"], cwd=project.root, env=project.env, capture_output=True, text=True,
                              timeout=60)
        head = project.git("rev-parse", "HEAD")[:8]
        assert done.returncode == 0 and done.stderr == (
            f"warning: in.txt differs from commit {head}, at which the run works; commit what it shall see\n")
        ended(project, 1)
        assert project.json("run", "copy")["uncommitted"] == ["in.txt"]
        assert project.json("run", "copy", "--commit", "HEAD").get("uncommitted") is None


def test_without_a_server_nobody_runs(project):
    project.apply("  {}\n")
    project.slipway("run", "copy", code=3)
    assert project.runs() == []


# --- what a run made ---

TRAIN = """import sys
import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("error", 0.5)
    model = mlflow.initialize_logged_model(name="model", source_run_id=run.info.run_id)
    mlflow.finalize_logged_model(model.model_id, "READY")
    if sys.argv[1] == "registers":
        mlflow.MlflowClient().create_registered_model("copies")
        mlflow.MlflowClient().create_model_version("copies", f"models:/{model.model_id}", run.info.run_id,
                                                   model_id=model.model_id)
open("out.txt", "w").write("trained")
"""


@pytest.mark.parametrize("script", ["registers", "does-not"])
def test_the_model_of_a_run_is_registered_once(project, script):
    python = os.environ["SLIPWAY_PYTHON_MLFLOW3"]
    project.write("train.py", TRAIN)
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt", f"{python} train.py {script}"))
    project.write("slipway.yaml", (PROJECT + MESSAGE % "").replace(
        "copy: {stages: [copy]}", "copy: {stages: [copy], register: {model: copies}}"))
    project.commit()
    project.slipway("apply")
    with Server(project) as server:
        server.message(1)
        run, = ended(project, 1)
        assert run["state"] == "succeeded", project.slipway("logs", run["id"])
        found = server.get("/api/2.0/mlflow/model-versions/search?filter=name%3D'copies'")["model_versions"]
        assert len(found) == 1 and found[0]["run_id"], found
        closure = project.json("explain", "models:/copies/1")
        kinds = {node["kind"] for node in closure["nodes"]}
        assert {"run", "attempt", "pipeline_run", "firing", "message", "commit"} <= kinds, kinds


# --- code and data ---

def test_commits_that_touch_the_paths_of_a_branch(project):
    project.apply("  code: {pipeline: copy, git: {branch: main, paths: [src/**]}, overlap: allow, "
                  "with: {params: {note: \"${event.branch}\"}}}\n")
    with Server(project) as server:
        project.write("README", "x")
        project.commit("nothing of the code")
        project.write("src/fit.py", "x")
        head = project.commit("the code")
        run, = ended(project, 1)
        assert (run["state"], run["commit"], run["trigger"]) == ("succeeded", head, "code"), run
        assert [event["subject"] for event in project.events("commit.received")] == ["commit:" + head]
        assert run["plan"]["params"][0]["value"] == "main"
        project.git("checkout", "-q", "-b", "other")
        project.write("src/fit.py", "y")
        project.commit("another branch")
        project.git("checkout", "-q", "main")
    with Server(project):  # what was seen is not seen again
        project.git("merge", "-q", "other")
        assert len(ended(project, 2)) == 2


def test_hooks_of_git_replace_nobody_elses(project):
    project.apply("  {}\n")
    hook = project.root / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    project.slipway("hooks", "install", code=1)
    assert hook.read_text() == "#!/bin/sh\n"
    project.slipway("hooks", "install", "--replace")
    project.slipway("hooks", "install")
    assert (hook.parent / "post-commit.before").read_text() == "#!/bin/sh\n"
    with Server(project):
        project.slipway("hooks", "tell")
        project.commit("with the hook")
    project.slipway("hooks", "tell", code=3)


def test_a_signed_webhook_fetches_the_branch(project, tmp_path):
    project.apply("  code: {pipeline: copy, git: {branch: main}, overlap: allow}\n")
    other = tmp_path / "other"
    project.git("clone", "-q", str(project.root), str(other))
    project.git("remote", "add", "origin", str(other))
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "elsewhere"], cwd=other, env=project.env, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=other, capture_output=True, text=True).stdout.strip()
    body = json.dumps({"ref": "refs/heads/main", "after": head}).encode()
    with Server(project, SLIPWAY_HOOK_SECRET="secret") as server:
        sign = lambda secret: {"X-GitHub-Event": "push", "X-Hub-Signature-256":  # noqa: E731
                               "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()}
        server.post("/hooks/git", body, sign(b"other"), status=403)
        server.post("/hooks/git", body, status=403)
        assert project.runs() == []
        server.post("/hooks/git", body, sign(b"secret"), status=202)
        run, = ended(project, 1)
        assert run["commit"] == head, run


def test_a_new_data_version_is_what_the_run_works_on(project):
    project.write("dvc.yaml", DVC.replace("in.txt", "data.txt"))
    project.write("data.txt", "1\n")
    project.slipway("add", "data.txt")
    project.apply("  data: {pipeline: copy, data: data.txt}\n")
    with Server(project):
        project.write("data.txt", "2\n")  # not a version yet
        project.slipway("add", "data.txt")
        run, = ended(project, 1)
        digest = hashlib.md5(b"2\n").hexdigest()
        assert run["state"] == "succeeded", (run, project.slipway("logs", run["id"]))
        assert [event["subject"] for event in project.events("data.received")] == ["data:" + digest]
        lock = project.git("show", run["ref"] + ":dvc.lock")
        assert lock.count("md5: " + digest) == 2, lock
        assert digest in project.git("show", run["ref"] + ":data.txt.dvc")


def test_a_file_that_has_settled(project):
    project.apply("  data: {pipeline: copy, data: in.txt, settle: 5m}\n")
    with Server(project, "--clock", "replay") as server:
        server.turn_to("2030-01-01T00:00:00Z")
        server.turn_to("2030-01-01T00:06:00Z")
        project.write("in.txt", "2\n")
        server.turn_to("2030-01-01T00:07:00Z")  # by now, perhaps a minute ago, it is seen
        server.turn_to("2030-01-01T00:10:00Z")
        assert project.runs() == []
        server.turn_to("2030-01-01T00:12:00Z")
        run, = project.runs()
        assert run["state"] == "succeeded", run
        assert project.git("show", run["ref"] + ":in.txt") == "2"


# --- what goes wrong ---

def test_what_fails_is_tried_again_from_where_it_failed(project):
    project.write("dvc.yaml", """stages:
  first: {cmd: echo ran >> %(log)s; cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}
  second: {cmd: "test -e %(gate)s && cp a.txt b.txt", deps: [a.txt], outs: [b.txt]}
""" % {"log": project.root / ".slipway" / "ran", "gate": project.root / ".slipway" / "gate"})
    project.write("slipway.yaml", PROJECT.replace("[copy], attempts: 2", "[second], attempts: 2").replace("[copy]", "[first]")
                  + "  {}\n")
    with Server(project, "--clock", "replay") as server:
        server.turn_to("2011-10-28T12:00:00Z")
        project.commit("apply")
        project.slipway("apply")
        run = project.json("run", "twice")
        eventually(lambda: project.runs()[0]["state"] == "retry_wait")
        assert project.runs()[0]["failures"] == {"second": 1}
        (project.root / ".slipway" / "gate").write_text("")
        server.turn_to("2011-10-28T12:00:09Z")
        assert project.runs()[0]["state"] == "retry_wait"
        server.turn_to("2011-10-28T12:00:10Z")
        run, = project.runs()
        assert run["state"] == "succeeded" and run["attempts"] == 2, run
        assert (project.root / ".slipway" / "ran").read_text() == "ran\n", "what had succeeded ran again"
        (project.root / ".slipway" / "gate").unlink()
        project.write("in.txt", "2\n")
        project.commit("another input")
        project.slipway("run", "twice")
        eventually(lambda: project.runs()[0]["state"] == "retry_wait")
        server.turn_to("2011-10-28T12:00:20Z")
        run = project.runs()[0]
        assert run["state"] == "failed" and run["attempts"] == 2 and "second" in run["reason"], run


def test_what_takes_too_long_is_ended(project):
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt", "sleep 600"))
    project.apply("  {}\n")
    with Server(project):
        began = time.monotonic()
        project.slipway("run", "short")
        run, = ended(project, 1)
        assert run["state"] == "timed_out" and run["reason"] == "took longer than 2s", run
        assert time.monotonic() - began < 25


def test_a_template_that_nobody_knows_is_refused(project):
    project.write("slipway.yaml", PROJECT + "  message: {pipeline: copy, cloudevent: {type: t}, "
                  "with: {params: {note: \"${event.tiem}\"}}}\n")
    project.commit()
    done = subprocess.run([SLIPWAY, "apply"], cwd=project.root, env=project.env, capture_output=True, text=True)
    assert done.returncode == 3 and "did you mean ${event.time}" in done.stderr, done


def test_a_run_of_a_commit_that_is_not_there_is_refused_at_once(project):
    project.apply("  {}\n")
    with Server(project):
        project.slipway("run", "twice", "--commit", "0" * 40, code=3)
        assert project.runs() == []


def test_a_run_of_a_commit_that_was_removed_meanwhile_fails(project):
    project.apply("  {}\n")
    project.git("checkout", "-q", "-b", "side")
    removed = project.commit("soon gone")
    project.git("checkout", "-q", "-")
    with Server(project, SLIPWAY_FAILPOINT="run.attempt_begun") as server:
        with contextlib.suppress(AssertionError):  # it may die before it has answered
            project.slipway("run", "twice", "--commit", removed)
        server.died()
    project.git("branch", "-q", "-D", "side")
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "-q", "--prune=now")
    with Server(project):
        run, = ended(project, 1)
        assert run["state"] == "failed" and "no commit" in run["reason"], run


# --- whatever dies ---

@pytest.mark.parametrize("point", ["trigger.decided", "run.attempt_begun", "run.attempt_started", "run.published",
                                   "run.ended"])
def test_the_server_is_killed_and_nothing_happens_twice(project, point):
    log = project.root / ".slipway" / "ran"
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt", f"echo ran >> {log}; cp in.txt out.txt"))
    project.apply(MESSAGE % "")
    with Server(project, SLIPWAY_FAILPOINT=point) as server:
        try:
            server.message(1)
        except OSError:
            pass
        server.died()
    with Server(project) as server:
        again = server.message(1)
        assert (again["accepted"], again["duplicates"], again["unheard"], again["runs"]) == (0, 1, 0, [])
        run, = ended(project, 1)
        assert (run["state"], run["attempts"]) == ("succeeded", 1), run
        assert log.read_text() == "ran\n"
        kinds = [event["type"] for event in project.events()]
        for kind in ("trigger.fired", "pipeline_run.requested", "pipeline_run.attempt_started", "attempt.started",
                     "attempt.succeeded", "pipeline_run.succeeded"):
            assert kinds.count(kind) == 1, (kind, kinds)


def test_runs_that_begin_and_end_at_once_do_not_disturb_each_other(project):
    """Their work trees are made and taken away in one repository."""
    project.apply(MESSAGE % ", overlap: allow")
    with Server(project) as server:
        for begin in range(0, 24, 8):
            batch = [{"specversion": "1.0", "id": str(begin + n), "source": "/s", "type": "org.example.ready"} for n in range(8)]
            answer = server.post("/events", batch, {"Content-Type": "application/cloudevents-batch+json"})
            assert len(answer["runs"]) == 8
            runs = ended(project, begin + 8)
        assert {(run["state"], run["attempts"]) for run in runs} <= {("succeeded", 1), ("skipped", 1)}, [
            (run["state"], run["attempts"], run["reason"]) for run in runs]
        eventually(lambda: "prunable" not in project.git("worktree", "list"))


def test_a_run_outlives_its_server(project):
    gate = project.root / ".slipway" / "gate"
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt",
                                          f"while ! test -e {gate}; do sleep 0.05; done; cp in.txt out.txt"))
    project.apply(MESSAGE % "")
    with Server(project) as server:
        server.message(1)
        eventually(lambda: "attempt.started" in [event["type"] for event in project.events()])
        server.kill()
    gate.write_text("")
    folder, = (project.root / ".slipway" / "runs").iterdir()
    eventually((folder / "attempts" / "1" / "exit").exists)  # it ends while nobody looks
    with Server(project):
        run, = ended(project, 1)
        assert (run["state"], run["attempts"]) == ("succeeded", 1), run
        assert [event["type"] for event in project.events()].count("attempt.succeeded") == 1


def test_folders_of_runs_that_ended_long_ago_go(project):
    project.apply(MESSAGE % "")
    runs, kept = project.root / ".slipway" / "runs", ("--clock", "replay", "--keep-runs", "1", "--keep-runs-days", "7")

    def run_at(server, number, time):
        project.write("in.txt", f"{number}\n")
        project.commit("another input")
        server.message(number)
        server.turn_to(time)
        return project.runs()[0]

    with Server(project, *kept, SLIPWAY_FAILPOINT="run.folder_going") as server:
        server.turn_to("2031-10-01T00:00:00Z")
        first = run_at(server, 1, "2031-10-01T00:00:01Z")
        second = run_at(server, 2, "2031-10-05T00:00:00Z")
        server.turn_to("2031-10-07T23:59:00Z")
        assert {folder.name for folder in runs.iterdir()} == {first["id"], second["id"]}, "seven days are not over"
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.turn_to("2031-10-08T00:01:00Z")
        server.died()
    assert {folder.name for folder in runs.iterdir()} == {".going-" + first["id"], second["id"]}
    with Server(project, *kept) as server:
        server.turn_to("2031-10-30T00:00:00Z")
        assert [folder.name for folder in runs.iterdir()] == [second["id"]], "the newest stays, however old"
        assert "is gone" in project.json("logs", first["id"], code=3)["error"]
        assert project.git("show", first["ref"] + ":dvc.lock"), "what it made is there"
        with urllib.request.urlopen(server.url + "/metrics") as answer:
            assert b"slipway_run_folders_removed_total 1" in answer.read()


def test_an_attempt_that_is_killed_is_repeated(project):
    gate = project.root / ".slipway" / "gate"
    project.write("dvc.yaml", DVC.replace("cp in.txt out.txt",
                                          f"while ! test -e {gate}; do sleep 0.05; done; cp in.txt out.txt"))
    with Server(project, "--clock", "replay") as server:
        server.turn_to("2011-10-28T12:00:00Z")
        project.apply(MESSAGE % "")
        server.message(1)
        eventually(lambda: "attempt.started" in [event["type"] for event in project.events()])
        folder, = (project.root / ".slipway" / "runs").iterdir()
        pids = subprocess.run(["pgrep", "-f", f"run-attempt {folder}"], capture_output=True, text=True).stdout.split()
        assert pids
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # some end with those before them
                os.kill(int(pid), signal.SIGKILL)
        eventually(lambda: project.runs()[0]["state"] == "retry_wait")
        gate.write_text("")
        server.turn_to("2011-10-28T12:00:10Z")
        run, = project.runs()
        assert run["state"] == "succeeded" and run["attempts"] == 2, run


# --- how fast ---

def test_from_the_event_to_the_first_process(project):
    project.apply(MESSAGE % ", overlap: allow")
    spans = []
    with Server(project) as server:
        for number in range(20):
            sent = time.time()
            run, = server.message(number)["runs"]
            record = project.root / ".slipway" / "runs" / run / "attempts" / "1" / "record"
            eventually(record.exists)
            spans.append(record.stat().st_mtime - sent)
            ended(project, number + 1)
    spans.sort()
    print("event to first process, ms:", [round(span * 1000, 1) for span in spans])
    assert statistics.median(spans) < 0.25, spans  # the number that counts is measured on a quiet machine
