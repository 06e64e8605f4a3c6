"""`slipway doctor` finds what was broken on purpose, says what to do, and changes nothing."""
import json
import os
import signal
import sqlite3
import subprocess
import urllib.request

import pytest
from server import Server

BINARY = os.environ["SLIPWAY_BINARY"]


def doctor(state, *arguments, cwd=None):
    done = subprocess.run([BINARY, "--json", "doctor", "--state", str(state), *arguments], cwd=cwd or state.parent, capture_output=True,
                          text=True, timeout=120)
    answer = json.loads(done.stdout)
    assert answer["sound"] == (done.returncode == 0), done
    return {finding["about"]: finding for finding in answer["findings"]}


def problems(findings):
    return {about for about, finding in findings.items() if finding["level"] == "problem"}


def everything_in(folder):
    # The index of a database's log is every reader's.
    return {path.relative_to(folder): (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix not in (".db-shm", ".db-wal")}


@pytest.fixture
def state(tmp_path):
    """One that a server made, with a file in its artifacts, and left."""
    server = Server(tmp_path / "state")
    server.start()
    urllib.request.urlopen(urllib.request.Request(f"http://{server.address}/api/2.0/mlflow-artifacts/artifacts/0/a/b.txt", b"hello", method="PUT"))
    assert server.stop() == 0
    return tmp_path / "state"


def test_a_sound_one_is_sound_with_a_server_and_without_and_nothing_is_changed(state):
    before = everything_in(state)
    alone = doctor(state)
    assert everything_in(state) == before
    assert not problems(alone) and alone["server"]["found"] == "none runs for this state folder"
    assert alone["artifacts"]["found"].endswith("the 1 newest files are there")
    server = Server(state)
    server.start()
    beside = doctor(state)
    assert not problems(beside) and server.address in beside["server"]["found"]
    assert {"state folder", "disk of the state", "server", "catalogue", "clock", "artifacts"} <= set(beside)
    # A process that is stopped holds the folder and answers nobody.
    server.process.send_signal(signal.SIGSTOP)
    try:
        stopped = doctor(state)
    finally:
        server.process.send_signal(signal.SIGCONT)
        assert server.stop() == 0
    assert problems(stopped) == {"server"} and "kill -CONT" in stopped["server"]["found"]


def test_none_there_is_told_and_none_is_made(tmp_path):
    findings = doctor(tmp_path / "none")
    assert problems(findings) == {"state folder"} and "slipway up" in findings["state folder"]["todo"]
    assert not (tmp_path / "none").exists()


def test_the_data_cache_is_looked_at_where_it_is_told_to_be(state):
    project = state.parent
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text("[cache]\n    dir = ../elsewhere\n")
    (project / "elsewhere").mkdir()
    assert doctor(state)["data cache"]["found"] == str(project / "elsewhere")
    (project / ".dvc" / "config").write_text("[cache\n")
    assert problems(doctor(state)) == {"data cache"}


def test_files_that_went_are_found(state):
    (state / "artifacts" / "0" / "a" / "b.txt").unlink()
    findings = doctor(state)
    assert problems(findings) == {"artifacts"} and "0/a/b.txt" in findings["artifacts"]["found"]
    (state / "artifacts").rename(state / "elsewhere")
    assert "there is no folder" in doctor(state)["artifacts"]["found"]
    assert "the 1 newest files" in doctor(state, "--artifacts", str(state / "elsewhere"))["artifacts"]["found"]


def test_a_damaged_catalogue_is_found(state):
    with sqlite3.connect(state / "catalog.db") as db:
        db.execute("pragma wal_checkpoint(truncate)")
        page, = db.execute("pragma page_size").fetchone()
        root, = db.execute("select rootpage from sqlite_master where name = 'artifacts'").fetchone()
    with open(state / "catalog.db", "r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * 200)
    findings = doctor(state)
    assert "catalogue" in problems(findings) and "backup" in findings["catalogue"]["todo"], findings
    (state / "catalog.db").write_bytes(b"no database at all " * 500)
    assert "catalogue" in problems(doctor(state))


def test_a_damaged_secret_and_a_store_that_is_not_there_are_found(state):
    (state / "secret").write_text("x")
    findings = doctor(state, "--store", "postgresql://ann:hidden@127.0.0.1:1/none")
    assert problems(findings) == {"secret of the state", "catalogue"}
    assert "hidden" not in json.dumps(findings)


def test_a_project_is_looked_at_too(state, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".dvc" / "cache").mkdir(parents=True)
    findings = doctor(state, cwd=tmp_path)
    assert findings["git"]["level"] == "warning" and "first commit" in findings["git"]["todo"]
    assert findings["data cache"]["level"] == "ok"
    subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert doctor(state, cwd=tmp_path)["git"]["level"] == "ok"


def test_triggers_that_cannot_fire_are_told(state):
    project = state.parent
    text = ("version: 1\nproject: p\npipelines: {train: {stages: [train]}}\ntriggers:\n"
            "  hourly: {pipeline: train, cron: \"0 * * * *\"}\n")
    (project / "slipway.yaml").write_text(text)
    (project / "dvc.yaml").write_text("stages:\n  train:\n    cmd: \"true\"\n")
    assert doctor(state)["triggers"]["level"] == "ok"
    (project / "slipway.yaml").write_text(text + "  file: {pipeline: train, data: data/no.csv}\n")
    found = doctor(state)["triggers"]
    assert found["level"] == "warning" and "waits for a change of data/no.csv" in found["found"] and found["todo"]
    (project / "slipway.yaml").write_text(text + "  never: {pipeline: train, cron: \"0 0 31 2 *\"}\n")
    found = doctor(state)["triggers"]
    assert found["level"] == "warning" and "'never' never fires" in found["found"]
