"""A project so small that its whole loop turns in a second: answers go wrong, an incident opens, its trigger starts a run,
the run makes a version, which goes through gates, shadow and canary to serve, and the incident is closed. The clock is one
that the test turns. The server may be killed at any time: whatever a driver was doing is then done again."""
import contextlib
import datetime
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from server import call

SLIPWAY = os.environ["SLIPWAY_BINARY"]
API = "/api/slipway/v1"
DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)
GATES = ["integrity", "signature", "quality"]
PROJECT = """version: 1
project: tiny
use_case:
  problem: p
  user: u
  owner: o@example.org
  requirements: [{id: quality, metric: mae, at_most: 1, on: holdout}]
pipelines:
  train: {stages: [train], register: {model: tiny}}
triggers:
  decay:
    pipeline: train
    incident: {monitor: quality}
    with: {data: {from: deployments/live, labelled: true, to: live.csv}}
deployments:
  live:
    model: tiny
    gates: [integrity, signature, quality]
    rollout:
      - shadow: {percent: 100, min_requests: 10, max_wait: 14d}
      - canary: {percent: 50, min_requests: 20, max_wait: 14d}
    guards: [{metric: error_rate, critical: true}]
    monitors:
      quality: {requirement: quality, labels: delayed, labels_within: 1h, window: 1d, min_rows: 10, persist: 2}
notify:
  - {webhook: "${env:TINY_WEBHOOK}", on: [incident, promotion, rollback, run_failed]}
"""
DVC = """stages:
  train:
    cmd: %s -I -S train.py
    deps: [live.csv, train.py]
    outs: [model.json]
    meta: {slipway: {golden: false}}
"""
TRAIN = '''"""Learns the mean of each side from the newest two days, and logs a model as an MLflow client does: a server that is away
is asked again."""
import http.client, json, os, pathlib, time, urllib.parse
JOURNAL = pathlib.Path(%(journal)r)
with open(JOURNAL, "a") as journal:
    journal.write("began\\n")
marker = pathlib.Path(%(marker)r)
url = urllib.parse.urlsplit(os.environ["MLFLOW_TRACKING_URI"])
API = "/api/2.0/mlflow"
def ask(method, path, body):
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
    end = time.monotonic() + 60
    while True:
        try:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
            break
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    if answer.status != 200:
        raise SystemExit(f"{method} {path} answered {answer.status}: {text}")
    return json.loads(text or "{}")
rows = [line.split(",") for line in open("live.csv").read().splitlines()]
head, rows = rows[0], rows[1:]
newest = sorted({row[head.index("event_time")][:10] for row in rows})[-2:]
def side(keep):
    labels = [float(row[head.index("label")]) for row in rows
              if row[head.index("event_time")][:10] in newest and keep(float(row[head.index("x")]))]
    return sum(labels) / len(labels)
low, high = side(lambda x: x < 10), side(lambda x: x >= 10)
model = json.dumps(%(stump)s)
run = ask("POST", f"{API}/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
made = ask("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "model", "source_run_id": run})["model"]["info"]
folder = "/api/2.0/mlflow-artifacts/artifacts/0/models/" + made["model_id"] + "/artifacts/"
ask("PUT", folder + "MLmodel", %(mlmodel)r)
ask("PUT", folder + "model.json", model)
ask("POST", f"{API}/runs/log-metric", {"run_id": run, "key": "mae", "value": 0.0, "timestamp": 1, "step": 0})
ask("PATCH", f"{API}/logged-models/" + made["model_id"], {"model_id": made["model_id"], "status": "LOGGED_MODEL_READY"})
ask("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2})
pathlib.Path("model.json").write_text(model)
with open(JOURNAL, "a") as journal:
    journal.write("ended\\n")
'''
SIGNATURE = ('[{"name": "x", "type": "float", "required": true}, {"name": "y", "type": "float", "required": true}]',
             '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]')
MLMODEL = ("flavors:\n  xgboost:\n    data: model.json\n    model_class: xgboost.core.Booster\nsignature:\n"
           f"  inputs: '{SIGNATURE[0]}'\n  outputs: '{SIGNATURE[1]}'\n")
SICK = 77.0  # an x for which a sick model has no number


def stump(low, high, sick="high"):
    """The text of a Python expression: a model of two columns, `low` where the first is below 10, else `high`, and another
    leaf from SICK on."""
    return """{"version": [2, 1, 0], "learner": {"attributes": {}, "feature_names": ["x", "y"],
 "feature_types": ["float", "float"], "gradient_booster": {"name": "gbtree", "model": {
  "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "tree_info": [0], "iteration_indptr": [0, 1],
  "trees": [{"tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": "5", "size_leaf_vector": "1"}, "id": 0,
   "left_children": [1, -1, 3, -1, -1], "right_children": [2, -1, 4, -1, -1], "parents": [2147483647, 0, 0, 2, 2],
   "split_indices": [0, 0, 0, 0, 0], "split_type": [0, 0, 0, 0, 0], "default_left": [0, 0, 0, 0, 0],
   "loss_changes": [0, 0, 0, 0, 0], "sum_hessian": [1, 1, 1, 1, 1], "base_weights": [0, 0, 0, 0, 0], "categories": [],
   "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
   "split_conditions": [10, %s, %s, %s, %s]}]}},
  "learner_model_param": {"base_score": "0", "boost_from_average": "0", "num_class": "0", "num_feature": "2",
                          "num_target": "1"},
  "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}}}""" % (low, SICK, high, sick)


class Died(Exception):
    """The server is gone in the middle of a request."""


class Receiver:
    """Of notifications: keeps the ids, with what they were of."""

    def __init__(self):
        received = self.received = []
        arrived = self.arrived = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with arrived:
                    received.append((body["id"], body["type"]))
                    arrived.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def has(self, ids, seconds):
        with self.arrived:
            return self.arrived.wait_for(lambda: ids <= {one for one, _ in self.received}, seconds)

    def wait_for(self, ids, seconds=30):
        assert self.has(ids, seconds), (ids, self.received)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def wait_until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Killed:
    """A project with a server that may be killed, by a clock that the test turns."""

    ARGUMENTS = ["--clock", "replay"]

    def __init__(self, root, **files):
        self.root, self.state, self.port = root, root / ".slipway", free_port()
        self.prefix = []  # of the server's command
        self.journal = root.parent / (root.name + ".journal")
        self.log = open(root.parent / (root.name + ".log"), "a")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
        self.day = datetime.datetime(2011, 5, 1)
        self.starts, self.process, self.places = 0, None, []
        self.marker = root.parent / (root.name + ".marker")  # for scripts of a test
        self.guard = threading.Lock()
        root.mkdir()
        self.git("init", "-q", "-b", "main", ".")
        self.slipway("init")
        for name, text in files.items():
            self.write(name.replace("_", "."), text)

    # --- the project ---

    def write(self, name, text):
        (self.root / name).write_text(text)

    def git(self, *arguments):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], cwd=self.root,
                       env=self.env, check=True, capture_output=True)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-qm", "x")

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def trainings(self):
        """How many began, and how many ended."""
        lines = self.journal.read_text().split() if self.journal.exists() else []
        return lines.count("began"), lines.count("ended")

    # --- the server ---

    def start(self):
        """Until one says that it is ready; what a random kill ends before is started again."""
        while True:
            environment = dict(self.env, **({"SLIPWAY_FAILPOINT": self.places[0]} if self.places else {}))
            with self.guard:
                self.starts += 1
                self.killed = False
                self.process = subprocess.Popen(
                    [*self.prefix, SLIPWAY, "up", *self.ARGUMENTS, "--listen", f"127.0.0.1:{self.port}", "--log-level",
                     "warning"], cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                    text=True)
            line = self.process.stdout.readline()
            if line.startswith("slipway: ready at http://"):
                return
            self.bury()

    def bury(self):
        """One that was killed: at the first of the places where that was to happen, if there are any."""
        status = self.process.wait(timeout=30)
        assert status == -signal.SIGKILL, f"the server ended by itself with {status}, see {self.log.name}"
        self.process.stdout.close()
        self.places = self.places[1:]

    def restart(self):
        self.bury()
        self.start()

    def kill(self):
        with self.guard:
            self.killed = True
            self.process.send_signal(signal.SIGKILL)

    def will_die_at(self, places):
        """A server that will die at the first of these places takes over; its successor will at the next, and so on."""
        self.kill()
        self.bury()
        self.places = list(places)
        self.start()

    def die_at(self, places):
        """Not before what was to be done is done, where it dies at none of them."""
        self.will_die_at(places)
        self.phase(self.turn_clock)

    def end(self):
        """Also after something went wrong."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=40)
        self.process.stdout.close()
        assert status == 0

    def close(self):
        try:
            self.stop()
        finally:
            self.end()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method, path, body=None, expected=200, connection=None):
        try:
            status, answer = call(connection or self.connect(), method, path, body)
        except (OSError, http.client.HTTPException) as error:
            raise Died(f"{method} {path}: {error!r}") from error
        assert status == expected, (method, path, status, answer)
        return answer

    def status(self, method, path, connection):
        try:
            return call(connection, method, path)[0]
        except (OSError, http.client.HTTPException) as error:
            raise Died(f"{method} {path}: {error!r}") from error

    def phase(self, action):
        """Does something until no kill came in between: what was said last may have been lost."""
        while True:
            starts = self.starts
            with contextlib.suppress(Died):
                result = action()
                if starts == self.starts and self.process.poll() is None:
                    return result
            self.restart()
            starts = self.starts
            with contextlib.suppress(Died):
                self.turn_clock()

    def turn_clock(self):
        """Returns when nothing is left to do."""
        self.ask("POST", f"{API}/clock", {"time": self.day.isoformat() + "Z"})

    def events(self, after=0):
        found = []
        while True:
            page = self.phase(lambda: self.ask("GET", f"{API}/events?after={after}&limit=1000"))["events"]
            found += page
            if len(page) < 1000:
                return found
            after = page[-1]["seq"]

    def newest_seq(self):
        return self.events()[-1]["seq"]


class Killer(threading.Thread):
    """Kills whatever server the loop has, after each of these spans."""

    def __init__(self, loop, spans):
        super().__init__(daemon=True)
        self.loop, self.spans, self.over, self.kills = loop, spans, threading.Event(), 0

    def run(self):
        for span in self.spans:
            if self.over.wait(span):
                return
            self.loop.kill()
            self.kills += 1

    def stop(self):
        self.over.set()
        self.join()
        return self.kills


class Loop(Killed):
    """The whole loop, and the world that asks it."""

    def __init__(self, root, project=PROJECT, train=TRAIN, **files):
        live = "event_time,x,label\n2011-04-30T00:00:00Z,1,0\n2011-04-30T00:00:00Z,11,0.5\n"
        super().__init__(root, slipway_yaml=project, dvc_yaml=DVC % sys.executable, live_csv=live, **files)
        self.receiver = Receiver()
        self.env["TINY_WEBHOOK"] = self.receiver.url
        self.truth = 0.0  # where x is below 10; half more elsewhere
        self.write("train.py", train % {"journal": str(self.journal), "marker": str(self.marker), "mlmodel": MLMODEL,
                                        "stump": stump("low", "high")})
        self.commit()
        self.start()
        self.turn_clock()
        self.slipway("apply")
        self.slipway("run", "train")
        self.turn_clock()
        wait_until(lambda: self.deployment()["stable"] == 1)

    def end(self):
        super().end()
        self.receiver.close()

    # --- the world ---

    def deployment(self):
        return self.ask("GET", f"{API}/deployments/live")

    def answers(self, count, x=None, kept=True):
        """Of so many single requests of different users, during the day: prediction id, x, answer; returns once they are
        in the log."""
        connection, given = self.connect(), []
        for number in range(count):
            value = x if x is not None else float(number * 7 % 20)
            body = {"parameters": {"event_time": (self.day + number * HOUR / 10).isoformat() + "Z",
                                   "slipway_key": f"{self.day.date()}-{number}"},
                    "inputs": [{"name": name, "shape": [1], "datatype": "FP32", "data": [data]}
                               for name, data in (("x", value), ("y", 0.0))]}
            answer = self.ask("POST", "/v2/models/live/infer", body, connection=connection)
            given.append((answer["parameters"]["prediction_id"], value, answer["outputs"][0]["data"][0]))
        if kept:  # the log is written a moment later
            wait_until(lambda: self.status("GET", f"{API}/predictions/{given[-1][0]}", connection) == 200)
        return given

    def tell_truth(self, given):
        labels = [{"prediction_id": prediction, "value": self.truth + (0.5 if x >= 10 else 0)} for prediction, x, _ in given]
        self.ask("POST", f"{API}/feedback", {"labels": labels})

    def live_a_day(self, count=16):
        """Answers and, soon, their truth; at the next day's second hour it is judged."""
        def live():
            self.turn_clock()
            self.tell_truth(self.answers(count))
        self.phase(live)
        self.day = self.day.replace(hour=0) + DAY + 2 * HOUR
        self.phase(self.turn_clock)

    def serve(self, count, x=None):
        """Answers that move a rollout on."""
        def ask():
            given = self.answers(count, x)
            self.turn_clock()
            return given
        self.day += HOUR
        return self.phase(ask)

    def windows(self):
        """How the windows were judged, oldest first."""
        found = self.ask("GET", f"{API}/windows?deployment=live&monitor=quality")["windows"]
        return [window["status"] for window in reversed(found)]

    def metric(self, name):
        for line in self.ask("GET", "/metrics").splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def run_status(self, event):
        """Of the tracked run that an event is about."""
        run = event["subject"].split(":")[-1]
        return self.ask("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")["run"]["info"]["status"]

    # --- one turn of the loop ---

    def turn(self):
        """The truth moves; two days later a version that knows it serves."""
        self.truth += 10
        for _ in range(2):
            self.live_a_day()
        self.recover()

    def recover(self):
        """A candidate gets to serve, and has a good day."""
        self.serve(12)  # shadow
        self.serve(80)  # canary
        answers = self.serve(4)
        assert [answer for _, x, answer in answers] == [self.truth + (0.5 if x >= 10 else 0) for _, x, _ in answers]
        self.day = self.day.replace(hour=0) + DAY
        for _ in range(2):
            self.live_a_day()

    TURN = {"incident.opened": 1, "incident.closed": 1, "incident.remedy_started": 1, "incident.remedy_promoted": 1,
            "incident.unresolved": 0, "trigger.fired": 1, "trigger.ignored": 0, "pipeline_run.requested": 1,
            "pipeline_run.attempt_started": 1, "pipeline_run.succeeded": 1, "pipeline_run.failed": 0,
            "model_version.created": 1, "rollout.requested": 1, "rollout.gates_started": 1, "gate.judged": len(GATES),
            "rollout.advanced": 2, "rollout.promoted": 1, "rollout.settled": 1, "rollout.rolled_back": 0,
            "rollout.stopped": 0, "rollout.refused": 0, "alias.set": 1}

    def check_turn(self, before, version):
        """What the events since `before` tell of one turn: everything once, nothing lost."""
        events = self.events(before)
        kinds = [event["type"] for event in events]
        counts = {kind: kinds.count(kind) for kind in self.TURN}
        assert counts == self.TURN, (counts, [(event["time"], event["type"], event["data"]) for event in events])
        shown = self.phase(self.deployment)
        assert (shown["stable"], shown["rollouts"][0]["phase"]) == (version, "live"), shown
        closed, = [event for event in events if event["type"] == "incident.closed"]
        assert (closed["data"]["remedy"], closed["data"]["remedy_version"]) == ("promotion", str(version)), closed
        self.check_notices(events)
        facts = json.loads(self.slipway("--json", "explain", f"models:/tiny/{version}"))
        assert {"run", "attempt", "pipeline_run", "firing", "incident", "commit"} <= {node["kind"] for node in facts["nodes"]}

    # --- and one that leads back ---

    def register_sick(self, version, mae=0.0):
        """A version that answers like the live one, but has no number from SICK on. Once, however often it is asked."""
        found = self.ask("GET", "/api/2.0/mlflow/model-versions/search?filter=name%3D'tiny'")["model_versions"]
        if any(one["version"] == str(version) for one in found):
            return
        model = json.dumps(eval(stump(self.truth, self.truth + 0.5, "float('nan')")))  # noqa: S307
        run = self.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
        folder = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/"
        self.ask("PUT", folder + "MLmodel", MLMODEL.encode())
        self.ask("PUT", folder + "model.json", model.encode())
        self.ask("POST", "/api/2.0/mlflow/runs/log-metric",
                 {"run_id": run, "key": "mae", "value": mae, "timestamp": 1, "step": 0})
        made = self.ask("POST", "/api/2.0/mlflow/model-versions/create",
                        {"name": "tiny", "run_id": run, "source": f"mlflow-artifacts:/0/{run}/artifacts/model"})
        assert made["model_version"]["version"] == str(version)

    WAY_BACK = {"model_version.created": 1, "rollout.requested": 1, "rollout.gates_started": 1, "gate.judged": len(GATES),
                "rollout.advanced": 2, "rollout.rolled_back": 1, "rollout.promoted": 0, "rollout.stopped": 0,
                "rollout.settled": 1, "alias.set": 0, "incident.opened": 0, "pipeline_run.requested": 0}

    def go_and_come_back(self, version):
        """A sick version gets as far as its canary, and the users of the stable one see nothing of it."""
        self.phase(lambda: self.register_sick(version))
        self.phase(self.turn_clock)
        self.serve(12)
        answers = self.serve(80, SICK)
        answers += self.serve(4, SICK)
        assert {answer for _, _, answer in answers} == {self.truth + 0.5}

    def check_way_back(self, before, version, stable):
        events = self.events(before)
        kinds = [event["type"] for event in events]
        counts = {kind: kinds.count(kind) for kind in self.WAY_BACK}
        assert counts == self.WAY_BACK, (counts, [(event["time"], event["type"], event["data"]) for event in events])
        shown = self.phase(self.deployment)
        assert (shown["stable"], shown["rollouts"][0]["phase"]) == (stable, "rolled_back"), shown
        assert version in [one["version"] for one in shown["quarantine"]]
        back, = [event for event in events if event["type"] == "rollout.rolled_back"]
        assert "error_rate" in back["data"]["reason"], back
        self.check_notices(events)

    def check_notices(self, events):
        """At least once, and of nothing else; the id says which are the same."""
        told = {event["id"] for event in events
                if event["type"] in ("incident.opened", "incident.closed", "incident.unresolved", "rollout.promoted",
                                     "rollout.rolled_back", "deployment.rolled_back", "pipeline_run.failed")}
        while not self.receiver.has(told, 5) and self.killed:
            self.restart()  # a random kill came when all but this was done
        self.receiver.wait_for(told)
        owed = {event["id"] for event in self.events()}
        assert {one for one, _ in self.receiver.received} <= owed
