"""What people declare, check and ask for, with a disk that fails or a program that is killed at any call that changes the disk:
apply, check, infer, profile, training sets, the online store, and the evidence that is read afterwards.

Wherever it is cut: a declaration holds whole or not at all, a file is the old one, the new one or not there, a fact is there
once, what was said to be done is done, and the same command once more ends as if nothing had happened.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest

pytest.register_assert_rewrite("loop", "test_data_faults")
from loop import API, DAY, PROJECT as LIVED, Died, Loop  # noqa: E402
from server import Server, call  # noqa: E402
from test_data_faults import HOWS, LONG, Cuts, Project, folder, nth_call  # noqa: E402, F401 (fixtures)

SLIPWAY = os.environ["SLIPWAY_BINARY"]
PROJECT = """version: 1
project: tiny
use_case: {problem: p, user: u, owner: o@example.org, requirements: []}
contracts: {rows.csv: rows.yaml}
features: [place.yaml]
deployments:
  live: {model: tiny, gates: [integrity]}
"""
CHANGED = PROJECT.replace("gates: [integrity]", "gates: [integrity, signature]") + "  other: {model: tiny, alias: other, gates: [parity]}\n"
WITHOUT = PROJECT.replace("features: [place.yaml]\n", "")
CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: rows
version: 1.0.0
status: active
schema: [{name: rows, properties: [{name: place, logicalType: integer}, {name: x, logicalType: number}]}]
"""
VIEW = """kind: feature_view
name: place
owner: ops@example.org
entity: {place: int64}
source: {file: rows.csv, event_time: at, columns: {x: float64}}
ttl: 30d
features:
  x: float64
"""
ROWS = "at,place,x\n" + "".join(f"2011-05-01T{n:02}:00:00Z,{n % 5},{n}\n" for n in range(24))
ENTITIES = "place,event_timestamp\n" + "".join(f"{n},2011-05-02T00:00:00Z\n" for n in range(5))


# A person whose disk is full has no use for the statement that met with it.
SQL = re.compile(r"\b(insert into|delete from|begin immediate|commit:|select [\w*]+ from|update \w+ set|create table|pragma)\b", re.I)


def filled(project):
    project.write(slipway_yaml=PROJECT, rows_yaml=CONTRACT, place_yaml=VIEW, rows_csv=ROWS, entities_csv=ENTITIES)


def applied(project):
    filled(project)
    project.must("apply")


def changed(project):
    applied(project)
    project.write(slipway_yaml=CHANGED)


def facts(project):
    """What the catalogue says: nothing where there is none yet."""
    path = project.root / ".slipway" / "catalog.db"
    if not path.exists() or path.stat().st_size == 0:
        return {}
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as catalogue:
        assert catalogue.execute("pragma integrity_check").fetchone() == ("ok",)
        tables = {name for name, in catalogue.execute("select name from sqlite_master where type = 'table'")}
        kept = {
            "applied": "select number, digest from applied_projects order by 1",
            "documents": "select applied, path, sha256 from applied_documents order by 1, 2",
            "events": "select type from events order by seq",
            "judged": "select about_kind, status, count(*) from judgements group by 1, 2",
        }
        found = {}
        for name, sql in kept.items():
            if sql.split(" from ")[1].split()[0] in tables:
                rows = catalogue.execute(sql).fetchall()
                if rows:
                    found[name] = rows
        return found


def outputs(project, names):
    """What is in them, but for the time at which a profile was made."""
    return {name: re.sub(rb'"made_ms":\d+', b'"made_ms":0', (project.root / name).read_bytes())
            for name in names if (project.root / name).exists()}


class Everywhere:
    """A command that is cut at every n-th of its calls: after each, facts and files are those before or those after it."""

    def __init__(self, folder, nth_call, fill, command, files=()):
        self.cuts, self.files = Cuts(folder, nth_call, command), files
        self.cuts.make(fill, "copy")
        self.before = self.seen(self.cuts.template)
        project = self.cuts.fresh()
        done = project.slipway(*command, NTH_CALL_COUNT=str(self.cuts.count), **self.cuts.environment)
        assert done.returncode == 0, done
        self.calls = int(self.cuts.count.read_text())
        self.after = self.seen(project)

    def seen(self, project):
        return {**facts(project), "files": outputs(project, self.files)}

    def all(self, each, also=lambda project: None):
        """At so many calls each of the ways to cut it, in long runs at every one."""
        trials = hits = 0
        step = 1 if LONG else max(1, self.calls // each)
        for how in HOWS:
            for at in range(random.randint(1, step), self.calls + 1, step):
                project = self.cuts.fresh()
                done = project.slipway(*self.cuts.command, NTH_CALL_AT=str(at), NTH_CALL_HOW=how, **self.cuts.environment)
                try:
                    self.judge(project, done, how, also)
                except AssertionError as failed:
                    raise AssertionError(f"{failed}\n{how} at call {at} of {self.calls}: {done}") from failed
                trials += 1
                hits += done.returncode != 0
        print(f"{trials} cuts at {self.calls} calls, {hits} of them told")
        assert trials >= len(HOWS) and hits * 8 > trials

    def judge(self, project, done, how, also):
        if how in ("kill", "torn"):
            assert done.returncode in (-9, 0), "it did not end as it was ended"
        else:
            assert done.returncode in (0, 1, 3), "it crashed"
            assert done.returncode == 0 or "slipway: " in done.stderr, "no clear error"
        assert not SQL.search(done.stderr), "it speaks of statements, not of what is wrong"
        now = self.seen(project)
        for name in {**self.before, **self.after}:
            olds, news = self.before.get(name), self.after.get(name)
            if name == "files":
                for file, data in now["files"].items():
                    assert data in (olds.get(file), news.get(file)), f"{file} is neither old nor new: {data[:200]!r}"
                continue
            assert now.get(name) in (None if not self.before.get(name) else olds, olds, news), f"{name}: {now.get(name)}"
        if done.returncode == 0 and "warning: the verdicts are not recorded" not in done.stderr:
            assert now == self.after, "it said that it was done"
        also(project)
        again = project.slipway(*self.cuts.command)
        is_kept = now["files"] == self.after["files"] and "exists already: --force replaces it" in again.stderr
        assert again.returncode == 0 or is_kept, f"the next one: {again}"
        self.ends(self.seen(project))

    def ends(self, now):
        """As without a cut; an attempt that came through unheard may have left its own fact as well."""
        assert now["files"] == self.after["files"]
        assert now.get("applied") == self.after.get("applied") and now.get("documents") == self.after.get("documents")


@pytest.mark.parametrize("fill", [filled, changed], ids=["first", "changed"])
def test_apply_holds_whole_or_not_at_all(nth_call, folder, fill):  # noqa: F811
    everywhere = Everywhere(folder, nth_call, fill, ["apply"])
    assert everywhere.after["applied"][-1][0] == (1 if fill is filled else 2)

    def one_of_both(project):
        now = facts(project)
        whole = {name: now.get(name) for name in ("applied", "documents")}
        assert whole in ({name: one.get(name) for name in whole} for one in (everywhere.before, everywhere.after)), whole
        kinds = [kind for kind, in now.get("events", [])]
        assert kinds.count("project.applied") == len(now.get("applied", []))

    def once(now):
        assert {**now, "files": {}} == {**everywhere.after, "files": {}}, "as if nothing had happened"

    everywhere.ends = once
    everywhere.all(6, one_of_both)


@pytest.mark.parametrize("command, files", [
    (["infer", "rows.csv", "-o", "made.yaml", "--as-of", "2011-05-02"], ["made.yaml"]),
    (["infer", "rows.csv", "-o", "rows.yaml", "-f", "--as-of", "2011-05-02"], ["rows.yaml"]),
    (["profile", "rows.csv", "-o", "rows.json"], ["rows.json"]),
    (["check", "rows.csv"], [])], ids=["infer", "infer over another", "profile", "check"])
def test_a_contract_a_profile_and_a_verdict_are_whole_or_not_there(nth_call, folder, command, files):  # noqa: F811
    everywhere = Everywhere(folder, nth_call, applied, command, files)
    if command[0] == "check":
        assert everywhere.after != everywhere.before, "it left no fact"
    else:
        assert everywhere.after["files"] != everywhere.before["files"]
    everywhere.all(4 if command[0] == "check" else 2)


@pytest.mark.parametrize("verb", ["train-set", "materialize"])
def test_a_training_set_and_the_online_store_are_whole_or_not_there(nth_call, folder, verb):  # noqa: F811
    at = "2011-05-02T00:00:00Z"
    command, files = ["features", "materialize", "--view", "place", "--at", at], []
    if verb == "train-set":
        command, files = ["features", "train-set", "--view", "place", "--entities", "entities.csv", "-o", "set.csv"], ["set.csv"]
    everywhere = Everywhere(folder, nth_call, applied, command, files)

    def looked_up(project):
        found = project.slipway("--json", "features", "get", "--view", "place", "--at", at, "3")
        if found.returncode == 0:
            assert json.loads(found.stdout)["features"] == {"x": 23.0}
        else:
            assert found.returncode in (1, 3), found

    everywhere.all(6, looked_up if verb == "materialize" else lambda project: None)


# --- what stands in the place of a file, or of a server ---

@pytest.mark.parametrize("place", ["slipway.yaml", "rows.yaml", "place.yaml", "rows.csv", "dvc.yaml", ".dvcignore"])
def test_a_pipe_in_the_place_of_a_file_is_told_and_not_waited_for(folder, place):  # noqa: F811
    project = Project(folder / "tiny")
    project.root.mkdir()
    for arguments in (["git", "init", "-q", "."], [SLIPWAY, "init", "--minimal"]):
        subprocess.run(arguments, cwd=project.root, check=True, capture_output=True)
    filled(project)
    (project.root / "dvc.yaml").write_text("stages: {train: {cmd: 'true', deps: [rows.csv]}}\n")
    pipe = project.root / place
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    told = {}
    for command in (["plan"], ["apply"], ["lint"], ["check", "rows.csv"], ["profile", "rows.csv"], ["infer", "rows.csv"],
                    ["features", "materialize", "--view", "place"], ["status"], ["explain", "rows.csv"]):
        done = subprocess.run([SLIPWAY, *command], cwd=project.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30)
        assert done.returncode in (0, 1, 2, 3), (command, done)
        told[command[0]] = done.stdout + done.stderr
    reader = {"rows.csv": "check", "dvc.yaml": "status"}.get(place, "plan")
    if place != ".dvcignore":  # DVC passes over one that it cannot read
        assert re.search(r"pipe|is no file", told[reader]), told[reader]
    if place == "slipway.yaml":
        assert "cannot be read as a text (a pipe" in told["lint"], told["lint"]


def test_a_server_that_is_stopped_is_told_and_not_waited_for(tmp_path):
    """It holds its state folder and its port, and the kernel takes connections for it."""
    root = tmp_path / "tiny"
    root.mkdir()
    project = Project(root)
    filled(project)
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}

    def run(*words):
        return subprocess.run([SLIPWAY, *words], cwd=root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=40)

    server = Server(root / ".slipway")
    server.start()
    assert run("apply").returncode == 0
    project.write(slipway_yaml=CHANGED)
    pid = server.process.pid
    server.process.send_signal(signal.SIGSTOP)
    try:
        # What is asked of the server, and nobody else may do, says whom it asked and how it goes on.
        for command in (["apply"], ["run", "train"], ["features", "materialize", "--view", "place"],
                        ["feedback", "live.019753a8-3c1a-7e05-8a4e-0f6b1d2c3e4f", "1"], ["rollback", "live"],
                        ["gates", "waive", "parity", "--model", "tiny", "--reason", "r", "--for", "7d"]):
            done = run(*command)
            assert done.returncode == 3, (command, done)
            assert f"(pid {pid}), which owns {root}/.slipway, does not answer: asked GET http://" in done.stderr, done.stderr
            assert f"its process is stopped: `kill -CONT {pid}` lets it go on" in done.stderr, done.stderr
        # What only looks reads the catalogue beside it.
        for command, words in ((["plan"], "+ deployment other"), (["deployments"], ""), (["runs"], ""),
                               (["events", "--after", "0"], "project.applied"), (["monitors"], ""), (["incidents"], "")):
            done = run(*command)
            assert done.returncode == 0 and words in done.stdout, (command, done)
        # A verdict is given, and that it is not kept is said.
        done = run("check", "rows.csv")
        assert done.returncode == 0 and "the verdicts are not recorded: " in done.stderr and "does not answer" in done.stderr, done
    finally:
        server.process.send_signal(signal.SIGCONT)
        applied_then = run("apply")
        code = server.stop()
    assert applied_then.returncode == 0 and code == 0, (applied_then, code)


# --- a server that is killed while it writes what a person asked for ---

ASKED = {
    "event.project.applied": (["apply"], "project.applied"),
    "event.declaration.added": (["apply"], "declaration.added"),
    "event.declaration.changed": (["apply"], "declaration.changed"),
    "event.declaration.removed": (["apply"], "declaration.removed"),
    "apply.kept": (["apply"], "project.applied"),  # when it holds, and before anybody is told
    "event.training_set.drawn": (["features", "train-set", "--view", "place", "--entities", "entities.csv", "-o", "set.csv"],
                                 "training_set.drawn"),
    "event.contract.checked": (["check", "rows.csv"], "contract.checked"),
    "event.waiver.granted": (["gates", "waive", "parity", "--model", "tiny", "--reason", "r", "--for", "7d"], "waiver.granted"),
}


@pytest.mark.parametrize("place", ASKED)
def test_what_a_killed_server_was_writing_is_asked_for_again_and_there_once(tmp_path, place):
    command, kind = ASKED[place]
    root = tmp_path / "tiny"
    root.mkdir()
    for name, text in {"slipway.yaml": PROJECT, "rows.yaml": CONTRACT, "place.yaml": VIEW, "rows.csv": ROWS,
                       "entities.csv": ENTITIES}.items():
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
    run = lambda *words: subprocess.run([SLIPWAY, *words], cwd=root, env=env, stdin=subprocess.DEVNULL,  # noqa: E731
                                        capture_output=True, text=True, timeout=60)
    server = Server(root / ".slipway")
    server.start()
    assert run("apply").returncode == 0
    assert call(server.connect(), "POST", "/api/2.0/mlflow/registered-models/create", {"name": "tiny"})[0] == 200
    if command == ["apply"]:
        (root / "slipway.yaml").write_text(WITHOUT if place == "event.declaration.removed" else CHANGED)
    server.stop()
    server.environment = {"SLIPWAY_FAILPOINT": place}
    count = lambda: [event["type"] for event in call(  # noqa: E731
        server.connect(), "GET", f"{API}/events?after=0&limit=1000")[1]["events"]].count(kind)
    server.start()
    before = count()
    died = run(*command)
    assert server.process.wait(timeout=30) == -9, died
    server.process.stdout.close()
    server.environment = {}
    server.start()
    if command == ["apply"]:
        kept = int(place == "apply.kept")
        assert died.returncode == 3, died
        assert call(server.connect(), "GET", f"{API}/project")[1]["number"] == 1 + kept
        assert count() == before + kept, "it is there in part"
    again = run(*command)
    assert again.returncode == 0, again
    # A fact that its finder kept in the outbox may have reached the next server already: then there are two findings.
    found = 2 if died.returncode == 0 else 1
    assert before + 1 <= count() <= before + found, (before, count(), died)
    if command == ["apply"]:
        assert call(server.connect(), "GET", f"{API}/project")[1]["number"] == 2
    assert server.stop() == 0


# --- evidence ---

@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A project with answers and labels, whose server has ended; the ids of two predictions."""
    loop = Loop(tmp_path_factory.mktemp("evidence") / "tiny")
    given = loop.answers(6)
    loop.tell_truth(given)
    loop.stop()
    yield loop, given[0][0], given[-1][0]
    loop.end()


def said(loop, state, *command):
    return subprocess.run([SLIPWAY, *command, "--state", str(state)], cwd=loop.root, env=loop.env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("part", ["predictions", "labels"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_prediction_is_explained_as_it_was_or_its_loss_is_told(lived, tmp_path, part, how):
    loop, *ids = lived
    state = tmp_path / "state"
    shutil.copytree(loop.state, state, ignore=shutil.ignore_patterns("runs", "*.sock"))
    file, = (state / part).rglob("*.log")
    whole = file.read_bytes()
    told = {one: said(loop, state, "explain", one).stdout for one in ids}
    assert all("version 1 of tiny" in text and "turned out: " in text for text in told.values()), told
    chance, lost = random.Random(7), 0
    for _ in range(150 if LONG else 16):
        at = chance.randrange(len(whole))
        flipped = bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1:]
        file.write_bytes(whole[:at] + (b"" if how == "cut" else flipped))
        for one in ids:
            done = said(loop, state, "explain", one)
            assert done.returncode in (0, 3), (at, done)
            if done.returncode == 3:
                assert "slipway: error: " in done.stderr and part == "predictions", (at, done)
                lost += 1
                continue
            missing = [line for line in told[one].splitlines() if line not in done.stdout.splitlines()]
            more = [line for line in done.stdout.splitlines() if line not in told[one].splitlines()]
            lost += bool(missing)
            if part == "labels":
                assert all("turned out" in line for line in missing), (at, missing)
                assert not any("turned out: " in line for line in more), (at, more)
            else:
                assert missing == [], (at, missing)
    assert lost > 0, "nothing was ever lost: the file is not the one that is read"
    file.write_bytes(whole)
    assert {one: said(loop, state, "explain", one).stdout for one in ids} == told


@pytest.mark.parametrize("command", [["report"], ["score", "tiny"], ["explain", "models:/tiny/1"], ["events", "--after", "0"]],
                         ids=lambda command: command[0])
def test_what_is_asked_of_the_evidence_changes_nothing_whatever_fails(lived, tmp_path, nth_call, command):  # noqa: F811
    """Right, or an error; never another figure. A killed reader leaves the catalogue as it was."""
    loop, *_ = lived
    state = tmp_path / "state"
    shutil.copytree(loop.state, state, ignore=shutil.ignore_patterns("runs", "*.sock"))
    right = said(loop, state, "--json", *command)
    assert right.returncode == 0 and json.loads(right.stdout), right
    count = tmp_path / "count"
    env = {**loop.env, "LD_PRELOAD": str(nth_call), "NTH_CALL_PROGRAM": pathlib.Path(SLIPWAY).resolve().name}
    faulty = lambda **more: subprocess.run(  # noqa: E731
        [SLIPWAY, "--json", *command, "--state", str(state)], cwd=loop.root, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, env={**env, **more})
    assert faulty(NTH_CALL_COUNT=str(count)).stdout == right.stdout
    calls = int(count.read_text())
    for how in HOWS:
        for at in range(1, calls + 2, 1 if LONG else max(1, calls // 4)):
            done = faulty(NTH_CALL_AT=str(at), NTH_CALL_HOW=how)
            assert done.returncode in ((-9, 0) if how in ("kill", "torn") else (0, 3)), (how, at, done)
            if done.returncode == 0:
                assert done.stdout == right.stdout, (how, at)
            elif done.returncode == 3:
                assert json.loads(done.stdout)["error"], (how, at, done)
            assert said(loop, state, "--json", *command).stdout == right.stdout, (how, at)
    with contextlib.closing(sqlite3.connect(state / "catalog.db")) as catalogue:
        assert catalogue.execute("pragma integrity_check").fetchone() == ("ok",)


def test_labels_that_were_taken_are_there_after_a_kill(tmp_path):
    """An answer to feedback is a promise; what was not answered may be there or not, and is never another."""
    loop = Loop(tmp_path / "tiny")
    try:
        given = loop.answers(8)
        for number, (prediction, _, _) in enumerate(given):
            with contextlib.suppress(Died):
                loop.ask("POST", f"{API}/feedback", {"prediction_id": prediction, "value": number})
            loop.kill()
            loop.restart()
            for earlier in range(number + 1):
                shown = loop.ask("GET", f"{API}/predictions/{given[earlier][0]}")
                assert [label["value"] for label in shown["labels"]] == [earlier], (number, earlier)
        loop.stop()
    finally:
        loop.end()


@pytest.mark.parametrize("place", ["event.prediction_log.expired", "log.expiry_told"])
def test_answers_that_have_had_their_time_go_once_whoever_dies(tmp_path, place):
    loop = Loop(tmp_path / "tiny", project=LIVED.replace("    monitors:", "    log: {retention: 7d}\n    monitors:"))
    try:
        old = loop.answers(3)[0][0]
        before = loop.newest_seq()
        loop.die_at([place])
        loop.day += 10 * DAY
        loop.phase(loop.turn_clock)
        loop.phase(loop.turn_clock)
        assert loop.places == [], "nobody came there"
        assert [event["type"] for event in loop.events(before)].count("prediction_log.expired") == 1
        assert loop.status("GET", f"{API}/predictions/{old}", loop.connect()) == 404
        assert list((loop.state / "predictions").rglob("*.log")) == []
        new = loop.answers(1)[0][0]
        assert loop.status("GET", f"{API}/predictions/{new}", loop.connect()) == 200
        loop.stop()
    finally:
        loop.end()
