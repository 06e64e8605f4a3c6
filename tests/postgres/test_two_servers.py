"""Two servers on one database: one state, seen by both at once, and by the one that is left when the other dies."""
import contextlib
import json
import os
import random
import subprocess
import threading
import time

import mlflow
import pytest
from conftest import acts, wait_until
from mlflow.entities import Metric, Param, RunTag
from server import API, call, create_run

LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
TAKEN_OVER_S = 5


@pytest.fixture
def pair(database, start):
    return start(database.uri, "one"), start(database.uri, "two")


def client_of(server):
    url = f"http://{server.address}"
    return mlflow.MlflowClient(url, url)


class Story:
    """One experiment and one model after another: each step writes by one server and reads by the other, at once."""

    def __init__(self, number):
        self.name = f"story {number}"

    def steps(self):
        return [self.experiment, self.experiment_tag, self.run, self.metric, self.param, self.tag, self.batch, self.inputs,
                self.search, self.artifact, self.model, self.version, self.version_tag, self.alias, self.logged_model,
                self.rename, self.alias_gone, self.end, self.gone, self.back]

    def experiment(self, a, b):
        self.id = a.create_experiment(self.name)
        assert b.get_experiment_by_name(self.name).experiment_id == self.id

    def experiment_tag(self, a, b):
        a.set_experiment_tag(self.id, "k", "v")
        assert b.get_experiment(self.id).tags["k"] == "v"
        assert [e.experiment_id for e in b.search_experiments(filter_string=f"name = '{self.name}' and tags.k = 'v'")] == [self.id]

    def run(self, a, b):
        # Searched for before it is there, so that the columns of both servers are in memory.
        assert list(b.search_runs([self.id])) == [] and list(a.search_runs([self.id])) == []
        self.run_id = a.create_run(self.id).info.run_id
        assert b.get_run(self.run_id).info.status == "RUNNING"
        assert [run.info.run_id for run in b.search_runs([self.id])] == [self.run_id]

    def metric(self, a, b):
        a.log_metric(self.run_id, "loss", 0.5, timestamp=1, step=1)
        assert b.get_run(self.run_id).data.metrics == {"loss": 0.5}
        assert [m.step for m in b.get_metric_history(self.run_id, "loss")] == [1]
        assert len(b.search_runs([self.id], "metrics.loss < 1")) == 1

    def param(self, a, b):
        a.log_param(self.run_id, "depth", 3)
        assert len(b.search_runs([self.id], "params.depth = '3'")) == 1

    def tag(self, a, b):
        for value in ("first", "second"):
            a.set_tag(self.run_id, "colour", value)
            assert len(b.search_runs([self.id], f"tags.colour = '{value}'")) == 1

    def batch(self, a, b):
        a.log_batch(self.run_id, [Metric("loss", 0.1 * step, 2, step) for step in range(2, 5)], [Param("width", "7")],
                    [RunTag("colour", "third")])
        run = b.search_runs([self.id], "tags.colour = 'third' and params.width = '7'", order_by=["metrics.loss DESC"])[0]
        assert run.data.metrics["loss"] == pytest.approx(0.4)
        assert len(b.get_metric_history(self.run_id, "loss")) == 4

    def inputs(self, a, b):
        from mlflow.entities import Dataset, DatasetInput
        data = Dataset("rides", "abc123", "local", "{}", "{}", "{}")
        a.log_inputs(self.run_id, [DatasetInput(data, [])])
        assert [i.dataset.name for i in b.get_run(self.run_id).inputs.dataset_inputs] == ["rides"]
        assert len(b.search_runs([self.id], "datasets.name = 'rides'")) == 1

    def search(self, a, b):
        more = a.create_run(self.id, run_name="other").info.run_id
        assert [r.info.run_id for r in b.search_runs([self.id], "attributes.run_name = 'other'")] == [more]
        a.delete_run(more)
        assert [r.info.run_id for r in b.search_runs([self.id])] == [self.run_id]

    def artifact(self, a, b):
        a.log_text(self.run_id, "told " + self.name, "notes/told.txt")
        assert [f.path for f in b.list_artifacts(self.run_id, "notes")] == ["notes/told.txt"]
        where = b.download_artifacts(self.run_id, "notes/told.txt")
        assert open(where).read() == "told " + self.name

    def model(self, a, b):
        a.create_registered_model(self.name)
        assert b.get_registered_model(self.name).name == self.name
        assert [m.name for m in b.search_registered_models(f"name = '{self.name}'")] == [self.name]

    def version(self, a, b):
        self.version_number = a.create_model_version(self.name, f"runs:/{self.run_id}/model", self.run_id).version
        assert [str(v.version) for v in b.search_model_versions(f"name = '{self.name}'")] == [str(self.version_number)]

    def version_tag(self, a, b):
        a.set_model_version_tag(self.name, self.version_number, "k", "v")
        assert b.get_model_version(self.name, self.version_number).tags == {"k": "v"}

    def alias(self, a, b):
        a.set_registered_model_alias(self.name, "champion", self.version_number)
        assert str(b.get_model_version_by_alias(self.name, "champion").version) == str(self.version_number)

    def logged_model(self, a, b):
        model = a.create_logged_model(self.id, name="m", source_run_id=self.run_id)
        assert b.get_logged_model(model.model_id).name == "m"
        assert [m.model_id for m in b.search_logged_models([self.id])] == [model.model_id]

    def rename(self, a, b):
        a.rename_experiment(self.id, self.name + " again")
        assert b.get_experiment(self.id).name == self.name + " again"

    def alias_gone(self, a, b):
        a.delete_registered_model_alias(self.name, "champion")
        assert b.get_registered_model(self.name).aliases == {}

    def end(self, a, b):
        a.set_terminated(self.run_id, "FAILED")
        assert len(b.search_runs([self.id], "attributes.status = 'FAILED'")) == 1

    def gone(self, a, b):
        a.delete_experiment(self.id)
        assert b.get_experiment(self.id).lifecycle_stage == "deleted"

    def back(self, a, b):
        a.restore_experiment(self.id)
        assert b.get_run(self.run_id).info.lifecycle_stage == "active"
        assert len(b.search_runs([self.id])) == 2  # the one that was deleted before it too


def test_what_one_server_took_the_other_tells_at_once_a_thousand_times(pair):
    wanted = 20_000 if LONG else 1000
    one, two = client_of(pair[0]), client_of(pair[1])
    done, number = 0, 0
    while done < wanted:
        number += 1
        a, b = (one, two) if number % 2 else (two, one)
        for step in Story(number).steps():
            step(a, b)
            done += 1
    print(f"two servers: {done} writes read by the other at once, of {len(Story(0).steps())} kinds")


def test_one_acts_and_the_other_takes_over_when_it_is_killed(pair):
    one, two = pair
    assert acts(one) and not acts(two)
    with contextlib.closing(two.connect()) as connection:
        run = create_run(connection)
    one.kill()
    took = wait_until(lambda: acts(two))
    print(f"two servers: the other took over {took:.2f} s after kill -9")
    assert took < TAKEN_OVER_S
    with contextlib.closing(two.connect()) as connection:
        assert call(connection, "GET", f"{API}/runs/get?run_id={run}")[0] == 200
    one.start()
    wait_until(lambda: acts(two))
    assert not acts(one)


def test_whose_connection_is_cut_no_longer_acts_until_the_claim_is_his_again(pair, database):
    chance = random.Random(7)
    for _ in range(10):
        database.execute("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and "
                         "classid = 1936288113")
        wait_until(lambda: acts(pair[0]) != acts(pair[1]))
        if chance.random() < 0.5:
            database.execute("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where "
                             f"datname = '{database.name}' and pid <> pg_backend_pid()")
            wait_until(lambda: acts(pair[0]) != acts(pair[1]))
    assert pair[0].stop() == 0 and pair[1].stop() == 0


def test_a_private_folder_of_artifacts_is_refused_for_the_second_server(database, start, tmp_path):
    start(database.uri, "one")
    for place in (None, tmp_path / "private"):
        refused = subprocess.run(
            [os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(tmp_path / "two"), "--store",
             database.uri, *(["--artifacts", str(place)] if place else [])], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0
        for said in (str(tmp_path / "shared"), str(place or tmp_path / "two" / "artifacts"), "--artifacts", "s3://"):
            assert said in refused.stderr, refused.stderr
    (tmp_path / "by another name").symlink_to(tmp_path / "shared")
    start(database.uri, "two", artifacts="by another name")


def test_deployments_answer_from_the_server_that_acts_and_the_other_says_which(pair, tmp_path):
    one, two = pair
    project = tmp_path / "project"
    project.mkdir()
    (project / "slipway.yaml").write_text(
        "version: 1\nproject: p\nuse_case: {problem: p, user: u, owner: o@example.org, requirements: []}\n"
        "deployments:\n  live: {model: m, gates: [integrity], rollout: [{canary: {percent: 50, min_requests: 1}}]}\n")
    subprocess.run(["git", "init", "-q", "."], cwd=project, check=True)
    applied = subprocess.run([os.environ["SLIPWAY_BINARY"], "apply", "--state", str(one.state)], cwd=project,
                             capture_output=True, text=True)
    assert applied.returncode == 0, applied.stderr

    def ask(server):
        with contextlib.closing(server.connect()) as connection:
            return call(connection, "POST", "/v2/models/live/infer", {"inputs": []})

    wait_until(lambda: ask(two)[0] == 503 and "stands by" in json.dumps(ask(two)[1]))
    assert "slipway up, pid " in json.dumps(ask(two)[1])
    assert "no version yet" in json.dumps(ask(one)[1]), ask(one)
    with contextlib.closing(two.connect()) as connection:
        status, answer = call(connection, "POST", "/api/slipway/v1/feedback",
                              {"labels": [{"prediction_id": "live.0190b0d2-0000-7000-8000-000000000000", "value": 1}]})
    assert status == 503 and "stands by" in json.dumps(answer), (status, answer)
    one.kill()
    wait_until(lambda: "no version yet" in json.dumps(ask(two)[1]))


class Writer(threading.Thread):
    """Writes events by one server: tags of registered models' versions, and new ones."""

    def __init__(self, server, number, count):
        super().__init__(daemon=True)
        self.server, self.number, self.count, self.failed = server, number, count, []

    def run(self):
        with contextlib.closing(self.server.connect()) as connection:
            for i in range(self.count):
                status, answer = call(connection, "POST", f"{API}/registered-models/create",
                                      {"name": f"m-{self.number}-{i}"})
                if status != 200:
                    self.failed.append(answer)


def test_a_reader_of_events_passes_none_that_commits_late(pair):
    """Each reader asks for what came after the last one that it saw, as those do that keep a cursor."""
    writers = [Writer(server, number, 300 if LONG else 80) for number, server in enumerate(pair * 4)]
    seen, over = {0: [], 1: []}, threading.Event()

    def read(which):
        with contextlib.closing(pair[which].connect()) as connection:
            after = 0
            while True:
                ending = over.is_set()
                status, answer = call(connection, "GET", f"/api/slipway/v1/events?after={after}&limit=50")
                assert status == 200, answer
                seen[which] += [event["seq"] for event in answer["events"]]
                after = seen[which][-1] if seen[which] else 0
                if ending and not answer["events"]:
                    return

    readers = [threading.Thread(target=read, args=(which,), daemon=True) for which in seen]
    for thread in readers + writers:
        thread.start()
    for writer in writers:
        writer.join()
        assert not writer.failed, writer.failed[:1]
    over.set()
    for reader in readers:
        reader.join(timeout=60)
        assert not reader.is_alive()
    with contextlib.closing(pair[0].connect()) as connection:
        every, after = [], 0
        while True:
            answer = call(connection, "GET", f"/api/slipway/v1/events?after={after}&limit=1000")[1]
            if not answer["events"]:
                break
            every += [event["seq"] for event in answer["events"]]
            after = every[-1]
    assert seen[0] == every and seen[1] == every
    assert len(every) >= sum(writer.count for writer in writers)


PIPELINE = """version: 1
project: journal
use_case: {problem: p, user: u, owner: ops@example.org, requirements: []}
pipelines:
  write: {stages: [write]}
triggers:
  message: {pipeline: write, cloudevent: {type: org.example.ready}}
"""


def test_what_messages_trigger_runs_once_whoever_acts_when_they_come(database, start, tmp_path):
    """The claim's connection is cut again and again, so that the one that acts is another each time."""
    project, journal = tmp_path / "project", tmp_path / "journal"
    project.mkdir()

    def run(*command):
        done = subprocess.run([str(c) for c in command], cwd=project, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    run("git", "init", "-q", "-b", "main", ".")
    run(os.environ["SLIPWAY_BINARY"], "init")
    (project / "slipway.yaml").write_text(PIPELINE)
    (project / "dvc.yaml").write_text(
        f"stages:\n  write:\n    cmd: echo ran >> {journal} && echo 1 > out.txt\n    outs: [out.txt]\n"
        "    always_changed: true\n")
    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "x")
    pair = [start(database.uri, name, cwd=project) for name in ("one", "two")]
    run(os.environ["SLIPWAY_BINARY"], "apply", "--state", pair[1].state)

    def runs():
        with contextlib.closing(pair[0].connect()) as connection:
            status, answer = call(connection, "GET", "/api/slipway/v1/runs?limit=1000")
        assert status == 200, answer
        return answer["runs"]

    messages = 40 if LONG else 8
    acted = []
    for number in range(messages):
        wait_until(lambda: acts(pair[0]) != acts(pair[1]))
        acted.append(acts(pair[0]))
        with contextlib.closing(pair[number % 2].connect()) as connection:
            status, answer = call(connection, "POST", "/events",
                                  {"specversion": "1.0", "id": str(number), "source": "/labels", "type": "org.example.ready",
                                   "data": {}}, {"Content-Type": "application/cloudevents+json"})
        assert status == 202, answer
        database.execute("select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and "
                         "classid = 1936288113")
        wait_until(lambda: len(runs()) > number and all(run["state"] in ("succeeded", "failed") for run in runs()), 60)
    found = runs()
    assert [run["state"] for run in found] == ["succeeded"] * messages, found
    assert journal.read_text() == "ran\n" * messages
    print(f"two servers: {messages} messages, {messages} runs, each once; the first server acted in {sum(acted)} of them")
    for server in pair:
        assert server.stop() == 0
