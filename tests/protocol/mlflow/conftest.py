"""A server of ours for the real client. The suite runs once with each client version; a test marked `since(3)` is for
clients of that major version and later only, and is no test of an older one."""
import itertools
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

# Before mlflow is imported: fail at once instead of trying for minutes, log nothing anywhere else.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
                  GIT_PYTHON_REFRESH="quiet")
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_CONTEXT", "MLFLOW_TRACKING_TOKEN", "MLFLOW_EXPERIMENT_NAME",
             "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"):
    os.environ.pop(name, None)

import mlflow
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "faults"))
sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "tools"))
from run_tests import POSTGRES  # noqa: E402
from server import Server  # noqa: E402

numbers = itertools.count(1)
MAJOR = int(mlflow.__version__.split(".")[0])
API = "/api/2.0/mlflow/"


class Peer:
    """A server and plain calls to it."""

    def __init__(self, url):
        self.url = url

    def call(self, method, path, body=None, headers=None, **query):
        """Status and answer, decoded where it is JSON. `path` is below /api/2.0/mlflow/ unless it starts with '/'."""
        url = self.url + (path if path.startswith("/") else API + path)
        if query:
            url += "?" + urllib.parse.urlencode(query, doseq=True)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")

    def ask(self, method, path, body=None, **query):
        """The answer of a call that must succeed."""
        status, answer = self.call(method, path, body, **query)
        assert status == 200, answer
        return answer


def own_store():
    """For the command line of a server: a fresh database, where SLIPWAY_TEST_STORE names a PostgreSQL server."""
    store = os.environ.get("SLIPWAY_TEST_STORE")
    if not store:
        return []
    name = f"mlflow{next(numbers)}"
    subprocess.run([POSTGRES / "psql", "-Xq", "-c", f"create database {name} template template0 encoding 'UTF8' "
                    "lc_collate 'C' lc_ctype 'C'", store], check=True)
    return ["--store", store.replace("///postgres?", f"///{name}?")]


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """One server for all tests of a session."""
    server = Server(tmp_path_factory.mktemp("server") / "state", arguments=own_store())
    server.start()
    yield Peer(f"http://{server.address}")
    assert server.stop() == 0


@pytest.fixture(autouse=True)
def tracking_uri(ours):
    mlflow.set_tracking_uri(ours.url)
    mlflow.set_registry_uri(ours.url)
    yield ours.url
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def client(tracking_uri):
    return mlflow.MlflowClient(tracking_uri, tracking_uri)


@pytest.fixture
def experiment(client, request):
    """The id of a fresh experiment, which is also the active one."""
    name = f"{request.node.name} {next(numbers)}"
    return mlflow.set_experiment(name).experiment_id


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return f"{request.node.name}-{next(numbers)}".replace("[", "-").replace("]", "").replace(":", "-").replace("/", "-")


def pytest_configure(config):
    config.addinivalue_line("markers", "since(major): for clients of this major version and later")


def pytest_collection_modifyitems(config, items):
    later = [item for item in items
             if any(MAJOR < mark.args[0] for mark in item.iter_markers("since"))]
    config.hook.pytest_deselected(items=later)
    items[:] = [item for item in items if item not in later]
