"""Writes of metrics with the catalogue in PostgreSQL: beside SQLite, and over a network with a long way."""
from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import measure
import peers
import tracking
from peers import Bench
from report import Line, cpu_pair, times

sys.path.append(str(peers.ROOT / "tools"))
from run_tests import POSTGRES, Postgres  # noqa: E402

FACTOR_MAX = 3.0
ROUND_TRIP_US, FAR_CLIENTS, FAR_MIN = 5000, 64, 2000
SECONDS, WARM_UP_S = 4, 1
NEAR = tracking.Shape("log-metric, 8 clients", f"{tracking.API}/runs/log-metric", "log-metric", 8, 1, 1)
FAR = tracking.Shape("log-metric, 64 clients", f"{tracking.API}/runs/log-metric", "log-metric", FAR_CLIENTS, 1, 1)


@contextlib.contextmanager
def delayed(bench: Bench, postgres: Postgres) -> Iterator[str]:
    """The URI of the same server behind a network whose round trip takes ROUND_TRIP_US."""
    command = [bench.tool("delay_proxy"), "--to", postgres.folder / ".s.PGSQL.5432", "--round-trip-us", ROUND_TRIP_US]
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield postgres.uri.replace(f"host={postgres.folder}", f"host=127.0.0.1&port={port}")
    finally:
        process.kill()
        process.wait()


def query(postgres: Postgres, sql: str) -> str:
    done = subprocess.run([str(POSTGRES / "psql"), "-XAtq", "-c", sql, postgres.uri], check=True, stdout=subprocess.PIPE,
                          text=True)
    return done.stdout.strip()


def settings(postgres: Postgres) -> str:
    names = ("fsync", "synchronous_commit", "wal_sync_method")
    return ", ".join(f"{name}={query(postgres, 'show ' + name)}" for name in names)


def round_trip_ms(uri: str) -> float:
    """Of a statement that does nothing, as the client sees it: the proxy does what it says."""
    script = "select 1; " * 20
    done = subprocess.run([str(POSTGRES / "psql"), "-XAtq", uri], input="\\timing on\n" + script.replace("; ", ";\n"),
                          check=True, stdout=subprocess.PIPE, text=True)
    taken = sorted(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Time:"))
    return taken[len(taken) // 2]


def bare_sync_us(bench: Bench, schema: pathlib.Path, folder: pathlib.Path) -> float:
    """What an fdatasync of 4 KiB takes on this disk, as sqlite_loop times it."""
    loop = tracking.run_loop(bench, NEAR, 1.0, tracking.Stored("metric_batches", 32), schema, folder)
    return loop.bare_sync_us


def near_line(bench: Bench, postgres: Postgres) -> Line:
    lite_folder, folder = bench.fresh("postgres-sqlite"), bench.fresh("postgres-near")
    with (peers.slipway(bench, lite_folder, count_syncs=True) as on_sqlite,
          peers.slipway(bench, folder, flags=("--store", postgres.uri)) as on_postgres):
        lite, ours = tracking.Ours(bench, on_sqlite, NEAR), tracking.Ours(bench, on_postgres, NEAR)
        lite.load(WARM_UP_S)
        ours.load(WARM_UP_S)
        commits = postgres_commits(postgres)
        for _ in range(bench.rounds):
            lite.measure_round(SECONDS)
            load_round(ours)
        commits = postgres_commits(postgres) - commits
        tracking.catalogue_facts(lite_folder, lite.runs, folder / "schema.sql")
        sync_us = bare_sync_us(bench, folder / "schema.sql", folder)
    factor = lite.total.per_second / ours.total.per_second
    return Line(f"{NEAR.name}: PostgreSQL beside SQLite", f"<= {FACTOR_MAX:.0f}x slower than SQLite",
                f"{ours.total.per_second:,.0f}/s, SQLite {lite.total.per_second:,.0f}/s", factor <= FACTOR_MAX,
                times(factor), cpu_pair(ours.total.server_cpu_s, lite.total.server_cpu_s),
                [f"PostgreSQL {ours.total.latency}, SQLite {lite.total.latency}",
                 f"durability: {settings(postgres)}; SQLite synchronous=FULL, WAL, {lite.syncs.count / lite.commits:.2f} "
                 f"syncs per commit of {lite.syncs.mean_us:.0f} us; fdatasync {sync_us:.0f} us bare (4 KiB written over)",
                 f"{ours.total.requests / max(commits, 1):.2f} writes per commit of PostgreSQL"])


def load_round(side: tracking.Ours) -> None:
    """Without what sync_count tells: PostgreSQL syncs, not the server."""
    side.total += side.load(SECONDS)


def postgres_commits(postgres: Postgres) -> int:
    return int(query(postgres, "select xact_commit from pg_stat_database where datname = current_database()"))


def far_line(bench: Bench, postgres: Postgres) -> Line:
    folder = bench.fresh("postgres-far")
    with delayed(bench, postgres) as uri:
        trip_ms = round_trip_ms(uri)
        with peers.slipway(bench, folder, flags=("--store", uri)) as server:
            ours = tracking.Ours(bench, server, FAR)
            ours.load(WARM_UP_S)
            commits = postgres_commits(postgres)
            for _ in range(bench.rounds):
                load_round(ours)
            commits = postgres_commits(postgres) - commits
    figure = ours.total.per_second
    return Line(f"{FAR.name}, {ROUND_TRIP_US / 1000:.0f} ms to PostgreSQL and back", f">= {FAR_MIN:,}/s durable",
                f"{figure:,.0f}/s", figure >= FAR_MIN and trip_ms >= ROUND_TRIP_US / 1000, times(figure / FAR_MIN),
                f"{ours.total.server_cpu_s:.2f} / -",
                [f"{ours.total.latency}; `select 1` takes {trip_ms:.2f} ms over the same way",
                 f"durability: {settings(postgres)}; {ours.total.requests / max(commits, 1):.1f} writes per commit, those of "
                 "other transactions counted as commits too"])


def lines(bench: Bench) -> list[Line]:
    with Postgres() as postgres:
        near = near_line(bench, postgres)
    with Postgres() as postgres:  # nobody else's claim, nobody else's rows
        return [near, far_line(bench, postgres)]
