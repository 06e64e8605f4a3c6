"""`repro --allow-missing`: what is only absent counts as there, unless the stage that makes it says it became another."""

import shutil

import pytest
from conftest import assert_same
from test_repro import edit, ours, prepare, ran, repro, repro_both


def same_run(pair, *arguments, code=0):
    """The same is said of each stage, and dvc.lock is the same."""
    theirs, mine = repro_both(pair, *arguments, code=code)
    assert ran(theirs) == ran(mine)
    assert (pair[0].root / "dvc.lock").read_bytes() == (pair[1].root / "dvc.lock").read_bytes()
    return theirs, mine


def same_status(pair):
    theirs, mine = (repo.run(*(("dvc",) if ours(repo) else ()), "status", "--json").stdout for repo in pair)
    assert theirs == mine
    return mine


def remove(pair, *names):
    for repo in pair:
        for name in names:
            path = repo.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def reproduced(pair, case="chain"):
    for repo in pair:
        prepare(repo, case)
    repro_both(pair)


def upstream_changed(pair):
    """`a` made another y than `b` has seen, and y is gone."""
    reproduced(pair)
    for repo in pair:
        repo.write({"x": "new\n"})
    repro_both(pair, "a")
    remove(pair, "y")


@pytest.mark.parametrize("gone", [["y"], ["z"], ["y", "z"], ["x"], ["x", "y", "z"], ["y", ".dvc/cache"]], ids=" ".join)
@pytest.mark.parametrize("flags", [[], ["b"], ["-s", "b"], ["--dry"], ["--downstream", "a"]], ids=" ".join)
def test_what_is_only_missing_is_skipped(pair, gone, flags):
    reproduced(pair)
    remove(pair, *gone)
    same_status(pair)
    done = same_run(pair, "--allow-missing", *flags)
    assert not any("Running" in line for line in ran(done[1]))
    assert_same(pair)


def test_a_missing_dependency_that_its_stage_made_anew_counts_as_changed(pair):
    upstream_changed(pair)
    same_status(pair)
    theirs, mine = same_run(pair, "--allow-missing", code=255)
    assert ran(mine) == ["Stage 'a' didn't change, skipping"]
    assert str(pair[0].root / "y") in theirs.stderr
    assert mine.stderr == "ERROR: failed to reproduce 'b': dependency 'y' does not exist\n"
    # dvc has removed b's output by now, which nothing will make again; slipway has not touched it.
    assert not (pair[0].root / "z").exists() and (pair[1].root / "z").exists()


@pytest.mark.parametrize("flags", [["-P"], ["-p", "b"], ["--downstream", "a"], ["dvc.yaml:b"], ["--dry"], ["-k"]], ids=" ".join)
def test_upstream_counts_whatever_is_asked_for(pair, flags):
    upstream_changed(pair)
    same_run(pair, "--allow-missing", *flags, code=255)


def test_a_single_stage_knows_no_upstream(pair):
    upstream_changed(pair)
    same_run(pair, "--allow-missing", "-s", "b")
    assert_same(pair)


def test_a_stage_that_runs_now_is_upstream_too(pair):
    reproduced(pair)
    for repo in pair:
        repo.write({"x": "new\n"})
    remove(pair, "y", "z")
    done = same_run(pair, "--allow-missing")
    assert [line for line in ran(done[1]) if "Running" in line] == ["Running stage 'a':", "Running stage 'b':"]
    assert_same(pair)


def test_a_frozen_stage_does_not_look_upstream(pair):
    upstream_changed(pair)
    for repo in pair:
        edit(repo, "dvc.yaml", "  b:\n", "  b:\n    frozen: true\n")
    same_run(pair, "--allow-missing")
    assert_same(pair)


def test_a_data_file_is_upstream(pair):
    for repo in pair:
        repo.write({"x": "1\n", "dvc.yaml": "stages:\n  a:\n    cmd: cat x > y\n    deps: [x]\n    outs: [y]\n"})
        repo.run("add", "x")
    repro_both(pair)
    remove(pair, "x")
    same_run(pair, "--allow-missing")
    assert_same(pair)
    for repo in pair:
        text = (repo.root / "x.dvc").read_text()
        repo.write({"x.dvc": text.replace("b026324c6904b2a9cb4b88d6d61c81d1", "26ab0db90d72e28ad0ba1e22ee510510")})
    same_run(pair, "--allow-missing", code=255)


def test_part_of_an_output_and_the_folder_around_it_do_not_say_what_they_were(pair):
    reproduced(pair, "folder")
    for repo in pair:
        repo.write({"x": "other\n"})
    repro_both(pair, "make")
    remove(pair, "d")
    same_run(pair, "--allow-missing", "part")  # depends on d/1, which nothing records
    same_run(pair, "--allow-missing", "use", code=255)


def test_a_parameter_file_that_a_stage_makes(pair):
    for repo in pair:
        repo.write({"x": "lr: 1\n", "dvc.yaml": "stages:\n  a:\n    cmd: cp x p.yaml\n    deps: [x]\n    outs: [p.yaml]\n"
                                                "  b:\n    cmd: echo 1 > z\n    params: [p.yaml: [lr]]\n    outs: [z]\n"})
    repro_both(pair)
    same_run(pair, "--allow-missing")
    remove(pair, "p.yaml")
    same_run(pair, "--allow-missing", code=255)  # values are no digest: they never equal it


def test_a_new_dependency_that_was_never_recorded(pair):
    for flags, code in ((["--allow-missing"], 255), ([], 0)):
        reproduced(pair)
        for repo in pair:
            repo.write({"dvc.yaml": (repo.root / "dvc.yaml").read_text()
                        + "  c:\n    cmd: cp x w\n    deps: [x]\n    outs: [w]\n  d:\n    cmd: cat w > v\n    deps: [w]\n    outs: [v]\n"})
        repro_both(pair)
        for repo in pair:
            edit(repo, "dvc.yaml", "deps: [w]", "deps: [w, y]")
        remove(pair, "y")
        same_status(pair)
        same_run(pair, *flags, "d", code=code)


def test_pull_is_refused_with_it(pair):
    upstream_changed(pair)
    before = pair[1].snapshot()
    for flags in (["--pull", "--allow-missing"], ["--allow-missing", "--pull"]):
        said = repro(pair[1], *flags, code=255)
        assert said.stdout == "" and "not supported yet: repro --pull" in said.stderr
    assert pair[1].snapshot() == before
