"""Versions on their way to serve: registered by the stock mlflow client, through gates, shadow and canary by requests,
and back. The clock is one that the test turns, so that it answers when the loop has come to rest."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "faults"))
from server import Server, call  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
API = "/api/slipway/v1"
PROJECT = """version: 1
project: bikes
use_case:
  problem: how many bikes
  user: dispatcher
  owner: ops@example.org
  requirements: []
deployments:
  live:
    model: bikes
    gates: [integrity, signature, parity]
    rollout:
      - shadow: {percent: 100, min_requests: 20, max_wait: 14d}
      - canary: {percent: 50, min_requests: 20, max_wait: 14d}
    guards: [{metric: error_rate, critical: true}]
"""


class ReplayServer(Server):
    """One whose clock is turned by hand."""

    def start(self):
        self.process = subprocess.Popen(
            [SLIPWAY, "up", "--listen", "127.0.0.1:0", "--state", str(self.state), "--clock", "replay", "--log-level",
             "error"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        self.address = line.split("http://")[1].strip()


class World:
    """A project with a server, and what is done with them."""

    def __init__(self, root):
        self.root = root
        self.hour = 0
        root.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        subprocess.run(["git", "init", "-q", "."], cwd=root, env=self.env, check=True)
        (root / "slipway.yaml").write_text(PROJECT)
        self.server = ReplayServer(root / ".slipway")
        self.server.start()
        self.settle()
        self.slipway("apply")
        self.at_once = self.ask(1)[0]
        self.settle()

    def call(self, method, path, body=None):
        status, answer = call(self.server.connect(timeout=120), method, path, body)
        assert status == 200, (method, path, status, answer)
        return answer

    def settle(self):
        """Turns the clock on by an hour; returns when nothing is left to do."""
        self.hour += 1
        self.call("POST", f"{API}/clock", {"time": f"2011-05-{1 + self.hour // 24:02}T{self.hour % 24:02}:00:00Z"})

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def register(self, kind):
        done = subprocess.run([sys.executable, str(HERE / "models.py"), kind, str(self.root)], cwd=self.root, text=True,
                              capture_output=True, timeout=300,
                              env={**self.env, "MLFLOW_TRACKING_URI": f"http://{self.server.address}",
                                   "OMP_NUM_THREADS": "1"})
        assert done.returncode == 0, done.stderr
        self.settle()
        return int(done.stdout.split()[-1])

    def deployment(self):
        return self.call("GET", f"{API}/deployments/live")

    def newest(self):
        return self.deployment()["rollouts"][0]

    def ask(self, times, wet=0):
        """Statuses of so many single requests, and the answers."""
        connection = self.server.connect()
        rows = {"columns": ["temp", "hour", "wet"]}
        results = [call(connection, "POST", "/deployments/live/invocations",
                        {"dataframe_split": {**rows, "data": [[i % 7 / 7, i % 24, wet]]}}) for i in range(times)]
        return [status for status, _ in results], [answer for _, answer in results]

    def champion(self):
        return int(self.call("GET", "/api/2.0/mlflow/registered-models/alias?name=bikes&alias=champion")
                   ["model_version"]["version"])

    def set_champion(self, version):
        self.call("POST", "/api/2.0/mlflow/registered-models/alias",
                  {"name": "bikes", "alias": "champion", "version": str(version)})
        self.settle()

    def kill_and_restart(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        self.server.process.stdout.close()
        self.server.start()
        self.settle()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("delivery") / "bikes")
    yield world
    assert world.server.stop() == 0


# One story, told in order.

def test_nothing_is_served_before_a_version_has_passed_its_gates(world):
    assert world.deployment()["stable"] == 0
    statuses, answers = world.ask(1)
    assert statuses == [503]
    assert "register a version of model bikes" in answers[0]["message"], answers
    assert world.at_once == [503], "the name is known once its declaration is applied"


def test_the_first_version_goes_through_the_gates_and_is_live(world):
    assert world.register("good") == 1
    shown = world.deployment()
    assert shown["stable"] == 1, shown["rollouts"][0]["reason"]
    gates = {gate["gate"]: gate for gate in shown["rollouts"][0]["gates"]}
    assert {gate: found["status"] for gate, found in gates.items()} == {
        "integrity": "pass", "signature": "pass", "parity": "pass"}
    assert gates["parity"]["evidence"]["rows"] >= 256
    assert gates["parity"]["evidence"]["margin_rows_different"] == 0
    assert world.champion() == 1
    assert world.ask(3)[0] == [200, 200, 200]


def test_a_second_version_goes_through_shadow_and_canary_by_requests(world):
    assert world.register("better") == 2
    assert world.newest()["phase"] == "shadowing"
    before = world.ask(25)[1]
    world.settle()
    assert world.newest()["phase"] == "canarying", world.deployment()["rollout"]
    assert world.deployment()["stable"] == 1
    world.ask(100)
    world.settle()
    assert world.newest()["phase"] == "live", world.deployment()["rollout"]
    assert world.deployment()["stable"] == 2
    assert world.champion() == 2
    assert world.ask(25)[1] != before


def test_the_registry_does_not_lead_around_the_rollout(world):
    status, answer = call(world.server.connect(), "POST", "/v2/models/bikes/versions/1/infer",
                          {"inputs": [{"name": "input-0", "datatype": "FP32", "shape": [1, 3], "data": [1, 1, 0]}]})
    assert status == 409, answer


def test_a_version_that_fails_where_nobody_looked_is_rolled_back(world):
    assert world.register("broken") == 3
    world.ask(25)
    world.settle()
    assert world.newest()["phase"] == "canarying", world.deployment()["rollout"]
    statuses, _ = world.ask(200, wet=1)
    assert set(statuses) == {200}, "who is sent to it is answered by the version before it"
    world.settle()
    rolled_back = world.newest()
    assert (rolled_back["version"], rolled_back["phase"]) == (3, "rolled_back")
    shown = world.deployment()
    assert shown["stable"] == 2
    assert [one["version"] for one in shown["quarantine"]] == [3]
    assert world.ask(5, wet=1)[0] == [200] * 5


def test_moving_the_alias_is_a_request(world):
    world.set_champion(3)
    assert world.newest()["version"] == 3, "it is in quarantine: nobody but a person lets it try again"
    assert world.newest()["phase"] == "rolled_back"
    world.set_champion(1)
    assert world.newest()["version"] == 1
    assert world.newest()["phase"] == "shadowing"
    assert world.deployment()["stable"] == 2, "and no swap"


def test_a_killed_server_goes_on_where_it_was(world):
    rollout = world.newest()["id"]
    world.ask(10)
    world.settle()
    world.kill_and_restart()
    assert world.newest()["id"] == rollout
    assert world.ask(15)[0] == [200] * 15
    world.settle()
    assert world.newest()["phase"] == "canarying", world.deployment()["rollout"]
    assert len([one for one in world.deployment()["rollouts"] if one["version"] == 1]) == 2


def test_a_person_freezes_promotes_and_goes_back(world):
    assert "frozen by" in world.slipway("deploy", "live", "--freeze", "--reason", "holiday")
    world.slipway("deploy", "--unfreeze")
    world.slipway("promote", "live", "--reason", "reviewed")
    world.settle()
    assert world.deployment()["stable"] == 1
    world.slipway("rollback", "--reason", "complaints")
    world.settle()
    assert world.deployment()["stable"] == 2
    assert world.champion() == 2
    text = world.slipway("deployments", "live")
    assert "version 2 of bikes serves" in text and "version 1 is in quarantine: rolled back by " in text
    history = text.split("history, newest first:\n")[1].splitlines()
    assert re.search(r" rolled back from version 1 to version 2 by .+: complaints$", history[0]), text
    assert " version 1: was live, " in history[1], text
    assert "in quarantine" in world.slipway("deploy", "live", "--version", "1", code=1)
    world.slipway("deploy", "live", "--release", "1")
    shown = json.loads(world.slipway("--json", "deployments", "live"))
    assert [one["version"] for one in shown["quarantine"]] == [3]


def test_a_waiver_needs_a_reason_and_an_end(world):
    world.slipway("gates", "waive", "parity", code=2)
    text = world.slipway("gates", "waive", "parity", "--reason", "known", "--for", "7d", "--version", "9")
    assert "gate parity of bikes is waived until" in text
    waiver = world.deployment()["waivers"][-1]
    assert waiver["reason"] == "known"
    world.slipway("gates", "revoke", waiver["id"])
    assert world.deployment()["waivers"][-1]["revoked_ms"] is not None
    assert "there is no gate 'party'; did you mean 'parity'?" in world.slipway(
        "gates", "waive", "party", "--reason", "known", "--for", "7d", code=3)
