#!/usr/bin/env python3
"""kill -9 (and Ctrl-C) of `slipway repro` at random moments.

After each: dvc.lock is whole, and what it names is in the cache with the right content; no process of a stage is left two
seconds later; no stage ever runs twice at the same time; the next repro goes on and ends with the right outputs.

    repro_kill.py [--seconds N] [--long] [--seed N]

Needs SLIPWAY_BINARY; with SLIPWAY_PYTHON_DVC the real dvc looks at the end result as well.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SLIPWAY = os.environ["SLIPWAY_BINARY"]
TRIALS_MIN = 100
MARK = "SLIPWAY_KILL_TEST"

# Says so when another process of the same stage is alive, writes its output in two halves, and leaves a process in the
# background that is to be gone when the stage is over.
STAGE = """#!/bin/sh
name=$1; out=$2; shift 2
exec 9> locks/$name
flock -n 9 || echo "$name ran twice at the same time" >> violations
if [ "$STUBBORN" = "$name" ]; then
  trap '' TERM INT
  i=0
  while [ $i -lt 50 ]; do sleep 0.05; i=$((i+1)); done
fi
sleep 1000 &
text=$(cat "$@" | cksum)
mkdir -p "$(dirname "$out")"
printf '%s: half' "$name" > "$out"
sleep 0.01
printf '%s: %s\\n' "$name" "$text" > "$out"
"""

# name, output, what dvc.yaml calls it, inputs, options of the output
STAGES = [
    ("a", "a.txt", "a.txt", ["x"], None),
    ("b", "b.txt", "b.txt", ["a.txt"], None),
    ("c", "c/one", "c", ["a.txt"], None),
    ("d", "d.txt", "d.txt", ["b.txt", "c/one"], None),
    ("e", "e.txt", "e.txt", ["y"], None),
    ("f", "f.json", "f.json", ["d.txt", "e.txt"], "metrics"),
    ("g", "g.txt", "g.txt", ["f.json", "x"], None),
]


def pipeline():
    text = "stages:\n"
    for name, out, shown, inputs, kind in STAGES:
        text += f"  {name}:\n    cmd: sh ./stage.sh {name} {out} {' '.join(inputs)}\n    deps: [stage.sh, {', '.join(inputs)}]\n"
        text += f"    metrics: [{shown}: {{cache: false}}]\n" if kind == "metrics" else f"    outs: [{shown}]\n"
    return text


def expected(root, contents):
    """What each output must hold, from the inputs alone."""
    known = dict(contents)
    for name, out, _, inputs, _ in STAGES:
        data = b"".join(known[path] for path in inputs)
        text = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout.decode().strip()
        known[out] = f"{name}: {text}\n".encode()
    return known


class Trial:
    def __init__(self, root, rng):
        self.root = root
        self.rng = rng
        self.env = {**os.environ, MARK: str(root), "SHELL": "/bin/sh", "GIT_CEILING_DIRECTORIES": str(root.parent)}
        self.wanted = {}

    def start(self, stubborn=""):
        """`stubborn`: a stage that takes two seconds more, and listens to nothing but SIGKILL."""
        jobs = self.rng.choice(["1", "2", "4"])
        return subprocess.Popen([SLIPWAY, "repro", "-j", jobs], cwd=self.root, env={**self.env, "STUBBORN": stubborn}, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def change_inputs(self):
        """Few different ones, so that the run cache has its say too."""
        contents = {"x": f"{self.rng.randrange(5)}\n".encode(), "y": f"{self.rng.randrange(3)}\n".encode()}
        if self.rng.random() < 0.3:  # all new
            contents["x"] = f"{self.rng.random()}\n".encode()
        for name, data in contents.items():
            (self.root / name).write_bytes(data)
        self.wanted = expected(self.root, contents)
        if self.rng.random() < 0.2:
            victim = self.root / self.rng.choice([stage[1] for stage in STAGES])
            if victim.exists():
                victim.unlink()

    def finish(self):
        process = self.start()
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0, out.decode()
        assert not self.violations(), self.violations()
        for path, data in self.wanted.items():
            found = (self.root / path).read_bytes()
            assert found == data, f"{path} holds {found!r} instead of {data!r}"
        self.check_lock()
        status = subprocess.run([SLIPWAY, "dvc", "status", "--json"], cwd=self.root, env=self.env, capture_output=True, text=True)
        assert status.stdout.strip() == "{}", status.stdout + status.stderr

    def violations(self):
        path = self.root / "violations"
        return path.read_text() if path.exists() else ""

    def check_lock(self):
        """Whole, and every output that it names is in the cache (metrics are in the run cache's reach as well)."""
        path = self.root / "dvc.lock"
        if not path.exists():
            return
        text = path.read_text()
        assert text.startswith("schema: '2.0'\nstages:") and text.endswith("\n"), text
        status = subprocess.run([SLIPWAY, "dvc", "status", "--json"], cwd=self.root, env=self.env, capture_output=True, text=True)
        assert status.returncode == 0, status.stdout + status.stderr
        json.loads(status.stdout)
        outs = [part for part in text.split("    outs:\n")[1:]]
        for part in outs:
            part = re.split(r"\n  \S", part)[0]
            for md5 in re.findall(r"md5: '?([0-9a-f]{32}(?:\.dir)?)'?\n", part):
                self.check_object(md5)

    def check_object(self, md5):
        path = self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
        data = path.read_bytes()
        assert hashlib.md5(data).hexdigest() == md5[:32], f"object {md5} holds something else"
        assert b"half" not in data, f"object {md5} is a half-written output: {data!r}"
        if md5.endswith(".dir"):
            for entry in json.loads(data):
                self.check_object(entry["md5"])

    def living(self):
        """Processes that carry our mark."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if f"{MARK}={self.root}".encode() in file.read():
                        with open(f"/proc/{entry}/cmdline", "rb") as line:
                            found.append((int(entry), line.read().replace(b"\0", b" ").decode()))
            except OSError:
                continue
        return found

    def wait_for_none(self, seconds):
        until = time.monotonic() + seconds
        while self.living():
            assert time.monotonic() < until, f"still alive after {seconds} s: {self.living()}"
            time.sleep(0.02)


def setup(root):
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    subprocess.run([SLIPWAY, "init"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    (root / "locks").mkdir()
    (root / "stage.sh").write_text(STAGE)
    (root / "dvc.yaml").write_text(pipeline())


def one(trial, longest):
    trial.change_inputs()
    stubborn = trial.rng.choice([stage[0] for stage in STAGES]) if trial.rng.random() < 0.12 else ""
    process = trial.start(stubborn)
    time.sleep(trial.rng.random() * longest)  # the moment is the experiment, nothing is waited for
    how = trial.rng.choice([signal.SIGKILL] * 4 + [signal.SIGINT])
    ended = process.poll() is not None
    process.send_signal(how)
    if how == signal.SIGKILL:
        process.wait()
    else:
        process.communicate(timeout=30)
    process.stdout.close()
    if trial.rng.random() < 0.5:
        trial.wait_for_none(2)
        trial.check_lock()
    trial.finish()  # in the other half at once, beside what may still be dying
    trial.wait_for_none(2)
    return ended


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--long", action="store_true", help="2,000 trials")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="slipway-kill-")).resolve()
    trials = early = 0
    try:
        setup(root)
        trial = Trial(root, rng)
        trial.change_inputs()
        begin = time.monotonic()
        trial.finish()
        longest = (time.monotonic() - begin) * 1.1
        begin = time.monotonic()
        while trials < 2000 if args.long else time.monotonic() - begin < args.seconds:
            ended = one(trial, longest)
            trials += 1
            early += not ended
        if python := os.environ.get("SLIPWAY_PYTHON_DVC"):
            status = subprocess.run([python, "-m", "dvc", "status", "--json"], cwd=root, capture_output=True, text=True,
                                    env={**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root) + "-site"})
            assert status.stdout.strip() == "{}", status.stdout + status.stderr
    except BaseException:
        print(f"seed {args.seed}, trial {trials + 1}; the repository stays at {root}", file=sys.stderr)
        raise
    shutil.rmtree(root)
    shutil.rmtree(str(root) + "-site", ignore_errors=True)
    print(f"repro_kill: {trials} trials, {early} of them while it ran, seed {args.seed}")
    if trials < TRIALS_MIN:
        sys.exit(f"only {trials} trials, at least {TRIALS_MIN} are wanted")


if __name__ == "__main__":
    main()
