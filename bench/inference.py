"""One row through the Open Inference Protocol: CPU per request beside a fixed-reply server and beside MLServer."""
from __future__ import annotations

import json
import pathlib
import random
import struct
import subprocess
import time

import measure
import peers
from measure import Load
from peers import Bench, Server
from report import Line, cpu_pair, times

CONNECTIONS = 16
FIXED_MAX = 2.5
MLSERVER_MIN = 20
BUSY_MAX = 0.90
CLIENT_BUSY_MAX = 0.88  # it pauses when it used more
ROW_MAX_US = 1.0
SERVER_CORE, CLIENT_CORE = 0, 1
FAST_S, SLOW_S, WARM_UP_S = 4, 5, 1
PATH = "/v2/models/bench/infer"


def row_body(seed: int = 7) -> bytes:
    """One row of 28 features with the digits that a JSON encoder gives float32 values of a training set."""
    chance = random.Random(seed)
    data = [struct.unpack("f", struct.pack("f", chance.gauss(0, 1)))[0] for _ in range(28)]
    return json.dumps({"inputs": [{"name": "input-0", "shape": [1, 28], "datatype": "FP32",
                                   "data": [float(f"{value:.9g}") for value in data]}]}).encode()


def register(bench: Bench, server: Server, model: pathlib.Path, *names: str) -> float:
    """Mean leaves of a tree."""
    done = subprocess.run([bench.client("mlflow3", "python"), peers.ROOT / "bench" / "model.py", server.url, model, *names],
                          env=peers.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"registering the model failed:\n{done.stdout[-4000:]}")
    return float(done.stdout.split()[-1])


def predict(server: Server, body: bytes) -> float:
    deadline = time.monotonic() + 30
    while True:  # a version is loaded in the background
        try:
            answer = measure.fetch_json(server.url + PATH, body)
            return float(answer["outputs"][0]["data"][0])
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class Side:
    def __init__(self, bench: Bench, server: Server, body: pathlib.Path, seconds: float):
        self.bench, self.server, self.body, self.seconds = bench, server, body, seconds
        self.total = Load()

    def load(self, seconds: float) -> Load:
        return measure.load(self.bench.tool("load_client"), self.server.pid, {
            "address": self.server.address, "path": PATH, "connections": CONNECTIONS, "seconds": seconds,
            "body-file": self.body, "busy-max": CLIENT_BUSY_MAX}, core=CLIENT_CORE)

    def warm_up(self) -> Load:
        return self.load(WARM_UP_S)

    def measure_round(self) -> None:
        self.total += self.load(self.seconds)

    def describe(self) -> str:
        return (f"{self.server.name} {self.total.per_second:,.0f}/s, {self.total.latency}, "
                f"load client busy {self.total.client_busy:.0%}")


def fixed_line(ours: Side, fixed: Side) -> Line:
    ratio = ours.total.cpu_us / fixed.total.cpu_us
    busy = max(ours.total.client_busy, fixed.total.client_busy)
    return Line(f"inference of one row, {CONNECTIONS} connections, one core: CPU per request",
                f"<= {FIXED_MAX}x of a fixed reply", f"{ours.total.cpu_us:.2f} us, fixed {fixed.total.cpu_us:.2f} us",
                ratio <= FIXED_MAX and busy < BUSY_MAX, times(ratio),
                cpu_pair(ours.total.server_cpu_s, fixed.total.server_cpu_s),
                [ours.describe(), fixed.describe(),
                 f"the load client's core was busy {busy:.0%} (has to be under {BUSY_MAX:.0%})"])


def mlserver_line(ours: Side, theirs: Side, leaves: float, same: bool) -> Line:
    ratio = theirs.total.cpu_us / ours.total.cpu_us
    return Line("the same beside MLServer: CPU per request", f">= {MLSERVER_MIN}x less",
                f"{ours.total.cpu_us:.2f} us, MLServer {theirs.total.cpu_us:,.0f} us", ratio >= MLSERVER_MIN and same,
                times(ratio), cpu_pair(ours.total.server_cpu_s, theirs.total.server_cpu_s),
                [theirs.describe() + "; parallel_workers 0, logging off, one core",
                 f"100 trees of depth 6, {leaves:.0f} leaves each on average; both predict "
                 f"{'the same float32' if same else 'DIFFERENT VALUES'}"])


def forest_line(bench: Bench, model: pathlib.Path) -> Line:
    done = subprocess.run([bench.tool("forest_bench"), "--benchmark_filter=^hundred_trees_of_depth_6/1$",
                           "--benchmark_format=json", "--benchmark_repetitions=5"], cwd=peers.ROOT, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    ours = next(b for b in json.loads(done.stdout)["benchmarks"] if b.get("aggregate_name") == "median")
    peer = subprocess.run([bench.client("mlserver", "python"), peers.ROOT / "bench" / "single_row.py", model],
                          check=True, stdout=subprocess.PIPE, text=True)
    our_us, peer_us = ours["cpu_time"] / 1e3, float(peer.stdout)
    return Line("forest of 100 trees of depth 6, one row", f"<= {ROW_MAX_US:.0f} us",
                f"{our_us:.2f} us, XGBoost {peer_us:.0f} us", our_us <= ROW_MAX_US, times(peer_us / our_us), "",
                ["in process, one thread, its CPU time, perfect trees, 64 rows in turn; XGBoost by inplace_predict from Python"])


def measure_sides(bench: Bench, ours: Side, theirs: Side, body: pathlib.Path) -> Side:
    """Returns the fixed-reply server's side; its replies are as long as ours."""
    answer_bytes = ours.warm_up().answer_bytes
    port, folder = peers.free_port(), bench.fresh("inference-fixed")
    with peers.running("fixed", [bench.tool("epoll_fixed"), port, answer_bytes], f"http://127.0.0.1:{port}", "/",
                       folder, core=SERVER_CORE) as server:
        fixed = Side(bench, server, body, FAST_S)
        fixed.warm_up()
        theirs.warm_up()
        for _ in range(bench.rounds):
            for side in (ours, fixed, theirs):
                side.measure_round()
        return fixed


def lines(bench: Bench) -> list[Line]:
    folder = bench.fresh("inference-slipway")
    model, body = folder / "model.ubj", folder / "row.json"
    body.write_bytes(row_body())
    with peers.slipway(bench, folder, core=SERVER_CORE) as server:
        leaves = register(bench, server, model)
        value = predict(server, row_body())
        with peers.mlserver(bench, bench.fresh("inference-mlserver"), model, core=SERVER_CORE) as peer:
            same = struct.pack("f", value) == struct.pack("f", predict(peer, row_body()))
            ours, theirs = Side(bench, server, body, FAST_S), Side(bench, peer, body, SLOW_S)
            fixed = measure_sides(bench, ours, theirs, body)
    return [fixed_line(ours, fixed), mlserver_line(ours, theirs, leaves, same), forest_line(bench, model)]
