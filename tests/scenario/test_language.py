"""The language of scenarios: what it can say, and that a scenario which must fail does, at the right line, with the reason."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from language import SENTENCES, Failed, Missing, Wrong, check, described_events, equal, like, look_up, parse, read_sentence
from models import files_of, learned
from play import play

HERE = pathlib.Path(__file__).resolve().parent
EVENTS = [{"seq": 1, "type": "rollout.requested", "subject": "rollout:a", "data": {"version": 1}},
          {"seq": 2, "type": "gate.judged", "subject": "rollout:a", "data": {"gate": "parity", "status": "fail"}},
          {"seq": 3, "type": "rollout.stopped", "subject": "rollout:a", "data": {"version": 1}}]
SHOWN = {"stable": 1, "rollouts": [{"version": 2, "phase": "live"}, {"version": 1, "phase": "stopped"}], "none": None, "on": True}


class Told:
    """A world that answers what it was told, and keeps what it was asked."""

    root = "/project"

    def __init__(self):
        self.asked, self.files, self.time, self.answers = [], {}, None, []

    def write(self, name, text):
        self.files[name] = text

    def call(self, method, path, body, headers):
        self.asked.append((method, path, body and body.decode(), headers))
        if path == "/missing":
            return 404, '{"error": "there is no such thing"}'
        if path == "/text":
            return 200, "no JSON"
        number = len(self.asked)
        return 200, json.dumps({**SHOWN, "number": number, "parameters": {"prediction_id": f"live.{number}"}})

    def run(self, command):
        code = int(command[-1]) if command[0] == "exit" else 0
        return code, f"said {' '.join(command)}\nand more\n", '{"runs": [{"id": "r1"}]}'

    def set_time(self, time):
        self.time = time

    def up(self, environment):
        return "http://127.0.0.1:1"

    def restart(self):
        return "http://127.0.0.1:2"

    def register(self, model, source, more):
        return 1

    def events(self):
        return EVENTS

    def edges(self):
        return [("model_version:bikes/2", "decided_by", "verdict:9")]

    def receive(self):
        return "http://127.0.0.1:3/told"

    def was_told(self, kind):
        return kind == "incident.opened"

    def notices(self):
        return ["incident.opened"]


def played(text):
    world = Told()
    play("x.scn", text, world)
    return world


GOOD = """# A scenario.
given file slipway.yaml
  version: 1
  when: ${event.time} ${nothing}

  end: 2

given a receiver of notifications
given version 1 of bikes from scoring/regressor, golden delivery/golden_regressor.jsonl, mae=0.2
up RECEIVER=${receiver}
clock 2011-05-01T00:00:00Z
clock +7d
GET  /deployments
expect 200 stable = 1
expect  rollouts has 2
expect  rollouts[0].phase = live
expect  rollouts[version=1].phase ~ ^stop
expect  rollouts[-1].phase != live
expect  rollouts[*].version = [2, 1]
expect  rollouts[*].version lists 2
expect  stable < 2
expect  stable >= 1
expect  stable about 1.0001
expect  none = null
expect  on = true
expect  other absent
let     v = rollouts[0].version
header  X-Key: of ${v}
POST    /labels
  {"version": ${v},
   "text": "${v}"}
GET     /missing
expect  404 error ~ no such
3 times ask live x=${n} y=1 key=user-${nn}
expect  parameters.prediction_id ~ live
let     day = parameters.prediction_id
label   day = 2.5
$ slipway runs --limit "1 2"
expect output ~ ^said slipway runs --limit 1 2$
expect output lacks nonsense
expect runs[0].id = r1
let run = output ~ said (\\w+)
$ exit 3
expect exit 3
event   rollout.requested rollout:*
let     of = subject ~ rollout:(.+)
no event rollout.requested
event   gate.judged rollout:${of} status = fail
expect  data.gate = parity
event   rollout.stopped *
1 event gate.judged
0 events incident.opened
graph   model_version:bikes/* -[decided_by]-> verdict:*
no graph model_version:bikes/1 -[*]-> *
told    incident.opened
restart
"""


def test_what_the_language_says_is_what_is_done():
    world = played(GOOD)
    assert world.files == {"slipway.yaml": "version: 1\nwhen: ${event.time} ${nothing}\n\nend: 2\n"}
    assert world.time == "2011-05-08T00:00:00Z"
    clocks = [body for _, path, body, _ in world.asked if path.endswith("/clock")]
    assert clocks == ['{"time": "2011-05-01T00:00:00Z"}'] + ['{"time": "2011-05-08T00:00:00Z"}'] * 2
    posted, = [(body, headers) for _, path, body, headers in world.asked if path == "/labels"]
    assert posted == ('{"version": 2,\n "text": "2"}\n', {"X-Key": "of 2"})
    asked = [body for _, path, body, _ in world.asked if path == "/v2/models/live/infer"]
    assert len(asked) == 3
    assert asked[1] == ('{"parameters": {"slipway_key": "user-01"}, "inputs": [{"name": "x", "shape": [1], "datatype": "FP32", '
                        '"data": [1]}, {"name": "y", "shape": [1], "datatype": "FP32", "data": [1]}]}')
    labels, = [body for _, path, body, _ in world.asked if path.endswith("/feedback")]
    assert labels == ('{"labels": [{"prediction_id": "live.6", "value": 2.5}, {"prediction_id": "live.7", "value": 2.5}, '
                      '{"prediction_id": "live.8", "value": 2.5}]}')


# The line that must be blamed is the last one, and what must be said of it.
BAD = [
    ("GET /a\nexpect 200 stable = 2", "stable = 2", "1"),
    ("GET /a\nexpect stable = true", "stable = true", "1"),
    ("GET /a\nexpect on = 1", "on = 1", "true"),
    ("GET /a\nexpect stable = \"1\"", "stable = \"1\"", "1"),
    ("GET /a\nexpect stable != 1", "stable != 1", "1"),
    ("GET /a\nexpect stable < 1", "stable < 1", "1"),
    ("GET /a\nexpect stable > 1", "stable > 1", "1"),
    ("GET /a\nexpect stable <= 0", "stable <= 0", "1"),
    ("GET /a\nexpect stable >= 2", "stable >= 2", "1"),
    ("GET /a\nexpect stable about 1.01", "about", "1"),
    ("GET /a\nexpect rollouts[0].phase > 1", "> 1", "live"),
    ("GET /a\nexpect rollouts[0].phase ~ ^ive", "~ ^ive", "live"),
    ("GET /a\nexpect rollouts has 3", "has 3", "phase"),
    ("GET /a\nexpect stable has 1", "has 1", "1"),
    ("GET /a\nexpect rollouts[*].version lists 3", "lists 3", "[2, 1]"),
    ("GET /a\nexpect stable absent", "no stable", "1"),
    ("GET /a\nexpect none absent", "no none", "null"),
    ("GET /a\nexpect other = null", "other = null", "no other: the answer has none, number, on, parameters, rollouts, stable"),
    ("GET /a\nexpect rollouts[2].phase = live", "rollouts[2]", "rollouts has 2 items"),
    ("GET /a\nexpect rollouts[version=3].phase = live", "version=3", "of rollouts none has version = 3: [2, 1]"),
    ("GET /a\nexpect 404", "status 404", "200"),
    ("GET /text\nexpect stable = 1", "JSON", "no JSON"),
    ("2 times GET /a\nexpect number = 1", "number = 1", "2"),
    ("GET /a\nexpect 200\nGET /missing", "2xx", "404 {\"error\": \"there is no such thing\"}"),
    ("GET /a\nexpect 200\n$ exit 1", "exit 0", "exit 1: said exit 1"),
    ("$ exit 1\nexpect exit 0", "exit 0", "exit 1"),
    ("$ a\nexpect output ~ ^more", "^more", "and more"),
    ("$ a\nexpect output lacks and", "lacks and", "and more"),
    ("$ a\nexpect 200", "status 200", "no request"),
    ("GET /a\nexpect exit 0", "a command", "something else"),
    ("GET /a\nexpect 200\nlet v = other", "a other", "no other"),
    ("GET /a\nexpect 200\nlet v = stable ~ x(.)", "x(.)", "[1]"),
    ("event rollout.stopped *\nevent gate.judged *", "after event 3", "none"),
    ("event gate.judged rollout:b", "gate.judged rollout:b", "gate.judged rollout:a"),
    ("event gate.judged rollout:a status = pass", "status = pass", "\"fail\""),
    ("event rollout.requested *\nno event gate.judged", "no gate.judged after event 1", "rollout:a"),
    ("event rollout.requested *\nno event gate.judged rollout:a", "no gate.judged", "rollout:a"),
    ("2 events gate.judged", "2 of gate.judged", "1 among"),
    ("0 events gate.judged rollout:*", "0 of gate.judged", "1 among"),
    ("1 event gate.judged rollout:b", "1 of gate.judged", "0 among"),
    ("graph model_version:bikes/2 -[made_by]-> *", "made_by", "model_version:bikes/2 -[decided_by]-> verdict:9"),
    ("graph run:* -[*]-> *", "run:*", "no edge from any run"),
    ("event rollout.requested *\nno graph model_version:* -[*]-> *", "no such edge", "verdict:9"),
    ("event rollout.requested *\ntold incident.closed", "incident.closed", "['incident.opened']"),
    ("event rollout.requested *\ngiven version 2 of bikes from scoring/regressor", "version 2", "version 1"),
    ("event rollout.requested *\nclock +1d", "clock TIME", "none"),
    ("event rollout.requested *\nPOST /a {\"a\": }", "JSON", "{\"a\": }"),
    # Nothing is played of what cannot be read.
    ("GET /missing\nexpect 404\nexpcet 200", "a sentence", "expcet"),
    ("GET /missing\nexpect 404\n0 times GET /a", "a sentence", "0 times"),
    ("GET /missing\nexpect 404\nGET a", "a sentence", "GET a"),
    ("GET /missing\nexpect 404\nexpect stable == 1", "a sentence", "=="),
    ("GET /missing\nexpect 404\n  indented", "an indented line", "nothing"),
    ("GET /missing\nexpect 404\ngiven file a.csv", "its content", "none"),
    ("GET /missing\nexpect 404\nGET /${never}", "names that a `let` above gives", "${never}"),
    ("GET /missing\nexpect 404\nlabel day = 1", "names that a `let` above gives", "day"),
    ("GET /missing\nexpect 404\nlet root = a", "a name of its own", "root"),
    ("expect 200", "a request, a command or an event above", "none"),
    ("GET /missing", "at least one line that expects", "none"),
]


@pytest.mark.parametrize("text, expected, found", BAD, ids=[text.split("\n")[-1] for text, _, _ in BAD])
def test_what_does_not_hold_fails_at_its_line(text, expected, found):
    with pytest.raises(Failed) as failed:
        played("# a comment\n\n" + text + "\n")
    assert failed.value.line == 2 + len(text.split("\n")), failed.value
    assert expected in failed.value.expected, failed.value
    assert found in failed.value.found, failed.value
    assert str(failed.value).startswith(f"x.scn:{failed.value.line}: ")


def test_a_line_that_fails_in_the_middle_ends_it():
    world = Told()
    with pytest.raises(Failed) as failed:
        play("x.scn", "GET /a\nexpect stable = 2\nGET /b\n", world)
    assert failed.value.line == 2 and [path for _, path, _, _ in world.asked] == ["/a"]


def test_every_sentence_of_the_page_is_one():
    """README.md is the documentation: what it shows in blocks can be read."""
    shown = re.findall(r"^```scn\n(.*?)^```", (HERE / "README.md").read_text(), re.M | re.S)
    lines = [line for block in shown for line in block.splitlines() if line and line[0] not in " #"]
    assert len(lines) > 30
    verbs = {read_sentence("README.md", 1, re.sub(r" {2,}", " ", line.split("  #")[0].strip(), count=1)).verb for line in lines}
    assert verbs == {verb for verb, _ in SENTENCES}, "each is shown"


def scenarios():
    return {file: parse(str(file), file.read_text()) for file in sorted(HERE.glob("*/*.scn"))}


def test_what_is_said_not_to_happen_is_known_to_happen_elsewhere():
    """A misspelt type of event would never come."""
    steps = [step for steps in scenarios().values() for step in steps]
    happens = {step.type for step in steps if step.verb == "event" or step.verb == "events" and int(step.count) > 0}
    never = {step.type: step.sentence for step in steps
             if step.verb == "no_event" or step.verb == "events" and int(step.count) == 0}
    assert never.keys() <= happens, {kind: never[kind] for kind in never.keys() - happens}


CHAPTERS = ["project", "checks", "features", "gates", "rollout", "predictions", "monitors", "triggers", "evidence", "circle",
            "page"]


def test_each_chapter_has_a_scenario_and_no_scenario_is_elsewhere():
    assert {file.parent.name for file in HERE.rglob("*.scn")} == set(CHAPTERS)
    assert len(list(HERE.rglob("*.scn"))) == len(list(HERE.glob("*/*.scn")))


# --- pieces ---

def test_paths():
    assert look_up({"a": [{"b": 1}, {"b": 2}]}, "a[*].b") == [1, 2]
    assert look_up({"a-b": {"c_d": [[1, 2]]}}, "a-b.c_d[0][1]") == 2
    assert look_up({"a": [{"on": True, "v": 1}, {"on": False, "v": 2}]}, "a[on=false].v") == 2
    for path in ("a.b", "a[0]", "b"):
        with pytest.raises(Missing):
            look_up({"a": 1}, path)
    with pytest.raises(Wrong):
        look_up({"a": [1]}, "a[x]")


def test_equality_is_that_of_json():
    assert equal(1, 1.0) and equal([1, {"a": True}], [1, {"a": True}]) and equal(None, None)
    for pair in ((1, True), (0, False), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 1, "b": 2}), (None, False), ([1, 2], [1])):
        assert not equal(*pair) and not equal(*reversed(pair)), pair


def test_a_star_is_anything_and_all_else_itself():
    assert like("rollout:a.b", "rollout:*") and like("a.b", "a.b") and not like("axb", "a.b") and not like("a.bc", "a.b")


def test_values_in_a_regular_expression_are_texts():
    check({"a": "x.y"}, {"path": "a", "op": "~", "value": "^${v}$", "absent": None}, {"v": "x.y"})
    with pytest.raises(Wrong):
        check({"a": "xzy"}, {"path": "a", "op": "~", "value": "^${v}$", "absent": None}, {"v": "x.y"})


def test_a_stump_learns_the_newest_day(tmp_path):
    table = tmp_path / "live.csv"
    table.write_text("event_time,x,label\n2011-05-01T00:00:00Z,1,9\n2011-05-02T01:00:00Z,1,2\n2011-05-02T02:00:00Z,2,4\n"
                     "2011-05-02T02:00:00Z,10,7\n2011-05-02T02:00:00Z,3,\n")
    assert learned(table) == [3, 7]
    assert b"[10, 3.0, 77, 7.0, 78, 7.0, 7.0]" in files_of(f"stump learned from {table}")["model.json"]
    assert b"[10, 0.0, 77, 5.0, 78, NaN, 5.0]" in files_of("stump 0 5 NaN")["model.json"]


# --- the real thing ---

REAL = """up
clock 2011-05-01T00:00:00Z
given version 1 of bikes from scoring/regressor
event model_version.created model_version:bikes/1
GET /api/2.0/mlflow/registered-models/get?name=bikes
expect 200 registered_model.name = %s
"""


@pytest.mark.parametrize("name, passes", [("bikes", True), ("trains", False)])
def test_a_file_is_a_test_that_passes_or_fails(tmp_path, name, passes):
    for file in ("conftest.py", "language.py", "play.py", "world.py", "models.py"):
        (tmp_path / file).symlink_to(HERE / file)
    (tmp_path / "story.scn").write_text(REAL % name)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, env=os.environ, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == (0 if passes else 1), done.stdout
    if passes:
        assert "1 passed" in done.stdout, done.stdout
    else:
        assert f"{tmp_path}/story.scn:6: expect 200 registered_model.name = trains" in done.stdout, done.stdout
        assert "expected: registered_model.name = trains\n    found:    bikes" in done.stdout, done.stdout


def test_every_event_that_the_program_names_is_on_the_page_of_events():
    """Those that are composed (a state, an action) are seen by the scenarios, each of which asks the same of its log."""
    described = described_events()
    kinds = {name.split(".")[0] for name in described}
    named = set()
    for file in (HERE.parents[1] / "src").rglob("*.cc"):
        if not file.name.endswith(("_test.cc", "_testing.cc", "_bench.cc")) and "/domain/engine/" not in str(file):
            text = re.sub(r'failpoint\("[^"]*"\)', "", file.read_text())
            named |= {name for name in re.findall(r'"([a-z_]+\.[a-z_]+)"', text) if name.split(".")[0] in kinds}
    assert len(named) > 40 and not named - described, named - described
