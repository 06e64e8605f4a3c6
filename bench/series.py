"""Series of points: appending from 10 to 100 million of them, and charts of series of a million."""
from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import sqlite3
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

import measure
import peers
import search
from measure import Load
from peers import Bench, Server
from report import Line, cpu_pair, times

API = "/api/2.0/mlflow"
SMALL, LARGE = 10_000_000, 100_000_000
FALL_MAX, P99_GROWTH_MAX, POINT_BYTES_MAX = 0.20, 2.0, 20
WAL_MAX_MB = 256
SEED_CONNECTIONS, CLIENTS = 64, 8
APPEND_S = 10

CHARTS, CHART_POINTS = 10, 1_000_000
CHART_MAX_MS = 50
CHART_REPEATS = 20
CHART_ANSWER_POINTS = 2500


def create_run(server: Server) -> str:
    answer = measure.fetch_json(f"{server.url}{API}/runs/create", {"experiment_id": "0", "start_time": 1})
    return answer["run"]["info"]["run_id"]


def log(bench: Bench, server: Server, runs: list[str], first_step: int, **flags: object) -> Load:
    return measure.load(bench.tool("load_client"), server.pid, {
        "address": server.address, "path": f"{API}/runs/log-batch", "connections": len(runs), "body": "batch-of-steps",
        "runs": ",".join(runs), "first-step": first_step, "quick-acknowledge": 1, **flags})


# --- appending -----------------------------------------------------------------------------------------------------

class LargestWal:
    """Looks at the size of the write-ahead log until the block ends."""

    def __init__(self, catalogue: pathlib.Path):
        self.file = catalogue.with_name(catalogue.name + "-wal")
        self.bytes = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.over.wait(0.05):
            with contextlib.suppress(OSError):
                self.bytes = max(self.bytes, self.file.stat().st_size)

    def __enter__(self) -> LargestWal:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


@dataclass
class Stage:
    """What appending costs once so many points are there."""
    points: int
    load: Load


class Appending:
    """A catalogue that grows. What is measured are batches of 100 steps, which are moved into chunks meanwhile; it is
    filled with batches of 1,000."""

    def __init__(self, bench: Bench, server: Server):
        self.bench, self.server = bench, server
        self.seeded = [create_run(server) for _ in range(SEED_CONNECTIONS)]
        self.measured = [create_run(server) for _ in range(CLIENTS)]
        self.points = self.seed_step = self.step = 0

    def grow(self, to: int) -> None:
        requests = (to - self.points) // 1000
        done = log(self.bench, self.server, self.seeded, self.seed_step, requests=requests, points=1000)
        self.points += done.requests * 1000
        self.seed_step += done.requests * 1000

    def stage(self) -> Stage:
        before = self.points
        load = Load()
        for _ in range(self.bench.rounds):
            done = log(self.bench, self.server, self.measured, self.step, seconds=APPEND_S, points=100)
            self.step += done.requests * 100
            self.points += done.requests * 100
            load += done
        return Stage(before, load)


def append_lines(bench: Bench) -> list[Line]:
    folder = bench.fresh("series-append")
    catalogue = folder / "state" / "catalog.db"
    with peers.slipway(bench, folder) as server:
        growing = Appending(bench, server)
        with LargestWal(catalogue) as wal:
            growing.grow(SMALL)
            few = growing.stage()
            growing.grow(LARGE)
            many = growing.stage()
        measure.wait_until_at_rest(server.pid, share=0.02, limit_s=30)
    with contextlib.closing(sqlite3.connect(catalogue)) as database:
        moved = database.execute("select count(*) from metric_chunks").fetchone()[0]
        waiting = database.execute("select count(*) from metric_batches").fetchone()[0]
    fall = 1 - many.load.per_second / few.load.per_second
    growth = many.load.p99_us / few.load.p99_us
    bytes_each = catalogue.stat().st_size / growing.points
    wal_mb = wal.bytes / 1e6

    def told(stage: Stage) -> str:
        return (f"at {stage.points / 1e6:.0f} million: {stage.load.per_second * 100:,.0f} points/s, {stage.load.latency}, "
                f"{stage.load.cpu_us:.0f} us of CPU a request")
    notes = [told(few), told(many), f"batches of 100 steps, {CLIENTS} clients; {moved:,} chunks, {waiting:,} batches wait"]
    return [
        Line(f"append, {SMALL:.0e} to {LARGE:.0e} points: throughput", f"falls by <= {FALL_MAX:.0%}", f"{fall:.0%}",
             fall <= FALL_MAX, f"{fall:.0%}", f"{few.load.server_cpu_s + many.load.server_cpu_s:.2f}", notes),
        Line("append while batches are moved: p99", f"<= {P99_GROWTH_MAX:.0f}x", f"{many.load.p99_us / 1e3:.2f} ms",
             growth <= P99_GROWTH_MAX, times(growth), "", []),
        Line("a stored point", f"<= {POINT_BYTES_MAX} bytes", f"{bytes_each:.1f} bytes", bytes_each <= POINT_BYTES_MAX,
             f"{bytes_each:.1f}", "", ["the catalogue's file by its points"]),
        Line("write-ahead log", f"< {WAL_MAX_MB} MB", f"{wal_mb:.0f} MB", wal_mb < WAL_MAX_MB, f"{wal_mb:.0f}", "", []),
    ]


# --- charts --------------------------------------------------------------------------------------------------------

def chart_ms(server: Server, series: list[tuple[str, str]]) -> tuple[float, int]:
    """One page of charts: a request for each series, on one connection; milliseconds and points."""
    connection = http.client.HTTPConnection(server.address)
    connection.connect()
    bodies, began = [], time.perf_counter()
    for run, key in series:
        connection.request("GET", f"/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?run_ids={run}"
                                  f"&metric_key={key}&max_results={CHART_ANSWER_POINTS}")
        bodies.append(connection.getresponse().read())
    elapsed = (time.perf_counter() - began) * 1e3
    points = sum(len(json.loads(body)["metrics"]) for body in bodies)
    connection.close()
    return elapsed, points


def series_of(catalogue: pathlib.Path) -> list[tuple[str, str]]:
    """Runs with the key of their one series, as load_client named it."""
    with contextlib.closing(sqlite3.connect(catalogue)) as database:
        return database.execute("select r.run_id, s.key from metric_series s join runs r on r.id = s.run").fetchall()


THEIR_POINTS = f"""
insert into runs (run_uuid, name, source_type, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id,
                  source_name, entry_point_name, source_version)
  values ('{"a" * 32}', 'a', 'UNKNOWN', '', 'RUNNING', 1, 'active', 'mlflow-artifacts:/0/a', 0, '', '', '');
insert into metrics ("key", value, timestamp, step, is_nan, run_uuid)
  with recursive c(n) as (select 0 union all select n + 1 from c where n < {CHART_POINTS - 1})
  select 'loss', (n * 7919 % 100003) / 100003.0, 1700000000000 + n, n, 0, '{"a" * 32}' from c;
"""


def their_chart(bench: Bench) -> tuple[float, float]:
    folder = bench.fresh("series-mlflow")
    subprocess.run([bench.client("mlflow3", "python"), "-c", search.MAKE_THEIR_TABLES, folder / "mlflow.db"],
                   env=peers.environment(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    search.fill(folder / "mlflow.db", THEIR_POINTS)
    with peers.mlflow(bench, folder) as server:
        measure.wait_until_at_rest(server.pid, share=0.2, limit_s=40)
        before = measure.cpu_s(server.pid)
        taken = [chart_ms(server, [("a" * 32, "loss")])[0] for _ in range(2)]
        return min(taken) * CHARTS, (measure.cpu_s(server.pid) - before) / len(taken) * CHARTS


def chart_line(bench: Bench) -> Line:
    folder = bench.fresh("series-charts")
    with peers.slipway(bench, folder) as server:
        runs = [create_run(server) for _ in range(CHARTS)]
        log(bench, server, runs, 0, requests=CHARTS * CHART_POINTS // 1000, points=1000)
        series = series_of(folder / "state" / "catalog.db")
        measure.wait_until_at_rest(server.pid, share=0.02, limit_s=30)
        first, points = chart_ms(server, series)
        before = measure.cpu_s(server.pid)
        taken = sorted(chart_ms(server, series)[0] for _ in range(CHART_REPEATS))
        cpu = (measure.cpu_s(server.pid) - before) / CHART_REPEATS
    theirs_ms, theirs_cpu = their_chart(bench)
    middle = statistics.median(taken)
    return Line(f"chart of {CHARTS} metrics of {CHART_POINTS:,} points", f"< {CHART_MAX_MS} ms",
                f"{middle:.1f} ms, MLflow {theirs_ms:,.0f} ms",
                middle < CHART_MAX_MS and points == CHARTS * CHART_ANSWER_POINTS, times(theirs_ms / middle),
                cpu_pair(cpu, theirs_cpu),
                [f"{CHARTS} requests of {CHART_ANSWER_POINTS} points one after another, the first time {first:.1f} ms, the slowest of "
                 f"{CHART_REPEATS} {taken[-1]:.1f} ms; MLflow: {CHARTS} times one such series"])


def lines(bench: Bench) -> list[Line]:
    return [chart_line(bench), *append_lines(bench)]
