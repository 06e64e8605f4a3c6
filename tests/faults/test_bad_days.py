"""Bad days of the loop: what somebody sees of them, and that it goes on afterwards."""
import datetime
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

pytest.register_assert_rewrite("loop")
from loop import API, DAY, DVC, PROJECT, TRAIN, Loop, wait_until  # noqa: E402

AT_THE_ROWS = "rows = [line"
AT_THE_UPLOAD = 'ask("PUT", folder + "MLmodel"'


def also(place, lines):
    """The training script with more before this place."""
    assert TRAIN.count(place) == 1
    return TRAIN.replace(place, lines + place)


@pytest.fixture
def loops(tmp_path):
    """Makes them, and ends them."""
    made = []

    def make(kind=Loop, *arguments, **more):
        made.append(kind(tmp_path / f"tiny{len(made)}", *arguments, **more))
        return made[-1]
    yield make
    for loop in made:
        loop.close()


def of(events, *types):
    return [event for event in events if event["type"] in types]


def decay(loop):
    """Two days of wrong answers, and what follows from them at once."""
    loop.truth += 10
    for _ in range(2):
        loop.live_a_day()


# --- the training ---

def test_a_client_that_dies_in_the_middle_of_training_is_tried_again(loops):
    loop = loops(project=PROJECT.replace("register: {model: tiny}}", "register: {model: tiny}, attempts: 2}"),
                 train=also(AT_THE_UPLOAD, "if marker.exists():\n    marker.unlink()\n    os.kill(os.getpid(), 9)\n"))
    before = loop.newest_seq()
    loop.marker.write_text("")
    decay(loop)
    events = loop.events(before)
    waits, = of(events, "pipeline_run.retry_wait")
    assert waits["data"]["failed_stages"] == ["train"] and "train" in waits["data"]["reason"], waits
    # What it had logged is over, and no version.
    died, = of(events, "run.created")
    assert loop.run_status(died) == "FAILED"
    assert of(events, "model_version.created") == []
    assert loop.deployment()["stable"] == 1
    loop.day += datetime.timedelta(seconds=10)
    loop.turn_clock()
    loop.recover()
    events = loop.events(before)
    assert [event["data"]["attempt"] for event in of(events, "pipeline_run.attempt_started")] == [1, 2]
    assert len(of(events, "model_version.created")) == 1
    assert loop.deployment()["stable"] == 2
    assert [loop.run_status(run) for run in of(events, "run.created")] == ["FAILED", "FINISHED"]
    closed, = of(events, "incident.closed")
    assert closed["data"]["remedy"] == "promotion"


def test_a_training_that_fails_three_times_is_told_and_asked_for_again(loops):
    loop = loops(project=PROJECT.replace("register: {model: tiny}}", "register: {model: tiny}, attempts: 3}"),
                 train=also(AT_THE_ROWS, "if marker.exists():\n    raise SystemExit('no memory is left')\n"))
    before, began = loop.newest_seq(), loop.trainings()[0]
    loop.marker.write_text("")
    decay(loop)
    for seconds in (10, 20):
        loop.day += datetime.timedelta(seconds=seconds)
        loop.turn_clock()
    assert loop.trainings()[0] == began + 3
    events = loop.events(before)
    failed, = of(events, "pipeline_run.failed")
    assert failed["data"]["attempt"] == 3 and "train" in failed["data"]["reason"], failed
    assert "exited with 1" in failed["data"]["reason"], failed
    loop.receiver.wait_for({failed["id"]})
    run = failed["subject"].split(":")[-1]
    assert "no memory is left" in loop.slipway("logs", run)
    assert of(events, "model_version.created", "rollout.requested", "incident.closed") == []
    assert loop.deployment()["stable"] == 1
    assert loop.answers(2)[0][2] == 0.0  # the old version goes on answering
    # The incident stays open, and the next bad window asks for another run.
    loop.marker.unlink()
    loop.live_a_day()
    loop.recover()
    events = loop.events(before)
    assert [len(of(events, kind)) for kind in ("incident.opened", "incident.unresolved", "trigger.fired")] == [1, 1, 2]
    assert [len(of(events, kind)) for kind in ("model_version.created", "rollout.promoted", "incident.closed")] == [1, 1, 1]
    assert loop.deployment()["stable"] == 2


# --- labels, contracts, receivers ---

def test_without_labels_nothing_is_good(loops):
    loop = loops()
    loop.live_a_day()
    assert loop.windows()[-1] == "good"
    loop.tell_truth = lambda given: None
    loop.truth += 10
    for _ in range(4):
        loop.live_a_day()
    assert loop.windows()[1:] == ["undecided"] * 4
    shown = loop.slipway("monitors")
    assert "undecided" in shown and "0 of 16 rows labelled, 10 are needed" in shown and "good" not in shown
    assert of(loop.events(), "incident.opened", "trigger.fired") == []
    del loop.tell_truth
    # Nor does an open incident close without them.
    decay(loop)
    before = loop.newest_seq()
    loop.tell_truth = lambda given: None
    for count in (12, 80, 4):
        loop.serve(count)
    loop.day = loop.day.replace(hour=0) + DAY
    for _ in range(3):
        loop.live_a_day()
    assert loop.deployment()["stable"] == 2
    assert of(loop.events(before), "incident.closed") == []
    assert json.loads(loop.slipway("--json", "incidents", "--open"))["incidents"]


CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: live
version: 1.0.0
status: active
schema:
  - name: live
    properties:
      - {name: x, logicalType: number}
"""


def test_a_contract_that_does_not_parse_is_refused_and_what_was_applied_holds_on(loops):
    project = PROJECT.replace("pipelines:", "contracts: {live.csv: live.yaml}\npipelines:")
    loop = loops(project=project, live_yaml=CONTRACT)
    before = loop.newest_seq()
    loop.write("live.yaml", CONTRACT.replace("logicalType: number}", "logicalType: [number}"))
    for command in (["plan"], ["apply"], ["check", "live.csv"]):
        said = loop.slipway(*command, code=3)
        assert "live.yaml:9" in said, (command, said)
    assert of(loop.events(before), "project.applied") == []
    loop.turn()
    loop.check_turn(before, 2)


def test_a_receiver_that_hangs_holds_up_nobody_else(loops):
    with socket.create_server(("127.0.0.1", 0)) as hangs:  # takes connections, and never answers
        project = PROJECT + f'  - {{webhook: "http://127.0.0.1:{hangs.getsockname()[1]}/", on: [incident, promotion]}}\n'
        loop = loops(project=project)
        before, began = loop.newest_seq(), time.monotonic()
        loop.turn()
        loop.check_turn(before, 2)  # the other receiver was told of everything
        assert time.monotonic() - began < 9, "the loop waited for the receiver"
        hangs.settimeout(10)
        with hangs.accept()[0] as asked:
            assert b"webhook-id" in asked.recv(65536).lower()
            # Nor does whoever ends the server wait for long.
            began = time.monotonic()
            loop.stop()
            assert time.monotonic() - began < 15
        loop.start()


# --- the disk ---

def test_a_full_disk_of_the_log_costs_rows_that_are_counted_and_no_answers(loops):
    loop = loops()
    log = loop.state / "predictions"
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    loop.stop()
    log.mkdir(exist_ok=True)
    loop.prefix = [*unshare, "sh", "-c", f'mount -t tmpfs -o size=256k slipway-test "{log}" && exec "$@"', "sh"]
    loop.start()
    loop.turn_clock()
    loop.answers(3)
    seen = pathlib.Path(f"/proc/{loop.process.pid}/root{log}")  # the disk as the server sees it
    ballast = seen / "ballast"
    with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    before, asked = loop.newest_seq(), 0
    lost = lambda: loop.metric("slipway_log_dropped_total")  # noqa: E731
    while lost() == 0:
        asked += len(loop.answers(50, kept=False))
        assert asked < 50_000
    loop.answers(50, kept=False)  # that only the monitors' look at the log writes, or loses
    loop.day += datetime.timedelta(minutes=5)
    loop.turn_clock()
    told = of(loop.events(before), "prediction_log.lost")
    assert told and told[0]["subject"] == "deployment:live", told
    assert 0 < sum(event["data"]["lost"] for event in told) <= lost()
    ballast.unlink()
    loop.answers(3)  # and these are found in the log
    assert shutil.disk_usage(seen).free > 0


# --- the clock ---

def test_a_replayed_year_in_which_nothing_happened_is_no_reason_for_anything(loops):
    loop = loops()
    loop.live_a_day()
    before = loop.newest_seq()
    loop.day += 400 * DAY
    began = time.monotonic()
    loop.turn_clock()
    assert time.monotonic() - began < 10
    assert of(loop.events(before), "incident.opened", "trigger.fired", "pipeline_run.requested") == []
    loop.day = loop.day.replace(hour=0) + DAY
    before = loop.newest_seq()
    loop.turn()
    loop.check_turn(before, 2)


class OnTheWall(Loop):
    """By a clock on the wall that the test sets."""

    ARGUMENTS = []

    def __init__(self, root, library, **more):
        self.skew = root.parent / "skew"
        self.set_clock(0)
        os.environ["SKEWED_CLOCK"] = str(self.skew)
        self.library = library
        super().__init__(root, **more)

    def set_clock(self, seconds):
        """So much later than it is."""
        self.skew.write_bytes(struct.pack("q", seconds)) if not self.skew.exists() else self.poke(seconds)
        self.ahead = datetime.timedelta(seconds=seconds)

    def poke(self, seconds):
        with open(self.skew, "r+b") as file:
            file.write(struct.pack("q", seconds))

    def start(self):
        self.env.update(LD_PRELOAD=str(self.library), SKEWED_CLOCK=str(self.skew))
        super().start()

    def turn_clock(self):
        pass

    def answers(self, count, x=None, kept=True):
        self.day = datetime.datetime.utcnow() + self.ahead - datetime.timedelta(hours=count)
        return super().answers(count, x, kept)


@pytest.fixture(scope="module")
def skewed_clock(tmp_path_factory):
    library = tmp_path_factory.mktemp("clock") / "skewed_clock.so"
    source = pathlib.Path(__file__).with_name("skewed_clock.c")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


def test_a_clock_that_jumps_a_day_ahead_and_back(loops, skewed_clock):
    """What was decided stays, nothing is done twice, and nobody waits a day longer."""
    ahead = 24 * 3600
    project = PROJECT.replace("triggers:\n", "triggers:\n  nightly: {pipeline: train, cron: \"0 0 * * *\", overlap: allow}\n")
    project = project.replace("min_requests: 10,", "min_requests: 10, min_time: 1h,")
    loop = loops(OnTheWall, project=project, library=skewed_clock)
    before = loop.newest_seq()
    ticks = lambda: [event["subject"] for event in of(loop.events(before), "tick.received")]  # noqa: E731
    assert len(loop.answers(5)) == 5

    loop.set_clock(ahead)
    wait_until(lambda: len(ticks()) == 1)  # a night has passed, once
    loop.register_sick(2)
    wait_until(lambda: of(loop.events(before), "rollout.advanced"))  # in the shadow, since tomorrow
    assert len(loop.answers(12)) == 12

    loop.set_clock(0)
    assert len(loop.answers(12)) == 12
    assert len(ticks()) == 1
    began = lambda: loop.deployment()["rollouts"][0]["step_started_ms"] / 1000  # noqa: E731
    wait_until(lambda: began() <= time.time())  # the step begins anew
    loop.set_clock(3700)  # an hour of shadow later, by the clock that was put back
    wait_until(lambda: len(of(loop.events(before), "rollout.advanced")) == 2)
    loop.set_clock(2 * ahead)
    wait_until(lambda: len(ticks()) == 2)
    assert len(set(ticks())) == 2
    assert len(loop.answers(5)) == 5
