"""kill -9 (and Ctrl-C) of `slipway repro` at random moments.

After each: dvc.lock is whole, and what it names is in the cache with the right content; no process of a stage is left two
seconds later; no stage ever runs twice at the same time; the next repro goes on and ends with the right outputs. At the
end the real dvc finds nothing to do.
"""
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time

SLIPWAY = os.environ["SLIPWAY_BINARY"]
DVC = [os.environ["SLIPWAY_PYTHON_DVC"], "-m", "dvc"]
LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
TRIALS_WANTED, SECONDS = (2000, 3 * 3600) if LONG else (None, 60)
TRIALS_MIN = 2000 if LONG else 100
SEED = int(os.environ.get("SLIPWAY_TEST_SEED", time.time_ns() % 1_000_000))  # another one each time; it is printed
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
        self.span = 1.0  # seconds in which the kill falls; learns how long a run takes

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


def prepare(root):
    root.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    subprocess.run([SLIPWAY, "init"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    (root / "locks").mkdir()
    (root / "stage.sh").write_text(STAGE)
    (root / "dvc.yaml").write_text(pipeline())


def one(trial):
    """Whether the signal came while it ran."""
    trial.change_inputs()
    stubborn = trial.rng.choice([stage[0] for stage in STAGES]) if trial.rng.random() < 0.12 else ""
    process = trial.start(stubborn)
    time.sleep(trial.rng.random() * trial.span)  # the moment is the experiment, nothing is waited for
    how = trial.rng.choice([signal.SIGKILL] * 4 + [signal.SIGINT])
    ran = process.poll() is None
    trial.span *= 1.02 if ran else 0.95
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
    return ran


def test_a_killed_repro_leaves_a_repository_from_which_the_next_goes_on(tmp_path):
    root = tmp_path / "project"
    print(f"seed {SEED}")
    prepare(root)
    trial = Trial(root, random.Random(SEED))
    trial.change_inputs()
    begin = time.monotonic()
    trial.finish()
    trial.span = time.monotonic() - begin
    trials = killed = 0
    begin = time.monotonic()
    passed = lambda: time.monotonic() - begin  # noqa: E731
    # A busy machine needs longer for the fewest.
    while trials != TRIALS_WANTED and (passed() < SECONDS or trials < TRIALS_MIN and passed() < 3 * SECONDS):
        killed += one(trial)
        trials += 1
    site = {name: str(tmp_path / name) for name in
            ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")}
    status = subprocess.run([*DVC, "status", "--json"], cwd=root, capture_output=True, text=True, env={**trial.env, **site})
    assert status.stdout.strip() == "{}", status.stdout + status.stderr
    print(f"kill -9 of repro: {trials} trials, {killed} of them while it ran, seed {SEED}")
    assert trials >= TRIALS_MIN and killed > trials / 2
