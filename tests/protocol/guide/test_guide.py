"""docs/guide: its files are written and its commands run, in the order of the page, as a reader would."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PYTHON = pathlib.Path(os.environ["SLIPWAY_PYTHON_MLFLOW3"])
BLOCK = re.compile(r"(?:^`(?P<file>[\w./-]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)

# What a page's commands say when they did what the page promises.
WORDS = {"closed-loop": ["version 2 of rides serves", "(1 of versions made by hand, 1 for message)"],
         "move-from-mlflow": ["3 runs", "300 points of metrics", "rate 0.1 with 100 points", "what it learned",
                              "champion is version 1"],
         "train-without-a-network": ["3 new runs", "300 points", "1 new runs", "3 runs as before",
                                     "4 runs, the best is rate 0.1 with 100 points", "learned at 0.1"],
         "people-and-access": ["user ann made, an administrator", "in experiment 0", "slipway_login_failures_total",
                               "token.revoked"]}


def script_of(page):
    """One shell script: files are here-documents, commands stand as they are."""
    parts = ["set -euo pipefail"]
    for block in BLOCK.finditer(page):
        if block["file"]:
            parts.append(f"cat > {block['file']} <<'END-OF-{block['file']}'\n{block['text']}END-OF-{block['file']}")
        else:
            assert block["kind"] == "sh", f"a block of {block['kind']} that is neither a file nor commands"
            parts.append(block["text"])
    return "\n".join(parts)


ELSEWHERE = ["team-server.md"]  # tests/postgres, which has a PostgreSQL
PAGES = sorted(page for page in (ROOT / "docs" / "guide").glob("*.md") if page.name not in ELSEWHERE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_works_as_it_stands(page, tmp_path):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "slipway").symlink_to(os.environ["SLIPWAY_BINARY"])
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_TRACKING"))}
    env.update(PATH=f"{binaries}:{PYTHON.parent}:{os.environ['PATH']}", PYTHONWARNINGS="ignore", GIT_PYTHON_REFRESH="quiet")
    script = script_of(page.read_text())
    words = WORDS[page.stem]
    log = tmp_path / "log"
    with open(log, "w") as out:
        done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, timeout=600)
    said = log.read_text()
    assert done.returncode == 0, said[-4000:]
    for said_by_it in words:
        assert said_by_it in said, said[-4000:]
