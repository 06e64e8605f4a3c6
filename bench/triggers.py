"""How long after an event the process of the run that it starts is there: in a catalogue that is new, and in an old one."""
from __future__ import annotations

import contextlib
import json
import pathlib
import sqlite3
import statistics
import subprocess
import time
import urllib.request

import peers
from peers import Bench, Server
from report import Line, times

FIRST_PROCESS_MAX_MS = 25
EVENTS, WARM_UP = 60, 5
OLD_RUNS = 20_000  # that ended long ago
PROJECT = """version: 1
project: copies
use_case: {problem: copies, user: tester, owner: ops@example.org, requirements: []}
pipelines: {copy: {stages: [copy]}}
triggers: {message: {pipeline: copy, cloudevent: {type: org.example.ready}, with: {params: {note: "${event.id}"}}, overlap: allow}}
"""
STAGE = """stages:
  copy:
    cmd: date +%s.%N > BEGAN/$SLIPWAY_RUN; cp in.txt out.txt
    deps: [in.txt]
    params: [note]
    outs: [out.txt]
"""


def lay_out(bench: Bench, folder: pathlib.Path) -> None:
    (folder / "began").mkdir()
    (folder / "in.txt").write_text("1\n")
    (folder / "params.yaml").write_text("note: first\n")
    (folder / "dvc.yaml").write_text(STAGE.replace("BEGAN", str(folder / "began")))
    (folder / "slipway.yaml").write_text(PROJECT)
    for command in (["git", "init", "-q"], [bench.slipway, "dvc", "init", "-q"],
                    ["git", "add", "dvc.yaml", "params.yaml", "in.txt", "slipway.yaml", ".dvc"],
                    ["git", "commit", "-q", "-m", "x"], [bench.slipway, "apply", "--state", folder / "state"]):
        subprocess.run([str(c) for c in command], cwd=folder, env=peers.environment(), check=True,
                       stdout=subprocess.DEVNULL)


def ask(server: Server, path: str, body: dict | None = None) -> dict:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/cloudevents+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def one(server: Server, folder: pathlib.Path, number: int) -> tuple[float, float]:
    """Milliseconds from sending the event to the run's process, and to the command of its stage."""
    sent = time.time()
    run, = ask(server, "/events", {"specversion": "1.0", "id": str(number), "source": "/bench",
                                   "type": "org.example.ready"})["runs"]
    while not ask(server, f"/api/slipway/v1/runs/{run}")["ended_ms"]:
        time.sleep(0.02)
    record = folder / "state" / "runs" / run / "attempts" / "1" / "record"
    stage = float((folder / "began" / run).read_text())
    return (record.stat().st_mtime - sent) * 1e3, (stage - sent) * 1e3


def copies(catalogue: sqlite3.Connection, table: str, key: str, run: str, ids: list[str]) -> int:
    """Rows about the run, once more for each of the ids; how many there are then."""
    columns = [name for _, name, *_ in catalogue.execute(f"pragma table_info({table})") if name != "seq"]
    rows = catalogue.execute(f"select {', '.join(columns)} from {table} where {key} = ?", (run,)).fetchall()
    assert rows, f"{table} has nothing about the run"
    place = columns.index(key)
    catalogue.executemany(f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})",
                          ([*row[:place], one, *row[place + 1:]] for one in ids for row in rows))
    return catalogue.execute(f"select count(*) from {table}").fetchone()[0]


def grow_old(folder: pathlib.Path) -> dict[str, int]:
    """The newest run, its attempts and its events are there many times over, as if it had been asked for so often."""
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(OLD_RUNS)]
    with contextlib.closing(sqlite3.connect(folder / "state" / "catalog.db")) as catalogue:
        run, = catalogue.execute("select id from pipeline_runs order by id desc limit 1").fetchone()
        counts = {table: copies(catalogue, table, key, run, ids)
                  for table, key in (("pipeline_runs", "id"), ("pipeline_run_attempts", "run"), ("events", "subject_id"))}
        catalogue.commit()
    return counts


def measured(bench: Bench, folder: pathlib.Path, first: int) -> tuple[list[float], list[float]]:
    """Of the process and of its stage's command, sorted."""
    with peers.slipway(bench, folder) as server:
        found = [one(server, folder, first + number) for number in range(WARM_UP + EVENTS)][WARM_UP:]
    return sorted(span[0] for span in found), sorted(span[1] for span in found)


def line(name: str, spans: tuple[list[float], list[float]], note: str) -> Line:
    process, stage = spans
    middle = statistics.median(process)
    return Line(name, f"p50 < {FIRST_PROCESS_MAX_MS} ms", f"{middle:.1f} ms",
                middle < FIRST_PROCESS_MAX_MS, times(middle / FIRST_PROCESS_MAX_MS),
                notes=[f"{note}: a CloudEvent by HTTP, {EVENTS} of them, one after another; decision, run and attempt are each "
                       "durable before the process starts",
                       f"slowest {process[-1]:.1f} ms; to the command of its first stage, in a work tree of its own: middle "
                       f"{statistics.median(stage):.0f} ms, slowest {stage[-1]:.0f} ms"])


def lines(bench: Bench) -> list[Line]:
    folder = bench.fresh("triggers")
    lay_out(bench, folder)
    young = measured(bench, folder, 0)
    counts = grow_old(folder)
    old = measured(bench, folder, WARM_UP + EVENTS)
    return [line("event to first process started", young, "in a new catalogue"),
            line("event to first process, old catalogue", old,
                 f"among {counts['pipeline_runs']} runs and {counts['events']} events")]
