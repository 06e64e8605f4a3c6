"""Answers that go wrong: windows, an incident and its end, over HTTP and from the command line. The model comes from the
stock mlflow client, requests are V2, true values come a day later; the clock is one that the test turns."""
import datetime
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "faults"))
from server import Server, call  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
MODELS = HERE.parent / "delivery" / "models.py"
API = "/api/slipway/v1"
DAY = datetime.timedelta(days=1)
START = datetime.datetime(2011, 5, 1)
PROJECT = """version: 1
project: bikes
use_case:
  problem: how many bikes
  user: dispatcher
  owner: ops@example.org
  requirements:
    - {id: quality, metric: mae_relative, at_most: 0.35, on: holdout}
deployments:
  live:
    model: bikes
    gates: [integrity, signature]
    monitors:
      quality: {requirement: quality, labels: delayed, window: 1d, min_rows: 10, persist: 2}
      health: {window: 1d, min_rows: 10, persist: 2}
      drift: {against: previous, window: 1d, min_rows: 10, persist: 2}
"""


class ReplayServer(Server):
    """One whose clock is turned by hand."""

    def start(self):
        self.process = subprocess.Popen(
            [SLIPWAY, "up", "--listen", "127.0.0.1:0", "--state", str(self.state), "--clock", "replay", "--log-level",
             "error"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, **self.environment})
        line = self.process.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        self.address = line.split("http://")[1].strip()


class World:
    """A project with a server, a version that is live, and days that pass."""

    def __init__(self, root):
        self.root, self.day, self.asked = root, START, []
        root.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        subprocess.run(["git", "init", "-q", "."], cwd=root, env=self.env, check=True)
        (root / "slipway.yaml").write_text(PROJECT)
        self.server = ReplayServer(root / ".slipway")
        self.server.start()
        self.turn_clock()
        self.slipway("apply")
        self.turn_clock()
        done = subprocess.run([sys.executable, str(MODELS), "good", str(root)], cwd=root, text=True, capture_output=True,
                              timeout=300, env={**self.env, "MLFLOW_TRACKING_URI": f"http://{self.server.address}",
                                                "OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, done.stderr
        self.turn_clock()

    def ask(self, method, path, body=None, expected=200):
        status, answer = call(self.server.connect(timeout=120), method, path, body)
        assert status == expected, (method, path, status, answer)
        return answer

    def turn_clock(self):
        """Returns when nothing is left to do."""
        self.ask("POST", f"{API}/clock", {"time": self.day.isoformat() + "Z"})

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def live_a_day(self, truth=lambda answer: answer, broken=False):
        """An answer an hour; the true values of the day before come at its end."""
        connection, today = self.server.connect(), []
        for hour in range(24):
            values = {"temp": hour % 7 / 7, "hour": float(hour), "wet": 0.0}
            body = {"parameters": {"event_time": (self.day + hour * DAY / 24).isoformat() + "Z"},
                    "inputs": [{"name": name, "shape": [1], "datatype": "FP32", "data": [value]}
                               for name, value in values.items()]}
            status, answer = call(connection, "POST", "/v2/models/live/infer", body)
            assert status == 200, answer
            today.append((answer["parameters"]["prediction_id"], truth(answer["outputs"][0]["data"][0])))
        labels = [{"prediction_id": prediction, "value": value} for prediction, value in self.asked if value is not None]
        if labels:
            self.ask("POST", f"{API}/feedback", {"labels": labels})
        self.asked = today
        self.day += DAY
        self.turn_clock()

    def windows(self, monitor):
        """The statuses, oldest first."""
        found = self.ask("GET", f"{API}/windows?deployment=live&monitor={monitor}")["windows"]
        return [window["status"] for window in reversed(found)]

    def incidents(self):
        return self.ask("GET", f"{API}/incidents")["incidents"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("monitor") / "bikes")
    yield world
    assert world.server.stop() == 0


# One story, told in order.

def test_before_anything_was_answered_nothing_is_judged(world):
    assert world.ask("GET", f"{API}/windows")["windows"] == []
    monitors = world.ask("GET", f"{API}/monitors")["monitors"]
    assert [(monitor["monitor"], monitor["begun"]) for monitor in monitors] == [
        ("quality", False), ("health", False), ("drift", False)]
    assert "nothing to look at yet" in world.slipway("monitors")
    assert world.slipway("incidents") == "no incidents\n"
    first = f"{monitors[0]['deployment']}/{monitors[0]['monitor']}"
    assert world.slipway("monitors", first) == "no window of that was judged yet\n"
    assert f"there is no monitor '{first}x'; did you mean '{first}'?" in world.slipway("monitors", first + "x", code=3)


def test_windows_are_judged_when_they_are_over_and_labels_when_they_have_come(world):
    world.live_a_day()
    assert world.windows("health") == []  # answers may come some minutes late
    world.live_a_day()
    assert world.windows("health") == ["good"]
    assert world.windows("quality") == ["good"]
    window = world.ask("GET", f"{API}/windows?monitor=quality&verdicts=true")["windows"][0]
    assert (window["rows"], window["labelled"], window["version"]) == (24, 24, "1")
    assert window["verdicts"]["deciding"][0]["check"] == "requirement quality"
    assert window["start_ms"] == START.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000


def test_one_bad_day_is_no_incident(world):
    world.live_a_day(truth=lambda answer: 3 * answer)
    world.live_a_day()
    world.live_a_day()
    assert world.windows("quality") == ["good", "good", "bad", "good"]
    assert world.incidents() == []


def test_labels_that_never_come_leave_it_undecided(world):
    world.live_a_day(truth=lambda answer: None)
    world.live_a_day(truth=lambda answer: None)
    world.live_a_day()
    assert world.windows("quality") == ["good", "good", "bad", "good", "good", "undecided", "undecided"]
    assert world.incidents() == []


def test_two_bad_days_in_a_row_are_one_incident(world):
    for _ in range(3):
        world.live_a_day(truth=lambda answer: 3 * answer)
    [incident] = world.incidents()
    assert (incident["open"], incident["requirement"], incident["version"]) == (True, "quality", "1")
    assert "mae_relative is 0.6667, at most 0.35 asked for" in incident["words"]
    shown = world.ask("GET", f"{API}/incidents/{incident['id']}")
    assert [change["action"] for change in shown["history"]] == ["opened"]
    assert len(shown["history"][0]["evidence"]) == 2
    assert json.loads(world.slipway("--json", "incidents", "--open"))["incidents"][0]["id"] == incident["id"]
    assert f"open incident {incident['id']}" in world.slipway("monitors")


def test_a_killed_server_goes_on_where_it_was(world):
    [before] = world.incidents()
    windows = world.windows("quality")
    world.server.process.send_signal(signal.SIGKILL)
    world.server.process.wait()
    world.server.process.stdout.close()
    world.server.start()
    world.turn_clock()
    assert world.incidents() == [before]
    assert world.windows("quality") == windows
    world.live_a_day(truth=lambda answer: 3 * answer)
    shown = world.ask("GET", f"{API}/incidents/{before['id']}")
    assert [change["action"] for change in shown["history"]] == ["opened", "unresolved"]


@pytest.mark.parametrize("place", ["monitor.window_scanned", "monitor.window_judged", "monitor.window_judged:2"])
def test_wherever_it_is_killed_a_window_is_judged_once(world, place):
    """The server dies while it judges what is due at the end of a day."""
    [incident] = world.incidents()
    statuses = {monitor: world.windows(monitor) for monitor in ("quality", "health", "drift")}
    world.server.stop()
    world.server.environment = {"SLIPWAY_FAILPOINT": place}
    world.server.start()
    with pytest.raises((OSError, http.client.HTTPException)):
        world.live_a_day(truth=lambda answer: 3 * answer)
    assert world.server.process.wait(timeout=30) == -signal.SIGKILL
    world.server.process.stdout.close()
    world.server.environment = {}
    world.server.start()
    world.turn_clock()
    for monitor, before in statuses.items():
        assert world.windows(monitor) == before + ["bad" if monitor == "quality" else "good"]
    assert [found["id"] for found in world.incidents()] == [incident["id"]]


def test_a_person_closes_it_with_a_reason(world):
    [incident] = world.incidents()
    world.ask("POST", f"{API}/incidents/{incident['id']}/close", {"actor": "ann", "reason": " "}, expected=400)
    world.ask("POST", f"{API}/incidents/none/close", {"actor": "ann", "reason": "a strike"}, expected=404)
    world.slipway("incidents", incident["id"], "--close", code=2)
    assert world.slipway("incidents", incident["id"][:18]) == world.slipway("incidents", incident["id"])
    text = world.slipway("incidents", incident["id"][:18], "--close", "--reason", "a strike, no decay")
    assert "remedy: person (a strike, no decay)" in text
    world.slipway("incidents", incident["id"], "--close", "--reason", "again", code=1)
    world.ask("POST", f"{API}/incidents/{incident['id']}/close", {"actor": "ann", "reason": "x"}, expected=409)
    assert json.loads(world.slipway("--json", "incidents", "--open"))["incidents"] == []
    assert "closed: a strike, no decay" in world.slipway("incidents", incident["id"])


def test_it_is_over_after_two_good_days(world):
    for _ in range(3):
        world.live_a_day(truth=lambda answer: 3 * answer)
    for _ in range(4):
        world.live_a_day()
    newest = world.incidents()[0]
    assert (newest["open"], newest["remedy"]) == (False, "none")
    events = [event["type"] for event in world.ask("GET", f"{API}/events?after=0&limit=1000")["events"]
              if event["type"].startswith("incident.")]
    assert events[:6] == ["incident.opened"] + ["incident.unresolved"] * 4 + ["incident.closed"]
    assert events.count("incident.opened") == events.count("incident.closed") == 2


def test_a_window_is_compared_with_the_one_before(world):
    statuses = world.windows("drift")
    assert statuses[0] == "undecided"  # there was nothing before it
    assert set(statuses[1:]) == {"good"}


def test_wrong_questions_are_refused(world):
    for path in ("windows?limit=0", "windows?limit=x", "incidents?limit=1001", "windows?before_ms=soon"):
        world.ask("GET", f"{API}/{path}", expected=400)
    world.ask("GET", f"{API}/incidents/none", expected=404)
    world.slipway("incidents", "none", code=3)
