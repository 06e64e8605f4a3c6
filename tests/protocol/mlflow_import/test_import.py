"""`slipway import mlflow`, from stores that the real library wrote: what its own client reads from them equals what it reads
from our server afterwards."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "faults"))
sys.path.insert(0, str(ROOT / "tools"))
from run_tests import POSTGRES, Postgres  # noqa: E402
from server import Server  # noqa: E402

BINARY = os.environ["SLIPWAY_BINARY"]
RUNS = 24


def python(major):
    return os.environ[f"SLIPWAY_PYTHON_MLFLOW{major}"]


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **options)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


class Store:
    """A store on disk, and what the library that wrote it reads from it."""

    def __init__(self, folder, major, kind):
        self.folder, self.major, self.kind = folder, major, kind
        self.uri = f"sqlite:///{folder}/mlflow.db" if kind == "database" else str(folder / "mlruns")
        run(python(major), HERE / "write_store.py", self.uri, 7, RUNS, folder / "artifacts", cwd=folder)
        self.read = json.loads(run(python(major), HERE / "read_store.py", self.uri, cwd=folder))
        assert len(self.read["runs"]) == RUNS + 1 and len(self.read["versions"]) >= 3

    @property
    def path(self):
        return self.folder / ("mlflow.db" if self.kind == "database" else "mlruns")


@pytest.fixture(scope="session")
def stores(tmp_path_factory):
    made = {}

    def get(major, kind):
        if (major, kind) not in made:
            made[major, kind] = Store(tmp_path_factory.mktemp(f"store{major}-{kind}"), major, kind)
        return made[major, kind]
    return get


def slipway(*arguments, **environment):
    done = subprocess.run([BINARY, "--json", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=600, env={**os.environ, **environment})
    return done.returncode, done.stdout or done.stderr


def imported(source, state, *arguments):
    """The report of an import that brings all there is."""
    status, out = slipway("import", "mlflow", source, "--state", state, *arguments)
    assert status == 0, out
    return json.loads(out)


def read_by_server(state, major, arguments=()):
    server = Server(state, arguments=arguments)
    server.start()
    try:
        return json.loads(run(python(major), HERE / "read_store.py", f"http://{server.address}"))
    finally:
        assert server.stop() == 0


def settled(read, kind="database"):
    """Without what differs on purpose: of a logged model, the library reads from its files the last value of each metric alone."""
    read = json.loads(json.dumps(read))
    for model in read.get("logged_models", {}).values():
        if kind == "folder":
            model["metrics"] = [max(m for m in model["metrics"] if m[0] == key) for key in sorted({m[0] for m in model["metrics"]})]
    return read


@pytest.mark.parametrize("major,kind", [(2, "database"), (3, "database"), (2, "folder"), (3, "folder")])
def test_what_the_client_reads_is_the_same_before_and_after(stores, tmp_path, major, kind):
    store = stores(major, kind)
    report = imported(store.path, tmp_path / "state")
    made = report["made"]
    assert made["runs"] == RUNS + 1 and made["experiments"] == 4 and made["registered_models"] == 3
    assert made["points"] >= sum(len(points) for run in store.read["runs"].values() for points in run["points"].values())
    ours, theirs = settled(read_by_server(tmp_path / "state", major), kind), settled(store.read, kind)
    for part in theirs:
        assert ours[part] == theirs[part], part


def test_a_database_on_postgresql_is_read_as_one_of_sqlite(stores, tmp_path):
    store = stores(3, "database")
    sql = tmp_path / "store.sql"
    sql.write_text(run(python(3), HERE / "to_postgres.py", store.path))
    with Postgres() as postgres:
        uri = postgres.uri.replace("/postgres?", "/mlflow?")
        for database, arguments in (("postgres", ["-c", "create database mlflow"]), ("mlflow", ["-q", "-f", sql])):
            run(POSTGRES / "psql", "-v", "ON_ERROR_STOP=1", postgres.uri.replace("/postgres?", f"/{database}?"), *arguments)
        report = imported(uri, tmp_path / "state")
        again = imported(uri, tmp_path / "state")
    assert report["made"]["runs"] == RUNS + 1
    assert again["resumed"] and again["made"]["runs"] == 0 and again["runs_known"] == RUNS + 1
    ours = settled(read_by_server(tmp_path / "state", 3))
    for part, theirs in settled(store.read).items():
        assert ours[part] == theirs, part


def test_a_catalogue_on_postgresql_takes_a_store_and_counts_on(stores, tmp_path):
    store = stores(3, "database")
    with Postgres() as postgres:
        at = ("--store", postgres.uri)
        imported(store.path, tmp_path / "state", *at)
        ours = settled(read_by_server(tmp_path / "state", 3, at))
        server = Server(tmp_path / "state", arguments=at)
        server.start()
        made = run(python(3), "-c", "import mlflow, sys; print(mlflow.MlflowClient(sys.argv[1]).create_experiment('new'))",
                   f"http://{server.address}")
        assert server.stop() == 0
    for part, theirs in settled(store.read).items():
        assert ours[part] == theirs, part
    assert int(made) == max(map(int, store.read["experiments"])) + 1


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_an_import_that_is_killed_anywhere_goes_on_and_makes_nothing_twice(stores, tmp_path, kind):
    store = stores(3, kind)
    state = tmp_path / "state"
    kills = 0
    for place in ("event.experiment.imported", "import.experiment", "import.experiment:3", "event.model.imported",
                  "import.logged_models", "import.runs", "event.model_version.imported", "event.alias.imported",
                  "event.registered_model.imported", "import.model", "import.model:2", "import.file:5", "import.files:9"):
        status, _ = slipway("import", "mlflow", store.path, "--state", state, "--copy-artifacts", SLIPWAY_FAILPOINT=place)
        kills += status == -signal.SIGKILL
    assert kills >= 10
    status, out = slipway("import", "mlflow", store.path, "--state", state, "--copy-artifacts")
    assert status == 0, out
    assert json.loads(out)["resumed"]
    ours, theirs = read_by_server(state, 3), settled(store.read)
    for run_id, run in theirs["runs"].items():
        kept = {key: value for key, value in run.items() if key != "artifact_uri"}
        assert {key: ours["runs"][run_id][key] for key in kept} == kept
    assert ours["models"] == theirs["models"]
    assert imported(store.path, state, "--copy-artifacts")["made"] == {key: 0 for key in json.loads(out)["made"]}


def test_points_of_a_long_run_survive_kills_between_its_parts(tmp_path):
    database = tmp_path / "mlflow.db"
    run(python(3), HERE / "write_store.py", f"sqlite:///{database}", 1, 4, tmp_path / "artifacts", cwd=tmp_path)
    points = 450_000
    with sqlite3.connect(database) as db:
        (run_id,) = db.execute("select run_uuid from runs where lifecycle_stage = 'active' order by run_uuid limit 1").fetchone()
        db.execute("update runs set experiment_id = 0 where run_uuid = ?", [run_id])
        db.executemany("insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, 0)",
                       ((f"k{i % 3}", i / 7, 1_000 + i // 5, run_id, i) for i in range(points)))
        expected = db.execute("select count(*) from metrics").fetchone()[0]
    total = 0
    for part in (1, 2, 1, 1):
        status, out = slipway("import", "mlflow", database, "--state", tmp_path / "state", SLIPWAY_FAILPOINT=f"import.runs:{part}")
        assert status in (0, -signal.SIGKILL)
    report = imported(database, tmp_path / "state")
    assert report["resumed"]
    with sqlite3.connect(tmp_path / "state" / "catalog.db") as db:
        total = db.execute("select sum(points) from metric_series").fetchone()[0]
    assert total == expected
    # From another place the same runs are other ones: they belong to somebody here, and get no point more.
    shutil.copy(database, tmp_path / "copy.db")
    status, out = slipway("import", "mlflow", tmp_path / "copy.db", "--state", tmp_path / "state")
    assert status == 3 and {("experiment", "1"), ("run", run_id)} <= {
        (t["kind"], t["id"]) for t in json.loads(out)["not_carried"]}
    with sqlite3.connect(tmp_path / "state" / "catalog.db") as db:
        assert db.execute("select sum(points) from metric_series").fetchone()[0] == expected
    server = Server(tmp_path / "state")
    server.start()
    try:
        got = json.loads(run(python(3), "-c", "import mlflow, sys, json; print(json.dumps([[m.step, m.value] for m in "
                             "mlflow.MlflowClient(sys.argv[1]).get_metric_history(sys.argv[2], 'k1')]))",
                             f"http://{server.address}", run_id))
    finally:
        assert server.stop() == 0
    assert sorted(got) == sorted([i, i / 7] for i in range(1, points, 3))


def test_copied_files_are_served_and_what_leads_out_of_the_folder_is_not_followed(stores, tmp_path):
    store = stores(3, "folder")
    copy = tmp_path / "copy"
    shutil.copytree(store.folder / "mlruns", copy / "mlruns")
    (tmp_path / "secret").write_text("nobody's business")
    run_id, kept = next((i, r) for i, r in store.read["runs"].items() if r["lifecycle_stage"] == "active" and r["experiment_id"] == "0")
    artifacts = pathlib.Path(kept["artifact_uri"])
    link = artifacts / "link"
    link.symlink_to(tmp_path / "secret")
    try:
        status, out = slipway("import", "mlflow", store.path, "--state", tmp_path / "state", "--copy-artifacts")
    finally:
        link.unlink()
    assert status == 3
    report = json.loads(out)
    assert [t["id"] for t in report["not_carried"]] == [f"{run_id}/link"]
    assert report["made"]["files"] >= 2 * RUNS
    server = Server(tmp_path / "state")
    server.start()
    try:
        text = run(python(3), "-c", "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); "
                   "print(mlflow.artifacts.load_text(sys.argv[2]), end='')", f"http://{server.address}", f"runs:/{run_id}/notes/text.txt")
        model = run(python(3), "-c", "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); "
                    "print(mlflow.artifacts.load_text('models:/rides@champion/MLmodel'), end='')", f"http://{server.address}")
    finally:
        assert server.stop() == 0
    assert text == (artifacts / "notes" / "text.txt").read_text()
    assert model == "MLmodel: no"


def test_what_is_here_already_is_left_alone_and_told(stores, tmp_path):
    store = stores(2, "database")
    server = Server(tmp_path / "state")
    server.start()
    script = ("import mlflow, sys; c = mlflow.MlflowClient(sys.argv[1]); c.create_experiment('mine'); c.create_registered_model('rides', "
              "description='mine'); r = c.create_run('0'); c.set_tag(r.info.run_id, 'here', 'first')")
    run(python(2), "-c", script, f"http://{server.address}")
    assert server.stop() == 0
    status, out = slipway("import", "mlflow", store.path, "--state", tmp_path / "state")
    assert status == 3
    report = json.loads(out)
    assert {(t["kind"], t["id"]) for t in report["not_carried"]} == {("experiment", "1"), ("model", "rides")}
    left = sum(run["experiment_id"] == "1" for run in store.read["runs"].values())
    why = next(t["why"] for t in report["not_carried"] if t["kind"] == "experiment")
    assert f"its {left} runs" in why and "slipway sync" in why and "rename" not in why
    assert any("experiment 0" in note for note in report["notes"])
    ours = read_by_server(tmp_path / "state", 2)
    assert ours["experiments"]["1"]["name"] == "mine" and ours["models"]["rides"]["description"] == "mine"
    of_zero = [run for run in ours["runs"].values() if run["experiment_id"] == "0"]
    assert len(of_zero) == 1 + sum(run["experiment_id"] == "0" for run in store.read["runs"].values())
    assert not any(run["experiment_id"] == "1" for run in ours["runs"].values())


@pytest.mark.parametrize("revision,words", [("ffffffffffff", "'ffffffffffff', which is not known"),
                                            ("bd07f7e963c5", "older than MLflow 2.0")])
def test_an_unknown_revision_is_named(stores, tmp_path, revision, words):
    other = tmp_path / "other.db"
    shutil.copy(stores(2, "database").path, other)
    with sqlite3.connect(other) as db:
        db.execute("update alembic_version set version_num = ?", (revision,))
    status, out = slipway("import", "mlflow", other, "--state", tmp_path / "state")
    assert status == 3 or status == 2
    assert words in json.loads(out)["error"], out


def test_a_broken_store_is_an_error_and_not_a_crash(stores, tmp_path):
    good = stores(2, "database").path.read_bytes()
    for name, content in (("empty.db", b""), ("text.db", b"not a database " * 99), ("torn.db", good[: len(good) // 2]),
                          ("flipped.db", good[:5000] + bytes(256) * 40 + good[15240:])):
        (tmp_path / name).write_bytes(content)
        status, out = slipway("import", "mlflow", tmp_path / name, "--state", tmp_path / f"state-{name}")
        assert status in (2, 3), (name, status)
        assert "error" in json.loads(out) or json.loads(out)["not_carried"], name
    (tmp_path / "mlruns" / "1").mkdir(parents=True)
    (tmp_path / "mlruns" / "1" / "meta.yaml").write_text("name: [&a [*a")
    status, out = slipway("import", "mlflow", tmp_path / "mlruns", "--state", tmp_path / "state-folder")
    assert status == 3 and json.loads(out)["not_carried"][0]["kind"] == "experiment"


def troubles(report):
    return {(t["kind"], t["id"]): t["why"] for t in report["not_carried"]}


def client(uri, code, *arguments):
    """Runs as a user's script: `c` is a client of the store."""
    return run(python(3), "-c", "import mlflow, sys; from mlflow.entities import *; c = mlflow.MlflowClient(sys.argv[1], sys.argv[1]); "
               + code, uri, *arguments, env={**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"}).strip()


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_what_changed_at_the_source_since_it_came_is_told_each_time(tmp_path, kind):
    path = tmp_path / ("mlflow.db" if kind == "database" else "mlruns")
    uri = f"sqlite:///{path}" if kind == "database" else str(path)
    ids = client(uri, f"e = c.create_experiment('e', {str(tmp_path / 'files')!r}); "
                 "open_, same, gone = [c.create_run(e).info.run_id for _ in range(3)]; c.log_metric(open_, 'loss', 1.0, 1, 1); "
                 "c.log_text(open_, 'old', 'notes.txt'); c.create_registered_model('m'); c.create_model_version('m', 's3://nowhere/x', open_); "
                 "c.set_registered_model_alias('m', 'champion', '1'); l = c.create_logged_model(e, 'forest', same); "
                 "print(e, open_, same, gone, l.model_id)")
    experiment, open_, same, gone, logged = ids.split()
    state = tmp_path / "state"
    imported(path, state, "--copy-artifacts")
    assert imported(path, state, "--copy-artifacts")["runs_known"] == 3
    client(uri, "e, r, gone, l = sys.argv[2:]; c.log_metric(r, 'loss', 0.5, 2, 2); c.log_metric(r, 'acc', 0.5, 2, 2); c.log_param(r, 'p', '1'); "
           "c.set_tag(r, 't', '1'); c.log_text(r, 'new', 'new.txt'); c.log_text(r, 'changed', 'notes.txt'); c.set_terminated(r); "
           "c.create_model_version('m', 's3://nowhere/x', r); c.set_registered_model_alias('m', 'champion', '2'); "
           "c.set_registered_model_tag('m', 'k', 'v'); c.set_experiment_tag(e, 'k', 'v'); c.delete_run(gone); "
           "c.set_logged_model_tags(l, {'k': 'v'})", experiment, open_, gone, logged)
    for copied in (1, 0):
        status, out = slipway("import", "mlflow", path, "--state", state, "--copy-artifacts")
        report = json.loads(out)
        told = troubles(report)
        assert status == 3
        assert set(told) == {("run", open_), ("run", gone), ("model", "m"), ("experiment", experiment), ("logged_model", logged),
                             ("file", f"{open_}/notes.txt")}
        for part in ("status", "params", "tags", "points of its metrics"):
            assert part in told["run", open_]
        assert "versions" in told["model", "m"] and "aliases" in told["model", "m"] and "tags" in told["model", "m"]
        assert report["made"]["files"] == copied  # what is new in a folder that was copied comes
    ours = read_by_server(state, 3)
    assert ours["runs"][open_]["status"] == "RUNNING" and ours["runs"][gone]["lifecycle_stage"] == "active"
    # All of it comes into a fresh state.
    imported(path, tmp_path / "fresh", "--copy-artifacts")


def test_what_changed_between_the_parts_of_a_long_run_is_told(tmp_path):
    path = tmp_path / "mlflow.db"
    run_id = client(f"sqlite:///{path}", f"print(c.create_run(c.create_experiment('e', {str(tmp_path / 'files')!r})).info.run_id)")
    insert = "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, ?, ?, ?, ?, 0)"
    with sqlite3.connect(path) as db:
        db.executemany(insert, (("k", i, i, run_id, i) for i in range(250_000)))
    status, _ = slipway("import", "mlflow", path, "--state", tmp_path / "state", SLIPWAY_FAILPOINT="import.runs:2")
    assert status == -signal.SIGKILL
    with sqlite3.connect(path) as db:
        db.execute(insert, ("a, which is before what came", 1, 1, run_id, 1))
    for _ in range(2):
        status, out = slipway("import", "mlflow", path, "--state", tmp_path / "state")
        assert status == 3 and "points of its metrics" in troubles(json.loads(out))["run", run_id], out


def test_one_odd_row_is_a_line_of_the_report_and_the_rest_comes(tmp_path):
    path = tmp_path / "mlflow.db"
    long = "l" * 257
    ids = client(f"sqlite:///{path}",
                 f"e = c.create_experiment('e', {str(tmp_path / 'files')!r}); a, b = sorted(c.create_run(e).info.run_id for _ in range(2)); "
                 "c.log_param(a, 'secret', 'value'); c.log_param(a, 'p', '1'); c.log_metric(a, 'bad', 1.0); l = c.create_logged_model(e, 'forest', a); "
                 "c.set_logged_model_tags(l.model_id, {'k': 'v'}); "
                 "[c.create_registered_model(n) for n in ('aa', 'nul', 'z')]; c.create_model_version('aa', 's3://nowhere/x', a); "
                 "c.create_model_version('z', 's3://nowhere/x', b); print(a, b, l.model_id)")
    first, second, logged = ids.split()
    with sqlite3.connect(path) as db:
        db.execute("pragma foreign_keys = off")
        db.execute("update registered_models set name = 'a' || char(0) || 'b' where name = 'nul'")
        db.execute("insert into registered_models (name, creation_time, last_updated_time) values (?, 1, 1)", [long])
        db.execute("update params set value = 'a' || char(0) || 'b' where key = 'secret'")
        db.execute("update metrics set key = 'b' || char(0) || 'd' where key = 'bad'")
        db.execute("insert into inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) "
                   "values ('i', 'RUN_OUTPUT', ?, 'MODEL_OUTPUT', '', 0)", [first])
        db.execute("insert into logged_model_tags (model_id, experiment_id, tag_key, tag_value) select model_id, experiment_id, '', 'v' "
                   "from logged_models")
    reports = []
    for place in ("import.model", None, None):
        environment = {"SLIPWAY_FAILPOINT": place} if place else {}
        status, out = slipway("import", "mlflow", path, "--state", tmp_path / "state", **environment)
        assert status == (-signal.SIGKILL if place else 3), out
        if not place:
            reports.append(json.loads(out)["not_carried"])
    assert reports[0] == reports[1]  # what could not come is told each time
    assert {(t["kind"], t["id"]) for t in reports[0]} == {("run", first), ("logged_model", logged), ("model", "a?b"),
                                                          ("model", "l" * 120 + "...")}
    of_run = [t["why"] for t in reports[0] if t["kind"] == "run"]
    assert len(of_run) == 3 and any("'secret'" in why for why in of_run) and not any("a?b" in why for why in of_run)
    ours = read_by_server(tmp_path / "state", 3)
    assert set(ours["runs"]) == {first, second} and set(ours["models"]) == {"aa", "z"} and logged in ours["logged_models"]
    assert ours["runs"][first]["params"] == {"p": "1"} and len(ours["versions"]) == 2


def test_traces_that_have_no_place_here_are_an_exit_code_too(stores, tmp_path):
    other = tmp_path / "other.db"
    shutil.copy(stores(3, "database").path, other)
    with sqlite3.connect(other) as db:
        db.execute("insert into trace_info (request_id, experiment_id, timestamp_ms, status) values ('tr-1', 0, 1, 'OK')")
    status, out = slipway("import", "mlflow", other, "--state", tmp_path / "state")
    assert status == 3 and json.loads(out)["left_behind"] == [{"what": "traces", "count": 1}]


def store_of_a_server(tmp_path):
    """As one of `mlflow server --artifacts-destination` is: a model with its files, and a run without any."""
    uri, files = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "destination"
    client(uri, "e = c.create_experiment('served', 'mlflow-artifacts:/7'); r = c.create_run(e); c.create_run(e); "
                "c.set_tag(r.info.run_id, 'mlflow.log-model.history', '[]'); c.create_registered_model('m'); "
                "c.create_model_version('m', r.info.artifact_uri + '/model', r.info.run_id)")
    run_id, = [row[0] for row in rows(tmp_path / "mlflow.db", "select run_uuid from tags where key = 'mlflow.log-model.history'")]
    place = files / "7" / run_id / "artifacts" / "model"
    place.mkdir(parents=True)
    (place / "MLmodel").write_text("flavors: {}\n")
    return uri, files


def rows(file, sql):
    with contextlib.closing(sqlite3.connect(file)) as database:
        return database.execute(sql).fetchall()


def test_files_that_should_be_there_and_are_not_are_told(tmp_path):
    uri, files = store_of_a_server(tmp_path)
    status, out = slipway("import", "mlflow", uri, "--state", tmp_path / "a", "--copy-artifacts", "--artifacts-from",
                          tmp_path / "destinatoin")
    assert status == 2 and "there is no such folder" in out
    (tmp_path / "empty").mkdir()
    for source, words in ((["--artifacts-from", tmp_path / "empty"], "not on this machine"), ([], "--artifacts-from")):
        status, out = slipway("import", "mlflow", uri, "--state", tmp_path / "b", "--copy-artifacts", *source)
        told = json.loads(out)["not_carried"]
        assert status == 3 and {one["kind"] for one in told} == {"run", "version"}, out
        assert all(words in one["why"] for one in told), out
    status, out = slipway("import", "mlflow", uri, "--state", tmp_path / "b", "--copy-artifacts", "--artifacts-from", files)
    assert status == 0 and json.loads(out)["made"]["files"] == 1, out
    assert "no folder" not in out, "a run without files is nothing to tell of"


def test_files_go_where_the_servers_of_the_catalogue_look_for_them(tmp_path):
    uri, files = store_of_a_server(tmp_path)
    state, place = tmp_path / "state", tmp_path / "artifacts"
    arguments = ["import", "mlflow", uri, "--state", state, "--copy-artifacts", "--artifacts-from", files]
    status, out = slipway(*arguments, SLIPWAY_ARTIFACTS=str(place))
    assert status == 0 and len(list(place.rglob("MLmodel"))) == 1, out
    assert not (state / "artifacts").exists() or not list((state / "artifacts").rglob("MLmodel"))
    status, out = slipway(*arguments)
    assert status == 3 and str(place) in out and "SLIPWAY_ARTIFACTS" in out, out
    status, out = slipway("import", "mlflow", uri, "--state", state, SLIPWAY_ARTIFACTS=str(place))
    assert status == 0, "where nothing is copied the place counts for nothing: " + out


def test_a_source_that_is_not_named_is_asked_for(tmp_path):
    status, out = slipway("import", "mlflow", "--state", tmp_path / "state")
    assert status == 2 and "SOURCE is missing" in json.loads(out)["error"]


def test_a_server_that_runs_keeps_its_state(stores, tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    try:
        status, out = slipway("import", "mlflow", stores(2, "database").path, "--state", tmp_path / "state")
    finally:
        assert server.stop() == 0
    assert status != 0 and "owned by" in json.loads(out)["error"]
