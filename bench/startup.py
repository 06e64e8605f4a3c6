"""How soon the server answers, what it holds at rest, and how long the shortest commands take."""
from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Sequence

import measure
import peers
from measure import Timed
from peers import Bench
from report import Line, cpu_pair, times

READY_MAX_S = 0.3
REST_MAX_MB = 60
COMMAND_MAX_S = 0.010
OUR_REPEATS, THEIR_REPEATS = 30, 3


def empty_repository(bench: Bench, name: str, init: Sequence[object]) -> pathlib.Path:
    folder, env = bench.fresh(name), peers.environment()
    for command in (["git", "init", "-q"], init):
        subprocess.run([str(c) for c in command], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    return folder


def repeat(times_: int, command: Sequence[object], folder: pathlib.Path) -> Timed:
    return measure.median([measure.timed(command, folder, peers.environment()) for _ in range(times_)])


def command_line(title: str, ours: Timed, theirs: Timed) -> Line:
    return Line(title, f"< {COMMAND_MAX_S * 1e3:.0f} ms",
                f"{ours.wall_s * 1e3:.1f} ms, dvc {theirs.wall_s * 1e3:.0f} ms", ours.wall_s < COMMAND_MAX_S,
                times(theirs.wall_s / ours.wall_s), cpu_pair(ours.cpu_s, theirs.cpu_s))


def command_lines(bench: Bench) -> list[Line]:
    dvc = bench.client("dvc", "dvc")
    our_folder = empty_repository(bench, "empty-slipway", [bench.slipway, "dvc", "init", "-q"])
    their_folder = empty_repository(bench, "empty-dvc", [dvc, "init", "-q"])
    found = []
    for title, argument in (("slipway status, empty repository", "status"), ("slipway --help", "--help")):
        repeat(3, [bench.slipway, argument], our_folder)
        found.append(command_line(title, repeat(OUR_REPEATS, [bench.slipway, argument], our_folder),
                                  repeat(THEIR_REPEATS, [dvc, argument], their_folder)))
    return found


def ready_line(ready: Sequence[float], cpu: float, peer_ready: float, peer_cpu: float) -> Line:
    middle = sorted(ready)[len(ready) // 2]
    return Line("server ready, new state folder", f"< {READY_MAX_S} s", f"{middle:.3f} s, MLflow {peer_ready:.1f} s",
                middle < READY_MAX_S, times(peer_ready / middle), cpu_pair(cpu, peer_cpu),
                [f"from the start of the process to the first answer of /health; ours {len(ready)} times, "
                 f"slowest {max(ready):.3f} s"])


def server_lines(bench: Bench) -> list[Line]:
    ready, cpu, rest_mb = [], 0.0, 0.0
    for number in range(5):
        with peers.slipway(bench, bench.fresh(f"start-slipway-{number}")) as server:
            ready.append(server.ready_s)
            measure.wait_until_at_rest(server.pid, share=0.02, limit_s=3)
            cpu, rest_mb = measure.cpu_s(server.pid), measure.rss_mb(server.pid)
    with peers.mlflow(bench, bench.fresh("start-mlflow")) as server:
        measure.wait_until_at_rest(server.pid, share=0.2, limit_s=40)
        peer_ready, peer_cpu, peer_mb = server.ready_s, measure.cpu_s(server.pid), measure.rss_mb(server.pid)
    rest = Line("server memory at rest", f"< {REST_MAX_MB} MB", f"{rest_mb:.1f} MB, MLflow {peer_mb:,.0f} MB",
                rest_mb < REST_MAX_MB, times(peer_mb / rest_mb), "",
                ["resident memory of the whole process tree, pages shared among its processes counted in each"])
    return [ready_line(ready, cpu, peer_ready, peer_cpu), rest]


def lines(bench: Bench) -> list[Line]:
    return [*server_lines(bench), *command_lines(bench)]
