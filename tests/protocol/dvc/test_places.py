"""Repositories of strangers: what their files ask to be written outside of the project stays unwritten."""

import hashlib
import json
import os

import pytest
from conftest import SLIPWAY

PROGRAM = b"#!/bin/sh\necho owned\n"


def put(repo, content):
    """An object as it may have come with the repository's cache."""
    md5 = hashlib.md5(content).hexdigest()
    repo.write({f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}": content})
    os.chmod(repo.root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}", 0o444)
    return md5


def put_folder(repo, relpath):
    listing = json.dumps([{"md5": put(repo, PROGRAM), "relpath": relpath}]).encode()
    md5 = hashlib.md5(listing).hexdigest()
    repo.write({f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}.dir": listing})
    os.chmod(repo.root / f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}.dir", 0o444)
    return md5 + ".dir"


def ask_for(repo, path, md5):
    repo.write({"x.dvc": f"outs:\n- md5: {md5}\n  size: 21\n  hash: md5\n  isexec: true\n  path: {path}\n"})


def checkout(repo, *arguments):
    return repo.run(*(("dvc",) if repo.tool == SLIPWAY else ()), "checkout", *arguments, code=None)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "victim").write_text("precious\n")
    return folder


def is_untouched(outside):
    return [path.name for path in outside.iterdir()] == ["victim"] and (outside / "victim").read_text() == "precious\n"


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize("way", ["relative", "absolute"])
def test_nothing_is_written_outside_of_the_project(pair, outside, way, force):
    for repo in pair:
        path = outside / "new"
        ask_for(repo, path if way == "absolute" else os.path.relpath(path, repo.root), put(repo, PROGRAM))
        done = checkout(repo, *force)
        assert is_untouched(outside), repo.tool
        if repo.tool == SLIPWAY:  # DVC passes over it without a word
            assert done.returncode != 0 and "x.dvc" in done.stderr and "does not lie in the project" in done.stderr


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", ".dvc/config.local", "sub/.git/config", "a/../.git/hooks/pre-push"])
def test_nothing_is_written_into_the_folders_of_git_and_dvc(pair, path):
    for repo in pair:
        ask_for(repo, path, put(repo, PROGRAM))
        done = checkout(repo)
        assert done.returncode != 0, (repo.tool, done)
        assert not (repo.root / path).exists(), repo.tool
        if repo.tool == SLIPWAY:
            assert "which belongs to" in done.stderr


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_folder_is_not_written_through_a_link_in_it(pair, outside, force):
    repo = pair[1]  # DVC does write through it
    (repo.root / "sub").mkdir()
    (repo.root / "sub/link").symlink_to(outside)
    ask_for(repo, "sub", put_folder(repo, "link/victim"))
    done = checkout(repo, *force)
    assert is_untouched(outside)
    assert done.returncode != 0 and "is a symbolic link to" in done.stderr and "remove the link" in done.stderr


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_output_behind_a_link_out_of_the_project_is_refused(pair, outside, force):
    repo = pair[1]
    (repo.root / "link").symlink_to(outside)
    ask_for(repo, "link/new", put(repo, PROGRAM))
    done = checkout(repo, *force)
    assert is_untouched(outside)
    assert done.returncode != 0 and "outputs stay in the project" in done.stderr


def test_a_stage_remembered_writes_nothing_outside(pair, outside):
    repo = pair[1]
    path = os.path.relpath(outside / "new", repo.root)
    md5 = put(repo, PROGRAM)
    repo.write({"dvc.yaml": f"stages:\n  s:\n    cmd: 'true'\n    params: [a]\n    outs: [{path}]\n",
                "params.yaml": "a: 1\n",
                "dvc.lock": "schema: '2.0'\nstages:\n  s:\n    cmd: 'true'\n    params:\n      params.yaml:\n        a: 1\n"
                            f"    outs:\n    - path: {path}\n      hash: md5\n      md5: {md5}\n      size: 21\n"})
    for command in (("dvc", "checkout"), ("dvc", "repro"), ("dvc", "commit", "--force"), ("repro",)):
        done = repo.run(*command, code=None)
        assert done.returncode != 0, (command, done.stdout, done.stderr)
        assert is_untouched(outside), command
