"""What somebody asks for, with a server that dies in the transaction that writes its event: nothing of it is left, and asked
for once more it is there, once. Each kind of event is one case."""
import contextlib
import http.client
import json
import os
import signal
import subprocess
from base64 import b64encode

import pytest

pytest.register_assert_rewrite("loop")
from loop import API, DAY, PROJECT, SICK, TRAIN, Died, Loop, wait_until  # noqa: E402
from server import Server, call  # noqa: E402

MLFLOW = "/api/2.0/mlflow"
AT_THE_ROWS = "rows = [line"
FAILS = "if marker.exists():\n    raise SystemExit('no memory is left')\n"
WAITS = "while marker.exists():\n    time.sleep(0.01)\n"


class Killed:
    """A server that dies at one place, and the one after it."""

    def __init__(self, state, headers=None):
        self.server, self.headers = Server(state), headers
        self.server.start()

    def ask(self, method, path, body=None, headers=None):
        status, answer = call(self.server.connect(), method, path, body, headers or self.headers)
        assert status == 200, (method, path, status, answer)
        return answer

    def count(self, kind, subject=""):
        events, after = [], 0
        while True:
            page = self.ask("GET", f"{API}/events?after={after}&limit=1000")["events"]
            events += page
            if len(page) < 1000:
                return len([e for e in events if e["type"] == kind and subject in e["subject"]])
            after = page[-1]["seq"]

    def restart(self, **environment):
        self.server.environment = environment
        self.server.start()

    def die_in(self, request, kind, headers=None):
        before = self.count(kind)
        assert self.server.stop() == 0
        self.restart(SLIPWAY_FAILPOINT=f"event.{kind}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, answer = call(self.server.connect(), *request, headers or self.headers)
            raise AssertionError(f"it answered {status} {answer}")
        assert self.server.process.wait(timeout=30) == -signal.SIGKILL
        self.server.process.stdout.close()
        self.restart()
        assert self.count(kind) == before, "it is there though it was not durable"
        self.ask(*request, headers)
        assert self.count(kind) == before + 1


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    killed = Killed(tmp_path_factory.mktemp("killed") / ".slipway")
    yield killed
    assert killed.server.stop() == 0


def experiment(ask, name):
    return ask("POST", f"{MLFLOW}/experiments/create", {"name": name})["experiment_id"]


def run(ask, status="RUNNING"):
    made = ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
    if status != "RUNNING":
        ask("POST", f"{MLFLOW}/runs/update", {"run_id": made, "status": status})
    return made


def measured(ask):
    made = run(ask)
    ask("POST", f"{MLFLOW}/runs/log-metric", {"run_id": made, "key": "auc", "value": 0.9, "timestamp": 1})
    return made


def logged_model(ask):
    return ask("POST", f"{MLFLOW}/logged-models", {"experiment_id": "0", "name": "m"})["model"]["info"]["model_id"]


def version(ask, name):
    made = logged_model(ask)
    return "POST", f"{MLFLOW}/model-versions/create", {"name": name, "source": f"models:/{made}", "model_id": made}


def model(ask, name, versions=0):
    ask("POST", f"{MLFLOW}/registered-models/create", {"name": name})
    for _ in range(versions):
        ask(*version(ask, name))
    return name


def update_run(ask, status, before="RUNNING"):
    return "POST", f"{MLFLOW}/runs/update", {"run_id": run(ask, before), "status": status}


def deleted(ask, path, body, then):
    ask("POST", f"{MLFLOW}/{path}", body)
    return "POST", f"{MLFLOW}/{then}", body


def with_alias(ask, name):
    model(ask, name, 1)
    ask("POST", f"{MLFLOW}/registered-models/alias", {"name": name, "alias": "best", "version": "1"})
    return "DELETE", f"{MLFLOW}/registered-models/alias", {"name": name, "alias": "best"}


def tagged(ask, kind, body):
    """With a tag that goes."""
    ask("POST", f"{MLFLOW}/{kind}/set-tag", {**body, "key": "k", "value": "1"})
    return "DELETE", f"{MLFLOW}/{kind}/delete-tag", {**body, "key": "k"}


# By the event: what is there before, and the request that writes it.
ASKED = {
    "event.experiment.created": lambda ask: ("POST", f"{MLFLOW}/experiments/create", {"name": "made"}),
    "event.experiment.deleted": lambda ask: ("POST", f"{MLFLOW}/experiments/delete", {"experiment_id": experiment(ask, "gone")}),
    "event.experiment.restored": lambda ask: deleted(ask, "experiments/delete", {"experiment_id": experiment(ask, "back")},
                                                     "experiments/restore"),
    "event.experiment.renamed": lambda ask: ("POST", f"{MLFLOW}/experiments/update",
                                             {"experiment_id": experiment(ask, "old"), "new_name": "new"}),
    "event.run.created": lambda ask: ("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0", "start_time": 1}),
    "event.run.deleted": lambda ask: ("POST", f"{MLFLOW}/runs/delete", {"run_id": run(ask)}),
    "event.run.restored": lambda ask: deleted(ask, "runs/delete", {"run_id": run(ask)}, "runs/restore"),
    "event.run.compared": lambda ask: ("POST", f"{API}/tracked-runs/record-best",
                                       {"metric": "auc", "experiments": ["0"], "filter": f"attributes.run_id = '{measured(ask)}'"}),
    "event.run.finished": lambda ask: update_run(ask, "FINISHED"),
    "event.run.failed": lambda ask: update_run(ask, "FAILED"),
    "event.run.killed": lambda ask: update_run(ask, "KILLED"),
    "event.run.scheduled": lambda ask: update_run(ask, "SCHEDULED"),
    "event.run.resumed": lambda ask: update_run(ask, "RUNNING", "FINISHED"),
    "event.model.created": lambda ask: ("POST", f"{MLFLOW}/logged-models", {"experiment_id": "0", "name": "m"}),
    "event.model.ready": lambda ask: ("PATCH", f"{MLFLOW}/logged-models/{(made := logged_model(ask))}",
                                      {"model_id": made, "status": "LOGGED_MODEL_READY"}),
    "event.model.failed": lambda ask: ("PATCH", f"{MLFLOW}/logged-models/{(made := logged_model(ask))}",
                                       {"model_id": made, "status": "LOGGED_MODEL_UPLOAD_FAILED"}),
    "event.model.deleted": lambda ask: ("DELETE", f"{MLFLOW}/logged-models/{logged_model(ask)}", None),
    "event.registered_model.created": lambda ask: ("POST", f"{MLFLOW}/registered-models/create", {"name": "made"}),
    "event.registered_model.renamed": lambda ask: ("POST", f"{MLFLOW}/registered-models/rename",
                                                   {"name": model(ask, "old", 2), "new_name": "new"}),
    "event.registered_model.deleted": lambda ask: ("DELETE", f"{MLFLOW}/registered-models/delete",
                                                   {"name": model(ask, "gone", 2)}),
    "event.model_version.created": lambda ask: version(ask, model(ask, "more")),
    "event.model_version.deleted": lambda ask: ("DELETE", f"{MLFLOW}/model-versions/delete",
                                                {"name": model(ask, "less", 1), "version": "1"}),
    "event.model_version.stage_changed": lambda ask: ("POST", f"{MLFLOW}/model-versions/transition-stage",
                                                      {"name": model(ask, "staged", 1), "version": "1",
                                                       "stage": "Production", "archive_existing_versions": False}),
    "event.registered_model.described": lambda ask: ("PATCH", f"{MLFLOW}/registered-models/update",
                                                     {"name": model(ask, "told"), "description": "of rides"}),
    "event.registered_model.tag_set": lambda ask: ("POST", f"{MLFLOW}/registered-models/set-tag",
                                                   {"name": model(ask, "marked"), "key": "k", "value": "1"}),
    "event.registered_model.tag_deleted": lambda ask: tagged(ask, "registered-models", {"name": model(ask, "bare")}),
    "event.model_version.described": lambda ask: ("PATCH", f"{MLFLOW}/model-versions/update",
                                                  {"name": model(ask, "told 1", 1), "version": "1", "description": "first"}),
    "event.model_version.tag_set": lambda ask: ("POST", f"{MLFLOW}/model-versions/set-tag",
                                                {"name": model(ask, "marked 1", 1), "version": "1", "key": "k", "value": "1"}),
    "event.model_version.tag_deleted": lambda ask: tagged(ask, "model-versions",
                                                          {"name": model(ask, "bare 1", 1), "version": "1"}),
    "event.alias.set": lambda ask: ("POST", f"{MLFLOW}/registered-models/alias",
                                    {"name": model(ask, "named", 1), "alias": "best", "version": "1"}),
    "event.alias.deleted": lambda ask: with_alias(ask, "unnamed"),
}


@pytest.mark.parametrize("place", ASKED)
def test_what_a_client_asks_a_dying_server_for_is_there_once(killed, place):
    killed.die_in(ASKED[place](killed.ask), place.removeprefix("event."))


# --- who may do what ---

PASSWORD, PEOPLE, V3 = "a password of somebody", f"{API}/people", "/api/3.0/mlflow"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One with users, asked by their administrator."""
    state = tmp_path_factory.mktemp("guarded") / ".slipway"
    subprocess.run([os.environ["SLIPWAY_BINARY"], "users", "create", "root", "--admin", "--state", state], check=True,
                   capture_output=True, text=True, input=PASSWORD + "\n", timeout=60)
    pair = b64encode(f"root:{PASSWORD}".encode()).decode()
    guarded = Killed(state, {"Authorization": "Basic " + pair})
    yield guarded
    assert guarded.server.stop() == 0


def people(verb, **body):
    return "POST", f"{PEOPLE}/{verb}", body


def user(ask, name):
    ask(*people("create-user", user=name, password=PASSWORD))
    return name


def role(ask, name, member=""):
    """Its id."""
    made = ask("POST", f"{V3}/roles/create", {"name": name, "workspace": "default"})["role"]["id"]
    if member:
        ask("POST", f"{V3}/roles/assign", {"role_id": made, "username": user(ask, member)})
    return made


def granted(ask, name):
    ask(*people("grant", user=user(ask, name), experiment="0", level="edit"))
    return name


# By the event, as above.
ALLOWED = {
    "event.user.created": lambda ask: people("create-user", user="ann", password=PASSWORD),
    "event.user.password_changed": lambda ask: people("set-password", user=user(ask, "bob"), password=PASSWORD + " too"),
    "event.user.admin_changed": lambda ask: people("set-admin", user=user(ask, "cem"), admin=True),
    "event.user.deleted": lambda ask: people("delete-user", user=user(ask, "dan")),
    "event.user.logged_in": lambda ask: ("POST", f"{API}/login", {"user": "root", "password": PASSWORD}),
    "event.token.created": lambda ask: people("create-token", user=user(ask, "eva"), name="t"),
    "event.token.revoked": lambda ask: people("revoke-token", id=ask(*people("create-token", user="root", name="t"))["id"]),
    "event.permission.granted": lambda ask: people("grant", user=user(ask, "fee"), experiment="0", level="edit"),
    "event.permission.revoked": lambda ask: people("revoke", user=granted(ask, "gus"), experiment="0"),
    "event.permission.default_changed": lambda ask: people("set-default", level="none"),
    "event.role.created": lambda ask: ("POST", f"{V3}/roles/create", {"name": "made", "workspace": "default"}),
    "event.role.changed": lambda ask: ("PATCH", f"{V3}/roles/update", {"role_id": role(ask, "old"), "name": "new"}),
    "event.role.deleted": lambda ask: ("DELETE", f"{V3}/roles/delete", {"role_id": role(ask, "gone")}),
    "event.role.assigned": lambda ask: ("POST", f"{V3}/roles/assign", {"role_id": role(ask, "free"),
                                                                       "username": user(ask, "hal")}),
    "event.role.unassigned": lambda ask: ("DELETE", f"{V3}/roles/unassign", {"role_id": role(ask, "held", "ida"),
                                                                             "username": "ida"}),
}


@pytest.mark.parametrize("place", ALLOWED)
def test_what_an_administrator_asks_a_dying_server_for_is_there_once(guarded, place):
    guarded.die_in(ALLOWED[place](guarded.ask), place.removeprefix("event."))


def test_a_session_that_a_dying_server_was_ending_ends_when_it_is_asked_again(guarded):
    """event.user.logged_out: whoever has the cookie is let in until then, and not after."""
    connection = guarded.server.connect()
    connection.request("POST", f"{API}/login", json.dumps({"user": "root", "password": PASSWORD}),
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    session = {"Cookie": answer.getheader("Set-Cookie").split(";")[0], "Sec-Fetch-Site": "same-origin"}
    guarded.ask("GET", f"{API}/events?after=0", None, session)
    guarded.die_in(("POST", f"{API}/logout", {}), "user.logged_out", session)
    assert call(guarded.server.connect(), "GET", f"{API}/events?after=0", None, session)[0] == 401


# --- what a person does to a deployment ---

class Hand:
    """A deployment, whose server dies at what is done to it."""

    def __init__(self, root):
        self.loop = Loop(root)

    def kinds(self):
        return [event["type"] for event in self.loop.events()]

    def dies(self, place, path, body=None):
        """The request is asked of a server that dies there, then of its successor, until nothing is left to do."""
        kind, loop = place.removeprefix("event."), self.loop
        before = self.kinds().count(kind)
        loop.kill()
        loop.bury()
        loop.places = [place]
        loop.start()
        with contextlib.suppress(Died):
            answer = loop.ask("POST", API + path, {"actor": "ann", **(body or {})})
            raise AssertionError(f"it answered {answer}")
        loop.restart()
        assert loop.places == [] and self.kinds().count(kind) == before
        self.asks(path, body)
        assert self.kinds().count(kind) == before + 1

    def asks(self, path, body=None):
        answer = self.loop.ask("POST", API + path, {"actor": "ann", **(body or {})})
        self.loop.phase(self.loop.turn_clock)
        return answer

    def candidate(self, version):
        self.loop.phase(lambda: self.loop.register_sick(version))
        self.loop.phase(self.loop.turn_clock)

    def newest(self):
        return self.loop.phase(self.loop.deployment)["rollouts"][0]


@pytest.fixture
def hand(tmp_path):
    hand = Hand(tmp_path / "tiny")
    yield hand
    hand.loop.close()


def test_what_a_person_does_holds_once_whoever_dies(hand):
    here = "/deployments/live/"
    hand.dies("event.deployment.frozen", here + "freeze", {"reason": "holidays"})
    hand.dies("event.deployment.unfrozen", here + "unfreeze")
    hand.candidate(2)
    assert hand.newest()["phase"] == "shadowing"
    hand.dies("event.rollout.paused", here + "pause", {"reason": "lunch"})
    hand.dies("event.rollout.resumed", here + "resume")
    hand.asks(here + "freeze")
    hand.dies("event.rollout.unfrozen", here + "unfreeze")
    # One that waits for it, and what comes of that.
    hand.candidate(3)
    assert hand.newest()["waiting"]
    hand.dies("event.rollout.rollback_asked", here + "rollback", {"reason": "no"})
    assert [hand.newest()[what] for what in ("version", "phase", "waiting")] == [3, "shadowing", False]
    hand.asks(here + "rollback", {"reason": "nor this"})
    shown = hand.loop.phase(hand.loop.deployment)
    assert {one["version"]: one["phase"] for one in shown["rollouts"]} == {3: "rolled_back", 2: "rolled_back", 1: "live"}
    hand.dies("event.model_version.released", "/models/tiny/versions/2/release")
    hand.dies("event.rollout.requested", here + "deploy", {"version": 2})
    hand.dies("event.rollout.promotion_asked", here + "promote", {"reason": "sure"})
    assert hand.loop.phase(hand.loop.deployment)["stable"] == 2
    hand.dies("event.deployment.rolled_back", here + "rollback", {"reason": "not sure"})
    shown = hand.loop.phase(hand.loop.deployment)
    assert (shown["stable"], [one["version"] for one in shown["quarantine"]]) == (1, [2, 3])
    hand.dies("event.model_version.approved", "/models/tiny/versions/1/approve", {"reason": "seen"})
    hand.dies("event.model_version.disapproved", "/models/tiny/versions/1/disapprove", {"reason": "seen again"})
    granted = hand.asks("/models/tiny/waivers", {"gate": "quality", "name": "ann", "reason": "r", "lasts": "7d"})
    hand.dies("event.waiver.revoked", f"/waivers/{granted['id']}/revoke")


# --- and what the loop does by itself when things do not go well ---

@pytest.fixture
def loops(tmp_path):
    made = []

    def make(**more):
        made.append(Loop(tmp_path / f"tiny{len(made)}", **more))
        return made[-1]
    yield make
    for loop in made:
        loop.close()


def counts(loop, after, *kinds):
    seen = [event["type"] for event in loop.events(after)]
    return {kind: seen.count(kind) for kind in kinds}


def dies_at(loop, places, do):
    """The loop comes to each of these places while it does that, and dies there."""
    loop.die_at(places.split())
    do()
    loop.phase(loop.turn_clock)
    assert loop.places == [], "nobody came there"


def test_a_candidate_that_its_gates_stop_is_stopped_once(loops):
    loop = loops()
    before = loop.newest_seq()
    dies_at(loop, "event.rollout.stopped rollout.stop", lambda: loop.phase(lambda: loop.register_sick(2, mae=9.0)))
    assert counts(loop, before, "rollout.requested", "rollout.stopped", "rollout.advanced") == {
        "rollout.requested": 1, "rollout.stopped": 1, "rollout.advanced": 0}


def test_candidates_that_wait_take_their_turns_once(loops):
    loop = loops()
    loop.phase(lambda: loop.register_sick(2))
    loop.phase(loop.turn_clock)
    before = loop.newest_seq()
    loop.phase(lambda: loop.register_sick(3))
    loop.phase(loop.turn_clock)
    dies_at(loop, "event.rollout.superseded", lambda: loop.phase(lambda: loop.register_sick(4)))
    # Harm ends the one under way; the newest that waits is next.
    loop.serve(12)
    loop.die_at(["event.rollout.activated"])
    loop.serve(80, SICK)
    loop.serve(4, SICK)
    loop.phase(loop.turn_clock)
    assert loop.places == [], "nobody came there"
    assert counts(loop, before, "rollout.requested", "rollout.superseded", "rollout.activated") == {
        "rollout.requested": 2, "rollout.superseded": 1, "rollout.activated": 1}
    back = [event["data"]["version"] for event in loop.events(before) if event["type"] == "rollout.rolled_back"]
    assert 2 in back and len(back) == len(set(back)), back


def test_a_step_that_nobody_decides_pauses_once(loops):
    loop = loops()
    loop.phase(lambda: loop.register_sick(2))
    loop.phase(loop.turn_clock)
    before = loop.newest_seq()

    def wait():
        loop.day += 60 * DAY
        loop.phase(loop.turn_clock)
    dies_at(loop, "event.rollout.paused rollout.pause", wait)
    assert counts(loop, before, "rollout.paused") == {"rollout.paused": 1}


def test_a_remedy_that_nobody_decides_is_told_once(loops):
    loop = loops()
    before = loop.newest_seq()
    loop.truth += 10
    for _ in range(2):
        loop.live_a_day()
    for _ in range(3):
        loop.day += DAY / 24
        loop.phase(loop.turn_clock)

    def wait():
        loop.day += 60 * DAY
        loop.phase(loop.turn_clock)
    dies_at(loop, "event.incident.remedy_undecided", wait)
    assert counts(loop, before, "incident.remedy_started", "rollout.paused", "incident.remedy_undecided") == {
        "incident.remedy_started": 1, "rollout.paused": 1, "incident.remedy_undecided": 1}


def test_a_wish_for_what_was_rolled_back_is_refused_once(loops):
    loop = loops()
    loop.go_and_come_back(2)
    before = loop.newest_seq()
    alias = {"name": "tiny", "alias": "champion", "version": "2"}
    dies_at(loop, "event.rollout.refused", lambda: loop.phase(
        lambda: loop.ask("POST", f"{MLFLOW}/registered-models/alias", alias)))
    # Whose answer was lost in the kill wishes again.
    wishes = sum(event["type"] == "alias.set" and event["actor"] != "slipway" for event in loop.events(before))
    assert wishes in (1, 2)
    assert counts(loop, before, "rollout.refused", "rollout.requested") == {"rollout.refused": wishes, "rollout.requested": 0}


def test_a_training_that_fails_again_and_again_is_told_once_whoever_dies(loops):
    project = PROJECT.replace("register: {model: tiny}}", "register: {model: tiny}, attempts: 2}")
    loop = loops(project=project, train=TRAIN.replace(AT_THE_ROWS, FAILS + AT_THE_ROWS))
    before = loop.newest_seq()
    loop.marker.write_text("")
    loop.truth += 10
    loop.die_at("event.pipeline_run.retry_wait event.pipeline_run.failed event.incident.remedy_failed".split())
    for _ in range(2):
        loop.live_a_day()
    for _ in range(3):
        loop.day += DAY / 24
        loop.phase(loop.turn_clock)
    assert loop.places == [], "nobody came there"
    assert counts(loop, before, "incident.opened", "trigger.fired", "pipeline_run.attempt_started",
                  "pipeline_run.retry_wait", "pipeline_run.failed", "incident.remedy_failed") == {
        "incident.opened": 1, "trigger.fired": 1, "pipeline_run.attempt_started": 2, "pipeline_run.retry_wait": 1,
        "pipeline_run.failed": 1, "incident.remedy_failed": 1}
    # It stays open; the next bad window says so again.
    loop.die_at("event.incident.unresolved".split())
    loop.marker.unlink()
    loop.live_a_day()
    assert loop.places == [], "nobody came there"
    assert counts(loop, before, "incident.unresolved", "trigger.fired") == {"incident.unresolved": 1, "trigger.fired": 2}


def test_labels_that_come_late_restate_a_window_once(loops):
    loop = loops()

    def live():
        loop.turn_clock()
        given.append(loop.answers(16))
    given, before = [], loop.newest_seq()
    loop.phase(live)
    loop.day = loop.day.replace(hour=0) + DAY + 2 * DAY / 24
    loop.phase(loop.turn_clock)
    assert loop.phase(loop.windows) == ["undecided"]
    loop.phase(lambda: loop.tell_truth(given[-1]))

    def wait():
        loop.day += DAY / 4
        loop.phase(loop.turn_clock)
    dies_at(loop, "event.window.restated", wait)
    assert counts(loop, before, "window.restated") == {"window.restated": 1}
    assert loop.phase(loop.windows)[0] == "good"


def test_a_run_that_a_person_ends_is_ended_once(loops):
    loop = loops(train=TRAIN.replace(AT_THE_ROWS, WAITS + AT_THE_ROWS))
    before, began = loop.newest_seq(), loop.trainings()[0]
    loop.marker.write_text("")
    loop.write("live.csv", (loop.root / "live.csv").read_text() + "2011-05-01T00:00:00Z,1,0\n")
    loop.commit()
    run = json.loads(loop.slipway("--json", "run", "train"))["id"]
    wait_until(lambda: loop.trainings()[0] == began + 1)
    loop.kill()
    loop.bury()
    loop.places = ["event.pipeline_run.cancel_asked", "event.pipeline_run.cancelled"]
    loop.start()
    with pytest.raises(Died):
        loop.ask("POST", f"{API}/runs/{run}/cancel", {"actor": "ann"})
    loop.restart()
    assert counts(loop, before, "pipeline_run.cancel_asked") == {"pipeline_run.cancel_asked": 0}
    with contextlib.suppress(Died):
        loop.ask("POST", f"{API}/runs/{run}/cancel", {"actor": "ann"})
    loop.restart()
    assert loop.places == [], "nobody came there"
    wait_until(lambda: loop.ask("GET", f"{API}/runs/{run}")["state"] == "cancelled")
    assert counts(loop, before, "pipeline_run.cancel_asked", "pipeline_run.cancelled", "pipeline_run.succeeded") == {
        "pipeline_run.cancel_asked": 1, "pipeline_run.cancelled": 1, "pipeline_run.succeeded": 0}
    loop.marker.unlink()
