"""The same random sequences of calls to the real server and to ours; the answers must be equal but for what MEANT lists."""
import collections
import http.client
import json
import os
import re
import time
import urllib.parse

import pytest
from conftest import own_store
from peer import Comparable, RealServer
from sequences import NAN_KEY, TRACES, Sequence
from server import Server
from test_tracking_peer import Pair

pytestmark = pytest.mark.since(3)
LONG = os.environ.get("SLIPWAY_TEST_LONG") == "1"
SECONDS = int(os.environ.get("SLIPWAY_TEST_SECONDS", 1800 if LONG else 60))
SEED = int(os.environ.get("SLIPWAY_TEST_SEED", 1))
TRIALS_MIN = 100
CALLS = 9  # of one sequence
PAGES_MAX = 8

API = "/api/2.0/mlflow/"


class Kept:
    """As conftest's Peer, on one connection that is kept."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address, timeout=120)

    def ask(self, method, path, data):
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        return answer, answer.read()

    def call(self, method, path, body=None, **query):
        path = path if path.startswith("/") else API + path
        path = urllib.parse.quote(path) + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            answer, text = self.ask(method, path, data)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.connection.close()
            answer, text = self.ask(method, path, data)
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")


class Answer(Comparable):
    """No words of a page token, no names that were drawn by lot."""

    def member(self, key, value):
        return "<token>" if key == "next_page_token" else super().member(key, value)

    def text(self, text):
        return "<drawn>" if re.fullmatch(r"[a-z]+-[a-z]+-\d+", text) else super().text(text)


class Differing(Pair):
    def answers(self, call, token=None):
        """Of both, as they came and as they are compared."""
        raw, compared = [], []
        for i, (peer, made) in enumerate(zip(self.peers, self.made)):
            query = {**call.query, **({"page_token": token[i]} if token and call.body is None else {})}
            body = {**call.body, "page_token": token[i]} if token and call.body is not None else call.body
            status, answer = peer.call(call.method, self.fill(call.path, made), self.fill(body, made),
                                       **self.fill(query, made))
            if call.make and status == 200:
                name, *keys = call.make
                id = answer
                for key in keys:
                    id = id[key]
                made[name] = id
            raw.append((status, answer))
            compared.append(Answer(made).answer(status, answer))
        return raw, compared


# --- what is otherwise, and is meant so ----------------------------------------------------------------------------

def refused(answer, *words):
    return answer[0] == 400 and answer[1] == "INVALID_PARAMETER_VALUE" and all(word in answer[2] for word in words)


def filter_of(call):
    return str((call.body or call.query).get("filter", ""))


def unread(answer):
    return refused(answer) and ("Hint: Value was of type" in answer[2] or "for a request parameter" in answer[2])


def is_ordered_by_clock(call):
    """By times that the two servers took themselves; those of runs are sent with the call."""
    order = str((call.body or call.query).get("order_by", ""))
    by_default = order in ("", "[]") and call.path in ("experiments/search", "model-versions/search", "logged-models/search")
    return by_default or call.path.endswith("search") and call.path != "runs/search" and re.search("time", order)


def is_ordered_by_lot(call):
    """By a run's id or by the place of its artifacts, which has the id."""
    order = str((call.body or call.query).get("order_by", ""))
    return call.path == "runs/search" and ("run_id" in order or "artifact_uri" in order)


def rows(answer):
    """How many a page of a search has."""
    return max((len(value) for value in answer[1].values() if isinstance(value, list)), default=0)


def possible_models(answer):
    return [model for model in answer[1].get("registered_models", []) if len(model["name"]) <= 256]


def sent_for(theirs, source):
    """Their message with the source as it was sent, not as a path within the server's own folder."""
    return re.sub(rf"'(file://)?/(\S+/)?{re.escape(source.removeprefix('file:///'))}'", lambda _: f"'{source}'", theirs)


def assessed_without(answer, field):
    return {key: value for key, value in answer[1]["assessment"].items() if key != field}


def has_wrong_status(call):
    return call.odd and call.path.startswith("webhooks") and call.method in ("POST", "PATCH") and \
        call.body.get("status", "ACTIVE") not in ("ACTIVE", "DISABLED")


# By the section of the reference that asks for it; test_*_peer.py and docs/reference have them one by one.
MEANT = {
    "what cannot be read is refused at once, not passed over (1.0)":
        lambda call, theirs, ours: call.odd and unread(ours) and theirs[0] in (200, 400, 404, 500),
    "a mistake of the caller's is no failure of the server (1.0)":
        lambda call, theirs, ours: theirs[0] == 500 and refused(ours),
    "an alias of a time is found (2.5)":
        lambda call, theirs, ours: theirs[0] == 500 and "has no attribute" in str(theirs[2:]) and ours[0] == 200,
    "what is absent is absent, and no failure of the server (5.3)":
        lambda call, theirs, ours: theirs[0] == 500 and "not found" in str(theirs[2:]) and ours[0] == 404,
    "an experiment's id may be a number (1.0)":
        lambda call, theirs, ours: call.odd and (refused(theirs, "'experiment_id", "Hint: Value was of type") or
        refused(theirs, "must specify at least one experiment_id") and call.body.get("experiment_ids") == [5] and ours[0] == 200),
    "an empty text counts as missing (1.0)":
        lambda call, theirs, ours: call.odd and refused(theirs, 'Invalid value ""', "'str'") and refused(ours, "Missing value") or
        refused(ours, "Missing value for required parameter 'key'") and theirs[0] in (200, 404) and
        any(one.get("key", "") == "" for one in call.body.get("tags", []) + call.body.get("params", [])),
    "a dataset has a name":
        lambda call, theirs, ours: call.path == "runs/log-inputs" and theirs == (200, {}) and
        refused(ours, "Missing value for required parameter 'datasets[0].dataset.name'") and call.body["datasets"][0] == {},
    "a search of experiments without a bound has a default (1.1)":
        lambda call, theirs, ours: call.path == "experiments/search" and refused(theirs, "Invalid value 0", "max_results"),
    "a name that cannot be is refused, and before it is looked for (1.4)":
        lambda call, theirs, ours: call.odd and theirs[0] in (200, 404) and refused(ours, "exceeds the maximum length"),
    "a model with a name that cannot be, of an earlier sequence, is in the real server alone":
        lambda call, theirs, ours: call.odd and call.path == "registered-models/search" and theirs[0] == ours[0] == 200 and
        possible_models(theirs) == ours[1].get("registered_models", []),
    "the id in the address counts, not another in the body":
        lambda call, theirs, ours: call.odd and theirs[0] == ours[0] == 404 and call.path.startswith("logged-models/") and
        call.body and not call.path.startswith("logged-models/" + str(call.body.get("model_id"))),
    "a message has the source as it was sent":
        lambda call, theirs, ours: refused(ours, "Invalid model version source: ") and refused(theirs) and
        isinstance(call.body.get("source"), str) and ours[2] == sent_for(theirs[2], call.body["source"]),
    "a message has the start of a long id":
        lambda call, theirs, ours: refused(ours, "Invalid experiment ID '" + "x" * 100 + "'.") and refused(theirs) and
        ours[2] == theirs[2].replace("x" * 600, "x" * 100),
    "what is said twice is kept once":
        lambda call, theirs, ours: "UNIQUE constraint failed: inputs." in str(theirs[2:]) and ours == (200, {}),
    "a name ends before a line does (1.4)":
        lambda call, theirs, ours: refused(ours, "Names may only contain", "\\n"),
    "a page of none has no next one (1.1)":
        lambda call, theirs, ours: refused(ours, "max_results. It must be a positive integer") and
        str((call.query or call.body)["max_results"]) in ("0", "-1"),
    "no text of a database in a message (1.0)":
        lambda call, theirs, ours: "(sqlite3." in str(theirs[2:]) and
        (ours[0] in (400, 404) or call.path == "runs/create" and ours[0] == 200),
    "no variable of MLflow's is named, for it has none here":
        lambda call, theirs, ours: refused(ours) and refused(theirs, ours[2], "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH"),
    "which words of a filter a message names depends on how far its reader got":
        lambda call, theirs, ours: (call.odd or "\\" in filter_of(call)) and filter_of(call) and refused(ours) and refused(theirs),
    "of what was touched in one moment, or has an id drawn by lot, any may be the first":
        lambda call, theirs, ours: theirs[0] == ours[0] == 200 and rows(theirs) == rows(ours) and
        (is_ordered_by_clock(call) or is_ordered_by_lot(call)),
    "a key may be quoted, and an operator written, in any way in every search (2)":
        lambda call, theirs, ours: refused(theirs) and re.search(
            r"Invalid (attribute|order by) key '[`\"']|Invalid comparator ('|for tag: )\w*[a-z]", theirs[2]) and
        (ours[0] == 200 or refused(ours)),
    "alternatives and groups are ours alone (6.1, theme 9)":
        lambda call, theirs, ours: call.odd and ours[0] == 200 and refused(theirs, "Invalid clause(s)") and
        re.search(r"\bOR\b|\(", filter_of(call)),
    "where MLflow's server breaks without a word ours answers (1.0)":
        lambda call, theirs, ours: call.odd and theirs == (500, None) and ours[0] in (200, 400, 404),
    "spans that are files of their own are no failure of the server (5.3)":
        lambda call, theirs, ours: theirs[0] == 500 and "not stored in tracking store" in str(theirs[2:]) and
        ours[0] in (200, 404),
    "a trace that is sent again keeps the tags that it brings":
        lambda call, theirs, ours: (call.method, call.path) == ("POST", TRACES) and theirs[0] == ours[0] == 200 and
        {**ours[1]["trace"]["trace_info"], "tags": None} == {**theirs[1]["trace"]["trace_info"], "tags": None},
    "the number of an assessment may be written as one (2.6)":
        lambda call, theirs, ours: refused(theirs, "Expected a quoted string value for feedback") and
        (ours[0] == 200 or refused(ours, "Expected a numeric value for feedback")),
    "a filter is read, too, behind what MLflow cannot read, with which it passes over the rest":
        lambda call, theirs, ours: call.odd and theirs == (200, {}) and refused(ours, "Expected a ", " value for ") and
        (call.path == f"{TRACES}/search" and "experiment_id" not in str(call.body.get("locations")) or
         call.path == "runs/search" and call.body.get("experiment_ids") == [5]),
    "a text in parentheses is no text":
        lambda call, theirs, ours: call.odd and call.path == "logged-models/search" and "(1)" in filter_of(call) and
        (theirs[0] == 200 and refused(ours, "Expected a quoted string value for ", "Got value (1)") or
         theirs[:2] == (400, "BAD_REQUEST") and refused(ours, "While parsing a list in the query", "different type in list: 1")),
    "why something is expected is kept":
        lambda call, theirs, ours: call.path.endswith("/assessments") and theirs[0] == ours[0] == 200 and
        "expectation" in ours[1]["assessment"] and ours[1]["assessment"].get("rationale") == call.body["assessment"]["rationale"]
        and assessed_without(ours, "rationale") == theirs[1]["assessment"],
    "a webhook is active or disabled":
        lambda call, theirs, ours: has_wrong_status(call) and
        (refused(ours, "Invalid status of a webhook") or ours[0] == 404 and refused(theirs, "parameter 'status'")),
    "which webhooks are the newest of one moment is anybody's guess":
        lambda call, theirs, ours: (call.method, call.path) == ("GET", "webhooks") and theirs[0] == ours[0] == 200,
    "a dot beside a name is refused, not passed over":
        lambda call, theirs, ours: call.odd and theirs[0] == 200 and refused(ours, "Invalid clause(s) in filter string") and
        re.search(r"`\s+\.\s|\w\s+\.\s", filter_of(call)),
    "a metric that is NaN matches != only (2.1)":
        lambda call, theirs, ours: NAN_KEY in filter_of(call) and theirs[0] == ours[0] == 200,
}


def why(call, theirs, ours):
    """Why they may differ, or nothing."""
    return next((reason for reason, is_it in MEANT.items() if is_it(call, theirs, ours)), None)


# --- the trials ----------------------------------------------------------------------------------------------------

def token_of(raw):
    return raw[1].get("next_page_token") if raw[0] == 200 and isinstance(raw[1], dict) else None


class Trial:
    """One sequence: how many calls were compared, which of MEANT was met, and what else differed."""

    def __init__(self, pair, seed):
        self.pair, self.seed, self.calls, self.met, self.found = pair, seed, 0, collections.Counter(), []
        self.told = []
        pair.made[:] = [{}, {}]

    def run(self):
        for call in Sequence(self.seed, CALLS):
            self.told.append(str(call))
            if not self.compare(call):
                return

    def compare(self, call):
        """False when the two have parted, so that what comes later says nothing."""
        token = None
        for _ in range(PAGES_MAX):
            raw, (theirs, ours) = self.pair.answers(call, token)
            self.calls += 1
            if theirs != ours:
                reason = why(call, theirs, ours)
                if reason is None:
                    self.found.append((call, theirs, ours))
                else:
                    self.met[reason] += 1
                return call.method == "GET" or call.path.endswith("search")
            token = [token_of(answer) for answer in raw]
            if not call.pages or None in token:
                return True
        return True

    def report(self):
        call, theirs, ours = self.found[0]
        return (f"seed {self.seed}, call {len(self.told)}:\n  {call}\n  theirs: {theirs}\n  ours:   {ours}\nafter\n  "
                + "\n  ".join(self.told[:-1]))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("differential")
    ours = Server(folder / "state", arguments=own_store())
    ours.start()
    theirs = RealServer(folder / "mlflow")
    yield Differing(Kept(theirs.address), Kept(ours.address))
    theirs.stop()
    assert ours.stop() == 0


def test_random_sequences_are_answered_alike(pair):
    began, trials, calls, met, found = time.monotonic(), 0, 0, collections.Counter(), []
    while time.monotonic() - began < SECONDS or (trials < TRIALS_MIN and time.monotonic() - began < 4 * SECONDS):
        trial = Trial(pair, SEED + trials)
        trial.run()
        trials, calls, met = trials + 1, calls + trial.calls, met + trial.met
        if trial.found:
            found.append(trial.report())
            if len(found) >= int(os.environ.get("SLIPWAY_TEST_FOUND_MAX", 5)):
                break
    print(f"\n{trials} sequences, {calls} answers compared, {len(found)} found in {time.monotonic() - began:.0f} s; meant:")
    for reason, count in met.most_common():
        print(f"  {count:5} {reason}")
    if found:
        pytest.fail("\n\n".join(found), pytrace=False)
    assert trials >= TRIALS_MIN
