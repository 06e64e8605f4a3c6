"""The servers and programs that are measured, ours and the peers', each as itself, started and ended here."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "1",
         "GIT_CONFIG_GLOBAL": str(ROOT / "tests" / "gitconfig")}
# Whatever points a client elsewhere must not reach the commands that are measured.
FOREIGN = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_CONTEXT", "MLFLOW_TRACKING_TOKEN", "SLIPWAY_STATE", "SLIPWAY_URL",
           "LD_PRELOAD")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**kept, **QUIET, **extra}


@dataclass(frozen=True)
class Bench:
    """What a measurement needs to know: where the programs are, where it may write, how often it repeats."""
    build: pathlib.Path   # of the release preset
    python: pathlib.Path  # folder of the virtual environments
    folder: pathlib.Path  # empty, on the disk that is measured
    rounds: int

    @property
    def slipway(self) -> pathlib.Path:
        return self.build / "slipway"

    def tool(self, name: str) -> pathlib.Path:
        return self.build / "bench" / name

    def client(self, environment_name: str, program: str) -> pathlib.Path:
        return self.python / environment_name / "bin" / program

    def fresh(self, name: str) -> pathlib.Path:
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    name: str
    pid: int
    url: str
    ready_s: float        # from the start of its process to its first answer
    syncs: pathlib.Path   # what sync_count.cc writes; empty path where syncs are not counted

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")


def end(process: subprocess.Popen[str], patience_s: float = 15) -> None:
    """SIGTERM, then SIGKILL for all that is left of its tree."""
    left = [p.pid for p in measure.tree(process.pid)]
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience_s)
    for pid in {p.pid for p in measure.tree(process.pid)} | set(left) - {process.pid}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    measure.reap_orphans()


@contextlib.contextmanager
def running(name: str, command: Sequence[object], url: str, health: str, folder: pathlib.Path,
            env: dict[str, str] | None = None, sync_count: pathlib.Path | None = None,
            core: int | None = None) -> Iterator[Server]:
    """A server in a session of its own until the block ends; `url` is empty where its first line tells it."""
    extra, syncs = {}, pathlib.Path()
    if sync_count is not None:
        syncs = folder / "syncs"
        extra = {"LD_PRELOAD": str(sync_count), "SLIPWAY_SYNC_COUNT": str(syncs)}
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    began = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*pinned, *map(str, command)], cwd=folder, env={**environment(), **(env or {}), **extra},
                                   stdin=subprocess.DEVNULL, stdout=log if url else subprocess.PIPE, stderr=log,
                                   text=True, start_new_session=True)
    try:
        if not url:
            line = process.stdout.readline()
            url = "http://" + line.rpartition("http://")[2].strip()
        await_answer(name, process, url + health, folder / "log")
        yield Server(name, process.pid, url, time.perf_counter() - began, syncs)
    finally:
        end(process)


def await_answer(name: str, process: subprocess.Popen[str], url: str, log: pathlib.Path) -> None:
    deadline = time.monotonic() + 120
    while not (url.startswith("http://127.") and measure.answers(url)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not answer at {url}:\n{log.read_text()[-4000:]}")
        time.sleep(0.01)


# --- ours and theirs -----------------------------------------------------------------------------------------------

def slipway(bench: Bench, folder: pathlib.Path, *, count_syncs: bool = False, core: int | None = None,
            flags: Sequence[str] = ()) -> contextlib.AbstractContextManager[Server]:
    command = [bench.slipway, "up", "--listen", "127.0.0.1:0", "--state", folder / "state", "--log-level", "warning",
               *flags]
    counter = bench.tool("libsync_count.so") if count_syncs else None
    return running("slipway", command, "", "/health", folder, sync_count=counter, core=core)


def mlflow(bench: Bench, folder: pathlib.Path, *, count_syncs: bool = False
           ) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    command = [bench.client("mlflow3", "python"), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port,
               "--workers", "2", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
               "--artifacts-destination", folder / "artifacts"]
    counter = bench.tool("libsync_count.so") if count_syncs else None
    path = f"{bench.client('mlflow3', '')}:{os.environ['PATH']}"  # it starts `python` and `uvicorn` by name
    return running("MLflow", command, f"http://127.0.0.1:{port}", "/health", folder, env={"PATH": path},
                   sync_count=counter)


def mlserver(bench: Bench, folder: pathlib.Path, model: pathlib.Path, *, core: int
             ) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    settings = {"debug": False, "parallel_workers": 0, "host": "127.0.0.1", "http_port": port,
                "grpc_port": free_port(), "metrics_port": free_port(), "gzip_enabled": False,
                # No handler and no level that anything reaches: logging is off.
                "logging_settings": {"version": 1, "disable_existing_loggers": True,
                                     "root": {"level": "CRITICAL", "handlers": []}}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps({
        "name": "bench", "implementation": "mlserver_xgboost.XGBoostModel",
        "parameters": {"uri": str(model), "version": "1"}}))
    return running("MLServer", [bench.client("mlserver", "mlserver"), "start", folder], f"http://127.0.0.1:{port}",
                   "/v2/models/bench/ready", folder, core=core)
