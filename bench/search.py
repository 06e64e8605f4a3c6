"""Searches in a catalogue of 100,000 runs with 50 metrics, params and tags each, beside MLflow with the same rows."""
from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import measure
import peers
from measure import Load
from peers import Bench, Server
from report import Line, cpu_pair, times

RUNS, KEYS = 100_000, 50
SEARCH = "/api/2.0/mlflow/runs/search"
P99_MAX_MS = 20
RATIO_MIN = 100
REST_MAX_MB = 300
RESTART_MAX_S = 1
OUR_SEARCHES, THEIR_SEARCHES = 300, 2
PATIENCE_S = 60  # for one search; load_client has no more either


# --- the data: made by SQL in tables that each side made itself, once, and kept -------------------------------------

# Of run r and key n: the same values on both sides.
METRIC = "((r.n * 7919 + k.n * 104729) % 100003) / 100003.0"
IS_NAN = "(r.n + k.n) % 997 = 0"
PARAM = "printf('%d.%d', (r.n * 31 + k.n) % 1009, k.n)"
TAG = "printf('value %d', (r.n * 17 + k.n * 3) % 10007)"
RUN_ID = "printf('%08x%08x%08x%08x', (n * 2654435761) % 4294967296, (n * 40503 + 7) % 4294967296, n, (n * 69069) % 4294967296)"
NAME, USER = "printf('run-%d', n)", "printf('user%d', n % 37)"
STATUS = "case n % 20 when 0 then 'FAILED' when 1 then 'RUNNING' else 'FINISHED' end"
START, END = "1700000000000 + n * 1000", "case n % 20 when 1 then null else 1700000600000 + n * 1000 end"

NUMBERS = f"""
create temp table r as with recursive c(n) as (select 1 union all select n + 1 from c where n < {RUNS}) select n from c;
create temp table k as with recursive c(n) as (select 0 union all select n + 1 from c where n < {KEYS - 1})
  select n, printf('metric_%02d', n) as metric, printf('param_%02d', n) as param, printf('tag_%02d', n) as tag from c;
"""

OURS = NUMBERS + f"""
insert into runs (id, run_id, experiment, name, user_id, status, start_ms, end_ms, artifact_uri, deleted)
  select n, {RUN_ID}, 0, {NAME}, {USER}, {STATUS}, {START}, {END}, 'mlflow-artifacts:/0/' || {RUN_ID} || '/artifacts', 0
  from r;
insert into metric_series (run, key, points, value, is_nan, timestamp_ms, step, min_value, max_value, first_step,
                           last_step)
  select r.n, k.metric, 1, case when {IS_NAN} then 0 else {METRIC} end, {IS_NAN}, 1700000000000, 0, {METRIC}, {METRIC},
         0, 0 from r cross join k;
insert into run_params select r.n, k.param, {PARAM} from r cross join k;
insert into run_tags select r.n, k.tag, {TAG} from r cross join k;
"""

THEIR_INDEXES = {
    "index_metrics_run_uuid": "metrics (run_uuid)",
    "index_latest_metrics_run_uuid": "latest_metrics (run_uuid)",
    "index_params_run_uuid": "params (run_uuid)",
    "index_tags_run_uuid": "tags (run_uuid)",
    "index_metrics_run_uuid_key_step": 'metrics (run_uuid, "key", step)',
}
THEIRS = NUMBERS + f"""
create temp table u as select n, {RUN_ID} as id from r order by 2;
""" + "".join(f"drop index {name};\n" for name in THEIR_INDEXES) + f"""
insert into runs (run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri,
                  experiment_id, source_name, entry_point_name, source_version)
  select id, {NAME}, 'UNKNOWN', {USER}, {STATUS}, {START}, {END}, 'active', 'mlflow-artifacts:/0/' || id || '/artifacts',
         0, '', '', '' from u;
insert into latest_metrics ("key", value, timestamp, step, is_nan, run_uuid)
  select k.metric, case when {IS_NAN} then 0 else {METRIC} end, 1700000000000, 0, {IS_NAN}, r.id
  from k cross join u r;
insert into metrics ("key", value, timestamp, step, is_nan, run_uuid)
  select "key", value, timestamp, step, is_nan, run_uuid from latest_metrics;
insert into params ("key", value, run_uuid) select k.param, {PARAM}, r.id from k cross join u r;
insert into tags ("key", value, run_uuid) select k.tag, {TAG}, r.id from k cross join u r;
""" + "".join(f"create index {name} on {columns};\n" for name, columns in THEIR_INDEXES.items())

MAKE_THEIR_TABLES = """
import sys
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore("sqlite:///" + sys.argv[1], "mlflow-artifacts:/")
"""


def fill(catalogue: pathlib.Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(catalogue, isolation_level=None)) as database:
        for setting in ("journal_mode=off", "synchronous=off", "cache_size=-1000000", "temp_store=memory"):
            database.execute(f"pragma {setting}").fetchall()
        database.executescript(f"begin;{sql}commit;pragma journal_mode=wal;")


def kept(bench: Bench, name: str, what: str) -> Iterator[tuple[pathlib.Path, bool]]:
    """A folder beside those of the runs, and whether it is there whole; it is when the caller comes back."""
    folder = bench.folder.parent / f"{name}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"
    whole = folder / "complete"
    yield folder, whole.exists()
    whole.touch()


def our_catalogue(bench: Bench) -> pathlib.Path:
    for folder, there in kept(bench, "search-slipway", OURS):
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with peers.slipway(bench, folder):
                pass
            fill(folder / "state" / "catalog.db", OURS)
    return folder


def their_catalogue(bench: Bench) -> pathlib.Path:
    for folder, there in kept(bench, "search-mlflow", THEIRS):
        if not there:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            subprocess.run([bench.client("mlflow3", "python"), "-c", MAKE_THEIR_TABLES, folder / "mlflow.db"],
                           env=peers.environment(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            fill(folder / "mlflow.db", THEIRS)
    return folder


# --- the searches --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Shape:
    name: str
    filter: str = ""
    order_by: tuple[str, ...] = ()
    skipped: int = 0  # runs before its page

    @property
    def body(self) -> dict:
        return {"experiment_ids": ["0"], "filter": self.filter, "order_by": list(self.order_by), "max_results": 100}


SHAPES = (
    Shape("metric, by metric", "metrics.metric_10 > 0.5", ("metrics.metric_20 DESC",)),
    Shape("param, by param", "params.param_03 = '5.3'", ("params.param_04 ASC",)),
    Shape("tag LIKE, by tag", "tags.tag_07 LIKE 'value 1%'", ("tags.tag_08 DESC",)),
    Shape("attributes", "attributes.status = 'FAILED' and attributes.start_time > 1700000500000", ("attributes.end_time",)),
    Shape("all, the newest first"),
    Shape("three kinds", "metrics.metric_30 > 0.2 and params.param_31 != '7.31' and tags.tag_32 ILIKE '%7%'",
          ("metrics.metric_33 DESC", "params.param_34 ASC")),
    Shape("behind 50,000 runs", "", ("metrics.metric_20 DESC",), skipped=50_000),
    Shape("behind 50,000 runs, by tag", "", ("tags.tag_08",), skipped=50_000),
)
NOTHING = (
    Shape("no such value", "metrics.metric_11 > 5"),
    Shape("no such tag", "tags.tag_12 = 'no' and params.param_13 LIKE '%no'", ("metrics.metric_20",)),
    Shape("no such key", "params.none = 'x'"),
)


def ask(server: Server, body: dict) -> dict:
    return json.loads(measure.fetch(server.url + SEARCH, body, timeout_s=PATIENCE_S))


def body_of(server: Server, shape: Shape) -> dict:
    """With the token of a page deep in the list, as the server itself gives it."""
    if not shape.skipped:
        return shape.body
    before = base64.b64encode(json.dumps({"offset": shape.skipped - 100}).encode()).decode()
    return {**shape.body, "page_token": ask(server, {**shape.body, "page_token": before})["next_page_token"]}


@dataclass
class Measured:
    load: Load
    first_ms: float
    ids: list[str]


def measure_shape(bench: Bench, server: Server, shape: Shape, body: dict, searches: int) -> Measured:
    began = time.perf_counter()
    answer = ask(server, body)
    first_ms = (time.perf_counter() - began) * 1e3
    file = bench.folder / "search.json"
    file.write_text(json.dumps(body))
    load = measure.load(bench.tool("load_client"), server.pid, {
        "address": server.address, "path": SEARCH, "connections": 1, "requests": searches, "body-file": file,
        "quick-acknowledge": 1})
    return Measured(load, first_ms, [run["info"]["run_id"] for run in answer.get("runs", [])])


def total(measured: list[Measured]) -> Load:
    loads = [m.load for m in measured]
    return sum(loads[1:], loads[0])


@dataclass
class Theirs:
    measured: dict[str, Measured]  # by the shape's name; without those that took longer than PATIENCE_S
    rss_mb: float
    ready_s: float


def measure_theirs(bench: Bench, folder: pathlib.Path, shapes: list[Shape]) -> Theirs:
    """Where MLflow does not answer in time it is started anew: it would go on with that search beside the next one."""
    theirs, left = Theirs({}, 0, 0), list(shapes)
    while left:
        with peers.mlflow(bench, folder) as server:
            theirs.ready_s = theirs.ready_s or server.ready_s
            measure.wait_until_at_rest(server.pid, share=0.2, limit_s=40)
            with contextlib.suppress(TimeoutError):
                while left:
                    shape = left.pop(0)
                    theirs.measured[shape.name] = measure_shape(bench, server, shape, shape.body, THEIR_SEARCHES)
            theirs.rss_mb = max(theirs.rss_mb, measure.rss_mb(server.pid))
    return theirs


def note(shape: Shape, ours: Measured, theirs: Measured | None) -> str:
    text = (f"{shape.name}: p50 {ours.load.p50_us / 1e3:.1f} ms, p99 {ours.load.p99_us / 1e3:.1f} ms, "
            f"the first {ours.first_ms:.0f} ms, {len(ours.ids)} runs")
    if theirs:
        return f"{text}; MLflow {theirs.load.p50_us / 1e3:,.0f} ms"
    return text if shape.skipped else f"{text}; MLflow does not answer in {PATIENCE_S} s, and is not in the ratio"


def search_line(title: str, shapes: tuple[Shape, ...], ours: list[Measured], theirs: dict[str, Measured]) -> Line:
    worst = max(m.load.p99_us for m in ours) / 1e3
    both = [(o, theirs[s.name]) for s, o in zip(shapes, ours) if s.name in theirs]
    if not both:
        raise RuntimeError(f"MLflow answered none of these searches in {PATIENCE_S} s: {title}")
    ratio = total([t for _, t in both]).cpu_us / total([o for o, _ in both]).cpu_us
    same = all(o.ids == t.ids for o, t in both)
    ratio_ok = ratio >= RATIO_MIN or shapes is NOTHING
    target = f"p99 < {P99_MAX_MS} ms" + ("" if shapes is NOTHING else f", >= {RATIO_MIN}x less CPU than MLflow")
    return Line(title, target, f"worst p99 {worst:.1f} ms", worst < P99_MAX_MS and same and ratio_ok, times(ratio),
                cpu_pair(total([o for o, _ in both]).server_cpu_s, total([t for _, t in both]).server_cpu_s),
                [note(s, o, theirs.get(s.name)) for s, o in zip(shapes, ours)]
                + [f"both sides gave the same runs: {'yes' if same else 'NO'}; the first search by a key reads its column"])


def at_rest(server: Server) -> float:
    measure.wait_until_at_rest(server.pid, share=0.02, limit_s=5)
    return measure.rss_mb(server.pid)


def lines(bench: Bench) -> list[Line]:
    our_folder, their_folder = our_catalogue(bench), their_catalogue(bench)
    with peers.slipway(bench, our_folder) as server:
        at_start = at_rest(server)
        ours = [measure_shape(bench, server, s, body_of(server, s), OUR_SEARCHES) for s in SHAPES]
        nothing = [measure_shape(bench, server, s, s.body, OUR_SEARCHES) for s in NOTHING]
        rest_mb = at_rest(server)
    ready = []
    for _ in range(3):
        with peers.slipway(bench, our_folder) as server:
            ready.append(server.ready_s)
    theirs = measure_theirs(bench, their_folder, [s for s in (*SHAPES, *NOTHING) if not s.skipped])
    worst_ready = max(ready)
    return [
        search_line(f"search of 100 in {RUNS:,} runs", SHAPES, ours, theirs.measured),
        search_line(f"search that matches none of {RUNS:,} runs", NOTHING, nothing, theirs.measured),
        Line(f"memory with {RUNS:,} runs", f"< {REST_MAX_MB} MB", f"{rest_mb:.0f} MB, MLflow {theirs.rss_mb:,.0f} MB",
             rest_mb < REST_MAX_MB, times(theirs.rss_mb / rest_mb), "",
             [f"at rest after all these searches; {at_start:.0f} MB before the first"]),
        Line(f"restart with {RUNS:,} runs", f"< {RESTART_MAX_S} s", f"{worst_ready:.2f} s, MLflow {theirs.ready_s:.1f} s",
             worst_ready < RESTART_MAX_S, times(theirs.ready_s / worst_ready), "", ["the slowest of 3"]),
    ]
