"""The same pipeline, reproduced by the real dvc and by slipway: same files, and each tool finds the other's work done."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import DVC, ENV, SLIPWAY, assert_clean, assert_same

PIPELINES = {
    "chain": ({
        "dvc.yaml": "stages:\n  a:\n    cmd: cat x > y\n    deps: [x]\n    outs: [y]\n"
                    "  b:\n    cmd: sort y > z\n    deps: [y]\n    outs: [z]\n",
        "x": "3\n1\n"}, None),
    "no order in the file": ({
        "dvc.yaml": "stages:\n  last:\n    cmd: cat m > l\n    deps: [m]\n    outs: [l]\n"
                    "  first:\n    cmd: echo 1 > f\n    outs: [f]\n"
                    "  middle:\n    cmd: cat f > m\n    deps: [f]\n    outs: [m]\n"}, None),
    "folder": ({
        "dvc.yaml": "stages:\n  make:\n    cmd: mkdir -p d/e && cp x d/1 && cp x d/e/2\n    deps: [x]\n    outs: [d]\n"
                    "  use:\n    cmd: cat d/1 d/e/2 > s\n    deps: [d]\n    outs: [s]\n"
                    "  part:\n    cmd: cp d/1 one\n    deps: [d/1]\n    outs: [one]\n",
        "x": "hello\n"}, None),
    "params": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: cp x m\n    deps: [x]\n    params: [lr, model.depth, other.json: [k, n.m]]\n"
                    "    outs: [m]\n  w:\n    cmd: cp x v\n    deps: [x]\n    params: [{params.yaml: null}, {whole.yaml: null}]\n    outs: [v]\n",
        "params.yaml": "lr: 1e-5\nmodel: {depth: 6, names: [a, 'yes', 1.0]}\nunused: true\n",
        "other.json": '{"k": null, "n": {"m": [1, 2.5, "x"]}}', "whole.yaml": "z: 1\na: {b: -0.0}\n", "x": "1\n"}, None),
    "metrics and plots": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: echo '{\"acc\":1}' > m.json; echo 'x,y' > p.csv; cp x o; echo 2 > n.json\n"
                    "    deps: [x]\n    outs: [o]\n    metrics: [m.json: {cache: false}, n.json]\n"
                    "    plots: [p.csv: {cache: false, x: x, y: y}]\n",
        "x": "1\n"}, None),
    "uncached out": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: cp x o; cp x u\n    deps: [x]\n    outs: [o, u: {cache: false}]\n", "x": "1\n"}, None),
    "wdir": ({
        "dvc.yaml": "stages:\n  t:\n    wdir: sub\n    cmd: cp ../x o; pwd | sed 's,.*/,,' > where\n    deps: [../x]\n"
                    "    params: [lr]\n    outs: [o, where]\n",
        "sub/params.yaml": "lr: 3\n", "params.yaml": "lr: 4\n", "x": "1\n"}, None),
    "list": ({
        "dvc.yaml": "stages:\n  t:\n    cmd:\n    - mkdir -p out\n    - echo hello > out/a.txt\n    - cp train.py out/t.py\n"
                    "    deps: [train.py]\n    outs: [out]\n",
        "train.py": "print(1)\n"}, None),
    "lines": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: |\n      echo 1 > a\n      echo 2 > b\n    outs: [a, b]\n"}, None),
    "long command": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: cp x y && echo " + "word " * 30 + "> /dev/null\n    deps: [x]\n    outs: [y]\n",
        "x": "1\n"}, None),
    "persist": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: cat x >> log\n    deps: [x]\n    outs: [log: {persist: true}]\n", "x": "1\n"}, None),
    "always and callback": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: cp x y\n    deps: [x]\n    outs: [y]\n    always_changed: true\n"
                    "  c:\n    cmd: echo hi\n", "x": "1\n"}, None),
    "only outs": ({"dvc.yaml": "stages:\n  t:\n    cmd: echo 1 > 'a b'\n    outs: ['a b']\n"}, None),
    "only deps": ({"dvc.yaml": "stages:\n  t:\n    cmd: cat x\n    deps: [x]\n", "x": "1\n"}, None),
    "executable": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: ./run.sh > o; cp run.sh p\n    deps: [run.sh]\n    outs: [o, p]\n",
        "run.sh": "#!/bin/sh\necho 1\n"}, lambda repo: (repo.root / "run.sh").chmod(0o755)),
    "sub folder": ({
        "sub/dvc.yaml": "stages:\n  t:\n    cmd: cp ../x y\n    deps: [../x]\n    outs: [y]\n",
        "dvc.yaml": "stages:\n  u:\n    cmd: cp sub/y z\n    deps: [sub/y]\n    outs: [z]\n", "x": "1\n"}, None),
    "odd names": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: \"cp 'a b' '#c'; cp 'a b' 'ü[1]'\"\n    deps: [a b]\n    outs: ['#c', 'ü[1]']\n",
        "a b": "1\n"}, None),
    "variables": ({
        "dvc.yaml": "stages:\n  t:\n    cmd: echo $DVC_STAGE > s; basename $DVC_ROOT | wc -l > r\n    outs: [s, r]\n"}, None),
    "empty out": ({"dvc.yaml": "stages:\n  t:\n    cmd: touch e; mkdir d\n    outs: [e, d]\n"}, None),
    "desc and meta": ({
        "dvc.yaml": "stages:\n  t:\n    desc: why\n    meta: {a: 1}\n    cmd: cp x y\n    deps: [x]\n"
                    "    outs: [y: {desc: d, type: model, labels: [l]}]\n", "x": "1\n"}, None),
}


def prepare(repo, case):
    files, more = PIPELINES[case]
    repo.write(files)
    if more:
        more(repo)


def ours(repo):
    """Whether slipway works on it: then the command has `dvc` before it."""
    return repo.tool == SLIPWAY


def repro(repo, *arguments, code=0, tool=None):
    tool = tool or repo.tool
    return repo.run(*(("dvc",) if tool == SLIPWAY else ()), "repro", *arguments, tool=tool, code=code)


def repro_both(pair, *arguments, code=0):
    return [repro(repo, *arguments, code=code) for repo in pair]


def ran(done):
    """What a repro says of each stage, in order, without what the commands themselves print."""
    keep = ("Running stage", "Stage '", "Verifying", "'")
    return [line for line in done.stdout.splitlines() if line.startswith(keep)]


def assert_same_said(done):
    assert ran(done[0]) == ran(done[1])


def swapped(pair):
    """Each repository once more, reproduced by the other tool: nothing to do."""
    for repo, tool in zip(pair, (SLIPWAY, DVC)):
        before = repo.snapshot()
        said = repro(repo, tool=tool).stdout
        assert "Running" not in said and "cached" not in said, said
        assert repo.snapshot() == before


@pytest.mark.parametrize("case", PIPELINES, ids=str)
def test_same_files(pair, case):
    for repo in pair:
        prepare(repo, case)
    assert_same_said(repro_both(pair))
    assert_same(pair)
    if case == "always and callback":
        return
    assert_clean(pair)
    swapped(pair)


@pytest.mark.parametrize("links", ["copy", "hardlink", "symlink", "reflink,hardlink,symlink,copy"])
@pytest.mark.parametrize("case", ["chain", "folder", "metrics and plots", "persist"])
def test_same_files_with_links(pair, case, links):
    for repo in pair:
        repo.run("config", "cache.type", links, tool=DVC)
        prepare(repo, case)
    repro_both(pair)
    assert_same(pair)
    for repo in pair:
        repo.write({"x": "other\n"})
    repro_both(pair)
    assert_same(pair)
    for repo in pair:
        for name in ("y", "z", "d", "o", "m.json"):
            path = repo.root / name
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists() or path.is_symlink():
                path.unlink()
    assert_same_said(repro_both(pair))
    assert_same(pair)


CHANGES = {
    "dependency": lambda repo: repo.write({"x": "new\n"}),
    "output deleted": lambda repo: (repo.root / "y").unlink(),
    "output changed": lambda repo: overwrite(repo.root / "y", "broken\n"),
    "command": lambda repo: edit(repo, "dvc.yaml", "cat x > y", "cat x x > y"),
    "output added": lambda repo: edit(repo, "dvc.yaml", "cat x > y\n    deps: [x]\n    outs: [y]",
                                      "cat x > y; cp x q\n    deps: [x]\n    outs: [y, q]"),
    "stage added": lambda repo: repo.write({"dvc.yaml": (repo.root / "dvc.yaml").read_text()
                                            + "  c:\n    cmd: cat z > c\n    deps: [z]\n    outs: [c]\n"}),
    "stage gone": lambda repo: edit(repo, "dvc.yaml", "  b:\n    cmd: sort y > z\n    deps: [y]\n    outs: [z]\n", ""),
    "cache gone": lambda repo: shutil.rmtree(repo.root / ".dvc/cache/files"),
    "output and cache gone": lambda repo: ((repo.root / "y").unlink(), shutil.rmtree(repo.root / ".dvc/cache")),
    "lock gone": lambda repo: (repo.root / "dvc.lock").unlink(),
    "lock and outputs gone": lambda repo: [(repo.root / name).unlink() for name in ("dvc.lock", "y", "z")],
    "touched": lambda repo: os.utime(repo.root / "x", (1, 1)),
}


def overwrite(path, text):
    path.chmod(0o644)
    path.write_text(text)


def edit(repo, name, old, new):
    text = (repo.root / name).read_text()
    assert old in text
    repo.write({name: text.replace(old, new)})


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_change(pair, change):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        CHANGES[change](repo)
    theirs, mine = (json.loads(repo.run(*(("dvc",) if ours(repo) else ()), "status", "--json").stdout) for repo in pair)
    assert theirs == mine
    assert_same_said(repro_both(pair))
    assert_same(pair)
    assert_clean(pair)
    swapped(pair)


PARAM_CHANGES = {
    "value": ("lr: 1e-5", "lr: 2e-5"), "unused": ("unused: true", "unused: false"), "gone": ("unused: true", ""),
    "same number": ("depth: 6", "depth: 6.0"), "nested": ("depth: 6", "depth: [6]"), "added": ("unused: true", "unused: true\nmore: 1"),
}


@pytest.mark.parametrize("change", PARAM_CHANGES, ids=str)
def test_params_change(pair, change):
    for repo in pair:
        prepare(repo, "params")
    repro_both(pair)
    for repo in pair:
        edit(repo, "params.yaml", *PARAM_CHANGES[change])
    theirs, mine = (json.loads(repo.run(*(("dvc",) if ours(repo) else ()), "status", "--json").stdout) for repo in pair)
    assert theirs == mine
    assert_same_said(repro_both(pair))
    assert_same(pair)


@pytest.mark.parametrize("case", ["chain", "folder", "metrics and plots", "wdir", "executable", "params"])
def test_back_to_an_earlier_input_takes_the_run_cache(pair, case):
    name = "run.sh" if case == "executable" else "x"
    for repo in pair:
        prepare(repo, case)
    old = (pair[0].root / name).read_text()
    repro_both(pair)
    for repo in pair:
        (repo.root / name).write_text(old + "# more\n")
    repro_both(pair)
    for repo in pair:
        (repo.root / name).write_text(old)
    done = repro_both(pair)
    assert_same_said(done)
    assert any("is cached" in line for line in ran(done[1]))
    assert not any("Running" in line for line in ran(done[1]))
    assert_same(pair)
    assert_clean(pair)


def test_each_restores_what_the_other_ran(pair):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo, other in zip(pair, (SLIPWAY, DVC)):
        for name in ("dvc.lock", "y", "z"):
            (repo.root / name).unlink()
        said = repro(repo, tool=other).stdout
        assert "Running" not in said and "is cached" in said
    assert_same(pair)


@pytest.mark.parametrize("flags", [["--no-run-cache"], ["-f"], ["--no-commit"], ["--dry"], ["-s", "b"], ["b"], ["a"], ["--downstream", "a"],
                                   ["--force-downstream", "-f", "a"], ["-s", "b", "a"], ["-s", "-f", "b", "a"],
                                   ["-s", "--force-downstream", "a", "b"], ["-P", "-s"], ["-p", "-s", "b"], ["-p", "a"], ["-P"], ["-R", "."], ["dvc.yaml:b"],
                                   ["--glob", "[ab]"], ["dvc.yaml"]], ids=" ".join)
def test_flags(pair, flags):
    for repo in pair:
        prepare(repo, "chain")
        repo.write({"dvc.yaml": (repo.root / "dvc.yaml").read_text() + "  c:\n    cmd: cp w v\n    deps: [w]\n    outs: [v]\n", "w": "1\n"})
    assert_same_said(repro_both(pair))
    for repo in pair:
        repo.write({"x": "new\n"})
    done = repro_both(pair, *flags)
    if "--dry" not in flags:  # dvc looks its run cache up by the old inputs then
        assert_same_said(done)
    assert_same(pair)
    for repo in pair:
        repo.write({"x": "3\n1\n"})
    done = repro_both(pair, *flags)
    if "--dry" not in flags:
        assert_same_said(done)
    assert_same(pair)


def test_frozen(pair):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        edit(repo, "dvc.yaml", "  b:\n", "  b:\n    frozen: true\n")
        repo.write({"x": "new\n"})
    assert_same_said(repro_both(pair))
    assert_same(pair)
    for repo in pair:
        overwrite(repo.root / "z", "by hand\n")
    assert_same_said(repro_both(pair))
    assert_same(pair)
    for repo in pair:
        (repo.root / "z").unlink()
    before = pair[1].snapshot()
    failed = repro_both(pair, code=255)
    assert failed[0].stderr.strip().splitlines()[-1] == failed[1].stderr.strip().splitlines()[-1]
    assert pair[1].snapshot() == before


def test_data_files_are_part_of_the_graph(pair):
    for repo in pair:
        repo.write({"x": "1\n", "dvc.yaml": "stages:\n  a:\n    cmd: cat x > y\n    deps: [x]\n    outs: [y]\n"})
        repo.run("add", "x")
    assert_same_said(repro_both(pair))
    assert_same(pair)
    for repo in pair:
        overwrite(repo.root / "x", "2\n")
    assert_same_said(repro_both(pair))
    assert_same(pair)
    assert_clean(pair)


FAILURES = {
    "exit": "exit 3", "signal": "kill -9 $$", "no output": "echo nothing", "no program": "/no/such/program", "half": "echo half > z; false",
}


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_failing_stage(pair, failure):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        repo.write({"x": "new\n"})
        edit(repo, "dvc.yaml", "sort y > z", FAILURES[failure])
    done = repro_both(pair, code=255)
    assert done[0].stderr.strip().splitlines()[-1] == done[1].stderr.strip().splitlines()[-1]
    assert_same(pair)
    for repo in pair:
        edit(repo, "dvc.yaml", FAILURES[failure], "sort y > z")
    repro_both(pair)
    assert_same(pair)
    assert_clean(pair)


@pytest.mark.parametrize("flag", ["-k", "--ignore-errors"])
def test_going_on_after_a_failure(pair, flag):
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n  bad:\n    cmd: echo 1 > b; exit 1\n    outs: [b]\n"
                                "  after:\n    cmd: cp b a; true\n    deps: [b]\n    outs: [a]\n"
                                "  other:\n    cmd: echo 1 > o\n    outs: [o]\n"})
    done = repro_both(pair, flag, code=255 if flag == "-k" else 0)
    assert_same_said(done)
    theirs, mine = (repo.snapshot() for repo in pair)
    assert mine.pop(".gitignore")[1].decode().split() == (["/o"] if flag == "-k" else ["/a", "/o"])
    theirs.pop(".gitignore", None)  # after a failure dvc takes out the lines of what succeeded
    assert theirs == mine
    if flag == "-k":
        assert done[0].stderr.strip().splitlines()[-1] == done[1].stderr.strip().splitlines()[-1]


def test_a_failure_among_single_stages_holds_no_other_back(pair):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        repo.write({"x": "new\n", "y": "by hand\n"})
        edit(repo, "dvc.yaml", "cat x > y\n    deps: [x]\n    outs: [y]",
             "cat x > y && false\n    deps: [x]\n    outs: [y: {persist: true}]")
    assert_same_said(repro_both(pair, "-s", "-k", "a", "b", code=255))
    assert_same(pair)


def test_a_frozen_stage_is_looked_at_though_what_it_reads_from_failed(pair):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        overwrite(repo.root / "z", "by hand\n")
        edit(repo, "dvc.yaml", "cat x > y\n    deps: [x]\n    outs: [y]\n  b:\n",
             "false\n    deps: [x]\n    outs: [y: {persist: true}]\n  b:\n    frozen: true\n")
    assert_same_said(repro_both(pair, "-k", code=255))
    assert_same(pair)


def test_a_lock_that_is_taken(pair):
    """Both try for three seconds."""
    said = []
    for repo in pair:
        prepare(repo, "chain")
        with open(repo.root / ".dvc/tmp/lock", "a+") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            since = time.monotonic()
            said.append(repro(repo, code=255).stderr)
            assert time.monotonic() - since < 30
    assert said[0] == said[1] and "Unable to acquire lock" in said[1]
    assert_same(pair)


def test_repro_outside_of_a_project(pair, tmp_path):
    (tmp_path / "none").mkdir()
    theirs, mine = (repo.run(*(("dvc",) if ours(repo) else ()), "repro", cwd=tmp_path / "none", code=253).stderr for repo in pair)
    assert theirs == mine


BAD_GRAPHS = {
    "cycle": "stages:\n  a:\n    cmd: x\n    deps: [p]\n    outs: [q]\n  b:\n    cmd: x\n    deps: [q]\n    outs: [p]\n",
    "itself": "stages:\n  a:\n    cmd: x\n    deps: [p]\n    outs: [p]\n",
    "same output": "stages:\n  a:\n    cmd: x\n    outs: [q]\n  b:\n    cmd: x\n    outs: [q]\n",
    "inside": "stages:\n  a:\n    cmd: x\n    outs: [d]\n  b:\n    cmd: x\n    outs: [d/e]\n",
    "around": "stages:\n  a:\n    cmd: x\n    outs: [d/e]\n  b:\n    cmd: x\n    outs: [d]\n",
}


@pytest.mark.parametrize("graph", BAD_GRAPHS, ids=str)
def test_bad_graphs_are_refused(pair, graph):
    for repo in pair:
        repo.write({"dvc.yaml": BAD_GRAPHS[graph], "p": "1\n"})
    before = pair[1].snapshot()
    theirs, mine = repro_both(pair, code=255)
    words = lambda done: sorted(done.stderr.strip().replace(",", "").replace(".", "").split())
    assert words(theirs) == words(mine)
    assert pair[1].snapshot() == before


@pytest.mark.parametrize("target", ["nothing", "dvc.yaml:nothing", "no/dvc.yaml:a", "no.dvc"])
def test_unknown_targets(pair, target):
    for repo in pair:
        prepare(repo, "chain")
    theirs, mine = repro_both(pair, target, code=255)
    assert theirs.stderr.replace(str(pair[0].root), "") == mine.stderr.replace(str(pair[1].root), "")


def test_missing_dependency(pair):
    for repo in pair:
        prepare(repo, "chain")
        (repo.root / "x").unlink()
    theirs, mine = repro_both(pair, code=255)
    assert str(pair[0].root / "x") in theirs.stderr
    assert mine.stderr == "ERROR: failed to reproduce 'a': dependency 'x' does not exist\n"
    assert_same(pair)


def test_output_that_git_tracks(pair):
    for repo in pair:
        prepare(repo, "chain")
        repo.write({"z": "1\n"})
        repo.run("add", "z", tool=["git"])
    theirs, mine = repro_both(pair, code=255)
    assert mine.stderr.strip().splitlines()[-1].strip() == theirs.stderr.strip().splitlines()[-1].strip()
    assert "already tracked by SCM" in mine.stderr


def test_jobs_leave_the_same_files(pair):
    stages = "".join(f"  s{i}:\n    cmd: cat x{i % 3} > y{i}\n    deps: [x{i % 3}]\n    outs: [y{i}]\n" for i in range(12))
    stages += "  all:\n    cmd: cat y* > all\n    deps: [" + ", ".join(f"y{i}" for i in range(12)) + "]\n    outs: [all]\n"
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n" + stages, "x0": "0\n", "x1": "1\n", "x2": "2\n"})
    repro(pair[0])
    repro(pair[1], "-j", "4")
    theirs, mine = (repo.snapshot() for repo in pair)
    assert theirs == mine
    assert_clean(pair)
    swapped(pair)


def test_with_jobs_the_lock_file_has_the_order_of_the_plan(pair):
    """`first` ends only when dvc.lock names `last`: each is durable when it is done, and stands in its place."""
    wait = "i=0; until grep -q last: dvc.lock; do i=$((i+1)); [ $i -lt 2000 ] || exit 1; sleep 0.01; done; "
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n  before:\n    cmd: echo 0 > b\n    outs: [b]\n"})
    repro_both(pair)
    for repo in pair:
        first = (wait if ours(repo) else "") + "echo 1 > f"
        repo.write({"dvc.yaml": f"stages:\n  first:\n    cmd: '{first}'\n    outs: [f]\n"
                                "  before:\n    cmd: echo 2 > b\n    outs: [b]\n  last:\n    cmd: echo 3 > l\n    outs: [l]\n"})
    repro(pair[0])
    repro(pair[1], "-j3")
    for repo in pair:
        lines = (repo.root / "dvc.lock").read_text().splitlines()
        assert [line for line in lines if re.match("  [a-z]", line)] == ["  before:", "  first:", "  last:"]


def test_jobs_run_at_the_same_time(pair):
    """Two stages that wait for each other's file: one after the other they would not end."""
    meet = "touch {0}.up; i=0; while [ ! -e {1}.up ]; do i=$((i+1)); [ $i -lt 2000 ] || exit 1; sleep 0.01; done; echo {0} > {0}"
    repo = pair[1]
    repo.write({"dvc.yaml": "stages:\n" + "".join(
        f"  {me}:\n    cmd: '{meet.format(me, other)}'\n    outs: [{me}]\n" for me, other in (("a", "b"), ("b", "a")))})
    done = repro(repo, "-j2")
    assert "[a] > " in done.stdout and "[b] > " in done.stdout


def test_commit(pair):
    for repo in pair:
        prepare(repo, "chain")
    repro_both(pair)
    for repo in pair:
        overwrite(repo.root / "z", "by hand\n")
        edit(repo, "dvc.yaml", "cat x > y", "cat  x > y")
        repo.write({"x": "changed\n"})
        done = repo.run(*(("dvc",) if ours(repo) else ()), "commit", code=1)
        assert "Use `-f|--force` to force." in done.stderr
        repo.run(*(("dvc",) if ours(repo) else ()), "commit", "-f")
    assert_same(pair)
    assert_clean(pair)
    swapped(pair)


def test_status_of_stages(pair):
    for repo in pair:
        repo.write({"x": "1\n", "other.yaml": "k: 1\n", "y": "2\n",
                    "dvc.yaml": "stages:\n  a:\n    cmd: cp x y\n    deps: [x, gone]\n    params: [lr, other.yaml: [k, n]]\n    outs: [y]\n"
                                "    metrics: [m.json: {cache: false}]\n  cb:\n    cmd: echo hi\n"})
    for text in ([], ["--json"]):
        theirs, mine = (repo.run(*(("dvc",) if ours(repo) else ()), "status", *text).stdout for repo in pair)
        assert theirs == mine


def test_git_hint(pair):
    for repo in pair:
        prepare(repo, "chain")
    theirs, mine = repro_both(pair)
    tail = lambda text: sorted(text[text.index("To track the changes"):].split())
    assert tail(theirs.stdout) == tail(mine.stdout)


def test_the_repository_is_free_while_a_command_runs(pair):
    """dvc can work beside a running slipway stage, but not on the same paths."""
    repo = pair[1]
    repo.write({"x": "1\n", "f": "1\n", "dvc.yaml": "stages:\n  a:\n    cmd: touch up; while [ ! -e go ]; do sleep 0.02; done; cp x y\n"
                                                    "    deps: [x]\n    outs: [y]\n  b:\n    cmd: cp f g\n    deps: [f]\n    outs: [g]\n"})
    running = subprocess.Popen([*SLIPWAY, "dvc", "repro", "a"], cwd=repo.root, env=repo.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 20
        while not (repo.root / "up").exists():
            assert time.monotonic() < until
        busy = repro(repo, "a", tool=DVC, code=None)
        assert busy.returncode != 0 and "is busy" in busy.stderr, busy.stderr
        repro(repo, "b", tool=DVC)
        also = repro(repo, "a", code=255)
        assert "is busy" in also.stderr
    finally:
        (repo.root / "go").touch()
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "stage" not in repo.run("status", tool=DVC).stdout
    lock = (repo.root / "dvc.lock").read_text()
    assert "  a:\n" in lock and "  b:\n" in lock  # neither wrote over the other


def test_slipway_has_its_own_manners(pair):
    repo = pair[1]
    prepare(repo, "chain")
    assert repo.run("status", code=1).stdout
    done = repo.run("repro")
    assert "Running stage 'a'" in done.stdout
    assert repo.run("repro").stdout.endswith("Data and pipelines are up to date.\n")
    assert repo.run("status").stdout == "Data and pipelines are up to date.\n"
    assert json.loads(repo.run("status", "--json").stdout) == {}
    edit(repo, "dvc.yaml", "sort y > z", "exit 3")
    failed = repo.run("repro", code=1)
    assert failed.stderr.endswith("failed to reproduce 'b': failed to run: exit 3, exited with 3\n")
    repo.run("repro", "--no-such-flag", code=2)
    repo.run("repro", code=3, cwd="/")


def test_only_own_files_change(pair):
    repo = pair[1]
    prepare(repo, "chain")
    repo.run("add", "-A", tool=["git"])
    repo.run("commit", "-qm", "all", tool=["git"])
    repro(repo)
    changed = repo.run("status", "--porcelain", "-uall", tool=["git"]).stdout.split()
    assert changed == ["M", ".gitignore", "??", "dvc.lock"] or changed == ["??", ".gitignore", "??", "dvc.lock"]


UNSUPPORTED = {
    "templating": ("stages:\n  a:\n    cmd: echo ${lr}\n", "3:10"),
    "foreach": ("stages:\n  a:\n    foreach: [1]\n    do:\n      cmd: echo ${item}\n", "3:5"),
    "matrix": ("stages:\n  a:\n    matrix: {x: [1]}\n    cmd: echo\n", "3:5"),
    "vars": ("vars: [p.yaml]\nstages: {}\n", "1:1"),
    "remote dependency": ("stages:\n  a:\n    cmd: x\n    deps: ['s3://b/k']\n", "4:12"),
}


@pytest.mark.parametrize("what", UNSUPPORTED, ids=str)
def test_what_is_not_supported_is_said_with_its_place_and_a_way_out(pair, what):
    text, place = UNSUPPORTED[what]
    repo = pair[1]
    repo.write({"dvc.yaml": text, "sub/x": "1\n"})
    before = repo.snapshot()
    for arguments, code in ((["repro"], 3), (["status"], 3), (["dvc", "repro"], 255), (["dvc", "status"], 1)):
        said = repo.run(*arguments, code=code).stderr
        assert f"dvc.yaml:{place}: not supported yet: " in said and "; " in said, said
    assert repo.snapshot() == before


@pytest.mark.parametrize("arguments", [["repro", "--pull"], ["repro", "-i"], ["status", "-c"], ["add", "--glob", "x"],
                                       ["status", "-j", "2"], ["checkout", "-R"], ["commit", "--with-deps"], ["add", "--out=y", "x"]],
                         ids=" ".join)
def test_flags_that_come_later_say_so(pair, arguments):
    pair[1].write({"x": "1\n"})
    before = pair[1].snapshot()
    said = pair[1].run("dvc", *arguments, code=255).stderr
    assert said.startswith(f"ERROR: not supported yet: {arguments[0]} {arguments[1]}")
    assert pair[1].snapshot() == before


@pytest.mark.parametrize("arguments", [["status", "-x"], ["init", "--foo"], ["add"], [], ["init", "a", "b"]], ids=" ".join)
def test_wrong_use(pair, arguments):
    theirs, mine = (repo.run(*(("dvc",) if ours(repo) else ()), *arguments, code=254).stderr.splitlines()[0] for repo in pair)
    assert theirs == mine


@pytest.mark.parametrize("arguments", [["exp", "run"], ["push"], ["pull"], ["fetch", "--all-commits"], ["remote", "list"], ["plots"],
                                       ["gc", "-w"]], ids=" ".join)
def test_commands_that_come_later_say_so_and_what_to_do(pair, arguments):
    before = pair[1].snapshot()
    dvc = pair[1].run("dvc", *arguments, code=255).stderr
    own = pair[1].run(*arguments, code=3).stderr
    assert dvc.startswith(f"ERROR: not supported yet: {arguments[0]}; ") and f"`dvc {arguments[0]}` of DVC 3" in dvc
    assert own == dvc.replace("ERROR:", "slipway: error:")
    assert pair[1].snapshot() == before


def test_every_command_of_dvc_is_known(pair):
    """Either it works, or it is said that it comes later."""
    listed = pair[0].run("--help", code=None).stdout.split("Available Commands:")[1]
    names = [name for line in re.findall(r"^    (\S.*?)(?:  |$)", listed, re.M) for name in re.findall(r"[a-z-]+", line)]
    assert {"add", "push", "exp", "experiments", "repro", "doctor"} <= set(names)
    for name in set(names) - {"command"}:
        said = pair[1].run("dvc", name, "--help", code=None)
        assert said.stdout.startswith(f"usage: dvc {name} ") if said.returncode == 0 else "not supported yet: " + name in said.stderr, name
