"""Measures each figure that Slipway promises, the peer beside it in the same run. Called by tools/bench."""
from __future__ import annotations

import argparse
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable

import artifacts
import checks
import delivery
import inference
import measure
import models
import postgres
import predictions
import repro
import report
import search
import series
import startup
import tracking
import triggers
from peers import ROOT, Bench
from report import Line

GROUPS: dict[str, Callable[[Bench], list[Line]]] = {
    "startup": startup.lines,
    "tracking": tracking.lines,
    "search": search.lines,
    "series": series.lines,
    "postgres": postgres.lines,
    "inference": inference.lines,
    "repro": repro.lines,
    "predictions": predictions.lines,
    "delivery": delivery.lines,
    "checks": checks.lines,
    "triggers": triggers.lines,
    "artifacts": artifacts.lines,
    "models": models.lines,
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/bench", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(GROUPS),
                        help=f"measure only this group: {', '.join(GROUPS)} (may be repeated)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write the lines there")
    parser.add_argument("--rounds", type=int, default=2, help="how often the sides take turns [2]")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="folder of the release build [build/release]")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build" / "bench",
                        help="where the sides keep their files; its disk is what is measured [build/bench]")
    parser.add_argument("--keep", action="store_true", help="leave those files there")
    return parser.parse_args()


def measure_group(name: str, bench: Bench) -> list[Line]:
    began = time.monotonic()
    print(f"bench: {name} ...", file=sys.stderr, flush=True)
    lines = GROUPS[name](bench)
    print(f"bench: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    # Also what is told at the end: whoever ends this before it is done keeps what it found.
    for line in lines:
        print(f"bench:   {'met' if line.met else 'MISSED'}: {line.name}: {line.figure}", file=sys.stderr, flush=True)
    return lines


def main() -> int:
    options = parse()
    # So that an interrupted run still ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    measure.adopt_orphans()
    about = report.machine()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=options.folder.resolve()))
    bench = Bench(options.build.resolve(), ROOT / "build" / "python", folder, options.rounds)
    try:
        lines = [line for name in options.only or GROUPS for line in measure_group(name, bench)]
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(report.table(lines))
    print(report.summary(lines))
    if options.json:
        report.write_json(options.json, about, lines)
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
