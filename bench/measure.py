"""Time, CPU seconds, memory, disk syncs and load: how the benchmark measures, the same for every side."""
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import resource
import statistics
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Processes whose parents end become our children, so that their CPU seconds are counted too."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


# --- process trees -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    session: int
    cpu_ticks: int  # its own and of the children it has waited for
    rss_pages: int


def processes() -> Iterator[Process]:
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # The name in parentheses may hold spaces and parentheses of its own.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            yield Process(int(folder.name), int(fields[1]), int(fields[3]), sum(map(int, fields[11:15])),
                          int(fields[21]))


def tree(root: int) -> list[Process]:
    """`root`, its descendants, and whatever else is in its session."""
    everything = list(processes())
    members = {root} | {p.pid for p in everything if p.session == root}
    while grown := {p.pid for p in everything if p.parent in members} - members:
        members |= grown
    return [p for p in everything if p.pid in members]


def cpu_s(root: int) -> float:
    return sum(p.cpu_ticks for p in tree(root)) * TICK_S


def rss_mb(root: int) -> float:
    return sum(p.rss_pages for p in tree(root)) * PAGE_BYTES / 1e6


def wait_until_at_rest(root: int, share: float, limit_s: float) -> bool:
    """Waits until the tree uses less than `share` of one core, measured over windows of 0.2 s."""
    end, before = time.monotonic() + limit_s, cpu_s(root)
    while time.monotonic() < end:
        time.sleep(0.2)
        now = cpu_s(root)
        if now - before <= max(share * 0.2, TICK_S):
            return True
        before = now
    return False


# --- commands ------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Timed:
    wall_s: float
    cpu_s: float


def children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def reap_orphans() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


def timed(command: Sequence[object], cwd: pathlib.Path, env: Mapping[str, str]) -> Timed:
    """Runs a command to its end; one that fails ends the benchmark. No other child may end meanwhile."""
    reap_orphans()
    cpu_before, began = children_cpu_s(), time.perf_counter()
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wall = time.perf_counter() - began
    reap_orphans()
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout[-4000:]}")
    return Timed(wall, children_cpu_s() - cpu_before)


def median(times: Sequence[Timed]) -> Timed:
    return Timed(statistics.median(t.wall_s for t in times), statistics.median(t.cpu_s for t in times))


# --- disk syncs ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Syncs:
    """What sync_count.cc saw a program do."""
    count: int = 0
    seconds: float = 0

    def __sub__(self, other: Syncs) -> Syncs:
        return Syncs(self.count - other.count, self.seconds - other.seconds)

    def __add__(self, other: Syncs) -> Syncs:
        return Syncs(self.count + other.count, self.seconds + other.seconds)

    @property
    def mean_us(self) -> float:
        return self.seconds / self.count * 1e6 if self.count else 0.0


def read_syncs(file: pathlib.Path) -> Syncs:
    count, nanoseconds = struct.unpack("<QQ", file.read_bytes())
    return Syncs(count, nanoseconds / 1e9)


def bare_syncs_ms(folder: pathlib.Path, count: int) -> list[float]:
    """What the disk alone needs to make 4 KiB, written over, durable."""
    took = []
    with open(folder / "bare_syncs", "w+b", buffering=0) as file:
        for _ in range(count + 1):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())
            took.append(1e3 * (time.perf_counter() - began))
    return took[1:]  # the first one made the file longer


# --- load ----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Load:
    """Several rounds of load on one server, added up; latencies are of the last round."""
    requests: int = 0
    seconds: float = 0
    server_cpu_s: float = 0
    client_cpu_s: float = 0
    client_busy: float = 0  # the busiest round
    p50_us: float = 0
    p99_us: float = 0
    answer_bytes: int = 0

    def __add__(self, later: Load) -> Load:
        return Load(self.requests + later.requests, self.seconds + later.seconds,
                    self.server_cpu_s + later.server_cpu_s, self.client_cpu_s + later.client_cpu_s,
                    max(self.client_busy, later.client_busy), later.p50_us, later.p99_us, later.answer_bytes)

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        """Of the server, for one request."""
        return self.server_cpu_s / self.requests * 1e6

    @property
    def cores_busy(self) -> float:
        """Of all cores, by the server and its load."""
        return (self.server_cpu_s + self.client_cpu_s) / self.seconds / (os.cpu_count() or 1)

    @property
    def latency(self) -> str:
        return f"p50 {self.p50_us / 1e3:.2f} ms, p99 {self.p99_us / 1e3:.2f} ms"


def load(program: pathlib.Path, pid: int, arguments: Mapping[str, object], core: int | None = None) -> Load:
    """One round of load_client against the server `pid`, whose work is counted until it is at rest again."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    flags = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    before = cpu_s(pid)
    done = subprocess.run([*pinned, str(program), *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"load_client: {done.stderr}")
    wait_until_at_rest(pid, share=0.02, limit_s=1)
    after, figures = cpu_s(pid), json.loads(done.stdout)
    if figures["errors"] > 0:
        raise RuntimeError(f"{figures['errors']} of {figures['requests']} requests failed; {done.stderr}")
    return Load(figures["requests"], figures["seconds"], after - before, figures["cpu_s"], figures["busy"],
                figures["p50_us"], figures["p99_us"], figures["answer_bytes"])


# --- HTTP ----------------------------------------------------------------------------------------------------------

def fetch(url: str, body: object = None, method: str | None = None, timeout_s: float = 60) -> bytes:
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        return answer.read()


def fetch_json(url: str, body: object = None, method: str | None = None) -> dict:
    return json.loads(fetch(url, body, method) or b"{}")


def answers(url: str) -> bool:
    try:
        fetch(url)
        return True
    except OSError:
        return False


def metric_values(url: str) -> dict[str, float]:
    """The samples of a Prometheus text page by their name with labels."""
    values = {}
    for line in fetch(f"{url}/metrics").decode().splitlines():
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            values[name] = float(value)
    return values
