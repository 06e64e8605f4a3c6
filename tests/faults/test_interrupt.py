"""Ctrl-C at a real terminal while a stage's command ignores every signal that can be ignored: it ends all the same, with all
that it has started, and the terminal says so. So does a pipeline run that is cancelled."""
import contextlib
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import time

import pytest

from loop import wait_until

SLIPWAY = os.environ["SLIPWAY_BINARY"]
MARK = "SLIPWAY_INTERRUPT_TEST"
GRACE = 10  # seconds; `slipway repro` says it
ASK_AGAIN = 8  # seconds; then SIGTERM comes to what did not heed SIGINT
# With one process in its group and one that has left it.
STAGE = """#!/bin/sh
trap '' INT TERM HUP QUIT
echo half > out
setsid sh -c 'sleep 1000; sleep 1000' &
sleep 1000 &
echo begun
while true; do sleep 1; done
"""
# The deaf script as the stage's own process, and below a shell that heeds signals. Both are said outright: whether a shell puts
# itself in the place of its last command is its own affair (bash does, the dash of Debian 12 does not).
DEAF = "exec sh stage.sh"
SHELL_ABOVE = "sh stage.sh; exit $?"
PROJECT = """version: 1
project: deaf
use_case: {problem: p, user: u, owner: o@example.org, requirements: []}
pipelines:
  deaf: {stages: [deaf]}
"""


def dvc_yaml(command):
    return f"stages:\n  deaf:\n    cmd: {command}\n    deps: [stage.sh]\n    outs: [out]\n"


class Project:
    def __init__(self, root, command):
        self.root = root
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}
        self.env[MARK] = str(root)
        root.mkdir()
        self.call("git", "init", "-q", "-b", "main", ".")
        self.call(SLIPWAY, "init")
        for name, text in (("stage.sh", STAGE), ("dvc.yaml", dvc_yaml(command)), ("slipway.yaml", PROJECT)):
            (root / name).write_text(text)
        self.call("git", "add", "-A")
        self.call("git", "commit", "-q", "-m", "x")

    def call(self, *command):
        done = subprocess.run(command, cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.call(SLIPWAY, "--json", *arguments))

    def living(self):
        """Processes that carry our mark."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.root}".encode() not in pathlib.Path(f"/proc/{entry}/environ").read_bytes():
                    continue
                found.append((int(entry), pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()))
        return found


class Terminal:
    """A command in a session of its own, with a terminal."""

    def __init__(self, project, *command):
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(project.root)
            os.execve(command[0], command, project.env)

    def read_until(self, wanted, seconds=60):
        """Reads on until that text has come; None reads to the end."""
        end = time.monotonic() + seconds
        seen = 0
        while wanted is None or wanted not in self.text[seen:]:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], (wanted, self.text)
            try:
                data = os.read(self.master, 65536)
            except OSError:  # so a terminal ends on Linux
                data = b""
            if not data:
                assert wanted is None, (wanted, self.text)
                return
            self.text += data.decode(errors="replace")

    def ctrl_c(self):
        os.write(self.master, b"\x03")

    def code(self):
        self.read_until(None)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture(params=[DEAF, SHELL_ABOVE], ids=["deaf", "shell above"])
def project(request, tmp_path):
    made = Project(tmp_path / "project", request.param)
    made.how_it_ends, made.seconds = {
        DEAF: ("interrupted: killed 'deaf', with all that it had started", GRACE),
        SHELL_ABOVE: ("failed to run: sh stage.sh; exit $?, killed by signal 15 (Terminated)", ASK_AGAIN),
    }[request.param]
    yield made
    for pid, _ in made.living():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def expect_clean(project):
    """Nothing lives, nothing half-done counts, and the stage can run again at once."""
    wait_until(lambda: project.living() == [], seconds=2)
    assert not (project.root / "dvc.lock").exists()
    (project.root / "stage.sh").write_text("echo whole > out\n")
    project.call(SLIPWAY, "repro")
    assert (project.root / "out").read_text() == "whole\n"


@pytest.mark.parametrize("command", ["repro", "dvc repro"])
@pytest.mark.parametrize("first", ["ctrl-c", "SIGTERM"])
def test_a_second_ctrl_c_kills_at_once(project, first, command):
    terminal = Terminal(project, SLIPWAY, *command.split())
    terminal.read_until("begun")
    began = time.monotonic()
    if first == "ctrl-c":
        terminal.ctrl_c()
    else:
        os.kill(terminal.pid, signal.SIGTERM)
    terminal.read_until(f"interrupted: running stages have {GRACE} seconds to end; interrupt again to kill them")
    terminal.ctrl_c()
    code = terminal.code()
    assert time.monotonic() - began < GRACE - 2
    assert "interrupted: killed 'deaf', with all that it had started" in terminal.text
    assert code != 0
    expect_clean(project)


def test_one_ctrl_c_is_enough(project):
    terminal = Terminal(project, SLIPWAY, "repro")
    terminal.read_until("begun")
    began = time.monotonic()
    terminal.ctrl_c()
    code = terminal.code()
    assert time.monotonic() - began >= project.seconds - 1
    assert project.how_it_ends in terminal.text
    assert code != 0
    expect_clean(project)


def test_a_run_that_is_cancelled_ends(project):
    server = Terminal(project, SLIPWAY, "up", "--listen", "127.0.0.1:0", "--log-level", "error")
    server.read_until("ready at http://")
    project.call(SLIPWAY, "apply")
    run = project.json("run", "deaf")["id"]
    wait_until(lambda: "begun" in project.call(SLIPWAY, "logs", run))
    # The server may go meanwhile, at once: its runs go on, and the next one has them.
    server.ctrl_c()
    assert server.code() == 0
    assert [line for _, line in project.living() if b"stage.sh" in line]
    server = Terminal(project, SLIPWAY, "up", "--listen", "127.0.0.1:0", "--log-level", "error")
    server.read_until("ready at http://")
    project.call(SLIPWAY, "cancel", run)
    wait_until(lambda: project.json("runs")["runs"][0]["state"] == "cancelled")
    assert project.how_it_ends in project.call(SLIPWAY, "logs", run)
    assert not [line for _, line in project.living() if b"stage.sh" in line or b"sleep" in line]
    server.ctrl_c()
    assert server.code() == 0
    wait_until(lambda: project.living() == [])
