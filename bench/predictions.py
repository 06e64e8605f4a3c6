"""What keeping, watching and trying versions costs the answers of one row, and what a change of route does to them.

All sides are models of one server (the same file under several names), so that they share its memory, its core and the
weather; they take turns in short rounds, and CPU time is read to the nanosecond, thread by thread.
"""
from __future__ import annotations

import contextlib
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import inference
import measure
import peers
from inference import CLIENT_CORE, CONNECTIONS, SERVER_CORE
from peers import Bench, Server
from report import Line, cpu_pair

LOG_COST_MAX, SHADOW_COST_MAX = 0.15, 0.10
SHADOW_PERCENT = 20
SWITCH_MAX_MS = 5.0
SWITCH_RATE = 20_000
SWITCHES = 5              # promotions, and as many rollbacks, for each of the benchmark's rounds
SWITCH_S = 2.0
BARE_SYNCS = 20           # after each change
ROUND_S, WARM_UP_S = 0.25, 1.0  # short: what drifts is slower
ROUNDS = 24               # for each of the benchmark's rounds
CLIENT_BUSY_MAX = 0.88    # it pauses when it used more
FEATURES = 28
API = "/api/slipway/v1"
CLOCK_START = "2026-03-02T10:00:00Z"
NEVER = 1_000_000_000     # requests
DIFFERENT_ROWS = 2000     # that are sent in turn: what is profiled is no constant

# `free` has no deployment: the registry decides, nothing is kept or counted.
PROJECT = f"""version: 1
project: bench
use_case: {{problem: numbers, user: tester, owner: ops@example.org, requirements: []}}
deployments:
  logged:
    model: logged
    monitors: {{drift: {{against: previous, window: 1d, min_rows: 10}}}}
  tried:
    model: tried
    rollout: [shadow: {{percent: {SHADOW_PERCENT}, min_requests: {NEVER}}}]
  switched:
    model: switched
    rollout: [canary: {{percent: 10, min_requests: {NEVER}}}]
"""


# --- the server ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Cpu:
    """Nanoseconds of a server's threads by their names."""
    threads: dict[str, int]

    def of(self, chosen: Callable[[str], bool] = lambda name: True) -> float:
        return sum(ns for name, ns in self.threads.items() if chosen(name)) / 1e9


def threads_of(pid: int) -> Iterator[tuple[int, str]]:
    for folder in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            yield int(folder.name), (folder / "comm").read_text().strip()


def whole_cpu_s(pid: int) -> float:
    """Of the process, with threads that have ended."""
    return time.clock_gettime((~pid << 3) | 2)


def cpu(pid: int) -> Cpu:
    spent: dict[str, int] = {}
    for thread, name in threads_of(pid):
        with contextlib.suppress(OSError):
            ran = int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
            spent[name] = spent.get(name, 0) + ran
    return Cpu(spent)


def is_loop(name: str) -> bool:
    """The threads that answer."""
    return name.startswith("http-loop")


def apply_project(bench: Bench, folder: pathlib.Path) -> None:
    (folder / "slipway.yaml").write_text(PROJECT)
    subprocess.run([str(bench.slipway), "apply", "--state", str(folder / "state")], cwd=folder, env=peers.environment(),
                   check=True, stdout=subprocess.DEVNULL)


def deployment(server: Server, name: str) -> dict:
    return measure.fetch_json(f"{server.url}{API}/deployments/{name}")


def await_deployment(server: Server, name: str, is_there: Callable[[dict], bool]) -> dict:
    deadline = time.monotonic() + 60
    while not is_there(found := deployment(server, name)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"deployment {name} does not get there: {json.dumps(found)[:2000]}")
        time.sleep(0.01)
    return found


def serves(version: int) -> Callable[[dict], bool]:
    return lambda found: found["stable"] == version and found.get("rollout") is None


def is_tried(phase: str) -> Callable[[dict], bool]:
    return lambda found: (found.get("rollout") or {}).get("phase") == phase


def set_clock(server: Server, text: str) -> None:
    """Returns when nothing due by then is left to do."""
    measure.fetch(f"{server.url}{API}/clock", {"time": text})


# --- load ----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Round:
    requests: int
    per_second: float
    spent: Cpu
    client_busy: float

    def cpu_us(self, chosen: Callable[[str], bool] = lambda name: True) -> float:
        return self.spent.of(chosen) / self.requests * 1e6


class Side:
    """One name that is asked for rows, round by round."""

    def __init__(self, bench: Bench, server: Server, body: pathlib.Path, name: str, **flags: object):
        self.bench, self.server, self.body, self.name, self.flags = bench, server, body, name, flags
        self.rounds: list[Round] = []

    def load(self, seconds: float) -> Round:
        before = cpu(self.server.pid)
        figures = run_client(self.bench, self.server, self.body, self.name,
                             {"seconds": seconds, "busy-max": CLIENT_BUSY_MAX, **self.flags})[0]
        measure.wait_until_at_rest(self.server.pid, share=0.02, limit_s=1)  # work that was put off is counted too
        after = cpu(self.server.pid)
        spent = Cpu({name: ns - before.threads.get(name, 0) for name, ns in after.threads.items()})
        return Round(figures["requests"], figures["per_second"], spent, figures["busy"])

    def median(self, of: Callable[[Round], float]) -> float:
        return statistics.median(map(of, self.rounds))

    def times(self, other: Side, of: Callable[[Round], float]) -> float:
        """How many times as much as the other side's round beside it, the middle: what slows the machine down for a while
        slows both of a pair, while the middles of the two sides may come from different times."""
        return statistics.median(of(ours) / of(theirs) for ours, theirs in zip(self.rounds, other.rounds, strict=True))

    @property
    def requests(self) -> int:
        return sum(r.requests for r in self.rounds)


def run_client(bench: Bench, server: Server, body: pathlib.Path, name: str, flags: dict[str, object]) -> list[dict]:
    """The documents that the load client prints; a request that fails ends the benchmark."""
    with client(bench, server, body, name, flags) as process:
        out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"load_client: {err}")
    documents = [json.loads(line) for line in out.splitlines()]
    if documents[0]["errors"] > 0:
        raise RuntimeError(f"{documents[0]['errors']} of {documents[0]['requests']} requests failed; {err}")
    return documents


def client(bench: Bench, server: Server, body: pathlib.Path, name: str,
           flags: dict[str, object]) -> subprocess.Popen[str]:
    arguments = {"address": server.address, "path": f"/v2/models/{name}/infer", "connections": CONNECTIONS,
                 "body-file": body, **flags}
    return subprocess.Popen(["taskset", "-c", str(CLIENT_CORE), str(bench.tool("load_client")),
                             *(text for flag, value in arguments.items() for text in (f"--{flag}", str(value)))],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def take_turns(bench: Bench, first: Side, second: Side) -> None:
    """First, second, second, first: what drifts meanwhile falls on both."""
    for side in (first, second):
        side.load(WARM_UP_S)
    for number in range(ROUNDS * bench.rounds):
        for side in (first, second) if number % 2 == 0 else (second, first):
            side.rounds.append(side.load(ROUND_S))


def lost(server: Server) -> float:
    return measure.metric_values(server.url).get("slipway_log_dropped_total", 0)


# --- lines ---------------------------------------------------------------------------------------------------------

def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def describe(side: Side) -> str:
    busy = max(r.client_busy for r in side.rounds)
    return (f"{side.name}: {side.median(lambda r: r.per_second):,.0f}/s (middle of {len(side.rounds)} rounds), load client "
            f"busy {busy:.0%}")


def log_line(bench: Bench, server: Server, body: pathlib.Path) -> Line:
    """All of the server on one core; what watching costs is added: a window of a day over everything that was logged."""
    free, logged = Side(bench, server, body, "free"), Side(bench, server, body, "logged")
    # The day before: what the window is compared with.
    run_client(bench, server, body, "logged", {"requests": 500})
    set_clock(server, "2026-03-03T10:00:00Z")
    lost_before = lost(server)
    take_turns(bench, free, logged)
    set_clock(server, "2026-03-03T23:59:00Z")
    answers = measure.metric_values(server.url)["slipway_predictions_answered_total"] - 500
    before = whole_cpu_s(server.pid)
    set_clock(server, "2026-03-04T01:00:00Z")
    watching_us = (whole_cpu_s(server.pid) - before) / answers * 1e6
    window, = [w for w in measure.fetch_json(f"{server.url}{API}/windows?deployment=logged")["windows"]
               if w["rows"] > 500]
    dropped = lost(server) - lost_before
    plain_us = free.median(Round.cpu_us)
    logged_us = plain_us * logged.times(free, Round.cpu_us)
    cost = 1 - plain_us / (logged_us + watching_us)
    rest_us = logged.median(lambda r: r.cpu_us(lambda name: not is_loop(name)))
    return Line("prediction log at 100 % and drift of 28 columns", f"< {100 * LOG_COST_MAX:.0f} % of one-row throughput",
                f"{logged_us + watching_us:.2f} us, without {plain_us:.2f} us", cost < LOG_COST_MAX and dropped == 0,
                share(cost), cpu_pair(sum(r.spent.of() for r in logged.rounds), sum(r.spent.of() for r in free.rounds)),
                [f"CPU of all threads for one request, on one core, middle of {len(logged.rounds)} pairs of rounds: answering "
                 f"{logged_us - rest_us:.2f} us, writing the log and the rest {rest_us:.2f} us, the window's profile and drift "
                 f"{watching_us:.2f} us",
                 "without: the same model in the same server without a deployment (no log, no ids, no counters)",
                 describe(logged), describe(free),
                 f"{dropped:.0f} answers lost (has to be 0); the window saw {window['rows']} rows: {window['status']}"])


def to_other_core(server: Server) -> None:
    """Of the server's threads only those that answer stay where they are."""
    for thread, name in threads_of(server.pid):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, {SERVER_CORE if is_loop(name) else CLIENT_CORE})


def shadow_line(bench: Bench, server: Server, body: pathlib.Path) -> Line:
    to_other_core(server)
    # The shadow shares the client's core here. A client that slept there would have to be woken out of turn, which is
    # dear in a virtual machine and falls on the thread that answers: so it looks for answers, and pauses by the clock.
    alone, tried = (Side(bench, server, body, name, spin=1) for name in ("logged", "tried"))
    dropped_before = measure.metric_values(server.url).get("slipway_shadow_dropped_total", 0)
    take_turns(bench, alone, tried)
    dropped = measure.metric_values(server.url).get("slipway_shadow_dropped_total", 0) - dropped_before
    alone_us = alone.median(lambda r: r.cpu_us(is_loop))
    tried_us = alone_us * tried.times(alone, lambda r: r.cpu_us(is_loop))
    shadow_us = tried.median(lambda r: r.cpu_us(lambda name: name == "serving-shadow"))
    cost = 1 - alone_us / tried_us
    sampled = SHADOW_PERCENT / 100 * tried.requests
    return Line(f"shadow at {SHADOW_PERCENT} %", f"< {100 * SHADOW_COST_MAX:.0f} % of throughput, second core idle",
                f"{tried_us:.2f} us, without {alone_us:.2f} us", cost < SHADOW_COST_MAX and dropped < 0.01 * sampled,
                share(cost), cpu_pair(sum(r.spent.of() for r in tried.rounds), sum(r.spent.of() for r in alone.rounds)),
                [f"CPU for one request of the thread that answers, alone on its core; the shadow's thread, on the other core "
                 f"beside the load client, uses {shadow_us:.2f} us more; both sides logged at 100 %; the client never sleeps "
                 "for an answer",
                 describe(tried), describe(alone),
                 f"{dropped:.0f} of about {sampled:,.0f} sampled requests dropped (has to be under 1 %)"])


# --- changes of route ----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Switch:
    """One change of route under load."""
    kind: str
    delay_ms: float      # from the decision to the last answer by the route before
    requests: int
    per_second: float
    bare_syncs_ms: list[float]  # of the disk alone, right after it


def ask(server: Server, what: str, body: dict | None = None) -> None:
    measure.fetch(f"{server.url}{API}/deployments/switched/{what}", body or {})


def newest_event(server: Server) -> int:
    return max((e["seq"] for e in measure.fetch_json(f"{server.url}{API}/events")["events"]), default=0)


def decided_ms(server: Server, after: int, type_: str) -> float:
    """What the event of the decision says: the clock as it was decided, before the decision was durable."""
    events = measure.fetch_json(f"{server.url}{API}/events?after={after}&limit=1000")["events"]
    event, = [e for e in events if e["type"] == type_]
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp() * 1e3


def step_of(route: str) -> str:
    """Each change of route has a step of its own, which every answer by it names."""
    return route.rpartition("step=")[2]


def last_by_first_route_ms(routes: dict[str, dict]) -> float:
    first = min(routes, key=lambda route: routes[route]["first_us"])
    if len({step_of(route) for route in routes}) < 2:
        raise RuntimeError(f"every answer came by the same route: {list(routes)}")
    return max(seen["last_us"] for route, seen in routes.items() if step_of(route) == step_of(first)) / 1e3


def switch(bench: Bench, server: Server, body: pathlib.Path, what: str, event: str, stable: int) -> Switch:
    """Asks for it in the middle of a load, and goes on until it has long been done."""
    before = newest_event(server)
    with client(bench, server, body, "switched", {"seconds": SWITCH_S, "rate": SWITCH_RATE, "routes": 1}) as process:
        time.sleep(SWITCH_S / 2)
        ask(server, what)
        out, err = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"load_client: {err}")
    figures, routes = map(json.loads, out.splitlines())
    if figures["errors"] > 0:
        raise RuntimeError(f"{figures['errors']} of {figures['requests']} requests failed: {err}")
    await_deployment(server, "switched", serves(stable))
    delay_ms = last_by_first_route_ms(routes) - decided_ms(server, before, event)
    return Switch(what, delay_ms, figures["requests"], figures["per_second"],
                  measure.bare_syncs_ms(body.parent, BARE_SYNCS))


def switches(bench: Bench, server: Server, body: pathlib.Path) -> list[Switch]:
    """There and back: a promotion, then the version before it as a candidate that is rolled back."""
    done, stable = [], 1
    for _ in range(SWITCHES * bench.rounds):
        other = 3 - stable
        await_deployment(server, "switched", is_tried("canarying"))
        done.append(switch(bench, server, body, "promote", "rollout.promoted", other))
        ask(server, "deploy", {"version": stable})
        await_deployment(server, "switched", is_tried("canarying"))
        done.append(switch(bench, server, body, "rollback", "rollout.rolled_back", other))
        measure.fetch(f"{server.url}{API}/models/switched/versions/{stable}/release", {})
        ask(server, "deploy", {"version": stable})
        stable = other
    return done


def switch_line(bench: Bench, server: Server, body: pathlib.Path) -> Line:
    done = switches(bench, server, body)
    worst = max(s.delay_ms for s in done)
    slowest = min(s.per_second for s in done)
    syncs_ms = sorted(ms for s in done for ms in s.bare_syncs_ms)
    spans = {kind: sorted(s.delay_ms for s in done if s.kind == kind) for kind in ("promote", "rollback")}
    return Line(f"promotion and rollback under {SWITCH_RATE:,}/s", f"0 failed, <= {SWITCH_MAX_MS:.0f} ms to the last old answer",
                f"0 failed, {worst:.1f} ms at most", worst <= SWITCH_MAX_MS and slowest >= 0.95 * SWITCH_RATE,
                f"{worst / SWITCH_MAX_MS:.2f}x", "",
                [f"{len(spans['promote'])} promotions, {len(spans['rollback'])} rollbacks, {sum(s.requests for s in done):,} "
                 "requests, all answered with 200",
                 "from the time in the decision's event to the last answer that names the route before: middle "
                 + ", ".join(f"{kind} {statistics.median(span):.1f} ms" for kind, span in spans.items())
                 + "; the decision is durable in between",
                 f"the disk alone, after each of them, {len(syncs_ms)} times 4 KiB written over and synced: middle "
                 f"{statistics.median(syncs_ms):.1f} ms, one in twenty {syncs_ms[-len(syncs_ms) // 20]:.1f} ms, at most "
                 f"{syncs_ms[-1]:.1f} ms",
                 f"at least {slowest:,.0f}/s (has to be {0.95 * SWITCH_RATE:,.0f}/s)"])


def start_switched(bench: Bench, server: Server, folder: pathlib.Path) -> None:
    apply_project(bench, folder)
    inference.register(bench, server, folder / "model.ubj", "switched", "switched")


def lines(bench: Bench) -> list[Line]:
    folder = bench.fresh("predictions")
    model, body = folder / "model.ubj", folder / "rows.jsonl"
    body.write_bytes(b"\n".join(inference.row_body(seed) for seed in range(DIFFERENT_ROWS)))
    with peers.slipway(bench, folder, core=SERVER_CORE, flags=("--clock", "replay")) as server:
        set_clock(server, CLOCK_START)
        apply_project(bench, folder)
        inference.register(bench, server, model, "free", "logged", "tried", "tried")
        set_clock(server, CLOCK_START)
        await_deployment(server, "logged", serves(1))
        await_deployment(server, "tried", is_tried("shadowing"))
        cost = [log_line(bench, server, body), shadow_line(bench, server, body)]
    folder = bench.fresh("switches")
    with peers.slipway(bench, folder) as server:
        start_switched(bench, server, folder)
        return [*cost, switch_line(bench, server, body)]
