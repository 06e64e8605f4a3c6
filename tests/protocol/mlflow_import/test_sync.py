"""`slipway sync`: what the real library logged into a store of its own, without a server, is on one afterwards, under its ids;
again and again while it goes on, killed anywhere, from several machines."""
import hashlib
import http.server
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest
from test_import import BINARY, HERE, Postgres, Server, python, run, settled, slipway, stores  # noqa: F401

NOTHING = {"experiments": 0, "runs": 0, "runs_that_went_on": 0, "points": 0, "files": 0, "bytes": 0, "logged_models": 0, "versions": 0}


@pytest.fixture
def server(tmp_path):
    one = Server(tmp_path / "state")
    one.start()
    yield one
    assert one.stop() == 0


def url(server):
    return f"http://{server.address}"


def sync(source, server, *arguments, **environment):
    status, out = slipway("sync", source, "--to", url(server), *arguments, **environment)
    return status, json.loads(out) if out.startswith("{") else out


def synced(source, server):
    """The report of one that sends all there is."""
    status, report = sync(source, server)
    assert status == 0, report.get("not_sent", report)
    return report


def read(uri, major=3):
    return json.loads(run(python(major), HERE / "read_store.py", uri))


def script(uri, code, *arguments, cwd=None, major=3):
    """Runs as a user's: nothing but the address of its store is told."""
    return run(python(major), "-c", code, *arguments, cwd=cwd,
               env={**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"})


def alive(read_there, kind="database"):
    """What is to be on a server: active runs and models of active experiments, which are told by their names."""
    there = settled(read_there, kind)
    names = {id: e["name"] for id, e in there["experiments"].items() if e["lifecycle_stage"] == "active"}
    runs = {}
    for id, one in there["runs"].items():
        if one["lifecycle_stage"] == "active" and one["experiment_id"] in names:
            runs[id] = {k: v for k, v in one.items() if k != "artifact_uri"} | {"experiment_id": names[one["experiment_id"]]}
    models = {id: {k: v for k, v in m.items() if k not in ("artifact_location", "last_updated_timestamp")}
              | {"experiment_id": names[m["experiment_id"]],
                 # Versions are counted by each registry for itself.
                 "tags": {k: v for k, v in m["tags"].items() if k != "mlflow.modelVersions"}} for id, m in there.get("logged_models", {}).items()}
    return {"runs": runs, "logged_models": models}


def assert_there(store_read, server, kind="database", major=3):
    ours, theirs = alive(read(url(server), major), kind), alive(store_read, kind)
    for part in theirs:
        for id, one in theirs[part].items():
            assert ours[part][id] == one, (part, id)
    return ours


def catalogue(server, sql, *values):
    with sqlite3.connect(f"file:{server.state}/catalog.db?mode=ro", uri=True) as db:
        return db.execute(sql, values).fetchall()


def points_stored(server):
    return catalogue(server, "select coalesce(sum(points), 0) from metric_series")[0][0]


@pytest.mark.parametrize("major,kind", [(2, "database"), (3, "database"), (2, "folder"), (3, "folder")])
def test_what_the_client_reads_is_the_same_before_and_after(stores, server, major, kind):  # noqa: F811
    store = stores(major, kind)
    report = synced(store.uri, server)
    ours = assert_there(store.read, server, kind, major)
    assert report["sent"]["runs"] == len(ours["runs"]) == sum(
        r["lifecycle_stage"] == "active" and store.read["experiments"][r["experiment_id"]]["lifecycle_stage"] == "active"
        for r in store.read["runs"].values())
    assert report["sent"]["points"] == points_stored(server) > 100 and report["sent"]["files"] >= len(ours["runs"])
    assert report["deleted"] >= 1
    # Files are served, under the ids of before; a version names a model's files wherever those are.
    run_id = next(id for id, one in ours["runs"].items() if one["points"])
    text = run(python(major), "-c", "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); print(mlflow.artifacts.load_text("
               "f'runs:/{sys.argv[2]}/notes/text.txt'), end='')", url(server), run_id)
    assert text == (pathlib.Path(store.read["runs"][run_id]["artifact_uri"].removeprefix("file://")) / "notes/text.txt").read_text()
    versions = [v for v in read(url(server), major)["versions"] if v["name"] == "rides"]
    assert [v["tags"].get("n") for v in versions][:3] == ["1", "3", "4"]
    assert any("aliases of model rides" in note for note in report["notes"])
    # A second time there is nothing to send.
    again = synced(store.uri, server)
    assert again["sent"] == NOTHING and again["runs_as_before"] == len(ours["runs"]), again
    assert points_stored(server) == report["sent"]["points"]


TRAIN = """
import json, mlflow, pathlib, sys
step, state = int(sys.argv[1]), pathlib.Path("run.json")
mlflow.set_experiment("rides")
with mlflow.start_run(run_id=json.loads(state.read_text()) if state.exists() else None) as r:
    state.write_text(json.dumps(r.info.run_id))
    for i in range(100):
        mlflow.log_metric("loss", 1 / (step + i + 1), step=step + i)
    mlflow.log_param(f"p{step}", step)
    mlflow.set_tag("progress", step)
    mlflow.log_text(f"after {step}", "notes/progress.txt")
    mlflow.log_text(f"new at {step}", f"notes/{step}.txt")
"""


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_a_run_that_goes_on_is_followed(server, tmp_path, kind):
    uri = f"sqlite:///{tmp_path}/mlflow.db" if kind == "database" else f"file://{tmp_path}/runs"
    for step in (0, 100, 200):
        script(uri, TRAIN, step, cwd=tmp_path)
        report = synced(uri, server)
        # Begun again, and killed: it runs.
        if step == 0:
            script(uri, "import json, mlflow, os; mlflow.start_run(run_id=json.load(open('run.json'))); os._exit(0)", cwd=tmp_path)
            assert synced(uri, server)["sent"]["runs_that_went_on"] == 1
            (one,) = assert_there(read(uri), server)["runs"].values()
            assert one["status"] == "RUNNING"
        assert report["sent"]["points"] == 100 and report["sent"]["files"] == 2, report
    assert_there(read(uri), server)
    run_id = json.loads((tmp_path / "run.json").read_text())
    assert points_stored(server) == 300
    for path, text in (("progress", "after 200"), ("0", "new at 0"), ("200", "new at 200")):
        assert run(python(3), "-c", "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); print(mlflow.artifacts.load_text("
                   "sys.argv[2]), end='')", url(server), f"runs:/{run_id}/notes/{path}.txt") == text


def test_a_series_that_was_changed_where_it_begins_loses_nothing_and_gains_nothing_twice(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    synced(uri, server)
    script(uri, "import mlflow, sys; c = mlflow.MlflowClient(); "
           "[c.log_metric(sys.argv[1], 'loss', 0.5, timestamp=at, step=-1) for at in (5, 6)]",
           json.loads((tmp_path / "run.json").read_text()), cwd=tmp_path)
    report = synced(uri, server)
    assert report["sent"]["points"] == 2 and any("was changed where it begins" in note for note in report["notes"])
    assert_there(read(uri), server)
    assert points_stored(server) == 102
    script(uri, TRAIN, 100, cwd=tmp_path)
    assert synced(uri, server)["sent"]["points"] == 100
    assert points_stored(server) == 202


def test_a_run_goes_on_in_its_experiment_though_that_has_another_name_now(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    synced(uri, server)
    rename = "import mlflow; c = mlflow.MlflowClient(); c.rename_experiment(c.get_experiment_by_name('rides').experiment_id, 'trips')"
    script(url(server), rename)
    script(uri, TRAIN, 100, cwd=tmp_path)
    assert synced(uri, server)["sent"]["points"] == 100
    assert {e["name"] for e in read(url(server))["experiments"].values()} == {"Default", "trips", "rides"}
    run_id = json.loads((tmp_path / "run.json").read_text())
    assert read(url(server))["runs"][run_id]["experiment_id"] == "1"


def test_killed_anywhere_it_goes_on_and_sends_nothing_twice(stores, server):  # noqa: F811
    store = stores(3, "database")
    kills = 0
    for place in ("sync.client_model", "sync.client_run", "sync.client_run:5", "sync.client_points", "sync.client_points:2",
                  "sync.client_file", "sync.client_file:7", "sync.client_version"):
        status, _ = sync(store.uri, server, SLIPWAY_FAILPOINT=place)
        kills += status == -signal.SIGKILL
    assert kills >= 7
    report = synced(store.uri, server)
    ours = assert_there(store.read, server)
    assert points_stored(server) == sum(len(points) for one in ours["runs"].values() for points in one["points"].values())
    assert len([v for v in read(url(server))["versions"] if v["name"] == "rides"]) == 4
    assert report["sent"]["runs"] + report["runs_as_before"] == len(ours["runs"])
    assert synced(store.uri, server)["sent"] == NOTHING


def test_a_server_that_is_killed_anywhere_has_all_of_it_after_another_sync(stores, tmp_path):  # noqa: F811
    store = stores(3, "database")
    kills = 0
    for place in ("sync.head", "sync.head:3", "sync.head:9", "sync.points", "sync.points:2", "sync.files", "sync.files:4"):
        server = Server(tmp_path / "state", SLIPWAY_FAILPOINT=place)
        server.start()
        status, report = sync(store.uri, server)
        if status == 0:
            assert server.stop() == 0
            continue
        assert "the same command goes on once it answers" in report["error"], report
        assert server.process.wait() == -signal.SIGKILL
        server.process.stdout.close()
        kills += 1
    assert kills >= 6
    server = Server(tmp_path / "state")
    server.start()
    try:
        synced(store.uri, server)
        ours = assert_there(store.read, server)
        assert points_stored(server) == sum(len(points) for one in ours["runs"].values() for points in one["points"].values())
        assert synced(store.uri, server)["sent"] == NOTHING
    finally:
        assert server.stop() == 0


def test_what_was_changed_on_the_server_stays_and_is_told(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    synced(uri, server)
    run_id = json.loads((tmp_path / "run.json").read_text())
    there = ("import mlflow, sys; c = mlflow.MlflowClient(); r = sys.argv[1]; c.set_tag(r, 'progress', 'by hand'); "
             "c.log_param(r, 'p100', 'other'); c.set_tag(r, 'comment', 'good'); c.log_text(r, 'by hand', 'notes/progress.txt')")
    script(url(server), there, run_id)
    script(uri, TRAIN, 100, cwd=tmp_path)
    status, report = sync(uri, server)
    assert status == 3
    told = {(t["kind"], t["id"]): t["why"] for t in report["not_sent"]}
    assert set(told) == {("run", run_id), ("file", f"{run_id}/notes/progress.txt")}, report
    whys = " ".join(t["why"] for t in report["not_sent"])
    assert "tag progress: the server has 'by hand'" in whys and "param p100: the server has 'other'" in whys
    assert report["sent"]["points"] == 100 and report["sent"]["files"] == 1
    one = read(url(server))["runs"][run_id]
    assert (one["tags"]["progress"], one["tags"]["comment"], one["params"]["p100"]) == ("by hand", "good", "other")
    # It is told each time, and nothing else is sent.
    status, again = sync(uri, server)
    assert status == 3 and len(again["not_sent"]) == len(report["not_sent"]) and again["sent"]["points"] == 0


def test_runs_that_are_somebody_elses_or_deleted_are_left_alone(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    run_id = json.loads((tmp_path / "run.json").read_text())
    synced(uri, server)
    script(url(server), "import mlflow, sys; mlflow.MlflowClient().delete_run(sys.argv[1])", run_id)
    script(uri, TRAIN, 100, cwd=tmp_path)
    status, report = sync(uri, server)
    assert status == 3 and "deleted on the server" in report["not_sent"][0]["why"] and report["sent"] == NOTHING
    status, _ = slipway("runs", "gc", "--run-ids", run_id, "--state", server.state)
    assert status == 0
    status, report = sync(uri, server)
    assert status == 3 and "removed from the server for good" in report["not_sent"][0]["why"]
    assert run_id not in read(url(server))["runs"]
    # Imported, not synced: it belongs to that server.
    other = Server(tmp_path / "other")
    assert slipway("import", "mlflow", uri, "--state", tmp_path / "other")[0] == 0
    other.start()
    try:
        before = read(url(other))
        status, report = sync(uri, other)
        assert status == 3 and "was not brought by a sync" in report["not_sent"][0]["why"] and report["sent"] == NOTHING
        assert read(url(other)) == before
        script(url(other), "import mlflow; mlflow.MlflowClient().delete_experiment('1')")
        status, report = sync(uri, other)
        assert status == 3 and "deleted on the server" in report["not_sent"][0]["why"]
    finally:
        assert other.stop() == 0


def test_a_logged_model_is_tied_to_the_servers_numbers_of_its_versions_alone(server, tmp_path):
    script(url(server), "import mlflow; c = mlflow.MlflowClient(); c.create_registered_model('cars'); "
           "m = c.create_logged_model('0', 'theirs').model_id; c.create_model_version('cars', 'models:/' + m, model_id=m)")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    logged, versions = script(store, "import mlflow; c = mlflow.MlflowClient(); e = c.create_experiment('e', 'FILES'); "
                              "m = c.create_logged_model(e, 'mine'); c.finalize_logged_model(m.model_id, 'READY'); c.create_registered_model('cars'); "
                              "c.create_model_version('cars', 'models:/' + m.model_id, model_id=m.model_id); "
                              # as mlflow.register_model does
                              "c.set_logged_model_tags(m.model_id, {'mlflow.modelVersions': '[{\"name\": \"cars\", \"version\": 1}]'}); "
                              "print(m.model_id, c.get_logged_model(m.model_id).tags['mlflow.modelVersions'])"
                              .replace("FILES", str(tmp_path / "files"))).strip().split(" ", 1)
    assert json.loads(versions) == [{"name": "cars", "version": 1}]
    for made in (1, 0):
        status, report = sync(store, server)
        assert status == 0 and report["sent"]["versions"] == made, report
        tag = script(url(server), "import mlflow, sys; print(mlflow.MlflowClient().get_logged_model(sys.argv[1]).tags['mlflow.modelVersions'])", logged)
        assert [(one["name"], int(one["version"])) for one in json.loads(tag)] == [("cars", 2)]


def test_two_machines_sync_into_one_experiment(server, tmp_path):
    reads = []
    for machine in ("a", "b"):
        (tmp_path / machine).mkdir()
        uri = f"sqlite:///{tmp_path}/{machine}/mlflow.db"
        for n in range(2):
            (tmp_path / machine / "run.json").unlink(missing_ok=True)
            script(uri, TRAIN, n, cwd=tmp_path / machine)
        script(uri, "import mlflow; c = mlflow.MlflowClient(); e = c.create_experiment('first' if 'MACHINE' == 'a' else 'Second, of b');"
               " c.create_run(e)".replace("MACHINE", machine), cwd=tmp_path / machine)
        reads.append(read(uri))
    syncs = [subprocess.Popen([BINARY, "--json", "sync", f"sqlite:///{tmp_path}/{machine}/mlflow.db", "--to", url(server)],
                              stdout=subprocess.PIPE) for machine in "ab"]
    for one in syncs:
        out, _ = one.communicate(timeout=300)
        assert one.returncode == 0, out
    for there in reads:
        assert_there(there, server)
    names = [e["name"] for e in read(url(server))["experiments"].values()]
    assert sorted(names) == ["Default", "Second, of b", "first", "rides"] and points_stored(server) == 400
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    moved = json.loads(slipway("sync", f"sqlite:///{tmp_path}/moved/mlflow.db", "--to", url(server))[1])
    assert moved["sent"] == NOTHING, moved


def test_a_store_that_was_carried_elsewhere_finds_its_files_beside_it(server, tmp_path):
    (tmp_path / "cluster").mkdir()
    script(f"sqlite:///{tmp_path}/cluster/mlflow.db", TRAIN, 0, cwd=tmp_path / "cluster")
    (tmp_path / "cluster").rename(tmp_path / "laptop")
    report = synced(f"sqlite:///{tmp_path}/laptop/mlflow.db", server)
    assert report["sent"]["files"] == 2 and not report["notes"], report


FILES = """
import mlflow, sys
mlflow.set_experiment("files")
for name in ("first", "second"):
    with mlflow.start_run(run_name=name) as run:
        for text in ("a b.txt", "a%20b.txt", "big.txt", "sub/deep.txt", "percent%.txt"):
            mlflow.log_text(f"{name} {text}", text)
        print(run.info.run_id)
"""


def files_of(server, run_id):
    root = server.state / "artifacts"
    [folder] = root.glob(f"*/{run_id}/artifacts")
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


@pytest.fixture
def logged(tmp_path):
    """Two runs with files: where their store is, their ids, their folders."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    ids = script(uri, FILES, cwd=tmp_path).split()
    return uri, ids, [next((tmp_path / "mlruns").glob(f"*/{id}/artifacts")) for id in ids]


def not_sent(report):
    return {trouble["id"]: trouble["why"] for trouble in report["not_sent"]}


def test_a_name_that_would_be_read_as_another_is_told_and_not_sent(server, logged):
    uri, ids, folders = logged
    status, report = sync(uri, server)
    assert status == 3 and set(not_sent(report)) == {f"{id}/a%20b.txt" for id in ids}
    for id, name in zip(ids, ("first", "second")):
        assert files_of(server, id) == {text: f"{name} {text}" for text in ("a b.txt", "big.txt", "sub/deep.txt", "percent%.txt")}
    status, report = sync(uri, server)
    assert report["sent"] == NOTHING and set(not_sent(report)) == {f"{id}/a%20b.txt" for id in ids}
    (folders[0] / "no#1.txt").write_text("what no server takes")
    (folders[0] / "new.txt").write_text("new")
    status, report = sync(uri, server)
    assert status == 3 and report["sent"]["files"] == 1 and "no '#' in a path" in not_sent(report)[f"{ids[0]}/no#1.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed who may not read")
def test_what_cannot_be_read_is_told_and_keeps_nothing_else(server, logged, tmp_path):
    uri, ids, folders = logged
    (folders[0] / "big.txt").chmod(0)
    (folders[1] / "sub").chmod(0)
    for folder in tmp_path.parents:
        if "pytest" in str(folder):
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    (tmp_path / "mlflow.db").chmod(0o666)
    binary = tmp_path / "slipway"
    shutil.copy(BINARY, binary)
    done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", binary, "--json", "sync", uri, "--to", url(server)],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, (done.stdout, done.stderr)
    told = not_sent(json.loads(done.stdout))
    assert "Permission denied" in told[f"{ids[0]}/big.txt"] and "sub" in told[ids[1]], told
    assert "a b.txt" in files_of(server, ids[1]) and "sub/deep.txt" in files_of(server, ids[0])


def test_only_folders_of_runs_are_sent_whatever_the_store_says(server, logged, tmp_path):
    uri, ids, folders = logged
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hush")
    with sqlite3.connect(tmp_path / "mlflow.db") as db:
        db.execute("update runs set artifact_uri = ? where run_uuid = ?", (f"file://{secret}", ids[0]))
    shutil.rmtree(folders[1])
    folders[1].symlink_to(secret)
    status, report = sync(uri, server)
    assert status == 3 and set(not_sent(report)) == set(ids) and report["sent"]["files"] == 0, report
    assert all("no folder of it" in why for why in not_sent(report).values())
    assert "hush" not in "".join(f.read_text() for f in (server.state / "artifacts").rglob("key"))


def test_a_server_on_a_copy_of_its_state_knows_its_files(server, logged, tmp_path):
    uri, ids, folders = logged
    sync(uri, server)
    assert server.stop() == 0
    shutil.copytree(server.state, tmp_path / "copy")
    copy = Server(tmp_path / "copy")
    copy.start()
    try:
        (folders[0] / "big.txt").write_text("changed")
        _, report = sync(uri, copy)
        assert set(not_sent(report)) == {f"{id}/a%20b.txt" for id in ids} and report["sent"]["files"] == 1, report
        assert files_of(copy, ids[0])["big.txt"] == "changed"
    finally:
        assert copy.stop() == 0
        server.start()


def test_a_large_run_is_sent_in_little_memory(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    run_id = json.loads((tmp_path / "run.json").read_text())
    points = 100_000
    with sqlite3.connect(tmp_path / "mlflow.db") as db:
        db.executemany("insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, 0)",
                       ((f"k{i % 3}", i / 7, 1_000 + i // 5, run_id, i) for i in range(points)))
    folder = pathlib.Path(read(uri)["runs"][run_id]["artifact_uri"])
    piece, digest = os.urandom(1 << 20), hashlib.sha256()
    with open(folder / "weights.bin", "wb") as file:
        for n in range(100):
            data = n.to_bytes(8, "big") + piece
            file.write(data)
            digest.update(data)
    # Killed in the middle of its points, then of its files.
    for place in ("sync.client_points:3", "sync.client_file"):
        assert sync(uri, server, SLIPWAY_FAILPOINT=place)[0] == -signal.SIGKILL
    report = synced(uri, server)
    assert report["sent"]["points"] == 0 and report["sent"]["bytes"] >= folder.joinpath("weights.bin").stat().st_size
    assert points_stored(server) == points + 100
    assert catalogue(server, "select sha256 from artifacts where key like '%/weights.bin'") == [(digest.hexdigest(),)]
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KiB; of all children, the client's Python too
    with subprocess.Popen([BINARY, "sync", uri, "--to", url(server)], stdout=subprocess.PIPE) as process:
        process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0 and usage.ru_maxrss < 100 << 10, usage.ru_maxrss


def test_a_server_that_cannot_be_asked_is_told_in_words(server, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    for address, words in (("http://127.0.0.1:1", "the server does not answer: GET http://127.0.0.1:1/"),
                           ("127.0.0.1:5000", "expected http://HOST:PORT")):
        status, out = slipway("sync", uri, "--to", address)
        assert status in (2, 3) and words in json.loads(out)["error"], out
    status, out = slipway("sync", uri, SLIPWAY_URL="")
    assert status == 2 and "--to" in json.loads(out)["error"]
    status, out = slipway("sync", f"{tmp_path}/none", "--to", url(server))
    assert status == 3 or status == 2, out
    assert "none" in json.loads(out)["error"]


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server that takes its time over a run."""

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer({"experiment": {"experiment_id": "1", "lifecycle_stage": "active"}} if "get-by-name" in self.path else {})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.set()
        assert self.server.go_on.wait(60)
        self.answer({"what": "taken", "why": "no"})

    def log_message(self, *_):
        pass


def test_a_script_can_write_while_the_server_is_waited_for(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    slow = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    slow.asked, slow.go_on = threading.Event(), threading.Event()
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    process = subprocess.Popen([BINARY, "--json", "sync", uri, "--to", f"http://127.0.0.1:{slow.server_port}"], stdout=subprocess.PIPE)
    try:
        assert slow.asked.wait(60)
        with sqlite3.connect(tmp_path / "mlflow.db", timeout=0) as db:
            db.execute("update runs set name = 'meanwhile'")
    finally:
        slow.go_on.set()
        out, _ = process.communicate(timeout=60)
        slow.shutdown()
    assert process.returncode == 3 and json.loads(out)["not_sent"][0]["why"] == "no"


def test_who_may_sync_is_who_may_write(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    script(uri, TRAIN, 0, cwd=tmp_path)
    state = tmp_path / "state"
    server = Server(state)
    server.start()
    try:
        def people(*arguments, stdin=None):
            done = subprocess.run([BINARY, "--json", *arguments, "--state", str(state)], input=stdin, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout
        tokens = {}
        for name in ("root", "ann", "bob"):
            admin = ["--admin"] if name == "root" else []
            people("users", "create", name, *admin, "--password-file", "-", stdin="a password of length\n")
            made = json.loads(people("tokens", "create", f"of {name}", "--user", name))
            tokens[name] = tmp_path / name
            tokens[name].write_text(made["token"])
        status, report = sync(uri, server)
        assert status != 0 and "--token-file" in report["error"]
        assert sync(uri, server, "--token-file", tokens["ann"])[0] == 0
        script(uri, TRAIN, 100, cwd=tmp_path)
        # The experiment is ann's: bob may not write there.
        status, report = sync(uri, server, "--token-file", tokens["bob"])
        assert status == 3 and report["sent"] == NOTHING, report
        assert sync(uri, server, "--token-file", tokens["root"])[1]["sent"]["points"] == 100
    finally:
        assert server.stop() == 0


def offline(*arguments, cwd, **environment):
    done = subprocess.run([python(3), "-m", "slipway.offline", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "PYTHONPATH": str(HERE.parents[2] / "python"), **environment})
    return done.returncode, done.stdout, done.stderr


def test_the_helper_runs_a_script_as_it_is_and_syncs_it_when_a_server_is_there(server, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN + "\nraise SystemExit(step)")
    store, work = tmp_path / "store", tmp_path / "work"
    work.mkdir()
    status, out, err = offline("run", "--store", store, "--to", "http://127.0.0.1:1", "--", python(3), tmp_path / "train.py", 7, cwd=work)
    assert status == 7 and "does not answer" in out + err and "goes on" in err
    assert not (work / "mlruns").exists() and list((store / "artifacts").rglob("progress.txt")) and store.stat().st_mode & 0o777 == 0o700
    status, out, err = offline("sync", "--to", url(server), cwd=work, SLIPWAY_OFFLINE=str(store))
    assert status == 0 and "1 new runs" in out, err
    status, out, err = offline("run", "--to", url(server), "--", python(3), tmp_path / "train.py", 0, cwd=work, SLIPWAY_OFFLINE=str(store))
    assert status == 0 and "1 runs that went on" in out, err
    assert_there(read(f"sqlite:///{store}/mlflow.db"), server)
    (tmp_path / "in_script.py").write_text("import slipway.offline\nslipway.offline.start()\nimport mlflow\nmlflow.log_metric('m', 1)")
    status, out, err = offline("run", "--", python(3), tmp_path / "in_script.py", cwd=work, SLIPWAY_OFFLINE=str(store))
    assert status == 0, err
    status, out, err = offline("sync", "--to", url(server), cwd=work, SLIPWAY_OFFLINE=str(store), SLIPWAY_BINARY="", PATH="/nowhere")
    assert status == 3 and "brings them to a server" in err
    assert offline("run", "--", "no-such-program", cwd=work, SLIPWAY_OFFLINE=str(store))[0] == 127
    assert offline("sync", "--to", url(server), cwd=work, SLIPWAY_OFFLINE=str(store))[0] == 0
    assert len(read(url(server))["runs"]) == 2


def test_a_server_on_postgresql_takes_the_same(stores, tmp_path):  # noqa: F811
    store = stores(3, "database")
    with Postgres() as postgres:
        server = Server(tmp_path / "state", arguments=("--store", postgres.uri))
        server.start()
        try:
            report = synced(store.uri, server)
            ours = assert_there(store.read, server)
            assert report["sent"]["runs"] == len(ours["runs"]) and synced(store.uri, server)["sent"] == NOTHING
        finally:
            assert server.stop() == 0
