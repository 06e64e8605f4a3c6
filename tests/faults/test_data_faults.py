"""add, checkout, commit and repro, ended as by kill -9 or failing at each call that changes the disk, one after the other.

Wherever it is cut: nothing that the user had is lost, an object of the cache is whole or not there, what records it is the
old text or the new one, and the same command once more ends as if nothing had happened.
"""
import errno
import hashlib
import os
import pathlib
import random
import shutil
import stat
import subprocess
import tempfile

import pytest

SLIPWAY = os.environ["SLIPWAY_BINARY"]
SOURCE = pathlib.Path(__file__).with_name("nth_call.c")
LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
STEP = int(os.environ.get("SLIPWAY_TEST_STEP", 24))
HOWS = ["kill", "torn", str(errno.EIO), f"+{errno.ENOSPC}"]


@pytest.fixture
def folder(tmp_path):
    """In memory where there is such a file system: no cut here is a power cut, and nobody waits for a disk."""
    memory = pathlib.Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 32 << 20:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="slipway-faults-") as made:
        yield pathlib.Path(made)


@pytest.fixture(scope="session")
def nth_call(tmp_path_factory):
    library = tmp_path_factory.mktemp("nth_call") / "nth_call.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class Project:
    def __init__(self, root):
        self.root = root

    def slipway(self, *arguments, **environment):
        return subprocess.run([SLIPWAY, *arguments], cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=dict(os.environ, GIT_CEILING_DIRECTORIES=str(self.root.parent), **environment))

    def must(self, *arguments):
        done = self.slipway(*arguments)
        assert done.returncode == 0, (arguments, done)

    def write(self, **files):
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or path.exists():
                path.unlink()
            path.write_text(text)

    def copy(self, to):
        subprocess.run(["cp", "-a", self.root, to], check=True)
        return Project(to)

    def files(self, top="."):
        """Path -> kind and content of all that git or a user may see, and of the cache."""
        seen = {}
        for path in sorted((self.root / top).rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if name.startswith((".git/", ".slipway", ".dvc/tmp")):
                continue
            if path.is_symlink():
                seen[name] = ("link", os.readlink(path).replace(str(self.root), ""), path.read_bytes())
            elif path.is_file():
                seen[name] = (stat.S_IMODE(path.stat().st_mode), path.stat().st_nlink, path.read_bytes())
        return seen

    def objects(self):
        folder = self.root / ".dvc/cache/files/md5"
        return {path.parent.name + path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def contents(self):
        """What the user has in the work tree: path -> bytes."""
        return {name: facts[-1] for name, facts in self.files().items()
                if not name.startswith(".") and not name.endswith(".dvc")}


def folder_of_many():
    return {f"many__f{i}": f"{i}\n" * 50 for i in range(40)}


BIG = "0123456789abcdef" * 40_000  # more than one write

FIRST = dict(f="one\n", d__a="two\n", d__e__b="three\n", d__empty="", big=BIG, **folder_of_many())
SECOND = dict(f="other\n", d__a="changed\n", d__e__b="three\n", d__new="four\n", big=BIG + "x")
TARGETS = ["f", "d", "big", "many"]


def added(project):
    project.write(**FIRST)
    project.must("add", *TARGETS)


def changed(project):
    added(project)
    project.write(**SECOND)


def back_to_first(project):
    """The .dvc files of an earlier commit beside the data of a later one."""
    added(project)
    old = {path: path.read_bytes() for path in project.root.glob("*.dvc") if path.is_file()}
    project.write(**SECOND)
    (project.root / "many/f3").unlink()
    project.must("add", *TARGETS)
    for path, text in old.items():
        path.write_bytes(text)


def deleted(project):
    added(project)
    for name in TARGETS:
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


SCENARIOS = {
    "add": (lambda project: project.write(**FIRST), ["add", *TARGETS]),
    "add again": (changed, ["add", *TARGETS]),
    "commit": (changed, ["commit", "-f"]),
    "checkout of an earlier version": (back_to_first, ["checkout"]),
    "checkout of what is deleted": (deleted, ["checkout"]),
}


def must_hold(project, before, recorded, final):
    for name, data in project.objects().items():
        assert hashlib.md5(data).hexdigest() == name[:32], f"the object {name} is not what its name says"
    kept = set(project.objects().values())
    now = project.contents()
    for path, data in before.items():
        if path in now and now[path] == data:
            continue
        assert data in kept, f"what {path} held is lost"
        assert path not in now or now[path] == final["contents"].get(path), f"{path} is neither old nor new"
    for name, texts in recorded.items():
        text = text_of(project, name)
        assert text in texts, f"{name} is neither old nor new: {text}"
    ignored = text_of(project, ".gitignore") or b""
    assert final["files"][".gitignore"][-1].startswith(ignored) and ignored[-1:] in (b"", b"\n"), ignored


def text_of(project, name):
    path = project.root / name
    return path.read_bytes() if path.exists() else None


def texts_of(project):
    return {f"{target}.dvc": text_of(project, f"{target}.dvc") for target in TARGETS}


class Cuts:
    """One command in one project, cut again and again. The project always lies in the same place, which links name."""

    def __init__(self, folder, nth_call, command):
        self.root, self.template, self.command = folder / "project", Project(folder / "template"), command
        self.environment = {"LD_PRELOAD": str(nth_call), "NTH_CALL_PROGRAM": pathlib.Path(SLIPWAY).resolve().name}
        self.count = folder / "count"

    def make(self, fill, links):
        self.root.mkdir()
        subprocess.run(["git", "init", "-q", "--template=", "."], cwd=self.root, check=True)
        project = Project(self.root)
        project.must("init")
        (self.root / ".dvc/config").write_text(f"[cache]\n    type = {links}\n")
        fill(project)
        project.copy(self.template.root)

    def fresh(self):
        shutil.rmtree(self.root)
        return self.template.copy(self.root)

    def uncut(self):
        project = self.fresh()
        done = project.slipway(*self.command, NTH_CALL_COUNT=str(self.count), **self.environment)
        assert done.returncode == 0, done
        self.calls = int(self.count.read_text())
        assert self.calls > 20
        return project

    def all(self, must_hold, must_end):
        """`must_hold` after each cut, `must_end` after the same command once more."""
        trials = hits = 0
        for how in HOWS:
            # Short runs take every n-th call, and not the same ones each time.
            for at in range(1 if LONG else random.randint(1, STEP), self.calls + 1, 1 if LONG else STEP):
                project = self.fresh()
                done = project.slipway(*self.command, NTH_CALL_AT=str(at), NTH_CALL_HOW=how, **self.environment)
                try:
                    if how in ("kill", "torn"):
                        assert done.returncode in (-9, 0), "it did not end as it was ended"
                    else:
                        assert done.returncode in (0, 1, 3), "it crashed"
                        assert done.returncode == 0 or "slipway: " in done.stderr, "no clear error"
                    must_hold(project)
                    again = project.slipway(*self.command)
                    assert again.returncode == 0, f"the next one: {again}"
                    must_end(project)
                except AssertionError as failed:
                    raise AssertionError(f"{failed}\n{how} at call {at} of {self.calls}: {done}") from failed
                trials += 1
                hits += done.returncode != 0
        print(f"{trials} cuts at {self.calls} calls, {hits} of them told")
        assert hits * 4 > trials


@pytest.mark.parametrize("links", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_cut(nth_call, folder, scenario, links):
    fill, command = SCENARIOS[scenario]
    cuts = Cuts(folder, nth_call, command)
    cuts.make(fill, links)
    before, old_texts = cuts.template.contents(), texts_of(cuts.template)
    done = cuts.uncut()
    final = {"files": done.files(), "contents": done.contents()}
    recorded = {name: {old_texts[name], text} for name, text in texts_of(done).items()}

    def must_end(project):
        assert project.files() == final["files"]

    cuts.all(lambda project: must_hold(project, before, recorded, final), must_end)


PIPELINE = """stages:
  a:
    cmd: cat x > y
    deps: [x]
    outs: [y]
  b:
    cmd: mkdir -p d && cp y d/1 && cp y d/2
    deps: [y]
    outs: [d]
  c:
    cmd: cat d/1 d/2 > m.json
    deps: [d]
    metrics: [m.json: {cache: false}]
"""


@pytest.mark.parametrize("links", ["copy", "hardlink"])
def test_every_cut_of_repro(nth_call, folder, links):
    def fill(project):
        (project.root / "dvc.yaml").write_text(PIPELINE)
        (project.root / "x").write_text("1\n")

    cuts = Cuts(folder, nth_call, ["repro"])
    cuts.make(fill, links)
    done = cuts.uncut()
    final = {"files": done.files(), "contents": done.contents()}

    def must_be_true(project):
        must_hold(project, {"x": b"1\n"}, {}, final)
        lock = text_of(project, "dvc.lock") or b""
        assert final["files"]["dvc.lock"][-1].startswith(lock), f"dvc.lock: {lock}"

    def must_end(project):
        assert project.files() == final["files"]

    cuts.all(must_be_true, must_end)


def test_a_limit_of_file_sizes_is_an_error_like_any_other(folder):
    project = Project(folder / "project")
    project.root.mkdir()
    project.must("dvc", "init", "--no-scm")
    (project.root / "big").write_bytes(random.Random(1).randbytes(300_000))
    limited = subprocess.run(["sh", "-c", 'ulimit -f 64 && exec "$0" add big', SLIPWAY], cwd=project.root,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert limited.returncode == 3, limited
    assert "File too large" in limited.stderr, limited
    assert (project.root / "big").stat().st_size == 300_000
    project.must("add", "big")
    project.must("status")
