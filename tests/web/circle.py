"""The state that the demo leaves, for the page's tests: the bike rentals are lived through by the demo's own driver until
a new version is in its canary while the incident that asked for it is open. Prints where that is as one line of JSON, and
keeps the server running until its standard input ends.

    python circle.py FOLDER
"""
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "bikes"
sys.path.insert(0, str(EXAMPLE))
from replay import DAY, Replay, Server, instant, read_world  # noqa: E402

SLIPWAY = os.environ["SLIPWAY_BINARY"]
PYTHON = pathlib.Path(os.environ["SLIPWAY_PYTHON_MLFLOW3"])
BEGIN, END = datetime.date(2011, 5, 1), datetime.date(2012, 12, 1)
SILENT = datetime.date(2011, 7, 3)  # the labels of the week that begins here never come
ENV = dict(os.environ, PATH=f"{PYTHON.parent}:{os.environ['PATH']}", PYTHONWARNINGS="ignore", MLFLOW_LOGGING_LEVEL="ERROR",
           MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet",
           GIT_AUTHOR_DATE=instant(BEGIN), GIT_COMMITTER_DATE=instant(BEGIN))


def run(folder, *command):
    done = subprocess.run(command, cwd=folder, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")


def commit(folder, message):
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=Test", "-c", "user.email=test@localhost", "commit", "-qm", message)


def make_project(folder):
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    lines = (EXAMPLE / "data" / "hour.csv").read_text().splitlines(keepends=True)
    known = [line for line in lines[1:] if line.split(",")[1] < BEGIN.isoformat()]
    (folder / "data" / "hour.csv").write_text("".join(lines[:1] + known))
    run(folder, "git", "init", "-q", ".")
    run(folder, SLIPWAY, "init")
    run(folder, SLIPWAY, "add", "data/hour.csv")
    commit(folder, "data")


class Lived(Replay):
    labelled = None  # the first prediction, and its true count

    def tell_truth(self, day):
        if SILENT <= day < SILENT + 7 * DAY:
            self.asked.pop(day, None)
            return
        if self.labelled is None and self.asked.get(day):
            self.labelled = self.asked[day][0]
        super().tell_truth(day)

    def is_reached(self):
        rollout = self.server.ask("GET", "/api/slipway/v1/deployments/bikes")["rollout"]
        if not rollout or rollout["phase"] != "canarying" or rollout["counts"]["candidate"]["requests"] < 24:
            return False
        return bool(self.server.ask("GET", "/api/slipway/v1/incidents?open=true")["incidents"])

    def until_canary(self, day):
        while not self.is_reached():
            if day >= END:
                raise SystemExit(f"no canary for an open incident until {day}; what happened:\n" +
                                 "\n".join(f"{event['time']} {event['type']} {event['data']}" for event in self.events))
            self.run(day, day + DAY)
            day += DAY


def main():
    folder = pathlib.Path(sys.argv[1])
    make_project(folder)
    server = subprocess.Popen([SLIPWAY, "up", "--clock", "replay", "--listen", "127.0.0.1:0", "--log-level", "error"],
                              cwd=folder, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        if " at " not in line:
            raise SystemExit(f"the server said {line!r}")
        url = line.split(" at ")[1].strip()
        Server(url).ask("POST", "/api/slipway/v1/clock", {"time": instant(BEGIN)})
        run(folder, SLIPWAY, "apply")
        run(folder, SLIPWAY, "repro")
        commit(folder, "a first model")
        # A connection of its own: an earlier one may have idled for too long meanwhile.
        lived = Lived(Server(url), read_world(EXAMPLE / "data" / "hour.csv"), "bikes", lambda _: None)
        lived.turn_clock(BEGIN)
        lived.until_canary(BEGIN)
        print(json.dumps({"url": url, "folder": str(folder), "labelled": {"id": lived.labelled[0], "count": lived.labelled[1]}}), flush=True)
        sys.stdin.read()
    finally:
        server.terminate()
        server.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
