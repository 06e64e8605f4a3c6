"""What the server says of itself while its PostgreSQL is away: it lives, it answers for its models, it is not ready."""
import contextlib
import os
import pathlib
import signal
import sys

import pytest

from loop import wait_until
from server import API, Server, call, create_run, history

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from run_tests import Postgres


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def frozen(postgres):
    """All its processes stand still, as behind a network that swallows everything."""
    first = int((postgres.data / "postmaster.pid").read_text().split()[0])
    os.kill(first, signal.SIGSTOP)  # it starts no others from here on
    stopped = [first, *children(first)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def log(connection, run, step):
    point = {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": step}
    return call(connection, "POST", f"{API}/runs/log-metric", point)[0]


@pytest.fixture
def postgres():
    with Postgres() as running:
        yield running


@pytest.fixture
def server(tmp_path, postgres):
    started = Server(tmp_path / "state", arguments=["--store", postgres.uri])
    started.start()
    yield started
    if started.process.poll() is None:
        started.kill()


def test_without_its_database_it_lives_and_is_not_ready(server, postgres):
    connection = server.connect(timeout=60)

    def ready():
        return call(connection, "GET", "/ready")

    def others():
        return [call(connection, "GET", path)[0] for path in ("/health", "/v2/health/live", "/v2/health/ready")]

    run = create_run(connection)
    wait_until(lambda: others() == [200, 200, 200])  # it starts to serve models on its own thread
    assert ready() == (200, "OK")

    for writes_come in (False, True):
        postgres.stop()
        if writes_come:
            assert log(connection, run, 99) == 503
            assert ready()[0] == 503  # known from the write, at once
        wait_until(lambda: ready()[0] == 503)
        assert "PostgreSQL" in ready()[1], ready()
        assert others() == [200, 200, 200]
        assert log(connection, run, 99) == 503
        postgres.start()
        if writes_come:
            wait_until(lambda: log(connection, run, 1) == 200)
            assert ready() == (200, "OK")
        wait_until(lambda: ready() == (200, "OK"))

    with frozen(postgres):
        wait_until(lambda: ready()[0] == 503)
        reason = str(ready()[1])  # of the connection that was, or of one that was being made
        assert "has not answered" in reason or "timeout expired" in reason, reason
        assert others() == [200, 200, 200]
    wait_until(lambda: ready() == (200, "OK"))
    assert log(connection, run, 2) == 200
    assert history(connection, run, "m") == [(1, 1.0), (2, 1.0)]
    assert server.stop() == 0
