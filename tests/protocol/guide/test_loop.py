"""docs/guide/closed-loop.md, its files as they stand: answers that turn out wrong for weeks open an incident, and the run
that it starts learns from them. The clock is one that the test turns."""
import datetime
import http.client
import json
import os
import signal
import subprocess

import pytest
from test_guide import PYTHON, ROOT, script_of

PAGE = (ROOT / "docs" / "guide" / "closed-loop.md").read_text()
START = datetime.datetime(2031, 3, 3)
ROWS = 120  # of a window; the monitor asks for 100


class Project:
    def __init__(self, root):
        binaries = root / "bin"
        binaries.mkdir()
        (binaries / "slipway").symlink_to(os.environ["SLIPWAY_BINARY"])
        self.root, self.now = root / "rides", START
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_TRACKING"))}
        self.env.update(PATH=f"{binaries}:{PYTHON.parent}:{os.environ['PATH']}", PYTHONWARNINGS="ignore",
                        GIT_PYTHON_REFRESH="quiet")
        script = script_of(PAGE)
        made, rest = script.split("slipway up ", 1)  # the repository
        checked = rest.split("mkdir -p contracts\n", 1)[1].split("slipway plan\n", 1)[0]  # the contract, slipway.yaml
        self.run("bash", "-c", made + "mkdir -p contracts\n" + checked + "git add . && git commit -qm all", cwd=root)
        self.server = subprocess.Popen(["slipway", "up", "--clock", "replay", "--listen", "127.0.0.1:0", "--log-level", "error"],
                                       cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        line = self.server.stdout.readline()
        assert line.startswith("slipway: ready at http://"), line
        self.address = line.split("http://")[1].strip()

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(timeout=60)
        self.server.stdout.close()

    def run(self, *command, cwd=None):
        done = subprocess.run(command, cwd=cwd or self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.run("slipway", "--json", *arguments))

    def call(self, path, body):
        connection = http.client.HTTPConnection(self.address, timeout=300)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert 200 <= answer.status < 300, (path, answer.status, text)
        return json.loads(text)

    def turn_clock(self, **span):
        self.now += datetime.timedelta(**span)
        self.call("/api/slipway/v1/clock", {"time": self.now.isoformat() + "Z"})

    def live_through_a_week(self):
        """Far more rides than the model says."""
        columns = {"hour": [i % 24 for i in range(ROWS)], "weekday": [i % 7 for i in range(ROWS)],
                   "rain": [i % 10 / 10 for i in range(ROWS)]}
        answer = self.call("/v2/models/rides/infer", {"inputs": [
            {"name": name, "datatype": "FP64", "shape": [ROWS], "data": data} for name, data in columns.items()]})
        said, = (output["data"] for output in answer["outputs"])
        self.call("/api/slipway/v1/feedback", {"labels": [
            {"prediction_id": f"{answer['parameters']['prediction_id']}/{row}", "value": int(3 * value)}
            for row, value in enumerate(said)]})
        self.turn_clock(days=7)


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    yield project
    project.stop()


def test_the_loop_closes(project):
    project.turn_clock(hours=1)
    plan = project.json("plan")
    assert plan["refusals"] == [] and not [line for line in plan["warnings"] if "no stage" in line], plan
    project.run("slipway", "apply")
    project.run("slipway", "repro")
    project.run("bash", "-c", "git add . && git commit -qm first")
    project.turn_clock(hours=1)
    assert project.json("deployments", "rides")["stable"] == 1
    for _ in range(6):
        project.live_through_a_week()
        if project.json("runs")["runs"]:
            break
    assert project.json("runs")["runs"], (project.run("slipway", "monitors"), project.run("slipway", "incidents"))
    run, = project.json("runs")["runs"]
    log = project.run("slipway", "logs", run["id"])
    assert (run["trigger"], run["state"]) == ("decay", "succeeded"), (run, log)
    incident, = project.json("incidents", "--open")["incidents"]
    cooling, = incident["cooling"]
    assert (cooling["trigger"], cooling["until_ms"] - cooling["fired_ms"]) == ("decay", 7 * 24 * 3600 * 1000), cooling
    said = project.run("slipway", "incidents")
    assert "  trigger decay fired 2031-" in said and " and cools down until 2031-" in said, said
    data, = run["plan"]["data"]
    assert data["to"] == "data/live.csv" and data["md5"]
    drawn = project.root / ".dvc" / "cache" / "files" / "md5" / data["md5"][:2] / data["md5"][2:]
    assert drawn.read_text().count("\n") > ROWS
    project.turn_clock(hours=1)
    said = project.run("slipway", "deployments", "rides")
    assert "version 2" in said and "contract, parity, quality passed" in said, said
