"""Contracts on the command line: inferred, edited, held against files, for people, programs and CI."""
import json
import os
import pathlib
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SLIPWAY = os.environ["SLIPWAY_BINARY"]
HOURS = ROOT / "examples" / "bikes" / "data" / "hour.csv"
CONTRACT = ROOT / "examples" / "bikes" / "contracts" / "hour.odcs.yaml"


class Project:
    def __init__(self, root):
        self.root = root
        self.binary = SLIPWAY
        (root / "data").mkdir(parents=True)
        (root / "slipway.yaml").write_text("version: 1\nproject: bikes\nuse_case: {problem: p, user: u, owner: o}\n"
                                           "contracts: {data/hour.csv: contracts/hour.odcs.yaml}\n")
        (root / ".git").mkdir()

    def slipway(self, *arguments, code=0, folder="."):
        done = subprocess.run([self.binary, *arguments], cwd=self.root / folder, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def rows(self, first, last, change=lambda row: row):
        """hour.csv with these rows of the example, each changed."""
        lines = HOURS.read_text().splitlines()
        kept = [",".join(change(line.split(","))) for line in lines[first:last]]
        (self.root / "data" / "hour.csv").write_text("\n".join([lines[0], *kept]) + "\n")


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path / "p")
    (made.root / "contracts").mkdir()
    shutil.copy(CONTRACT, made.root / "contracts")
    made.rows(1, 2000)
    return made


def test_a_file_is_held_against_the_contract_that_the_project_binds_to_it(project):
    said = project.slipway("check", "data/hour.csv")
    assert "failed" not in said and "skipped" in said
    assert project.slipway("check", "hour.csv", folder="data") == said
    project.rows(1, 2000, lambda row: row[:5] + ["24"] + row[6:])
    said = project.slipway("check", "data/hour.csv", code=1)
    assert said.startswith("fail") and "not within [0, 23] (first in row 1: '24')" in said


def test_a_misspelt_column_is_named_beside_the_one_that_is_missing(project):
    file = project.root / "data" / "hour.csv"
    header, rest = file.read_text().split("\n", 1)
    file.write_text(header.replace("hum", "humm") + ",extra\n" + rest.replace("\n", ",1\n"))
    said = project.slipway("check", "data/hour.csv", code=1)
    lines = [line for line in said.splitlines() if "there is no such column" in line]
    assert "; did you mean 'humm'? (the file has, and the contract does not name: " in lines[0], said
    assert lines[0].endswith("humm, casual, registered, extra)"), said
    assert all(line.endswith("there is no such column") for line in lines[1:]), said


def test_json_and_junit_say_what_the_table_says(project):
    project.rows(1, 2000, lambda row: row[:10] + ["nan"] + row[11:])
    document = json.loads(project.slipway("--json", "check", "data/hour.csv", code=1))
    bad = {verdict["check"] for verdict in document["verdicts"] if verdict["status"] == "fail"}
    assert document["status"] == "fail" and "temp/finite" in bad and document["counts"]["fail"] == len(bad)
    suite = ElementTree.fromstring(project.slipway("check", "data/hour.csv", "--format", "junit", code=1))
    failures = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert failures == bad and int(suite.get("tests")) == len(document["verdicts"])


def test_serving_lists_what_it_skips(project):
    document = json.loads(project.slipway("--json", "check", "data/hour.csv", "--env", "serving"))
    skipped = {v["check"]: v["words"] for v in document["verdicts"] if v["status"] == "skipped"}
    assert "target" in skipped["cnt/range"] and "rows" in skipped["rowCount"] and "rows" in skipped["rows"]


def test_drift_against_a_profile_names_its_dialect(project):
    project.slipway("profile", "data/hour.csv", "-o", "spring.json")
    same = json.loads(project.slipway("--json", "check", "data/hour.csv", "--reference", "spring.json"))
    assert {v["status"] for v in same["verdicts"] if "drift" in v["check"]} == {"pass"}
    project.rows(4000, 6000)
    summer = json.loads(project.slipway("--json", "check", "data/hour.csv", "--reference", "training=spring.json"))
    drift = next(v for v in summer["verdicts"] if v["check"] == "temp/drift.js.training")
    assert drift["status"] == "warn" and drift["observed"] > 0.3
    assert drift["dialect"].startswith("native: Jensen-Shannon distance, base 2; over ")


def test_an_inferred_contract_is_kept_by_its_data_and_only_warns_of_others(project):
    project.slipway("infer", "data/hour.csv", "-o", "inferred.yaml", "--as-of", "2011-04-01")
    said = project.slipway("check", "data/hour.csv", "--contract", "inferred.yaml", "--as-of", "2011-04-01")
    assert "warned" not in said and "failed" not in said
    project.slipway("infer", "data/hour.csv", "-o", "inferred.yaml", code=3)  # never over a file that was edited
    project.rows(1, 2000, lambda row: row[:9] + ["7"] + row[10:])
    said = project.slipway("check", "data/hour.csv", "--contract", "inferred.yaml")
    assert said.startswith("warn") and "weathersit/domain" in said


def test_wrong_use_is_told_apart_from_what_cannot_be_done(project):
    assert "binds no contract" in project.slipway("check", "slipway.yaml", code=2)
    assert "no environment" in project.slipway("check", "data/hour.csv", "--env", "PROD", code=2)
    assert "no file" in project.slipway("check", "data/none.csv", "--contract", "contracts/hour.odcs.yaml", code=3)
    (project.root / "bad.yaml").write_text(CONTRACT.read_text().replace("invalidValues", "invalidValue"))
    said = project.slipway("check", "data/hour.csv", "--contract", "bad.yaml", code=3)
    assert "bad.yaml:" in said and "did you mean 'invalidValues'?" in said
    (project.root / "bad.json").write_text('{"slipway_profile": 9}')
    said = project.slipway("check", "data/hour.csv", "--reference", "bad.json", code=3)
    assert "version 9" in said


def test_without_duckdb_the_program_says_how_to_get_it(project, tmp_path):
    lonely = tmp_path / "lonely" / "bin"
    lonely.mkdir(parents=True)
    shutil.copy(SLIPWAY, lonely / "slipway")
    project.binary = str(lonely / "slipway")
    said = project.slipway("check", "data/hour.csv", code=3)
    assert "DuckDB" in said and "tools/setup build" in said


TEXTS = """apiVersion: v3.1.0
kind: DataContract
id: t
schema:
  - name: t
    properties:
      - name: zip
        logicalType: string
        quality: [{type: custom, engine: slipway, implementation: {drift: {stat: js, min_rows: 1}}}]
      - name: n
"""


def test_a_profile_is_made_by_the_contract_that_it_is_used_with(project, tmp_path):
    (tmp_path / "texts.yaml").write_text(TEXTS)
    (tmp_path / "before.csv").write_text("zip,n\n" + "1,1\n7,1\n" * 50)
    (tmp_path / "after.csv").write_text("zip,n\n" + "1,1\n007,1\n" * 50)
    contract = ("--contract", str(tmp_path / "texts.yaml"))
    blind, seeing = str(tmp_path / "blind.json"), str(tmp_path / "seeing.json")
    project.slipway("profile", str(tmp_path / "before.csv"), "-o", blind)
    said = project.slipway("check", str(tmp_path / "after.csv"), *contract, "--reference", blind, "--no-record", code=1)
    assert "declares 'zip' as string, and the reference has numbers there" in said
    assert "the reference has values of type integer here, the table of type text" in said and "new: " not in said
    project.slipway("profile", str(tmp_path / "before.csv"), *contract, "-o", seeing)
    said = project.slipway("check", str(tmp_path / "after.csv"), *contract, "--reference", seeing, "--no-record", code=1)
    assert "has numbers there" not in said and "new: 007 (50)" in said
    assert "failed" not in project.slipway("check", str(tmp_path / "before.csv"), *contract, "--reference", seeing, "--no-record")
