import json
import os
import pathlib
import re
import signal
import subprocess

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent


class Served:
    """A running server with the models of train.py, and what they must answer."""

    def __init__(self, address, expected):
        self.address = address  # host:port
        self.expected = expected
        self.rows = np.asarray(expected["rows"], dtype=np.float32)

    def floats(self, name):
        return np.asarray(self.expected[name], dtype=np.float32)


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton")
    server = subprocess.Popen(
        [os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(folder / "state")],
        stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        ready = re.match(r"slipway: ready at http://(\S+)", server.stdout.readline())
        assert ready, "the server did not become ready"
        expected = folder / "expected.json"
        subprocess.run(
            [os.environ["SLIPWAY_PYTHON_MLFLOW3"], str(HERE / "train.py"), str(expected)], check=True, cwd=folder,
            timeout=300,
            env={**os.environ, "MLFLOW_TRACKING_URI": f"http://{ready[1]}", "MLFLOW_DISABLE_TELEMETRY": "true",
                 "DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"})
        yield Served(ready[1], json.loads(expected.read_text()))
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            assert server.wait(timeout=40) == 0
        finally:
            server.kill()
