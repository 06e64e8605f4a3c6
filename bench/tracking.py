"""Writes of metrics: CPU per write beside MLflow's server, throughput beside a plain SQLite loop."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
from dataclasses import dataclass

import measure
import peers
from measure import Load, Syncs
from peers import Bench, Server
from report import Line, cpu_pair, times

API = "/api/2.0/mlflow"
RATIO_MIN = 50
SHARE_MIN = 0.60
CREATE_RATIO_MIN = 30
CREATE_CLIENTS = 4
OURS_S, LOOP_S, MLFLOW_S, WARM_UP_S = 4, 3, 6, 1
TABLES = ("experiments", "runs", "metric_series", "metric_batches", "metric_chunks")


@dataclass(frozen=True)
class Shape:
    """One kind of request. `series` rows are touched by one write."""
    name: str
    path: str
    body: str
    clients: int
    points: int
    series: int


SHAPES = (
    Shape("log-metric, 8 clients", f"{API}/runs/log-metric", "log-metric", 8, 1, 1),
    Shape("log-batch, 1,000 steps of one key, 4 clients", f"{API}/runs/log-batch", "batch-of-steps", 4, 1000, 1),
    Shape("log-batch, one step of 1,000 keys, 4 clients", f"{API}/runs/log-batch", "batch-of-keys", 4, 1000, 1000),
)


# --- a side that has an API ----------------------------------------------------------------------------------------

class Side:
    """One server under the load of one shape; its runs are fresh, its steps never repeat."""

    def __init__(self, bench: Bench, server: Server, shape: Shape):
        self.bench, self.server, self.shape = bench, server, shape
        self.runs = [self.create_run() for _ in range(shape.clients)]
        self.next_step = 0
        self.total, self.syncs = Load(), Syncs()

    def create_run(self) -> str:
        answer = measure.fetch_json(f"{self.server.url}{API}/runs/create", {"experiment_id": "0", "start_time": 1})
        return answer["run"]["info"]["run_id"]

    def load(self, seconds: float) -> Load:
        done = measure.load(self.bench.tool("load_client"), self.server.pid, {
            "address": self.server.address, "path": self.shape.path, "connections": self.shape.clients,
            "seconds": seconds, "body": self.shape.body, "points": self.shape.points, "runs": ",".join(self.runs),
            "first-step": self.next_step,
            # Without it MLflow's answers wait about 40 ms for a delayed acknowledgement, which is not its work.
            "quick-acknowledge": 1})
        self.next_step += done.requests * self.shape.points
        return done

    def measure_round(self, seconds: float) -> None:
        before = measure.read_syncs(self.server.syncs)
        self.total += self.load(seconds)
        self.syncs += measure.read_syncs(self.server.syncs) - before


class Ours(Side):
    """Also knows how many writes one commit made durable."""

    writes = commits = 0.0

    def grouping(self) -> tuple[float, float]:
        values = measure.metric_values(self.server.url)
        return values["slipway_db_group_writes_sum"], values["slipway_db_group_writes_count"]

    def measure_round(self, seconds: float) -> None:
        writes, commits = self.grouping()
        super().measure_round(seconds)
        writes_after, commits_after = self.grouping()
        self.writes += writes_after - writes
        self.commits += commits_after - commits

    @property
    def group(self) -> float:
        return self.writes / self.commits


# --- runs ----------------------------------------------------------------------------------------------------------

def create_runs(bench: Bench, server: Server, body: pathlib.Path, seconds: float) -> Load:
    return measure.load(bench.tool("load_client"), server.pid, {
        "address": server.address, "path": f"{API}/runs/create", "connections": CREATE_CLIENTS, "seconds": seconds,
        "body-file": body, "quick-acknowledge": 1})


def create_line(bench: Bench, ours: Server, theirs: Server) -> Line:
    body = bench.folder / "create-run.json"
    body.write_text('{"experiment_id": "0", "start_time": 1}\n')
    for server in (ours, theirs):
        create_runs(bench, server, body, WARM_UP_S)
    sides, syncs = [Load(), Load()], [Syncs(), Syncs()]
    for _ in range(bench.rounds):
        for side, (server, seconds) in enumerate(((ours, OURS_S), (theirs, MLFLOW_S))):
            before = measure.read_syncs(server.syncs)
            sides[side] += create_runs(bench, server, body, seconds)
            syncs[side] += measure.read_syncs(server.syncs) - before
    ratio = sides[1].cpu_us / sides[0].cpu_us
    return Line(
        f"create run, {CREATE_CLIENTS} clients: CPU per run", f">= {CREATE_RATIO_MIN}x less than MLflow",
        f"{sides[0].cpu_us:.1f} us, MLflow {sides[1].cpu_us:.0f} us", ratio >= CREATE_RATIO_MIN and syncs[0].count > 0,
        times(ratio), cpu_pair(sides[0].server_cpu_s, sides[1].server_cpu_s),
        [f"ours {sides[0].per_second:,.0f} runs/s, {sides[0].latency}; MLflow {sides[1].per_second:,.1f} runs/s, "
         f"{sides[1].latency}",
         f"syncs for a run: ours {syncs[0].count / sides[0].requests:.2f}, MLflow {syncs[1].count / sides[1].requests:.2f}"])


# --- the plain loop ------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Loop:
    """Rounds of sqlite_loop, added up."""
    writes: float = 0
    seconds: float = 0
    cpu_s: float = 0
    bare_sync_us: float = 0
    syncs: Syncs = Syncs()

    def __add__(self, later: Loop) -> Loop:
        return Loop(self.writes + later.writes, self.seconds + later.seconds, self.cpu_s + later.cpu_s,
                    later.bare_sync_us, self.syncs + later.syncs)

    @property
    def per_second(self) -> float:
        return self.writes / self.seconds


@dataclass(frozen=True)
class Stored:
    """Where the server puts the points of one request, and how many bytes they are."""
    table: str
    blob_bytes: float


NEWEST = {
    "metric_batches": "select b.data from metric_batches b join runs r on r.id = b.run where r.run_id in ({marks}) "
                      "order by b.id desc limit 20",
    "metric_chunks": "select c.data from metric_chunks c join metric_series s on s.id = c.series "
                     "join runs r on r.id = s.run where r.run_id in ({marks}) order by c.chunk desc limit 20",
}


def catalogue_facts(server_folder: pathlib.Path, runs: list[str], schema: pathlib.Path) -> Stored:
    """Writes the server's own tables to `schema`; tells where the points of these runs are."""
    with contextlib.closing(sqlite3.connect(f"file:{server_folder}/state/catalog.db?mode=ro", uri=True)) as catalogue:
        rows = catalogue.execute("select sql from sqlite_master where tbl_name in (?, ?, ?, ?, ?) and sql is not null "
                                 "order by type desc, rowid", TABLES)
        schema.write_text("".join(f"{sql};\n" for (sql,) in rows))
        # Batches first: what is in chunks of runs that have any was moved there later.
        for table, newest in NEWEST.items():
            newest = newest.format(marks=",".join("?" * len(runs)))
            if size := catalogue.execute(f"select avg(length(data)) from ({newest})", runs).fetchone()[0]:
                return Stored(table, size)
    raise RuntimeError("the catalogue has no points of these runs to take the size of")


def run_loop(bench: Bench, shape: Shape, group: float, stored: Stored, schema: pathlib.Path,
             folder: pathlib.Path) -> Loop:
    syncs = folder / "syncs"
    command = [bench.tool("sqlite_loop"), "--database", folder / "loop.db", "--schema", schema,
               "--runs", shape.clients, "--series", shape.series, "--points", shape.points,
               "--into", stored.table, "--blob-bytes", round(stored.blob_bytes), "--group", f"{group:.3f}",
               "--seconds", LOOP_S]
    env = peers.environment(LD_PRELOAD=str(bench.tool("libsync_count.so")), SLIPWAY_SYNC_COUNT=str(syncs))
    done = subprocess.run([str(c) for c in command], env=env, check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    return Loop(figures["writes"], figures["seconds"], figures["cpu_s"], figures["sync_us"],
                measure.read_syncs(syncs))


# --- durability of the peer ----------------------------------------------------------------------------------------

PRAGMAS = """
import sys
from mlflow.store.db.utils import create_sqlalchemy_engine
with create_sqlalchemy_engine(sys.argv[1]).connect() as connection:
    for name in ("synchronous", "journal_mode"):
        print(connection.exec_driver_sql("pragma " + name).scalar())
"""


def mlflow_settings(bench: Bench, folder: pathlib.Path) -> tuple[str, str]:
    """`synchronous` and `journal_mode` as MLflow's own connections have them."""
    done = subprocess.run([bench.client("mlflow3", "python"), "-c", PRAGMAS, f"sqlite:///{folder}/mlflow.db"],
                          env=peers.environment(), check=True, stdout=subprocess.PIPE, text=True)
    level, journal = done.stdout.split()
    return {"0": "OFF", "1": "NORMAL", "2": "FULL", "3": "EXTRA"}[level], journal


# --- lines ---------------------------------------------------------------------------------------------------------

def cpu_line(shape: Shape, ours: Ours, theirs: Side, settings: tuple[str, str]) -> Line:
    ratio = theirs.total.cpu_us / ours.total.cpu_us
    ours_syncs, theirs_syncs = ours.syncs.count / ours.commits, theirs.syncs.count / theirs.total.requests
    durable = ours_syncs >= 1 and theirs_syncs >= 1 and settings[0] == "FULL"
    return Line(
        f"{shape.name}: CPU per write", f">= {RATIO_MIN}x less than MLflow",
        f"{ours.total.cpu_us:.1f} us, MLflow {theirs.total.cpu_us:.0f} us", ratio >= RATIO_MIN and durable,
        times(ratio), cpu_pair(ours.total.server_cpu_s, theirs.total.server_cpu_s),
        [f"ours {ours.total.per_second:,.0f} writes/s, {ours.total.latency}; "
         f"MLflow {theirs.total.per_second:,.1f} writes/s, {theirs.total.latency}; "
         f"load client busy {ours.total.client_busy:.0%}",
         f"durability: ours synchronous=FULL, WAL, {ours_syncs:.2f} syncs per commit; "
         f"MLflow synchronous={settings[0]}, journal_mode={settings[1]}, {theirs_syncs:.2f} syncs per write"])


def throughput_line(shape: Shape, ours: Ours, loop: Loop, stored: Stored) -> Line:
    share = ours.total.per_second / loop.per_second
    return Line(
        f"{shape.name}: throughput", f">= {SHARE_MIN:.0%} of a plain SQLite loop",
        f"{ours.total.per_second:,.0f}/s, loop {loop.per_second:,.0f}/s", share >= SHARE_MIN, f"{share:.0%}",
        cpu_pair(ours.total.server_cpu_s, loop.cpu_s),
        [f"mean group {ours.group:.2f} writes per commit; a write of the loop is {shape.series} series and "
         f"{stored.blob_bytes:.0f} bytes of points in {stored.table}, {loop.cpu_s / loop.writes * 1e6:.1f} us of CPU",
         f"server and load client keep the {os.cpu_count()} cores {ours.total.cores_busy:.0%} busy, the loop has one for itself",
         f"fdatasync: {ours.syncs.mean_us:.0f} us in the server, {loop.syncs.mean_us:.0f} us in the loop, "
         f"{loop.bare_sync_us:.0f} us bare (4 KiB written over)"])


def measure_shape(bench: Bench, shape: Shape, ours: Ours, theirs: Side, our_folder: pathlib.Path,
                  their_folder: pathlib.Path) -> list[Line]:
    folder, loop, stored = bench.fresh(f"loop-{shape.body}"), Loop(), Stored("", 0)
    ours.load(WARM_UP_S)
    theirs.load(WARM_UP_S)
    for number in range(bench.rounds):
        ours.measure_round(OURS_S)
        round_folder = folder / str(number)
        round_folder.mkdir()
        stored = catalogue_facts(our_folder, ours.runs, folder / "schema.sql")
        loop += run_loop(bench, shape, ours.group, stored, folder / "schema.sql", round_folder)
        theirs.measure_round(MLFLOW_S)
    return [cpu_line(shape, ours, theirs, mlflow_settings(bench, their_folder)),
            throughput_line(shape, ours, loop, stored)]


def lines(bench: Bench) -> list[Line]:
    our_folder, their_folder = bench.fresh("tracking-slipway"), bench.fresh("tracking-mlflow")
    found = []
    with (peers.mlflow(bench, their_folder, count_syncs=True) as theirs,
          peers.slipway(bench, our_folder, count_syncs=True) as ours):
        measure.wait_until_at_rest(theirs.pid, share=0.2, limit_s=40)
        for shape in SHAPES:
            found += measure_shape(bench, shape, Ours(bench, ours, shape), Side(bench, theirs, shape),
                                   our_folder, their_folder)
        found.append(create_line(bench, ours, theirs))
    return found
