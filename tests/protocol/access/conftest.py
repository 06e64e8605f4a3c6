"""A server with users for the real client."""
import json
import os
import pathlib
import subprocess
import sys
import types
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode

# Before mlflow is imported: fail at once instead of trying for minutes, log nothing anywhere else.
os.environ.update(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
                  GIT_PYTHON_REFRESH="quiet", MLFLOW_ENABLE_ASYNC_LOGGING="false")
for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_CONTEXT", "MLFLOW_TRACKING_TOKEN", "MLFLOW_EXPERIMENT_NAME",
                 "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
                 "SLIPWAY_URL", "SLIPWAY_TOKEN", "SLIPWAY_TOKEN_FILE"):
    os.environ.pop(variable, None)

import mlflow
import pytest

# The client's package begins with MLflow's own server of users, which wants libraries that no client needs: its files are
# imported as they are, without that.
package = types.ModuleType("mlflow.server.auth")
package.__path__ = [str(pathlib.Path(mlflow.__file__).parent / "server" / "auth")]
sys.modules["mlflow.server.auth"] = package

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "faults"))
from server import Server  # noqa: E402

MAJOR = int(mlflow.__version__.split(".")[0])
API = "/api/2.0/mlflow/"
PASSWORD = "a password of {}"


def basic(user, password=None):
    pair = f"{user}:{password or PASSWORD.format(user)}".encode()
    return {"Authorization": "Basic " + b64encode(pair).decode()}


def bearer(token):
    return {"Authorization": "Bearer " + token}


def slipway(*arguments, input=None, check=True, cwd=None, **environment):
    """What a command printed; with `check` it has to succeed."""
    done = subprocess.run([os.environ["SLIPWAY_BINARY"], *map(str, arguments)], input=input, text=True, cwd=cwd,
                          capture_output=True, env=dict(os.environ, **environment), timeout=120)
    if check:
        assert done.returncode == 0, done.stderr
        return done.stdout
    return done


class Site:
    """A server with the administrator `root`, and plain calls to it."""

    def __init__(self, state, *arguments):
        self.state = state
        slipway("users", "create", "root", "--admin", "--state", state, input=PASSWORD.format("root") + "\n")
        self.server = Server(state, arguments=arguments)
        self.server.start()
        self.url = "http://" + self.server.address

    def call(self, method, path, body=None, /, who=None, headers=None, **query):
        """Status, answer (decoded where it is JSON) and headers. `path` is below /api/2.0/mlflow/ unless it starts
        with '/'; `who` is the headers of somebody."""
        url = self.url + (path if path.startswith("/") else API + path)
        if query:
            url += "?" + urllib.parse.urlencode(query, doseq=True)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(
            url, data, {"Content-Type": "application/json", **(who or {}), **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text, said = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, text, said = error.code, error.read(), error.headers
        try:
            return status, json.loads(text), said
        except ValueError:
            return status, text.decode(errors="replace"), said

    def status(self, *arguments, **more):
        return self.call(*arguments, **more)[0]

    def ask(self, *arguments, **more):
        """The answer of a call that must succeed."""
        status, answer, _ = self.call(*arguments, **more)
        assert status == 200, answer
        return answer

    def people(self, verb, who, **body):
        return self.call("POST", f"/api/slipway/v1/people/{verb}", body, who=who)

    def add(self, user):
        status, answer, _ = self.people("create-user", basic("root"), user=user, password=PASSWORD.format(user))
        assert status == 200, answer
        return basic(user)

    def grant(self, user, level, **on):
        status, answer, _ = self.people("grant", basic("root"), user=user, level=level, **on)
        assert status == 200, answer

    def events(self):
        answer = self.ask("GET", "/api/slipway/v1/events", who=basic("root"), limit=1000)
        return answer["events"]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("access") / "state")
    yield made
    assert made.server.stop() == 0


@pytest.fixture
def as_user(site, monkeypatch):
    """Makes the client be somebody."""
    mlflow.set_tracking_uri(site.url)
    mlflow.set_registry_uri(site.url)

    def become(user, password=None, token=None):
        for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
            monkeypatch.delenv(variable, raising=False)
        if token:
            monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        elif user:
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password or PASSWORD.format(user))
        return mlflow.MlflowClient(site.url, site.url)

    yield become
    while mlflow.active_run():
        mlflow.end_run()


def pytest_configure(config):
    config.addinivalue_line("markers", "since(major): for clients of this major version and later")
    config.addinivalue_line("markers", "until(major): for clients of this major version and earlier")


def pytest_collection_modifyitems(config, items):
    others = [item for item in items
              if any(MAJOR < mark.args[0] for mark in item.iter_markers("since"))
              or any(MAJOR > mark.args[0] for mark in item.iter_markers("until"))]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
