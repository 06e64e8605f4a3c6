"""A file of 1 GB up and down with curl, through the server, and what that costs it."""
from __future__ import annotations

import hashlib
import pathlib
import subprocess
import threading
import time
from dataclasses import dataclass

import measure
import peers
from peers import Bench, Server
from report import Line, cpu_pair, times

FILE_BYTES = 1_000_000_000
TIMES_LESS = 5
GROWTH_MAX_MB = 64
PATH = "/api/2.0/mlflow-artifacts/artifacts/1/bench/artifacts/"
FILES = 100_000
LISTING_MAX_S = 2.0


@dataclass
class Cost:
    cpu_s: float = 0.0
    wall_s: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cpu_s + other.cpu_s, self.wall_s + other.wall_s)


class Peak:
    """The most that a process tree held while the block ran, looked at fifty times a second."""

    def __init__(self, pid: int) -> None:
        self.pid, self.mb, self.over = pid, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self) -> None:
        while not self.over.wait(0.02):
            self.mb = max(self.mb, measure.rss_mb(self.pid))

    def __enter__(self) -> Peak:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def make_file(path: pathlib.Path) -> str:
    """Bytes that no layer can make shorter; their SHA-256."""
    digest = hashlib.sha256()
    with open("/dev/urandom", "rb") as source, path.open("wb") as file:
        left = FILE_BYTES
        while left > 0:
            piece = source.read(min(left, 1 << 22))
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    return digest.hexdigest()


def curl(server: Server, *arguments: object) -> Cost:
    before = measure.cpu_s(server.pid)
    done = measure.timed(["curl", "--silent", "--show-error", "--fail", *arguments], pathlib.Path("/"),
                         peers.environment())
    measure.wait_until_at_rest(server.pid, share=0.05, limit_s=5)
    return Cost(measure.cpu_s(server.pid) - before, done.wall_s)


def digest_of(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashing_s() -> float:
    """CPU of SHA-256 alone over as many bytes, from memory that is warm: what the server can't do without on the way in."""
    piece, pieces = bytes(1 << 20), FILE_BYTES >> 20
    digest, before = hashlib.sha256(), time.process_time()
    for _ in range(pieces):
        digest.update(piece)
    return time.process_time() - before


def move(bench: Bench, server: Server, file: pathlib.Path, digest: str, round_: int) -> tuple[Cost, Cost, bool]:
    """Up and down; the name is new each time, so that nothing is replaced."""
    url, back = f"{server.url}{PATH}{round_}.bin", bench.folder / "back.bin"
    up = curl(server, "--upload-file", file, "--output", "/dev/null", url)
    down = curl(server, "--output", back, url)
    same = digest_of(back) == digest
    back.unlink()
    return up, down, same


def cost_line(title: str, ours: Cost, theirs: Cost, rounds: int, ok: bool, notes: list[str]) -> Line:
    return Line(title, f">= {TIMES_LESS}x less", f"{ours.cpu_s / rounds:.2f} s, MLflow {theirs.cpu_s / rounds:.2f} s",
                ok and ours.cpu_s * TIMES_LESS <= theirs.cpu_s, times(theirs.cpu_s / ours.cpu_s),
                cpu_pair(ours.cpu_s, theirs.cpu_s),
                [f"wall {ours.wall_s / rounds:.2f} s, MLflow {theirs.wall_s / rounds:.2f} s each time", *notes])


def transfer_lines(bench: Bench) -> list[Line]:
    file = bench.folder / "large.bin"
    digest = make_file(file)
    ups, downs, same, at_rest, peak = [Cost(), Cost()], [Cost(), Cost()], True, 0.0, 0.0
    with peers.slipway(bench, bench.fresh("artifacts-slipway")) as ours, \
            peers.mlflow(bench, bench.fresh("artifacts-mlflow")) as theirs:
        for server in (ours, theirs):
            measure.wait_until_at_rest(server.pid, share=0.1, limit_s=40)
        at_rest = measure.rss_mb(ours.pid)
        for round_ in range(bench.rounds):
            for side, server in enumerate((ours, theirs)):
                with Peak(server.pid) as seen:
                    up, down, whole = move(bench, server, file, digest, round_)
                ups[side], downs[side], same = ups[side] + up, downs[side] + down, same and whole
                if side == 0:
                    peak = max(peak, seen.mb)
    file.unlink()
    what = [f"{FILE_BYTES / 1e9:.0f} GB of random bytes, SHA-256 of what came back {'equal' if same else 'DIFFERENT'}"]
    hashing, up = hashing_s(), ups[0].cpu_s / bench.rounds
    durable = ["ours hashes while it streams, and answers when file, folders and record are synced; MLflow syncs nothing",
               f"SHA-256 of as many bytes alone takes {hashing:.2f} s of CPU here, {hashing / up:.0%} of ours"]
    growth = peak - at_rest
    memory = Line("memory while 1 GB passes", f"< {GROWTH_MAX_MB} MB more", f"{growth:.1f} MB more", growth < GROWTH_MAX_MB,
                  "", "", [f"{at_rest:.1f} MB at rest, {peak:.1f} MB at most"])
    return [cost_line("artifact of 1 GB up, server CPU", ups[0], ups[1], bench.rounds, same, what + durable),
            cost_line("artifact of 1 GB down, server CPU", downs[0], downs[1], bench.rounds, same, what),
            memory]


def listing_line(bench: Bench) -> Line:
    """Files that lie there already, as after years of logging."""
    took = []
    for make in (peers.slipway, peers.mlflow):
        folder = bench.fresh(f"listing-{make.__name__}")
        inside = "state/artifacts" if make is peers.slipway else "artifacts"
        many = folder / inside / "1" / "bench" / "artifacts" / "many"
        many.mkdir(parents=True)
        for number in range(FILES):
            (many / f"{number:06}.txt").touch()
        with make(bench, folder) as server:
            url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts?path=1/bench/artifacts/many"
            measure.wait_until_at_rest(server.pid, share=0.1, limit_s=40)
            before = measure.cpu_s(server.pid)
            answer = folder / "answer"
            began = time.monotonic()
            done = subprocess.run(["curl", "--silent", "--fail", "--output", answer, url], cwd=folder)
            wall = time.monotonic() - began
            measure.wait_until_at_rest(server.pid, share=0.05, limit_s=5)
            files = answer.read_text().count(".txt") if done.returncode == 0 else 0
            took.append((wall, measure.cpu_s(server.pid) - before, files))
    ours, theirs = took
    peer = f"{theirs[0]:.2f} s" if theirs[2] == FILES else f"no answer, after {theirs[0]:.2f} s"
    return Line(f"listing of a folder with {FILES:,} files", f"< {LISTING_MAX_S:.0f} s",
                f"{ours[0]:.2f} s, MLflow {peer}", ours[0] < LISTING_MAX_S and ours[2] == FILES,
                times(theirs[0] / ours[0]), cpu_pair(ours[1], theirs[1]),
                ["a worker of MLflow's that is busy for longer than five seconds may be ended by its own watcher"])


def lines(bench: Bench) -> list[Line]:
    subprocess.run(["curl", "--version"], check=True, stdout=subprocess.DEVNULL)
    return [*transfer_lines(bench), listing_line(bench)]
