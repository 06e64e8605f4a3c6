"""A small model loaded by MLflow's own client, by its registered name and by its run: what that costs the server."""
from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
from dataclasses import dataclass, field

import measure
import peers
from peers import Bench, Server
from report import Line, cpu_pair, times

TIMES_LESS = 5
LOADS = 20


@dataclass
class Loads:
    """Rounds of one side, added up."""
    cpu_s: float = 0.0
    seconds: list[float] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        return 1e3 * self.cpu_s / len(self.seconds)

    @property
    def middle_ms(self) -> float:
        return 1e3 * statistics.median(self.seconds)


class Side:
    def __init__(self, bench: Bench, server: Server):
        self.bench, self.server = bench, server
        self.run = self.client("make").strip().splitlines()[-1]

    def client(self, *arguments: object) -> str:
        command = [self.bench.client("mlflow3", "python"), pathlib.Path(__file__).with_name("load_models.py"),
                   self.server.url, *arguments]
        done = subprocess.run(list(map(str, command)), cwd=self.bench.folder, env=peers.environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"load_models.py at {self.server.name}: {done.stderr[-4000:]}")
        return done.stdout

    def load(self, uri: str, count: int, loads: Loads) -> None:
        measure.wait_until_at_rest(self.server.pid, share=0.02, limit_s=20)
        before = measure.cpu_s(self.server.pid)
        said = json.loads(self.client(uri, count).splitlines()[-1])
        measure.wait_until_at_rest(self.server.pid, share=0.02, limit_s=5)
        loads.cpu_s += measure.cpu_s(self.server.pid) - before
        loads.seconds += said["seconds"]
        loads.retries += said["retries"]


def lines(bench: Bench) -> list[Line]:
    with peers.slipway(bench, bench.fresh("models-slipway")) as our_server, \
            peers.mlflow(bench, bench.fresh("models-mlflow")) as their_server:
        measure.wait_until_at_rest(their_server.pid, share=0.2, limit_s=40)
        ours, theirs = Side(bench, our_server), Side(bench, their_server)
        by_name, peer = Loads(), Loads()
        ours.load("models:/small/1", 1, Loads())
        theirs.load("models:/small/1", 1, Loads())
        for _ in range(bench.rounds):
            ours.load("models:/small/1", LOADS, by_name)
            theirs.load("models:/small/1", LOADS, peer)
        by_run = Loads()
        # Once: MLflow's client waits minutes for MLflow's server here, so nothing is compared.
        ours.load(f"runs:/{ours.run}/model", LOADS, by_run)
    ratio = peer.cpu_s / by_name.cpu_s
    return [
        Line("load_model by models:/, server CPU", f">= {TIMES_LESS}x less",
             f"{by_name.cpu_ms:.2f} ms, MLflow {peer.cpu_ms:.1f} ms", ratio >= TIMES_LESS and not by_name.retries,
             times(ratio), cpu_pair(by_name.cpu_s, peer.cpu_s),
             [f"a load takes {by_name.middle_ms:.0f} ms, from MLflow {peer.middle_ms:.0f} ms (middle of {len(peer.seconds)})",
              f"retries of the client: {len(by_name.retries)}, at MLflow {len(peer.retries)}"]),
        Line("load_model by runs:/, retries of the client", "0", str(len(by_run.retries)), not by_run.retries, "",
             f"{by_run.cpu_s:.2f} / -",
             [f"a load takes {by_run.middle_ms:.0f} ms (middle of {LOADS})", *by_run.retries[:3]])]
