"""Servers on one PostgreSQL database, and a PostgreSQL that may be killed. One database server for all tests; each test has
a database of its own in it."""
import contextlib
import itertools
import os
import pathlib
import subprocess
import sys
import time

os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
                  GIT_PYTHON_REFRESH="quiet")
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_CONTEXT", "MLFLOW_TRACKING_TOKEN", "MLFLOW_EXPERIMENT_NAME",
             "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
    os.environ.pop(name, None)

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "faults"), str(ROOT / "tools")]
from run_tests import POSTGRES, Postgres  # noqa: E402
from server import Server, call  # noqa: E402

numbers = itertools.count(1)
C_TEXT = "template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"


class Database:
    """One database of a PostgreSQL server."""

    def __init__(self, postgres, traits=C_TEXT):
        self.postgres, self.name = postgres, f"slipway{next(numbers)}"
        self.execute(f"create database {self.name} {traits}", "postgres")
        self.uri = postgres.uri.replace("///postgres?", f"///{self.name}?")

    def execute(self, sql, database=None):
        """The rows, as lines of text."""
        uri = self.postgres.uri.replace("///postgres?", f"///{database or self.name}?")
        done = subprocess.run([POSTGRES / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, uri], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="session")
def shared_postgres():
    with Postgres() as running:
        yield running


@pytest.fixture
def database(shared_postgres):
    return Database(shared_postgres)


@pytest.fixture
def start(tmp_path):
    """Starts servers that end with the test: start(uri, name) with the artifacts in a folder that all share."""
    servers = []

    def begin(uri, name="one", artifacts="shared", cwd=None):
        place = ["--artifacts", str(tmp_path / artifacts)] if artifacts else []
        server = Server(tmp_path / name, arguments=["--store", uri, *place], cwd=cwd)
        server.start()
        servers.append(server)
        return server

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.kill()


def acts(server):
    with contextlib.closing(server.connect()) as connection:
        status, answer = call(connection, "GET", "/api/slipway/v1/server")
    assert status == 200
    return answer["acts"]


def wait_until(holds, seconds=30):
    """Seconds until it held."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, "it did not come to that"
        time.sleep(0.02)
    return time.monotonic() - began
