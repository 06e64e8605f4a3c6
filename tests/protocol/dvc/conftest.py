"""Repositories made by the real dvc and by slipway, side by side."""

import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest

ENV = {
    **os.environ,
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
    "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org",
}
DVC_PYTHON = os.environ.get("SLIPWAY_PYTHON_DVC", sys.executable)
DVC = [DVC_PYTHON, "-m", "dvc"]
SLIPWAY = [os.environ["SLIPWAY_BINARY"]]


class DvcServer:
    """Runs the real dvc without starting it from nothing each time."""

    def __init__(self, folder):
        self.out, self.err = folder / "out", folder / "err"
        self.process = subprocess.Popen([DVC_PYTHON, pathlib.Path(__file__).with_name("dvc_server.py")], env=ENV, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, arguments, folder, environment):
        print(json.dumps({"arguments": arguments, "folder": str(folder), "environment": environment, "out": str(self.out),
                          "err": str(self.err)}), file=self.process.stdin, flush=True)
        code = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(["dvc", *arguments], code, self.out.read_text(), self.err.read_text())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture(scope="session")
def dvc_server(tmp_path_factory):
    server = DvcServer(tmp_path_factory.mktemp("dvc-server"))
    yield server
    server.stop()


class Repo:
    """A git repository and a tool that works on it."""

    def __init__(self, folder, tool, site, dvc_server):
        self.root = pathlib.Path(folder)
        self.tool = tool
        self.dvc_server = dvc_server
        self.env = {**ENV, "DVC_SITE_CACHE_DIR": str(site), "DVC_GLOBAL_CONFIG_DIR": str(site / "global"),
                    "DVC_SYSTEM_CONFIG_DIR": str(site / "system")}

    def run(self, *arguments, tool=None, code=0, cwd=None):
        tool = tool or self.tool
        if tool == DVC:
            done = self.dvc_server.run(arguments, cwd or self.root, self.env)
        else:
            done = subprocess.run([*tool, *arguments], cwd=cwd or self.root, env=self.env, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
        if code is not None:
            assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def write(self, files):
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def snapshot(self):
        """Everything that both tools must agree on: path -> (mode, kind, content)."""
        seen = {}
        for path in sorted(self.root.rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if name.split("/")[0] == ".git" or ".slipway" in name.split("/") or ".dvc/tmp" in name:
                continue
            if path.is_symlink():
                seen[name] = ("link", os.readlink(path).replace(str(self.root), ""))
            elif path.is_file():
                # In the workspace dvc drops the execution bits of group and others, slipway keeps them.
                bits = 0o777 if name.startswith(".dvc/") else 0o700
                seen[name] = (oct(stat.S_IMODE(path.stat().st_mode) & bits), path.read_bytes())
            else:
                seen[name] = ("folder",)
        return seen


@pytest.fixture
def pair(tmp_path, dvc_server):
    """(made by dvc, made by slipway), both initialized by their own `init`."""
    repos = []
    for name, tool in (("dvc", DVC), ("slipway", SLIPWAY)):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True, env=ENV)
        repo = Repo(folder, tool, tmp_path / ("site-" + name), dvc_server)
        repo.run(*(["dvc"] if tool is SLIPWAY else []), "init")  # `slipway init` lays out a whole project
        repos.append(repo)
    return repos


def both(pair, action):
    return [action(repo) for repo in pair]


def assert_same(pair):
    theirs, ours = (repo.snapshot() for repo in pair)
    assert list(theirs) == list(ours)
    for name in theirs:
        assert theirs[name] == ours[name], name


def assert_clean(pair):
    """Each finds the other's repository clean."""
    for repo in pair:
        assert repo.run("status", "--json", tool=DVC).stdout.strip() == "{}"
        assert repo.run("dvc", "status", "--json", tool=SLIPWAY).stdout.strip() == "{}"
