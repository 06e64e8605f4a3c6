"""A server of these tests' own, that may be killed, and plain connections to it."""
import http.client
import json
import os
import signal
import subprocess
import time


class Server:
    def __init__(self, state, prefix=(), arguments=(), cwd=None, **environment):
        self.state, self.prefix, self.arguments, self.environment = state, list(prefix), list(arguments), environment
        self.process, self.cwd = None, cwd

    def start(self):
        """Seconds until it said that it is ready."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [*self.prefix, os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(self.state),
             "--log-level", "error", *self.arguments],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=self.cwd,
            env=dict(os.environ, **self.environment))
        line = self.process.stdout.readline()
        assert line.startswith("slipway: ready at http://"), f"the server said {line!r}"
        self.address = line.split("http://")[1].strip()
        return time.monotonic() - began

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=40)
        self.process.stdout.close()
        return status

    def connect(self, timeout=30):
        return http.client.HTTPConnection(self.address, timeout=timeout)


def call(connection, method, path, body=None, headers=None):
    """Status and decoded body of one request on a kept-alive connection."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text.decode(errors="replace")


API = "/api/2.0/mlflow"


def create_run(connection, experiment="0"):
    status, answer = call(connection, "POST", f"{API}/runs/create", {"experiment_id": experiment, "start_time": 1})
    assert status == 200, answer
    return answer["run"]["info"]["run_id"]


def history(connection, run, key):
    status, answer = call(connection, "GET", f"{API}/metrics/get-history?run_id={run}&metric_key={key}&max_results=25000")
    assert status == 200, answer
    return [(m["step"], m["value"]) for m in answer.get("metrics", [])]
