"""The same commands leave the same bytes, and each tool is at home in the other's repository."""

import json
import os
import subprocess

import pytest
from conftest import DVC, SLIPWAY, assert_clean, assert_same, both

CONTENTS = {
    "one file": ({"a.txt": "hello\n"}, ["a.txt"]),
    "empty file": ({"empty": ""}, ["empty"]),
    "folder": ({"d/a": "1", "d/b": "2", "d/sub/c": "3"}, ["d"]),
    "empty folder": ({"d": None}, ["d"]),
    "empty folders inside": ({"d/a": "1", "d/none": None}, ["d"]),
    "names": ({"data set/mit ümlaut.txt": "x", "data set/日本語/😀": "y", "data set/a-b": "z", "data set/a/b": "w"},
              ["data set"]),
    "odd names": ({"#hash.txt": "1", "!bang.txt": "2", "br[a]ck*.txt": "3", "back\\slash": "4", "true": "5", "1e5": "6"},
                  ["#hash.txt", "!bang.txt", "br[a]ck*.txt", "back\\slash", "true", "1e5"]),
    "nested": ({"x/y/z.bin": b"\0\1\2" * 1000}, ["x/y/z.bin"]),
    "several": ({"a": "1", "b/c": "2", "d": "1"}, ["a", "b", "d"]),
    "large": ({"big": os.urandom(3 << 20)}, ["big"]),
}


@pytest.mark.parametrize("case", CONTENTS, ids=str)
@pytest.mark.parametrize("links", [None, "copy", "hardlink", "symlink", "reflink,hardlink,symlink,copy"])
def test_add_leaves_the_same_bytes(pair, case, links):
    files, targets = CONTENTS[case]
    for repo in pair:
        if links:
            repo.run("config", "cache.type", links, tool=DVC)
        repo.write(files)
        repo.run("add", *targets)
    assert_same(pair)
    assert_clean(pair)


def test_init_leaves_the_same_bytes(pair):
    assert_same(pair)
    staged = both(pair, lambda repo: repo.run("status", "--short", tool=["git"]).stdout)
    assert staged[0] == staged[1]


SUBDIR = {
    "wanted": (["--subdir"], "", 0),
    "not wanted": ([], "", 1),
    "quietly": (["--subdir", "-q"], "", 0),
    "at the top": (["--subdir", "."], None, 1),
    "without git too": (["--subdir", "--no-scm"], "", 255),
    "ignored": (["--subdir"], "sub\n", 1),
    "ignored .dvc": (["--subdir"], ".dvc\n", 1),
}


@pytest.mark.parametrize("case", SUBDIR, ids=str)
def test_init_below_the_top_of_a_git_repository(pair, case):
    flags, ignored, code = SUBDIR[case]
    said = []
    for repo in pair:
        repo.write({"sub/deep/x": "1"} | ({".gitignore": ignored} if ignored else {}))
        folder = repo.root if ignored is None else repo.root / "sub" / "deep"
        done = repo.run(*(["dvc"] if repo.tool == SLIPWAY else []), "init", *flags, cwd=folder, code=code)
        said.append((done.stdout + done.stderr).replace(str(repo.root), "<root>"))
    assert said[0] == said[1]
    assert_same(pair)
    staged = both(pair, lambda repo: repo.run("status", "--short", tool=["git"]).stdout)
    assert staged[0] == staged[1]


def test_a_project_below_the_top_is_at_home_in_both(pair):
    for repo in pair:
        repo.write({"sub/x": "1"})
        for arguments in (["init", "--subdir"], ["add", "x"]):
            repo.run(*(["dvc"] if repo.tool == SLIPWAY else []), *arguments, cwd=repo.root / "sub")
    assert_same(pair)
    for repo in pair:
        assert repo.run("status", "--json", tool=DVC, cwd=repo.root / "sub").stdout.strip() == "{}"
        assert repo.run("dvc", "status", "--json", tool=SLIPWAY, cwd=repo.root / "sub").stdout.strip() == "{}"


def test_slipway_init_names_subdir_and_has_it(pair):
    repo = pair[1]
    repo.write({"bikes/x": "1"})
    refused = repo.run("init", code=3, cwd=repo.root / "bikes").stderr
    assert "--subdir" in refused and str(repo.root) in refused
    repo.run("init", "--subdir", "--no-scm", code=2, cwd=repo.root / "bikes")
    assert "a project begins" in repo.run("init", "--subdir", cwd=repo.root / "bikes").stdout
    assert (repo.root / "bikes/.dvc/config").exists() and (repo.root / "bikes/slipway.yaml").exists()


def test_executable_bit(pair):
    for repo in pair:
        repo.write({"run.sh": "#!/bin/sh\n", "d/run.sh": "#!/bin/sh\n"})
        for name in ("run.sh", "d/run.sh"):
            (repo.root / name).chmod(0o755)
        repo.run("add", "run.sh", "d")
    assert_same(pair)
    for repo in pair:
        (repo.root / "run.sh").unlink()
        repo.run("checkout")
        assert os.access(repo.root / "run.sh", os.X_OK)


def test_dvcignore(pair):
    for repo in pair:
        repo.write({".dvcignore": "*.tmp\n!keep.tmp\nskip/\n/d/only_here\n# no\n**/deep/x\nq?.[ab]\n",
                    "d/a.tmp": "1", "d/keep.tmp": "2", "d/skip/x": "3", "d/only_here": "4", "d/e/only_here": "5",
                    "d/deep/x": "6", "d/deep/y": "7", "d/q1.a": "8", "d/q1.c": "9", "d/e/skip": "10"})
        repo.run("add", "d")
    assert_same(pair)
    assert_clean(pair)


def test_gitignore_is_extended(pair):
    for repo in pair:
        repo.write({".gitignore": "*.log", "a": "1", "b.log": "2", "sub/c": "3", "sub/.gitignore": "# ours\n/other\n"})
        repo.run("add", "a", "b.log", "sub/c")
        repo.run("add", "a")
    assert_same(pair)


def test_added_again_after_a_change(pair):
    for repo in pair:
        repo.write({"f": "1", "d/a": "1", "d/b": "2"})
        repo.run("add", "f", "d")
        repo.write({"f": "22", "d/a": "changed", "d/c": "new"})
        repo.run("add", "f", "d")
    assert_same(pair)
    assert_clean(pair)


def test_comments_survive(pair):
    for repo in pair:
        repo.write({"f": "1"})
        repo.run("add", "f")
        text = (repo.root / "f.dvc").read_text()
        repo.write({"f.dvc": "# about this file\ndesc: 'kept: yes'  # why\n" + text + "meta:\n  owner: somebody\n", "f": "22"})
        repo.run("add", "f")
    assert_same(pair)
    assert_clean(pair)


def test_symbolic_links_in_a_folder(pair):
    for repo in pair:
        repo.write({"elsewhere/x": "x", "d/a": "1"})
        os.symlink("../elsewhere/x", repo.root / "d" / "to_file")
        os.symlink("../elsewhere", repo.root / "d" / "to_folder")
        repo.run("add", "d")
    assert_same(pair)


@pytest.mark.parametrize("links", ["copy", "hardlink", "symlink", "reflink,hardlink,symlink,copy"])
def test_checkout_across(pair, links):
    files = {"f": "1", "d/a": "1", "d/sub/b": "2", "d/empty": ""}
    for repo in pair:
        repo.run("config", "cache.type", links, tool=DVC)
        repo.write(files)
        repo.run("add", "f", "d")
        for other in (SLIPWAY, DVC):
            (repo.root / "f").unlink()
            subprocess.run(["rm", "-rf", "d"], cwd=repo.root, check=True)
            repo.run("checkout", tool=other)
            for name, content in files.items():
                assert (repo.root / name).read_text() == content
            assert_clean(pair)
    assert_same(pair)


def test_checkout_refuses_to_lose_unsaved_changes(pair):
    for repo in pair:
        repo.write({"f": "1", "d/a": "1"})
        repo.run("add", "f", "d")
        repo.write({"f": "unsaved", "d/new": "unsaved"})
    said = both(pair, lambda repo: repo.run(*(["dvc"] if repo.tool == SLIPWAY else []), "checkout", code=255).stderr
                .replace(str(repo.root), ""))
    assert sorted(said[0].splitlines()) == sorted(said[1].splitlines())
    for repo in pair:
        assert (repo.root / "f").read_text() == "unsaved"
        assert (repo.root / "d/new").read_text() == "unsaved"
        repo.run("checkout", "-f")
        assert (repo.root / "f").read_text() == "1"
        assert not (repo.root / "d/new").exists()
    assert_same(pair)


def test_commit(pair):
    for repo in pair:
        repo.write({"f": "1"})
        repo.run("add", "f")
        repo.write({"f": "22"})
        repo.run("commit", code=1)
        repo.run("commit", "-f")
    assert_same(pair)
    assert_clean(pair)


SAID = {
    "missing file": (["add", "nope"], 1),
    "overlapping parent": (["add", "sub"], 1),
    "tracked by git": (["add", "tracked"], 1),
    "own folder": (["add", ".dvc/config"], 1),
    "second init": (["init"], 1),
    "status": (["status"], 0),
    "status json": (["status", "--json"], 0),
    "status quiet": (["status", "-q"], 1),
    "status of nothing": (["status", "nope"], 1),
    "commit of changed": (["commit", "f"], 1),
    "commit of nothing": (["commit", "nope"], 1),
    "checkout of nothing": (["checkout", "nope"], 255),
    "checkout of one": (["checkout", "gone"], 0),
    "checkout summary": (["checkout", "--summary", "gone", "sub/d"], 0),
    "checkout without objects": (["checkout", "lost"], 255),
    "add again": (["add", "f"], 0),
}


@pytest.mark.parametrize("case", SAID, ids=str)
def test_the_same_words(pair, case):
    arguments, code = SAID[case]
    answers = []
    for repo in pair:
        repo.write({"f": "1", "gone": "2", "sub/d/a": "3", "lost": "4", "tracked": "t"})
        repo.run("add", "tracked", tool=["git"])
        repo.run("add", "f", "gone", "sub/d", "lost")
        repo.write({"f": "changed", "sub/d/a": "3"})
        (repo.root / "gone").unlink()
        (repo.root / "lost").unlink()
        lost = repo.root / ".dvc/cache/files/md5/a8/7ff679a2f3e71d9181a67b7542122c"
        lost.unlink()
        done = repo.run(*(["dvc"] if repo.tool == SLIPWAY else []), *arguments, code=code)
        answers.append([text.replace(str(repo.root), "") for text in (done.stdout, done.stderr)])
    if case in ("status", "status json"):  # dvc lists files in the order of the file system
        answers = [sorted(json.loads(a[0]).items()) if "json" in case else sorted(a[0].split("\n")) for a in answers]
    assert answers[0] == answers[1]
