"""The lines of the benchmark and how they are printed."""
from __future__ import annotations

import json
import os
import pathlib
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Line:
    """One target. `ratio` is in the target's own terms, so that the two can be read side by side."""
    name: str
    target: str
    figure: str
    met: bool
    ratio: str = ""
    cpu_s: str = ""  # ours, and the peer's, over the whole measurement
    notes: list[str] = field(default_factory=list)


def times(value: float) -> str:
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def cpu_pair(ours: float, peer: float) -> str:
    return f"{ours:.2f} / {peer:.2f}"


def machine() -> dict[str, str]:
    models = [line.partition(":")[2].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    return {"cpu": f"{os.cpu_count()} x {models[0] if models else platform.machine()}", "kernel": platform.release(),
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "load_before": f"{os.getloadavg()[0]:.2f}"}


COLUMNS = ("line", "target", "figure", "ratio", "CPU s, ours / peer", "")


def cells(line: Line) -> tuple[str, ...]:
    return (line.name, line.target, line.figure, line.ratio, line.cpu_s, "met" if line.met else "MISSED")


def table(lines: Sequence[Line]) -> str:
    rows = [COLUMNS, *map(cells, lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]

    def spell(row: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()

    text = [spell(rows[0]), "  ".join("-" * width for width in widths)]
    for line, row in zip(lines, rows[1:]):
        text += [spell(row), *(f"    {note}" for note in line.notes)]
    return "\n".join(text)


def summary(lines: Sequence[Line]) -> str:
    met = sum(line.met for line in lines)
    return f"{met} met, {len(lines) - met} missed"


def write_json(file: pathlib.Path, about: dict[str, str], lines: Sequence[Line]) -> None:
    document = {"machine": about, "lines": [asdict(line) for line in lines],
                "met": sum(line.met for line in lines), "missed": sum(not line.met for line in lines)}
    file.write_text(json.dumps(document, indent=2) + "\n")
