"""Corners in which both tools must write and say the same."""

import pytest
from conftest import DVC, SLIPWAY, assert_same
from test_repro import repro, repro_both


def both(pair, *arguments, code=0):
    """What each tool says to the same command of DVC's, stripped of the folder it stands in."""
    said = []
    for repo in pair:
        done = repo.run(*(("dvc",) if repo.tool == SLIPWAY else ()), *arguments, code=code)
        said.append((done.stdout + done.stderr).replace(str(repo.root), "<root>"))
    return said


def stage(rest, name="s"):
    return f"stages:\n  {name}: {{cmd: \"echo 1 > o\", {rest}, outs: [o]}}\n"


WHOLE_AND_KEY = ["[params.yaml: , a]", "[a, params.yaml: ]", "[{params.yaml: }, {params.yaml: [a]}]",
                 "[{params.yaml: [a]}, {params.yaml: }]"]


@pytest.mark.parametrize("params", WHOLE_AND_KEY)
def test_a_file_of_params_named_whole_and_by_a_key(pair, params):
    for repo in pair:
        repo.write({"params.yaml": "a: 1\nm: [1, 2]\n", "dvc.yaml": stage(f"params: {params}")})
    repro_both(pair)
    assert_same(pair)
    for repo in pair:
        repo.write({"params.yaml": "a: 1\nm: [1, 3]\n"})
    theirs, ours = both(pair, "status")
    assert ours == theirs and "m" in ours
    for done in repro_both(pair):
        assert "Running stage 's'" in done.stdout
    assert_same(pair)


def test_a_dependency_named_twice(pair):
    for repo in pair:
        repo.write({"a": "1\n", "dvc.yaml": stage("deps: [a, a]")})
    repro_both(pair)
    assert_same(pair)
    for done in repro_both(pair):
        assert "Running" not in done.stdout
    for repo in pair:
        repo.write({"a": "2\n"})
    theirs, ours = both(pair, "status")
    assert ours == theirs


@pytest.mark.parametrize("number", ["99999999999999999999", "-18446744073709551617", "9223372036854775808",
                                    "18446744073709551615"])
def test_an_integer_of_any_size_as_a_param(pair, number):
    for repo in pair:
        repo.write({"params.yaml": f"a: {number}\nb: {{c: [{number}]}}\n", "dvc.yaml": stage("params: [a, b]")})
    repro_both(pair)
    assert any("runs" in name for name in pair[1].snapshot())
    assert_same(pair)


@pytest.mark.parametrize("text, said", [("garbage: [", "sub/dvc.lock"), ("", "sub/dvc.lock"),
                                        ("schema: '2.0'\nstages:\n  s: {cmd: 5}\n", "sub/dvc.lock")])
def test_a_broken_lock_file_below_is_named(pair, text, said):
    for repo in pair:
        repo.write({"sub/dvc.yaml": stage("desc: x"), "sub/dvc.lock": text})
    for repo, words in zip(pair, both(pair, "status", code=None)):
        assert said in words, (repo.tool, words)
    assert both(pair, "status", code=None)[1].strip() != ""
    for repo in pair:
        assert repro(repo, "sub/dvc.yaml", code=None).returncode != 0


def test_an_output_outside_of_the_project_is_refused_in_words(pair):
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n  s: {cmd: echo > ../zzz, outs: [../zzz]}\n"})
    theirs, ours = both(pair, "repro", code=None)
    assert "zzz" in ours and "fatal:" not in ours and "git" not in ours, (theirs, ours)


def test_the_sections_of_status_stand_in_one_order(pair):
    for repo in pair:
        repo.write({"z": "1\n", "b": "1\n", "sub/c": "1\n", "dvc.yaml": stage("deps: [z]"),
                    "sub/dvc.yaml": stage("deps: [../z]", name="t")})
        for name in ("z", "b", "sub/c"):
            repo.run("add", name, tool=DVC)
    for done in repro_both(pair, "-R", "."):
        assert "Running" in done.stdout
    for repo in pair:
        repo.write({"z": "2\n", "b": "2\n", "sub/c": "2\n"})
    theirs, ours = both(pair, "status")
    assert ours == theirs


def test_a_failed_reproduction_changes_no_file(pair):
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n  s: {cmd: exit 3, outs: [o]}\n"})
    before = [repo.snapshot() for repo in pair]
    for repo in pair:
        repro(repo, code=None)
    assert [repo.snapshot() for repo in pair] == before


@pytest.mark.parametrize("value", ["2024-01-02", "[1, 2024-01-02]", "{b: 2001-12-14T21:59:43}"])
def test_a_date_is_no_param(pair, value):
    for repo in pair:
        repo.write({"params.yaml": f"a: {value}\n", "dvc.yaml": stage("params: [a]")})
    theirs, ours = both(pair, "repro", code=None)
    assert "Unsupported value of type" in theirs and "Unsupported value of type" in ours, (theirs, ours)
    for repo in pair:
        assert not (repo.root / "dvc.lock").exists()
