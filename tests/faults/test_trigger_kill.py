"""What starts a pipeline run, and what becomes of the run, with a server that dies in the transaction that writes it down and
right after that one: it is heard, done and told once, and the next occasion is heard as well."""
import contextlib
import http.client
import json
import os
import pathlib
import random
import signal
import time

import pytest

pytest.register_assert_rewrite("loop")
from loop import DAY, HOUR, Died, Killed, Killer, Loop, wait_until  # noqa: E402

PROJECT = """version: 1
project: copies
use_case: {problem: copies, user: tester, owner: ops@example.org, requirements: []}
pipelines:
  copy: {stages: [copy]%s}
triggers:
  heard: {pipeline: copy, %s}
"""
DVC = """stages:
  copy: {cmd: sh stage.sh, deps: [in.txt, stage.sh], outs: [out.txt]}
"""
# Waits for as long as the test's marker is there; fails when that says so.
STAGE = """echo $$ > %(marker)s.pid
echo began >> %(journal)s
while test -e %(marker)s && ! grep -q fail %(marker)s; do sleep 0.01; done
test ! -e %(marker)s || exit 3
cp in.txt out.txt
echo ended >> %(journal)s
"""
MESSAGE = "cloudevent: {type: org.example.ready}"
RUN = {"trigger.fired": 1, "pipeline_run.requested": 1, "pipeline_run.attempt_started": 1, "attempt.started": 1}
DONE = {**RUN, "attempt.succeeded": 1, "pipeline_run.succeeded": 1}


class Copies(Killed):
    """A pipeline of one stage, and the trigger that starts it."""

    def __init__(self, root, trigger, pipeline="", project=PROJECT):
        declared = project % (pipeline, trigger) if project is PROJECT else project
        super().__init__(root, slipway_yaml=declared, dvc_yaml=DVC, in_txt="1\n")
        self.write("stage.sh", STAGE % {"journal": self.journal, "marker": self.marker})
        self.commit()
        self.start()
        self.turn_clock()
        self.slipway("apply")
        self.turn_clock()

    def send(self, path, content_type, body):
        """As somebody who sends it again until it was taken; the answer is the last one's."""
        def ask():
            connection = self.connect()
            try:
                connection.request("POST", path, json.dumps(body), {"Content-Type": content_type})
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            except (OSError, http.client.HTTPException) as error:
                raise Died(f"{path}: {error!r}") from error
        status, answer = self.phase(ask)
        assert status == 202, answer
        return answer

    def message(self, number):
        return self.send("/events", "application/cloudevents+json", {
            "specversion": "1.0", "id": str(number), "source": "/s", "type": "org.example.ready"})

    def alert(self, number):
        return self.send("/hooks/alertmanager", "application/json", {
            "version": "4", "status": "firing", "receiver": "r", "alerts": [
                {"status": "firing", "labels": {"alertname": "Late"}, "startsAt": "2011-05-01T00:00:00Z",
                 "fingerprint": f"f{number}"}]})

    def night(self, _):
        self.day += DAY

    def new_input(self, number):
        self.write("in.txt", f"{number} again\n")

    def new_commit(self, number):
        self.new_input(number)
        self.commit()

    def settle(self):
        self.phase(self.turn_clock)

    def dies_at(self, places, do):
        """It comes to each of these places, and dies there, because of what is done."""
        self.die_at(places.split())
        answer = do()
        self.settle()
        assert self.places == [], "nobody came there"
        return answer

    @contextlib.contextmanager
    def with_a_run_under_way(self):
        """No clock waits for that one's end."""
        self.turn_clock = lambda: None
        try:
            yield
        finally:
            del self.turn_clock

    def dies_by_itself(self):
        """At all the places that are left."""
        while self.places:
            self.restart()

    def run_under_way(self):
        """Of a message; its stage waits for the marker to go."""
        before = self.trainings()[0]
        self.marker.write_text("")
        self.message(1)
        wait_until(lambda: self.trainings()[0] == before + 1)

    def counts(self, expected):
        """How many of each of these there are."""
        kinds = [event["type"] for event in self.events()]
        return {kind: kinds.count(kind) for kind in expected}

    def has(self, expected):
        assert self.counts(expected) == expected, [(event["type"], event["data"]) for event in self.events()]


@pytest.fixture
def made(tmp_path):
    all_made = []

    def make(kind, *arguments, **more):
        all_made.append(kind(tmp_path / f"tiny{len(all_made)}", *arguments, **more))
        return all_made[-1]
    yield make
    for one in all_made:
        one.marker.unlink(missing_ok=True)
        one.close()


# --- what is heard ---

# How the trigger is declared, how it comes to be told, and where else the server dies on the way to the run.
HEARD = {
    "event.message.received": (MESSAGE, Copies.message, ""),
    "event.alert.received": ("alert: {labels: {alertname: Late}}", Copies.alert, ""),
    "event.tick.received": ('cron: "0 0 * * *"', Copies.night, ""),
    "event.commit.received": ("git: {branch: main, paths: [in.txt]}", Copies.new_commit, ""),
    "event.data.received": ("data: in.txt", Copies.new_input, "run.data_drawn event.data.drawn run.data_kept"),
}


@pytest.mark.parametrize("place", HEARD)
def test_what_a_trigger_hears_is_heard_once_whoever_dies(made, place):
    trigger, tell, more = HEARD[place]
    copies = made(Copies, trigger)
    answer = copies.dies_at(f"{place} trigger.decided {more}", lambda: tell(copies, 1))
    # Who sends it again after a kill is told that it is known.
    assert answer is None or (answer["accepted"], answer["duplicates"]) == (0, 1), answer
    received = place.removeprefix("event.")
    copies.has({**DONE, received: 1, "data.drawn": int("drawn" in more)})
    assert copies.trainings() == (1, 1)
    tell(copies, 2)
    copies.settle()
    copies.has({received: 2, "trigger.fired": 2, "pipeline_run.requested": 2})


def test_what_a_person_asks_for_runs_once_whoever_dies(made):
    copies = made(Copies, MESSAGE)
    asked = {"person.received": 1, "pipeline_run.requested": 1}
    copies.will_die_at(["event.person.received", "run.asked_for"])
    copies.slipway("run", "copy", code=3)
    copies.restart()
    copies.has(dict.fromkeys(asked, 0))
    # This one dies when the wish is durable: it is granted though nobody could say so.
    copies.slipway("run", "copy", code=3)
    copies.restart()
    copies.settle()
    copies.has({**asked, "attempt.started": 1, "attempt.succeeded": 1, "pipeline_run.succeeded": 1})
    assert copies.trainings() == (1, 1)


# --- and what is not done of it at once ---

def test_what_waits_for_quiet_is_decided_once_whoever_dies(made):
    copies = made(Copies, MESSAGE + ", debounce: 1h")
    copies.dies_at("event.trigger.waits trigger.decided", lambda: copies.message(1))
    copies.has({"trigger.waits": 1, "trigger.fired": 0, "message.received": 0})

    def wait():
        copies.day += HOUR
    copies.dies_at("event.trigger.fired trigger.decided", wait)
    copies.has({**DONE, "trigger.waits": 1, "message.received": 1})
    assert copies.trainings() == (1, 1)


def test_what_comes_too_early_is_refused_and_counted_once_whoever_dies(made):
    copies = made(Copies, MESSAGE + ", cooldown: 1d")
    copies.message(1)
    copies.settle()
    copies.dies_at("event.trigger.ignored trigger.decided", lambda: copies.message(2))
    copies.has({**DONE, "trigger.ignored": 1})
    # More of it is counted, and told when the storm is over.
    for number in (3, 4):
        copies.dies_at("trigger.decided", lambda number=number: copies.message(number))
    copies.has({"trigger.ignored": 1, "trigger.counted": 0})

    def wait():
        copies.day += HOUR
    copies.dies_at("event.trigger.counted trigger.decided", wait)
    copies.settle()
    copies.has({**DONE, "trigger.ignored": 1, "trigger.counted": 1})
    counted, = [event for event in copies.events() if event["type"] == "trigger.counted"]
    assert counted["data"]["times"] == 3, counted
    copies.day += DAY
    copies.settle()
    copies.message(5)
    copies.settle()
    copies.has({"trigger.fired": 2, "trigger.ignored": 1, "trigger.counted": 1})


def test_what_waits_for_a_run_to_end_follows_it_once_whoever_dies(made):
    copies = made(Copies, MESSAGE + ", overlap: buffer_one")
    copies.run_under_way()
    with copies.with_a_run_under_way():
        copies.dies_at("event.trigger.buffered trigger.decided", lambda: copies.message(2))
        copies.has({"trigger.buffered": 1, "trigger.fired": 1, "pipeline_run.requested": 1})
        copies.new_commit(2)
        copies.will_die_at(["event.pipeline_run.succeeded", "event.trigger.fired", "trigger.decided"])
        copies.marker.unlink()
        copies.dies_by_itself()
    copies.settle()
    copies.has({"trigger.buffered": 1, "trigger.fired": 2, "pipeline_run.requested": 2, "attempt.started": 2,
                "attempt.succeeded": 2, "pipeline_run.succeeded": 2})
    assert copies.trainings() == (2, 2)


# --- what becomes of a run ---

def test_an_attempt_that_fails_is_told_once_whoever_dies(made):
    copies = made(Copies, MESSAGE)
    copies.marker.write_text("")
    with copies.with_a_run_under_way():
        copies.will_die_at(["event.attempt.started", "facts.taken"])
        copies.message(1)
        copies.dies_by_itself()
        wait_until(lambda: copies.trainings()[0] == 1)
        copies.has({**RUN, "attempt.failed": 0})
        copies.will_die_at("event.attempt.failed facts.taken event.pipeline_run.failed run.ended".split())
        copies.marker.write_text("fail")
        copies.dies_by_itself()
    copies.settle()
    copies.has({**RUN, "attempt.failed": 1, "pipeline_run.failed": 1})
    assert copies.trainings() == (1, 0)


def test_a_run_without_news_is_told_once_and_starts_no_cool_down_whoever_dies(made):
    copies = made(Copies, MESSAGE + ", cooldown: 1d")
    copies.message(1)
    copies.settle()
    copies.day += 2 * DAY
    copies.settle()
    copies.dies_at("event.attempt.restored facts.taken event.pipeline_run.skipped run.ended", lambda: copies.message(2))
    copies.has({"attempt.restored": 1, "pipeline_run.skipped": 1, "trigger.fired": 2, "attempt.started": 1,
                "pipeline_run.attempt_started": 2})
    copies.new_commit(3)
    copies.message(3)
    copies.settle()
    copies.has({"trigger.fired": 3, "trigger.ignored": 0, "attempt.started": 2, "pipeline_run.succeeded": 2})
    assert copies.trainings() == (2, 2)


def test_a_run_that_takes_too_long_is_ended_once_whoever_dies(made):
    copies = made(Copies, MESSAGE, ", timeout: 1s")
    copies.marker.write_text("")
    with copies.with_a_run_under_way():
        copies.will_die_at("event.attempt.cancelled facts.taken event.pipeline_run.timed_out run.ended".split())
        copies.message(1)
        copies.dies_by_itself()
    copies.settle()
    copies.has({**RUN, "attempt.cancelled": 1, "pipeline_run.timed_out": 1, "pipeline_run.cancelled": 0})
    assert copies.trainings() == (1, 0)


def test_an_attempt_whose_supervisor_was_killed_is_told_lost_once_whoever_dies(made):
    copies = made(Copies, MESSAGE)
    copies.run_under_way()
    with copies.with_a_run_under_way():
        copies.will_die_at(["event.attempt.lost", "facts.taken"])
        supervisor = os.getsid(int(pathlib.Path(f"{copies.marker}.pid").read_text()))
        assert supervisor not in (os.getsid(0), copies.process.pid)
        os.kill(supervisor, signal.SIGKILL)
        copies.dies_by_itself()
    copies.settle()
    copies.has({**RUN, "attempt.lost": 1, "attempt.succeeded": 0, "pipeline_run.failed": 1})
    assert copies.trainings() == (1, 0)


# --- and of answers that find no place ---

def test_what_the_prediction_log_loses_is_told_once_whoever_dies(made):
    """A count dies with its process: what is told is never more than what was lost."""
    loop = made(Loop)
    log, away = loop.state / "predictions", loop.state / "away"
    told = lambda: [event["data"]["lost"] for event in loop.events()  # noqa: E731
                    if event["type"] == "prediction_log.lost"]

    def lose(count):
        """So many answers, of a server that says so once it finds the time, or dies of it."""
        with contextlib.suppress(Died):
            assert len(loop.answers(count, kept=False)) == count
            wait_until(lambda: loop.metric("slipway_log_dropped_total") == count)
            loop.day += HOUR
            loop.turn_clock()

    if log.exists():
        log.rename(away)
    log.write_text("no folder")
    loop.will_die_at(["event.prediction_log.lost", "log.loss_told"])
    lose(5)
    loop.restart()
    assert told() == []
    lose(7)
    loop.restart()
    first, = told()
    assert 1 <= first <= 7
    lose(3)
    assert sum(told()) == first + 3, told()
    log.unlink()
    loop.answers(3)  # found in the log
    loop.day += HOUR
    loop.phase(loop.turn_clock)
    assert sum(told()) == first + 3, told()


# --- and anywhere else ---

MANY = """version: 1
project: copies
use_case: {problem: copies, user: tester, owner: ops@example.org, requirements: []}
pipelines:
  copy: {stages: [copy]}
triggers:
  told: {pipeline: copy, cloudevent: {type: org.example.ready}, overlap: allow}
  waiting: {pipeline: copy, cloudevent: {type: org.example.ready}, overlap: allow, debounce: 1h}
  early: {pipeline: copy, cloudevent: {type: org.example.ready}, overlap: allow, cooldown: 1000d}
  warned: {pipeline: copy, alert: {labels: {alertname: Late}}, overlap: allow}
  nightly: {pipeline: copy, cron: "0 0 * * *", overlap: allow}
  changed: {pipeline: copy, data: in.txt, overlap: allow}
  coded: {pipeline: copy, git: {branch: main, paths: [in.txt]}, overlap: allow}
"""
# Of one day on which each of them hears of something once.
A_DAY = {"message.received": 1, "alert.received": 1, "tick.received": 1, "data.received": 1, "commit.received": 1,
         "trigger.fired": 6, "trigger.waits": 1, "trigger.ignored": 1, "trigger.counted": 0, "pipeline_run.requested": 6,
         "pipeline_run.failed": 0, "pipeline_run.cancelled": 0, "pipeline_run.timed_out": 0}
SECONDS, LEAST = (60, 30) if os.environ.get("SLIPWAY_TEST_LONG") else (10, 3)


def a_day(copies, number):
    """Each occasion once, and what follows from it."""
    before = copies.newest_seq()
    copies.new_commit(number)
    copies.settle()
    copies.message(number)
    copies.alert(number)
    copies.settle()
    copies.day += DAY
    copies.settle()
    copies.settle()
    events = copies.events(before)
    kinds = [event["type"] for event in events]
    counts = {kind: kinds.count(kind) for kind in A_DAY}
    assert counts == A_DAY, (counts, [(event["type"], event["subject"], event["data"]) for event in events])
    over = [event["subject"] for event in events if event["type"] in ("pipeline_run.succeeded", "pipeline_run.skipped")]
    asked = [event["subject"] for event in events if event["type"] == "pipeline_run.requested"]
    assert sorted(over) == sorted(asked), [(event["type"], event["data"].get("reason")) for event in events
                                           if event["type"] == "pipeline_run.retry_wait"]
    began, ended = [kinds.count(kind) for kind in ("attempt.started", "attempt.succeeded")]
    assert 1 <= began == ended, [(event["type"], event["subject"]) for event in events]


def test_killed_at_random_each_occasion_is_heard_once(made, capsys):
    copies = made(Copies, "", project=MANY)
    copies.message(0)  # from here on it is too early for one of them
    copies.day += DAY
    copies.settle()
    copies.settle()
    began = time.monotonic()
    a_day(copies, 1)
    whole = time.monotonic() - began
    seed = int(os.environ.get("SLIPWAY_TEST_SEED", "20110501"))
    chance, trials, kills, began = random.Random(seed), 0, 0, time.monotonic()
    while trials < LEAST or time.monotonic() - began < SECONDS:
        spans = [chance.uniform(0, 1) ** 1.5 * whole for _ in range(chance.randrange(1, 5))]
        print(f"trial {trials} of seed {seed}, killed after {spans}")
        killer = Killer(copies, spans)
        killer.start()
        try:
            a_day(copies, trials + 2)
        finally:
            kills += killer.stop()
        if copies.killed:
            copies.restart()
        trials += 1
    with capsys.disabled():
        print(f"\n{trials} days of every trigger, killed {kills} times in {time.monotonic() - began:.0f} s")
    assert kills > trials / 2
