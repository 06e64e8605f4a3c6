"""The whole loop, from answers that went wrong to a version that answers better, while the server is killed: at each place
that the program has a name for, and at random. It goes on from where it was; nothing happens twice, nothing is lost."""
import contextlib
import os
import pathlib
import random
import re
import time

import pytest

pytest.register_assert_rewrite("loop")
from loop import Killer, Loop  # noqa: E402

LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
TRIALS = int(os.environ.get("SLIPWAY_TEST_TRIALS", "1000" if LONG else "0"))
SECONDS, LEAST = 60, 15  # of random trials, where their number is not told
ROOT = pathlib.Path(__file__).resolve().parents[2]

# In the order in which one loop comes to them, as many as one loop is killed at. "event.TYPE" is inside of the transaction
# that writes the event, so nothing of it is left; the others are between two steps. Where one is followed by what another
# thread does, that one is elsewhere: it may have been faster.
PLACES = {name: places.split() for name, places in {
    "judged": "monitor.window_scanned monitor.window_judged monitor.window_restated event.window.judged "
              "event.incident.opened monitor.window_judged",
    "decided": "event.trigger.fired event.pipeline_run.requested trigger.decided notify.taken_in notify.sent",
    "run": "run.data_drawn event.data.drawn run.data_kept event.pipeline_run.attempt_started run.attempt_begun run.attempt_started "
           "event.run.created event.model.created event.attempt.succeeded",
    "version": "run.model_made event.model_version.created registry.changed run.published event.pipeline_run.succeeded "
               "run.ended",
    "candidate": "intake.files_recorded event.rollout.requested event.rollout.gates_started rollout.start_gates gates.judged",
    "gates": "intake.rollout_asked gates.weighed event.gate.judged event.rollout.advanced rollout.advance rollout.route_put",
    "canary": "event.rollout.advanced:2 rollout.route_put rollout.advance rollout.route_put",
    "promotion": "event.rollout.promoted rollout.promote rollout.route_put event.rollout.settled event.alias.set "
                 "rollout.settle",
    "remedy": "event.incident.remedy_started monitor.news_taken event.incident.remedy_promoted monitor.news_taken "
              "event.incident.closed monitor.window_judged",
}.items()}
WAY_BACK = "event.rollout.rolled_back rollout.roll_back rollout.route_put event.rollout.settled rollout.settle".split()


class World:
    """One loop after another in one project; a fresh one now and then, so that none grows old, and after a failure."""

    def __init__(self, folder, turns_max=25):
        self.folder, self.turns_max, self.number, self.loop = folder, turns_max, 0, None

    @contextlib.contextmanager
    def next(self):
        if self.loop is None or self.turns >= self.turns_max:
            self.close()
            self.number += 1
            self.loop, self.turns = Loop(self.folder / f"tiny{self.number}"), 0
        self.turns += 1
        try:
            yield self.loop, self.turns + 1  # the version that comes next
        except BaseException:
            loop, self.loop = self.loop, None
            loop.end()
            raise

    def close(self):
        if self.loop is not None:
            self.loop.close()
        self.loop = None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("circle"))
    yield world
    world.close()


def turn_once(loop, version):
    """One whole loop, with what is asserted of every one."""
    before, trained = loop.newest_seq(), loop.trainings()
    loop.turn()
    loop.check_turn(before, version)
    assert loop.trainings() == (trained[0] + 1, trained[1] + 1)


def there_and_back_once(loop, version):
    """A version that has no number for some inputs gets as far as its canary."""
    before, trained = loop.newest_seq(), loop.trainings()
    stable = loop.phase(loop.deployment)["stable"]
    loop.go_and_come_back(version)
    loop.check_way_back(before, version, stable)
    assert loop.trainings() == trained


@pytest.mark.parametrize("step", PLACES)
def test_killed_at_any_step_it_goes_on_and_does_nothing_twice(world, step):
    with world.next() as (loop, version):
        loop.die_at(PLACES[step])
        turn_once(loop, version)
        assert loop.places == [], "nobody came there"


def test_killed_on_the_way_back_it_goes_back_once(world):
    with world.next() as (loop, version):
        loop.die_at(WAY_BACK)
        there_and_back_once(loop, version)
        assert loop.places == [], "nobody came there"


# What begins the type of an event is a kind of thing, or one of these; what the program puts together is one of those.
SUBJECTS = {"alias", "declaration", "gate", "permission", "prediction_log", "role", "rollout", "token", "training_set", "user",
            "waiver"}
PUT_TOGETHER = {
    "attempt": "started succeeded failed cancelled lost",
    "alert": "received", "commit": "received", "data": "received", "message": "received", "person": "received",
    "tick": "received",
    "declaration": "added changed removed",
    "incident": "opened unresolved remedy_started remedy_promoted remedy_undecided remedy_failed closed",
    "pipeline_run": "requested attempt_started retry_wait succeeded failed cancel_asked cancelled timed_out skipped",
    "trigger": "fired waits buffered ignored counted listening unreachable",
}


def event_types():
    """Of the literals of the program that begin like an event's type, and are no failpoints or columns."""
    kinds = set(re.findall(r'constexpr char k\w+\[\] = "(\w+)"', (ROOT / "src/graph/kinds.h").read_text())) | SUBJECTS
    types, put_together = set(), set()
    for file in (ROOT / "src").rglob("*.cc"):
        if file.name.endswith(("_test.cc", "_testing.cc", "_bench.cc")):
            continue
        text = re.sub(r'failpoint\("[a-z_.]+"', "", file.read_text())
        types |= {name for name in re.findall(r'"([a-z_]+\.[a-z_]+)"', text) if name.split(".")[0] in kinds}
        put_together |= {name for name in re.findall(r'"([a-z_]+)\."\)? \+', text) if name in kinds}
    received = {kind for kind, words in PUT_TOGETHER.items() if words == "received"}
    assert put_together == set(PUT_TOGETHER) - received, "another type is put together"
    types |= {f"{kind}.{word}" for kind, words in PUT_TOGETHER.items() for word in words.split()}
    return types - {"model.xgb", "params.yaml", "user.name", "user.email"}  # files, and words of git


def test_every_event_of_the_program_is_in_the_reference():
    """Also the other way round: this knows the types that it is to find places for."""
    lines = (ROOT / "docs/reference/events.md").read_text().splitlines()
    told = {name for line in lines for name in re.findall(r"`([a-z_]+\.[a-z_]+)`", "".join(line.split("|")[1:2]))}
    assert event_types() == told, (event_types() - told, told - event_types())


def places():
    """Every name that a server can be told to die at; those of a group one by one."""
    found = {name for file in (ROOT / "src").rglob("*.cc")
             for name in re.findall(r'failpoint\("([a-z_.]+)"\)', file.read_text())}
    actions, = re.findall(r"const char\* to_string\(Action::Kind.*?\{(.*?)\};", (ROOT / "src/domain/delivery/rollout.cc").read_text(),
                          re.S)
    found |= {f"rollout.{name}" for name in re.findall(r'"(\w+)"', actions) if name != "wait"}
    return found | {f"event.{name}" for name in event_types()}


def test_every_place_of_the_program_is_named_by_a_test():
    groups = {name for file in (ROOT / "src").rglob("*.cc") for name in re.findall(r'failpoint\("(\w+)", ', file.read_text())}
    assert groups == {"event", "rollout"}, "another group has members to be named"
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py") if file.name != "test_circle_kill.py")
    tests += " ".join([*sum(PLACES.values(), []), *WAY_BACK])
    unnamed = {place for place in places() if not re.search(rf"(?<![\w.]){re.escape(place)}(?![\w.])", tests)}
    assert len(places()) > 80
    assert unnamed == set(), "are named by no test"


def test_killed_at_random_it_goes_on_and_does_nothing_twice(tmp_path, capsys):
    world = World(tmp_path)
    seed = int(os.environ.get("SLIPWAY_TEST_SEED", "20110501"))
    with world.next() as (loop, version):
        began = time.monotonic()
        turn_once(loop, version)
        whole = time.monotonic() - began  # of one that nobody kills: kills come within it, on any machine
    chance, trials, kills, began = random.Random(seed), 0, 0, time.monotonic()
    passed = lambda: time.monotonic() - began  # noqa: E731
    while trials < TRIALS or (not TRIALS and (passed() < SECONDS or trials < LEAST and passed() < 3 * SECONDS)):
        spans = [chance.uniform(0, 1) ** 1.5 * whole for _ in range(chance.randrange(1, 5))]
        way = there_and_back_once if chance.random() < 0.2 else turn_once
        with world.next() as (loop, version):
            print(f"trial {trials} of seed {seed} in {loop.root.name}: {way.__name__}, killed after {spans}")
            killer = Killer(loop, spans)
            killer.start()
            try:
                way(loop, version)
            finally:
                kills += killer.stop()
            if loop.killed:  # when all was done
                loop.restart()
        trials += 1
    world.close()
    with capsys.disabled():
        print(f"\n{trials} whole loops, killed {kills} times in {passed():.0f} s")
    assert trials >= LEAST, f"only {trials} in {passed():.0f} s"
    assert kills >= trials
