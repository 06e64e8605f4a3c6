"""Features on their way: a training set, the online store, look-ups; by commands alone and beside a server."""
import csv
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "faults"))
from server import Server, call  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
API = "/api/slipway/v1/features"
VIEW = """kind: feature_view
name: station
owner: ops@example.org
entity: {station: int64}
source: {file: data/rides.csv, event_time: at, columns: {bikes: int64, price: float64}}
ttl: 2h
request: {people: float64}
features:
  bikes: int64
  ratio: {expr: "people / nullif(bikes, 0)", type: float64}
aggregates:
  - {of: price, fn: [sum, count], windows: [1h]}
"""
RIDES = """station,at,bikes,price
1,2026-03-01T10:00:00Z,4,0.1
1,2026-03-01T10:30:00Z,0,0.2
2,2026-03-01T10:30:00Z,7,1
1,2026-03-01T10:50:00Z,3,0.3
"""
ENTITIES = """station,event_timestamp,people,label
1,2026-03-01T11:00:00Z,6,a
3,2026-03-01T11:00:00Z,6,b
1,2026-03-01T10:40:00Z,6,c
1,2026-03-01T14:00:00Z,6,d
"""


class Project:
    def __init__(self, root):
        self.root, self.state = root, root / ".slipway"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        (root / "features").mkdir(parents=True)
        (root / "data").mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
        (root / "features" / "station.yaml").write_text(VIEW)
        (root / "data" / "rides.csv").write_text(RIDES)
        (root / "entities.csv").write_text(ENTITIES)

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def json(self, *arguments, code=0):
        return json.loads(self.slipway("--json", *arguments, code=code))

    def train_set(self):
        return self.json("features", "train-set", "--view", "station", "--entities", "entities.csv", "-o", "train.csv")

    def get(self, *key, at="2026-03-01T11:00:00Z", people="6", code=0):
        return self.json("features", "get", "--view", "station", "--at", at, "--request", f"people={people}", *key,
                         code=code)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture(params=["alone", "beside a server"])
def place(request, project):
    """The project, with and without a process that owns its state."""
    if request.param == "alone":
        yield project
        return
    server = Server(project.state)
    server.start()
    yield project
    server.stop()


def test_a_training_set_has_what_was_known_and_says_where_it_comes_from(place):
    report = place.train_set()
    rows = list(csv.DictReader((place.root / "train.csv").open()))
    assert [row["label"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["bikes"] for row in rows] == ["3", "", "0", ""]
    assert [row["ratio"] for row in rows] == ["2.0", "", "", ""]
    assert [row["price_count_1h"] for row in rows] == ["3", "0", "2", "0"]
    assert [row["price_sum_1h"] for row in rows][0] == "0.6"
    assert report["rows"] == 4
    assert report["views"][0]["unmatched"] == 1 and report["views"][0]["expired"] == 1

    digest = hashlib.md5((place.root / "train.csv").read_bytes()).hexdigest()
    assert report["md5"] == digest
    lineage = place.json("explain", f"data:{digest}")
    assert {(edge["relation"], edge["cause"]) for edge in lineage["edges"]} == {
        ("drawn_from", "data:" + hashlib.md5(ENTITIES.encode()).hexdigest()),
        ("drawn_from", "data:" + hashlib.md5(RIDES.encode()).hexdigest()),
        ("drawn_from", "feature_view_version:" + report["views"][0]["view"])}


def test_the_same_inputs_give_the_same_bytes(project):
    first = project.train_set()
    again = project.train_set()
    assert first["md5"] == again["md5"]


def test_look_ups_equal_the_training_set(place):
    place.slipway("features", "materialize", "--view", "station", "--at", "2026-03-01T11:00:00Z")
    place.train_set()
    row = next(csv.DictReader((place.root / "train.csv").open()))
    found = place.get("1")
    assert found["presence"] == "present"
    assert found["event_time"] == "2026-03-01T10:50:00Z"
    for name, value in found["features"].items():
        assert row[name] == ("" if value is None else str(value)), name
    assert place.get("3", code=1)["presence"] == "missing"
    expired = place.get("1", at="2026-03-01T13:00:00Z", code=1)
    assert expired["presence"] == "expired" and expired["features"]["bikes"] is None


def test_what_was_materialized_is_there_after_a_kill(project):
    server = Server(project.state)
    server.start()
    project.slipway("features", "materialize", "--view", "station", "--at", "2026-03-01T11:00:00Z")
    server.kill()
    assert project.get("1")["features"]["bikes"] == 3
    server.start()
    assert project.get("1")["features"]["bikes"] == 3
    connection = server.connect()
    status, views = call(connection, "GET", f"{API}/views")
    assert status == 200 and [view["name"] for view in views["views"]] == ["station"]
    assert views["views"][0]["features"]["ratio"] == "float64"
    status, found = call(connection, "POST", f"{API}/lookup",
                         {"view": "station", "key": ["2"], "request": {"people": "14"}, "at": "2026-03-01T11:00:00Z"})
    assert status == 200 and found["features"]["ratio"] == 2.0
    status, _ = call(connection, "POST", f"{API}/lookup", {"view": "station", "key": ["x"]})
    assert status == 400
    status, _ = call(connection, "POST", f"{API}/lookup", {"view": "nothing", "key": ["1"]})
    assert status == 404
    for path in ("materialize", "training-sets"):  # who can't read the state folder names no files
        status, _ = call(connection, "POST", f"{API}/{path}", {"root": "/", "view": "etc/passwd"})
        assert status == 403
    connection.close()
    server.stop()


def test_errors_name_the_place(project):
    (project.root / "features" / "station.yaml").write_text(VIEW.replace("people / nullif", "peple / nullif"))
    out = project.slipway("features", "materialize", "--view", "station", code=3)
    assert "features/station.yaml:10:17: " in out and "did you mean 'people'?" in out
    (project.root / "features" / "station.yaml").write_text(VIEW)
    assert "did you mean 'station'?" in project.slipway("features", "materialize", "--view", "staton", code=3)
    assert "no feature view 'station' was materialized" in project.slipway("features", "get", "--view", "station", "1",
                                                                           code=3)
    elsewhere = ("features", "get", "--view", "station", "1", "--state", "elsewhere")
    assert "there is no state at " in project.slipway(*elsewhere, code=3)
    assert not (project.root / "elsewhere").exists(), "looking makes nothing"
    assert "rides.csv:2: found 'four'" in fail_with(project, RIDES.replace("4,0.1", "four,0.1"))


def fail_with(project, rides):
    (project.root / "data" / "rides.csv").write_text(rides)
    return project.slipway("features", "train-set", "--view", "station", "--entities", "entities.csv", "-o", "t.csv",
                           code=3)
