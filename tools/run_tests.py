"""Runs the suites and adds up what they report. Called by tools/test, which has installed what they need."""
import argparse
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BINARY = BUILD / "release" / "slipway"
POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")


class Count:
    """Passed and failed of one suite. A skipped test counts as failed."""

    def __init__(self):
        self.passed, self.failures, self.output = 0, [], ""

    def check(self, name, ok):
        if ok:
            self.passed += 1
        else:
            self.failures.append(name)

    def junit(self, file, name, returncode):
        """Adds the cases of a JUnit or GoogleTest XML file; a missing or empty file is a failure."""
        before = self.passed + len(self.failures)
        if file.exists():
            for case in ElementTree.parse(file).iter("testcase"):
                title = f"{case.get('classname')}.{case.get('name')}"
                bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
                ran = case.get("status", "run") == "run" and case.get("result", "completed") == "completed"
                self.check(title, ran and not bad)
        if self.passed + len(self.failures) == before:
            self.failures.append(f"{name}: no test ran")
        elif returncode != 0 and not self.failures:
            self.failures.append(f"{name}: exit status {returncode}")


def run(command, env=None, **kwargs):
    return subprocess.run([str(c) for c in command], cwd=kwargs.pop("cwd", ROOT), env=env, **kwargs)


def build(preset, *targets):
    if run(["tools/build", preset, *targets]).returncode != 0:
        print(f"tools/build {preset} failed")
        print("0 passed, 1 failed")
        sys.exit(1)


def give_back_null():
    """Some programs that root runs leave /dev/null closed to everybody else; then no other user's shell works."""
    mode = os.stat("/dev/null").st_mode & 0o777
    if mode & 0o006 != 0o006:
        print(f"/dev/null had mode {mode:o}, so that only root could use it; it is 666 again", flush=True)
        os.chmod("/dev/null", 0o666)


class Postgres:
    """A throw-away server on a Unix socket; PostgreSQL refuses to run as root, so root lends it another user."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slipway-postgres-"))
        self.prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        user = "postgres" if self.prefix else os.environ.get("USER", "postgres")
        if self.prefix:
            shutil.chown(self.folder, "postgres")
            give_back_null()
        self.data = self.folder / "data"
        self.call("initdb", "-D", self.data, "-U", user, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self.start()
        self.uri = f"postgresql:///postgres?host={self.folder}&user={user}"
        return self

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=200"
        self.call("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        processes = self.processes()
        self.call("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        self.wait_for_end_of(processes)

    def kill(self):
        """kill -9 of its first process; the others see it and go."""
        processes = self.processes()
        os.kill(int(processes[0]), signal.SIGKILL)
        self.wait_for_end_of(processes)

    def processes(self):
        first = (self.data / "postmaster.pid").read_text().split()[0]
        return [first, *pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split()]

    @staticmethod
    def is_there(process):
        """Whoever collects orphans (bench/measure.py does) has to wait for it, or it stays for ever."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(int(process), os.WNOHANG)
        return pathlib.Path("/proc", process).exists()

    def wait_for_end_of(self, processes):
        """One that still goes holds the memory that they shared, and no other server starts on the same data."""
        while any([self.is_there(process) for process in processes]):
            time.sleep(0.01)

    def call(self, program, *arguments):
        run([*self.prefix, POSTGRES / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def environment(**extra):
    env = dict(os.environ, SLIPWAY_BINARY=str(BINARY), MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true",
               DVC_NO_ANALYTICS="1", GIT_CONFIG_GLOBAL=str(ROOT / "tests" / "gitconfig"), PYTHONDONTWRITEBYTECODE="1")
    for name in ("mlflow3", "mlflow36", "mlflow2", "dvc", "triton"):
        env[f"SLIPWAY_PYTHON_{name.upper()}"] = str(BUILD / "python" / name / "bin" / "python")
    return dict(env, **extra)


# --- suites: each takes (count, options) ---------------------------------------------------------------------------

def layers(count, options):
    count.check("layers", run([sys.executable, "tools/layers"]).returncode == 0)


def headers(count, options):
    build("dev", "header_check")
    count.check("every header compiles alone", True)


def two_at_a_time(function, items):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))


def run_gtests(count, preset, long, names=(), prefix=()):
    """The programs of unit tests (or those of that name), as that preset builds them, with a PostgreSQL beside them."""
    build(preset, *(names or ["unit_tests"]))
    programs = sorted(program for program in (BUILD / preset / "tests").glob("*_test")
                      if not names or program.name in names)
    if not programs:
        count.failures.append("no unit test program was built")

    def run_one(program):
        report = BUILD / "reports" / f"{preset}-{program.name}.xml"
        report.unlink(missing_ok=True)
        return report, run([*prefix, program, f"--gtest_output=xml:{report}", "--gtest_brief=1"], env=env,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    with Postgres() as postgres:
        env = environment(SLIPWAY_TEST_POSTGRES=postgres.uri, SLIPWAY_TEST_LONG="1" if long else "")
        for program, (report, done) in zip(programs, two_at_a_time(run_one, programs)):
            # What a program logs is of interest when it failed.
            print(done.stdout if done.returncode != 0 else f"{program.name}: passed", flush=True)
            count.junit(report, program.name, done.returncode)


def unit(count, options):
    run_gtests(count, "dev", options.long)


def sanitizers(count, options):
    """The same programs: whatever `unit` would find, and more."""
    run_gtests(count, "fuzz", False)


def threads(count, options):
    """What several threads share, watched by the thread sanitizer, which wants its addresses where they are."""
    told = f"TSAN_OPTIONS=suppressions={ROOT / 'tools' / 'tsan.supp'}"
    run_gtests(count, "tsan", False, THREADED, ("env", told, "setarch", "-R"))


def fuzzers(count, options):
    build("fuzz", "fuzzers")
    seconds = 600 if options.long else 15

    def run_one(program):
        corpus = ROOT / "fuzz" / "corpus" / program.name.removesuffix("_fuzz")
        with tempfile.TemporaryDirectory() as found:
            return run([program, found, *([corpus] if corpus.exists() else []), f"-max_total_time={seconds}",
                        "-max_len=65536", "-rss_limit_mb=4096", "-timeout=20", f"-artifact_prefix={BUILD}/reports/"],
                       stderr=subprocess.PIPE, text=True, errors="replace")

    programs = sorted((BUILD / "fuzz" / "fuzz").glob("*_fuzz"))
    for program, done in zip(programs, two_at_a_time(run_one, programs)):
        ran = re.findall(r"Done (\d+) runs", done.stderr)
        print(f"fuzz: {program.name}: {ran[-1] if ran else 'no'} runs in {seconds} s", flush=True)
        if done.returncode != 0 or not ran:
            print(done.stderr[-4000:])
        count.check(f"fuzz {program.name}", done.returncode == 0 and bool(ran) and int(ran[-1]) >= 100)


def load_time(count, options):
    """What the binary needs at load time: libc, libstdc++ and a few small libraries."""
    allowed = {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2",
               "libsimdjson.so.14", "libprometheus-cpp-core.so.1.0", "libdate-tz.so.3"}
    listing = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", listing))
    print("load time:", " ".join(sorted(needed)))
    count.check(f"needed at load time: {sorted(needed - allowed)}", bool(needed) and needed <= allowed)


def pytest_suite(folder, python, alone=False, files=None):
    """tests/FOLDER (or `files` in it) with that Python. Unless it wants the machine alone, another such suite may run
    beside it: they wait for clients and disks most of the time."""
    def suite(count, options, name="", **extra):
        report = BUILD / "reports" / f"{(name or folder).replace('/', '-')}-{python}.xml"
        report.unlink(missing_ok=True)
        env = environment(SLIPWAY_TEST_LONG="1" if options.long else "", **extra)
        done = run([BUILD / "python" / python / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                    f"--junitxml={report}", *(ROOT / "tests" / folder / file for file in files or [""])],
                   env=env, text=True, errors="replace", **({} if alone else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}))
        count.output = done.stdout or ""
        count.junit(report, f"{folder} with {python}", done.returncode)
    suite.alone = alone
    return suite


def on_postgres(suite):
    """The same tests of a server whose catalogue is in PostgreSQL."""
    def same(count, options):
        with Postgres() as postgres:
            suite(count, options, name="on-postgres", SLIPWAY_TEST_STORE=postgres.uri, SLIPWAY_TEST_SECONDS="15")
    same.alone = suite.alone
    return same


def web(count, options):
    """The page in a real browser."""
    if run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=ROOT / "tests" / "web").returncode != 0:
        count.failures.append("npm ci in tests/web")
        return
    done = run(["node", "--test", "--test-reporter=tap"], cwd=ROOT / "tests" / "web", env=environment(),
               stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    tests = re.findall(r"^(not ok|ok) \d+ - (.*?)(?: # (SKIP|TODO).*)?$", done.stdout, re.M)
    for outcome, name, skipped in tests:
        count.check(f"web: {name}", outcome == "ok" and not skipped)
    if not tests:
        count.failures.append("web: no test ran")


# What a client calls; the other files there ask MLflow's server of the pinned version beside ours.
CALLS_OF_CLIENTS = ["test_clients.py", "test_tracking.py", "test_registry.py", "test_artifacts.py", "test_models.py",
                    "test_prompts.py", "test_traces.py"]

SUITES = {
    "layers": layers,
    "headers": headers,
    "unit": unit,
    "load-time": load_time,
    "faults": pytest_suite("faults", "mlflow3", alone=True),
    "scenario": pytest_suite("scenario", "dvc"),
    "mlflow": pytest_suite("protocol/mlflow", "mlflow3"),
    "import": pytest_suite("protocol/mlflow_import", "mlflow3"),
    "mlflow-postgres": on_postgres(pytest_suite("protocol/mlflow", "mlflow3")),
    "postgres": pytest_suite("postgres", "mlflow3"),
    "s3": pytest_suite("protocol/s3", "s3"),
    "mlflow2": pytest_suite("protocol/mlflow", "mlflow2"),
    "access": pytest_suite("protocol/access", "mlflow3"),
    "access2": pytest_suite("protocol/access", "mlflow2"),
    "mlflow36": pytest_suite("protocol/mlflow", "mlflow36", files=CALLS_OF_CLIENTS),
    "dvc": pytest_suite("protocol/dvc", "dvc"),
    "circle": pytest_suite("protocol/circle", "mlflow3"),
    "guide": pytest_suite("protocol/guide", "mlflow3"),
    "delivery": pytest_suite("protocol/delivery", "mlflow3"),
    "monitor": pytest_suite("protocol/monitor", "mlflow3"),
    "triggers": pytest_suite("protocol/triggers", "dvc"),
    "serving": pytest_suite("protocol/serving", "triton"),
    "triton": pytest_suite("protocol/triton", "triton"),
    "link": pytest_suite("protocol/link", "mlflow3"),
    "project": pytest_suite("protocol/project", "dvc"),
    "checks": pytest_suite("protocol/checks", "dvc"),
    "features": pytest_suite("protocol/features", "dvc"),
    "web": web,
    "sanitizers": sanitizers,
    "threads": threads,
    "fuzzers": fuzzers,
}
QUICK = ["layers", "unit"]
# `sanitizers` runs the same tests as `unit`, which is sooner there after an edit; `threads` wants a build of its own.
FULL = [name for name in SUITES if name not in ("unit", "threads")]
# The modules whose values several threads share.
THREADED = ["app_test", "base_test", "domain_features_test", "domain_registry_test", "domain_serving_test",
            "domain_tracking_test", "graph_test", "io_blob_test", "io_db_test", "io_http_test"]


def run_suite(name, options):
    count, started = Count(), time.monotonic()
    if getattr(SUITES[name], "alone", True):
        print(f"=== {name}", flush=True)
    SUITES[name](count, options)
    beginning = f"=== {name}\n{count.output.rstrip()}\n" if count.output else ""
    print(f"{beginning}=== {name}: {count.passed} passed, {len(count.failures)} failed in "
          f"{time.monotonic() - started:.0f} s", flush=True)
    return count


def run_suites(names, options):
    """In this order; of those that may have company two at a time."""
    counts = {}
    for alone, group in itertools.groupby(names, lambda name: getattr(SUITES[name], "alone", True)):
        with concurrent.futures.ThreadPoolExecutor(1 if alone else 2) as pool:
            group = list(group)
            counts.update(zip(group, pool.map(lambda name: run_suite(name, options), group)))
    return counts


def main():
    parser = argparse.ArgumentParser(prog="tools/test")
    parser.add_argument("suites", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help=f"only {' and '.join(QUICK)}")
    parser.add_argument("--long", action="store_true", help="the full numbers of the random harnesses")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    if unknown := [name for name in options.suites if name not in SUITES]:
        parser.error(f"no suite named {unknown[0]}; there are {', '.join(SUITES)}")
    (BUILD / "reports").mkdir(parents=True, exist_ok=True)
    chosen = options.suites or (QUICK if options.quick else list(SUITES) if options.long else FULL)
    if not options.quick:
        build("release")

    counts = run_suites(chosen, options)
    total = sum(count.passed for count in counts.values())
    failures = [f"{name}: {failure}" for name, count in counts.items() for failure in count.failures]
    for failure in failures:
        print("FAILED", failure)
    print(f"{total} passed, {len(failures)} failed")
    return 1 if failures or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
