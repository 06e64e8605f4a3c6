"""What is on the disk after a power cut: a file's bytes only if it was synced, a name only if its folder was, since. So every
sync is written down (nth_call.c), and what a command says is there must have been promised all the way up.
"""
import os
import pathlib
import subprocess

import pytest
from server import Server

SLIPWAY = os.environ["SLIPWAY_BINARY"]
SOURCE = pathlib.Path(__file__).with_name("nth_call.c")


@pytest.fixture(scope="session")
def seam(tmp_path_factory):
    library = tmp_path_factory.mktemp("nth_call") / "nth_call.so"
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class Promises:
    """What the disk has promised to keep."""

    def __init__(self, seam, tmp_path):
        self.path = tmp_path / "synced"
        self.environment = {"LD_PRELOAD": str(seam), "NTH_CALL_PROGRAM": os.path.basename(os.path.realpath(SLIPWAY)),
                            "NTH_CALL_SYNCED": str(self.path)}

    def lost(self, path, top):
        """What of the way from the folder `top` to the file is lost with the power; none is how it should be."""
        lines = set(self.path.read_text().splitlines())
        missing = [] if path.is_dir() or f"F {path.stat().st_ino}" in lines else [str(path)]
        while path != top:
            if f"D {path.parent.stat().st_ino} {path.name}" not in lines:
                missing.append(f"{path.name} in {path.parent}")
            path = path.parent
        return missing


def project_at(root):
    root.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    subprocess.run([SLIPWAY, "init"], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return root


def test_what_a_dvc_file_names_is_there_after_a_power_cut(seam, tmp_path):
    root = project_at(tmp_path / "project")
    (root / "f").write_text("one\n")
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/g").write_text("two\n")
    promises = Promises(seam, tmp_path)
    subprocess.run([SLIPWAY, "add", "f", "d"], cwd=root, check=True, env={**os.environ, **promises.environment})
    objects = [path for path in (root / ".dvc/cache/files/md5").rglob("*") if path.is_file()]
    assert len(objects) == 3
    for path in [*objects, root / "f.dvc", root / "d.dvc"]:
        assert promises.lost(path, root / ".dvc" if ".dvc/cache" in str(path) else root) == []


def test_a_fresh_state_folder_is_there_after_a_power_cut_once_its_server_answers(seam, tmp_path):
    promises = Promises(seam, tmp_path)
    top = tmp_path / "top"
    top.mkdir()
    server = Server(top / "new/state", **promises.environment)
    server.start()
    try:
        assert promises.lost(top / "new/state/catalog.db", top) == []
        assert promises.lost(top / "new/state", top) == []
    finally:
        server.kill()
