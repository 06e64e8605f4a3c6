"""The whole circle on the bike data: 74 weeks are lived through with nobody doing anything, but for two drills. What must
happen, and in which order; exact figures are not asserted, for they depend on the libraries that train."""
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "bikes"
sys.path.insert(0, str(EXAMPLE))
from replay import Drills, Server, read_world  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
PYTHON = pathlib.Path(os.environ["SLIPWAY_PYTHON_MLFLOW3"])
BEGIN, END = datetime.date(2011, 5, 1), datetime.date(2012, 9, 30)


class Circle:
    def __init__(self, root):
        self.root = root
        self.env = dict(os.environ, PATH=f"{PYTHON.parent}:{os.environ['PATH']}", PYTHONWARNINGS="ignore",
                        MLFLOW_LOGGING_LEVEL="ERROR", GIT_PYTHON_REFRESH="quiet",
                        GIT_AUTHOR_DATE=f"{BEGIN}T00:00:00Z", GIT_COMMITTER_DATE=f"{BEGIN}T00:00:00Z")

    def run(self, *command, code=0):
        done = subprocess.run(command, cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == code, done
        return done.stdout

    def slipway(self, *arguments, code=0):
        return self.run(SLIPWAY, *arguments, code=code)

    def json(self, *arguments):
        return json.loads(self.slipway("--json", *arguments))

    def prepare(self):
        shutil.copytree(EXAMPLE, self.root, ignore=shutil.ignore_patterns("__pycache__"))
        lines = (EXAMPLE / "data" / "hour.csv").read_text().splitlines(keepends=True)
        (self.root / "data" / "hour.csv").write_text(
            "".join(lines[:1] + [line for line in lines[1:] if line.split(",")[1] < BEGIN.isoformat()]))
        self.run("git", "init", "-q", ".")
        self.slipway("init")
        self.slipway("add", "data/hour.csv")
        self.commit("data")

    def commit(self, message):
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)


@pytest.fixture(scope="module")
def circle(tmp_path_factory):
    circle = Circle(tmp_path_factory.mktemp("circle") / "bikes")
    circle.prepare()
    server = subprocess.Popen([SLIPWAY, "up", "--clock", "replay", "--listen", "127.0.0.1:0", "--log-level", "error"],
                              cwd=circle.root, env=circle.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        circle.url = line.split(" at ")[1].strip()
        said = []
        circle.replay = Drills(Server(circle.url), read_world(EXAMPLE / "data" / "hour.csv"), "bikes", said.append)
        circle.replay.turn_clock(BEGIN)
        circle.slipway("apply")
        circle.slipway("repro")
        circle.commit("a first model")
        circle.replay.turn_clock(BEGIN)
        assert circle.json("deployments", "bikes")["stable"] == 1, circle.slipway("deployments", "bikes")
        circle.replay.run(BEGIN, END)
        circle.said = said
        yield circle
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0


def happened(circle, *types):
    return [event for event in circle.replay.events if event["type"] in types]


def in_order(events, *wanted):
    """Whether such events came in this order; others may lie between them."""
    events = iter(events)
    return all(any(matches(event, one) for event in events) for one in wanted)


def matches(event, wanted):
    kind, fields = wanted
    return event["type"] == kind and all(event["data"].get(key) == value for key, value in fields.items())


def test_the_first_version_went_live_through_its_gates(circle):
    first = happened(circle, "rollout.promoted")[0]
    assert first["data"]["version"] == 1
    assert first["time"].startswith(BEGIN.isoformat())


def test_decay_is_an_incident_and_leads_to_a_new_version_that_serves(circle):
    opened = [event for event in happened(circle, "incident.opened") if event["data"]["monitor"] == "quality"]
    assert len(opened) >= 3
    assert in_order(circle.replay.events, ("incident.opened", {"monitor": "quality"}), ("trigger.fired", {}),
                    ("pipeline_run.requested", {"trigger": "decay"}), ("rollout.requested", {}),
                    ("rollout.advanced", {}), ("rollout.advanced", {}), ("rollout.promoted", {}),
                    ("incident.closed", {"remedy": "promotion"}))


def test_the_christmas_candidate_is_stopped_by_the_quality_gate(circle):
    first = happened(circle, "rollout.stopped")[0]
    assert "2011-12-25" < first["time"][:10] < "2012-02-01"
    assert "quality" in first["data"]["reason"]


def test_one_incident_starts_one_run(circle):
    requested = [event for event in happened(circle, "pipeline_run.requested") if event["data"]["trigger"] == "decay"]
    opened = [event for event in happened(circle, "incident.opened") if event["data"]["monitor"] == "quality"]
    assert len(requested) == len(opened) >= 3


def test_the_error_recovers(circle):
    weeks = circle.replay.weeks
    promoted = [event for event in happened(circle, "rollout.promoted") if event["data"]["version"] != 1]
    assert len(promoted) >= 3
    for event in promoted:
        day = datetime.date.fromisoformat(event["time"][:10])
        before, after = weeks[day - datetime.timedelta(days=21)], weeks[day + datetime.timedelta(days=7)]
        assert after["error"] / after["count"] < before["error"] / before["count"]


def test_both_drills_are_stopped_where_they_should_be(circle):
    shuffled = [event for event in happened(circle, "rollout.stopped") if event["time"].startswith(str(Drills.SHUFFLED))]
    assert len(shuffled) == 1 and "quality" in shuffled[0]["data"]["reason"]
    [back] = happened(circle, "rollout.rolled_back")
    assert back["time"].startswith(str(Drills.HOLIDAY))
    assert "error_rate" in back["data"]["reason"]
    assert in_order(circle.replay.events, ("rollout.advanced", {"version": back["data"]["version"]}),
                    ("rollout.advanced", {"version": back["data"]["version"]}),
                    ("rollout.rolled_back", {"version": back["data"]["version"]}))


def test_nobody_waited_for_an_answer(circle):
    weeks = circle.replay.weeks.values()
    assert sum(week["asked"] for week in weeks) > 12_000
    assert sum(week["failed"] for week in weeks) == 0


def test_a_version_that_was_rolled_back_serves_no_more(circle):
    [back] = happened(circle, "rollout.rolled_back")
    version = back["data"]["version"]
    live = circle.json("deployments", "bikes")
    assert live["stable"] != version
    assert any(one["version"] == version for one in live["quarantine"])
    request = urllib.request.Request(f"{circle.url}/v2/models/bikes/versions/{version}/infer", b'{"inputs": []}')
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert 400 <= refused.value.code < 600


def test_the_last_promotion_is_explained_down_to_its_incident(circle):
    last = [event for event in happened(circle, "rollout.promoted")][-1]
    facts = circle.json("explain", f"models:/bikes/{last['data']['version']}")
    kinds = {node["kind"] for node in facts["nodes"]}
    assert {"model_version", "run", "attempt", "commit", "data", "pipeline_run", "firing", "incident"} <= kinds


def test_report_and_score_are_computed(circle):
    report = circle.json("report")
    promotions = len(happened(circle, "rollout.promoted"))
    assert report["deployment_frequency"]["promotions"] == promotions
    assert report["deployment_frequency"]["by_origin"] == {"by_hand": 1, "incident": promotions - 1}
    assert report["change_failure"]["rolled_back_in_rollout"] == 1
    assert report["change_failure"]["stopped_by_gates"] == len(happened(circle, "rollout.stopped"))
    assert report["time_to_restore"]["by_remedy"]["promotion"]["count"] == promotions - 1
    assert report["automation"][0]["level"] == 2
    score = circle.json("score", "bikes")
    assert {one["test"] for one in score["tests"] if one["points"] == "full"} >= {
        "D1", "M4", "I4", "I6", "I7", "N2", "N3", "N4", "N7"}
    assert score["score"] >= 1


def test_a_prediction_is_explained(circle):
    _, version, prediction = circle.replay.predict(circle.replay.days[END][0], END)
    found = circle.slipway("explain", prediction)
    assert f"version {version} of bikes" in found and "rollout step" in found and "commit" in found


def test_from_elsewhere_every_command_that_looks_says_the_same(circle, tmp_path):
    _, _, prediction = circle.replay.predict(circle.replay.days[END][0], END)
    run = circle.json("runs")["runs"][0]["id"]
    incident = circle.json("incidents")["incidents"][0]["id"]
    away = dict(circle.env, SLIPWAY_URL=circle.url + "/")
    for command in (["events", "--limit", "50"], ["events", "--after", "3", "--limit", "2"], ["events", "--why", run[:8]],
                    ["runs"], ["runs", "--pipeline", "none", "--limit", "3"], ["runs", run], ["logs", run], ["monitors"],
                    ["monitors", "bikes"], ["incidents"], ["incidents", "--open"], ["incidents", incident[:12]],
                    ["models", "history", "bikes", "--alias", "champion"], ["explain", "models:/bikes/2"],
                    ["explain", "models:/bikes/1", "--effects"],
                    ["explain", prediction], ["report", "--since", "90d"], ["score", "bikes"], ["deployments", "bikes"]):
        for form in ([], ["--json"]):
            here = circle.slipway(*form, *command)
            done = subprocess.run([SLIPWAY, *form, *command], cwd=tmp_path, env=away, capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout) == (0, here), (command, done.stderr)
    assert not list(tmp_path.iterdir())  # nobody who looks elsewhere makes a state
    for command in (["runs", "none"], ["incidents", "none"], ["monitors", "bike"], ["explain", "models:/none/1"],
                    ["score", "none"], ["report", "--since", "x"], ["report", "--since", "2031-01-01"],
                    ["models", "history", "none", "--limit", "0"]):
        here = subprocess.run([SLIPWAY, *command], cwd=circle.root, env=circle.env, capture_output=True, text=True, timeout=60)
        done = subprocess.run([SLIPWAY, *command], cwd=tmp_path, env=away, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (here.returncode, here.stderr) and here.returncode != 0, command
    nobody = dict(circle.env, SLIPWAY_URL="http://127.0.0.1:1")
    done = subprocess.run([SLIPWAY, "events"], cwd=tmp_path, env=nobody, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "http://127.0.0.1:1" in done.stderr
