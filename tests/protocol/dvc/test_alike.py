"""Corners in which both tools must write and say the same."""

import shutil

import pytest
from conftest import DVC, SLIPWAY, assert_same
from test_repro import repro, repro_both, swapped


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


# Each is found again only under the spelling that the other tool wrote down.
SPELLINGS = {
    "a slash at the end": "{cmd: cat data/a p.py > o, deps: [data/, p.py], outs: [o]}",
    "a dot before": "{cmd: cat data/a p.py > o, deps: [./data, ./p.py], outs: [./o]}",
    "a way around": "{cmd: cat data/a p.py > o, deps: [data/../p.py, data//a], outs: [data/../o]}",
    "of a metric": "{cmd: cat p.py > o, deps: [./p.py], metrics: [./o: {cache: false}]}",
    "in another folder": "{wdir: data, cmd: cat a ../p.py > o, deps: [./a, .././p.py], outs: [./o]}",
    "from the root of all": "{cmd: cat data/a p.py > o, deps: [<root>/data, p.py], outs: [<root>/o]}",
}


@pytest.mark.parametrize("spelling", SPELLINGS, ids=str)
def test_a_path_is_recorded_as_it_is_written(pair, spelling):
    for repo in pair:
        text = f"stages:\n  s: {SPELLINGS[spelling]}\n".replace("<root>", str(repo.root))
        repo.write({"data/a": "1\n", "p.py": "x\n", "params.yaml": "x: 1\n", "dvc.yaml": text})
    repro_both(pair)
    if "<root>" not in SPELLINGS[spelling]:
        assert_same(pair)
    for repo in pair:
        assert f"{repo.root}" not in (repo.root / "dvc.lock").read_text()
    swapped(pair)


def test_a_file_of_params_is_recorded_without_detours(pair):
    for repo in pair:
        repo.write({"params.yaml": "x: 1\n", "b.yaml": "y: 1\n",
                    "dvc.yaml": stage("params: [{./params.yaml: [x]}, {./b.yaml: [y]}]")})
    repro_both(pair)
    assert_same(pair)
    # The real one looks for "./b.yaml" there, and never finds it.
    assert "Running" not in repro(pair[1]).stdout and "cached" not in repro(pair[1]).stdout


@pytest.mark.parametrize("path", ["./f", "g/../f", "f"])
def test_a_path_in_a_dvc_file_becomes_plain_when_it_is_committed(pair, path):
    for repo in pair:
        repo.write({"f": "1\n", "g/h": "2\n", "f.dvc": f"outs:\n- path: {path}\n- path: g/h\n"})
    both(pair, "commit", "-f")
    assert_same(pair)
    assert "hash: md5" in (pair[1].root / "f.dvc").read_text()


IGNORED = "stages:\n  s: {cmd: cat d.csv conf/c.txt > o, deps: [d.csv, conf/c.txt, conf, some], outs: [o]}\n"


def test_an_ignored_dependency_is_there_all_the_same(pair):
    for repo in pair:
        repo.write({"conf/c.txt": "1\n", "d.csv": "2\n", "some/x.csv": "3\n", "some/y": "4\n",
                    ".dvcignore": "*.csv\nconf/\n", "dvc.yaml": IGNORED})
    repro_both(pair)
    assert_same(pair)
    for repo in pair:
        repo.write({"d.csv": "5\n", "some/x.csv": "6\n", "conf/new": "7\n"})
    theirs, ours = both(pair, "status")
    assert ours == theirs and "d.csv" in ours and "some" not in ours


def test_an_ignored_output_is_refused_before_it_is_made(pair):
    for repo in pair:
        repo.write({".dvcignore": "*.tmp\n", "dvc.yaml": "stages:\n  s: {cmd: echo > o.tmp, outs: [o.tmp]}\n"})
    for said in both(pair, "repro", code=None):
        assert "o.tmp" in said and ".dvcignore" in said, said
    assert all(not (repo.root / "o.tmp").exists() for repo in pair)


@pytest.mark.parametrize("name", ["a.csv.dvc", "dvc.yaml", "new.dvc"])
def test_a_stage_file_is_no_data(pair, name):
    for repo in pair:
        repo.write({"a.csv": "1\n", "new.dvc": "outs: []\n", "dvc.yaml": "stages: {}\n"})
    both(pair, "add", "a.csv")
    before = [repo.snapshot() for repo in pair]
    for said in both(pair, "add", name, code=None):
        assert f"DVC file '{name}' cannot be an output" in said, said
    assert [repo.snapshot() for repo in pair] == before
    assert_same(pair)


@pytest.mark.parametrize("rest", ["deps: [x.dvc], outs: [o]", "outs: [y.dvc]", "outs: [sub/dvc.yaml]"])
def test_a_stage_file_is_neither_read_nor_made_by_a_stage(pair, rest):
    for repo in pair:
        repo.write({"dvc.yaml": "stages:\n  s: {cmd: echo > o, " + rest + "}\n"})
    for said in both(pair, "repro", code=None):
        assert "cannot be a" in said, said


def test_a_name_with_a_byte_of_no_letter(pair):
    for repo in pair:
        repo.write({"d/a\x7f": "1\n", "d/b": "2\n"})
    both(pair, "add", "d")
    assert_same(pair)
    theirs, ours = both(pair, "status")
    assert ours == theirs


def test_status_needs_no_place_to_write(pair):
    for repo in pair:
        repo.write({"f": "1\n", "dvc.yaml": stage("deps: [f]")})
    both(pair, "add", "f")
    repro_both(pair)
    for repo in pair:
        shutil.rmtree(repo.root / ".slipway", ignore_errors=True)
        repo.write({".slipway": "no folder\n", "f": "2\n"})
    theirs, ours = both(pair, "status")
    assert ours == theirs and "f" in ours
