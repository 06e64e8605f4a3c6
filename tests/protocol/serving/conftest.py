import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

HERE = pathlib.Path(__file__).resolve().parent
SLIPWAY = os.environ["SLIPWAY_BINARY"]
PROJECT = """version: 1
project: bikes
use_case: {problem: How many., user: dispatcher, owner: ops@example.org, requirements: []}
deployments:
  live:
    model: bikes
    gates: [integrity]
    rollout:
      - canary: {percent: 50, min_requests: 1000000}
    log: {columns: {wind: hash}}
"""


class Site:
    """A project with a deployment, and its server, which may come and go."""

    def __init__(self, root, prefix=(), project=PROJECT):
        self.root = root
        self.prefix = list(prefix)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.process = None
        root.mkdir(exist_ok=True)
        subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
        (root / "slipway.yaml").write_text(project)

    def start(self):
        self.process = subprocess.Popen([*self.prefix, SLIPWAY, "up", "--listen", "127.0.0.1:0"], cwd=self.root,
                                        env=self.env, stdout=subprocess.PIPE, text=True)
        ready = re.match(r"slipway: ready at http://(\S+)", self.process.stdout.readline())
        assert ready, "the server did not become ready"
        self.address = ready[1]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(timeout=40) == 0
        finally:
            self.process.kill()

    def slipway(self, *arguments, code=0):
        done = subprocess.run([SLIPWAY, *arguments], cwd=self.root, env=self.env, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments, code=0):
        return json.loads(self.slipway("--json", *arguments, code=code))

    def call(self, method, path, body=None, headers=None):
        """Status, headers and JSON."""
        request = urllib.request.Request(f"http://{self.address}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json", **(headers or {})})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, json.loads(refused.read() or "null")

    def train(self, depth):
        """Registers a version; returns what XGBoost says of the rows."""
        expected = self.root / f"expected-{depth}.json"
        subprocess.run([os.environ["SLIPWAY_PYTHON_MLFLOW3"], str(HERE / "train.py"), str(depth), str(expected)],
                       check=True, cwd=self.root, timeout=300,
                       env={**self.env, "MLFLOW_TRACKING_URI": f"http://{self.address}", "OMP_NUM_THREADS": "1",
                            "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
        return json.loads(expected.read_text())

    def wait_for(self, holds, what):
        """Until the loop has done it: asks again and again, for two minutes."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            seen = holds()
            if seen:
                return seen
        raise AssertionError(f"not in two minutes: {what}")

    def served(self):
        """The versions that the deployment serves, stable first."""
        status, _, answer = self.call("GET", "/v2/models/live")
        return answer["versions"] if status == 200 else []

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=60) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)
        return float(found[1]) if found else None


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Version 1 is live, version 2 is tried on half of the keys, version 3 waits."""
    site = Site(tmp_path_factory.mktemp("serving") / "bikes")
    site.start()
    try:
        site.slipway("apply")
        site.expected = {"1": site.train(2)}
        site.wait_for(lambda: site.served() == ["1"], "version 1 serves")
        site.expected["2"] = site.train(3)
        site.wait_for(lambda: site.served() == ["1", "2"], "version 2 is tried")
        site.expected["3"] = site.train(4)
        yield site
    finally:
        site.stop()
