"""`repro` of 200 trivial stages, the first time and with nothing to do, beside dvc; both must leave the same bytes."""
from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator, Sequence

import measure
import peers
from measure import Timed
from peers import Bench
from report import Line, cpu_pair, times

FIRST_MIN, IDLE_MIN = 20, 50
LANES, LENGTH = 10, 20
IDLE_REPEATS = 5
# What is nobody's result: git's own files, DVC's scratch, Slipway's state.
PRIVATE = {".git", ".slipway", ".dvc/tmp"}


def pipeline() -> str:
    """Lanes of stages, each of which copies the output of the one before."""
    text = ["stages:"]
    for lane in range(LANES):
        for number in range(LENGTH):
            before = f"lane{lane}.txt" if number == 0 else f"out{lane}_{number - 1}.txt"
            after = f"out{lane}_{number}.txt"
            text += [f"  s{lane}_{number}:", f"    cmd: cat {before} > {after}", f"    deps: [{before}]",
                     f"    outs: [{after}]"]
    return "\n".join(text) + "\n"


def run(folder: pathlib.Path, *command: object) -> None:
    subprocess.run([str(c) for c in command], cwd=folder, env=peers.environment(), check=True,
                   stdout=subprocess.DEVNULL)


def make_repository(folder: pathlib.Path, init: Sequence[object]) -> pathlib.Path:
    run(folder, "git", "init", "-q")
    run(folder, *init)
    (folder / "dvc.yaml").write_text(pipeline())
    for lane in range(LANES):
        (folder / f"lane{lane}.txt").write_text(f"the beginning of lane {lane}\n")
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "-q", "-m", "pipeline")
    return folder


def contents(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file that counts."""

    def walk(at: pathlib.Path) -> Iterator[pathlib.Path]:
        for entry in at.iterdir():
            if str(entry.relative_to(folder)) in PRIVATE:
                continue
            if entry.is_dir() and not entry.is_symlink():
                yield from walk(entry)
            else:
                yield entry

    return {str(file.relative_to(folder)): (file.lstat().st_mode, file.read_bytes()) for file in walk(folder)}


def differences(ours: pathlib.Path, theirs: pathlib.Path) -> list[str]:
    a, b = contents(ours), contents(theirs)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


class Side:
    def __init__(self, bench: Bench, name: str, command: Sequence[object], init: Sequence[object]):
        self.bench, self.name, self.command, self.init = bench, name, command, init
        self.first: list[Timed] = []
        self.idle: list[Timed] = []
        self.folder = pathlib.Path()

    def measure_round(self, number: int) -> None:
        self.folder = make_repository(self.bench.fresh(f"repro-{self.name}-{number}"), self.init)
        self.first.append(measure.timed(self.command, self.folder, peers.environment()))
        self.idle += [measure.timed(self.command, self.folder, peers.environment()) for _ in range(IDLE_REPEATS)]


def line(title: str, minimum: int, ours: Timed, theirs: Timed, different: list[str], notes: list[str]) -> Line:
    ratio = theirs.wall_s / ours.wall_s
    return Line(title, f">= {minimum}x faster than dvc",
                f"{ours.wall_s * 1e3:,.1f} ms, dvc {theirs.wall_s * 1e3:,.0f} ms", ratio >= minimum and not different,
                times(ratio), cpu_pair(ours.cpu_s, theirs.cpu_s), notes)


def lines(bench: Bench) -> list[Line]:
    dvc = bench.client("dvc", "dvc")
    ours = Side(bench, "slipway", [bench.slipway, "repro"], [bench.slipway, "dvc", "init", "-q"])
    theirs = Side(bench, "dvc", [dvc, "repro"], [dvc, "init", "-q"])
    different: list[str] = []
    for number in range(bench.rounds):
        ours.measure_round(number)
        theirs.measure_round(number)
        different += differences(ours.folder, theirs.folder)
    count = len(contents(ours.folder))
    same = (f"{count} files compared after it (dvc.lock, cache, run cache, outputs, .gitignore): "
            f"{'byte-equal, same modes' if not different else f'{len(different)} DIFFER: ' + ', '.join(different[:5])}")
    title = f"repro of {LANES * LENGTH} trivial stages"
    return [line(title, FIRST_MIN, measure.median(ours.first), measure.median(theirs.first), different, [same]),
            line(f"{title}, nothing to do", IDLE_MIN, measure.median(ours.idle), measure.median(theirs.idle),
                 different, [])]
