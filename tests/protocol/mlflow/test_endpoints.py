"""Every endpoint of MLflow's server: endpoints.txt says which are served and which come later, the package says whether
the list is whole, and the server says whether it is true."""
import pathlib
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.since(3)
FOLDER = pathlib.Path(__file__).parent
TABLE = [tuple(line.split()) for line in (FOLDER / "endpoints.txt").read_text().splitlines()]
# Of MLflow's page, which is not ours.
PAGE = re.compile(r"/$|/static-files/|/build/")
LIST = """
from mlflow.server import app
for rule in app.url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        print("endpoint", method, rule)
"""


def test_the_table_has_each_endpoint_of_the_package():
    said = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, check=True).stdout
    theirs = {tuple(line.split()[1:]) for line in said.splitlines() if line.startswith("endpoint ")}
    assert len(theirs) > 390
    assert {(method, path) for method, path in theirs if not PAGE.match(path)} == {row[:2] for row in TABLE}


@pytest.mark.parametrize("method, path, state", TABLE, ids=lambda value: str(value))
def test_is_served_or_says_that_it_comes_later(ours, method, path, state):
    target = re.sub(r"<[^>]*>", "none", path)
    body = None if method in ("GET", "DELETE") else {}
    status, answer = ours.call(method, target, body)
    code = answer.get("error_code") if isinstance(answer, dict) else None
    if state == "later":
        assert (status, code) == (501, "NOT_IMPLEMENTED"), answer
        assert target.split("?")[0] in answer["message"]
        return
    assert status not in (405, 500, 502, 503), answer
    assert code != "ENDPOINT_NOT_FOUND"
    # What is not there, or was not said, is told in JSON; a part of what is offered may need another store.
    if status not in (200, 501):
        assert status in (400, 404, 422) and isinstance(answer, dict) and answer["message"], answer
    if status == 501:
        assert code == "NOT_IMPLEMENTED" and ("mpu" in path or "presigned" in path), answer


def test_each_served_endpoint_is_called_by_other_tests():
    """By the real client or by its path, for what it answers when all is well."""
    files = [*FOLDER.glob("*.py"), *(FOLDER.parent / "s3").glob("*.py")]
    tests = "".join(file.read_text() for file in files if file.name != pathlib.Path(__file__).name)
    # The calls of the client that stand for a path which no test spells out.
    by_client = {"metrics/get-history": "get_metric_history", "artifacts/list": "list_artifacts",
                 "runs/log-outputs": "log_outputs", "traces/get": "get_trace", "traces/<trace_id>": "get_trace",
                 "traces/<trace_id>/tags": "set_trace_tag", "traces/<request_id>/tags": "set_trace_tag",
                 "traces/<trace_id>/assessments": "log_feedback", "traces/delete-traces": "delete_traces",
                 "traces/<trace_id>/assessments/<assessment_id>": "get_assessment", "traces": "mlflow.trace",
                 "traces/link-to-run": "link_traces_to_run", "webhooks/<webhook_id>": "get_webhook",
                 "webhooks/<webhook_id>/test": "test_webhook"}
    untested = []
    for method, path, state in TABLE:
        rest = path.split("/mlflow/", 1)[-1] if "/mlflow/" in path else path.split("/2.0", 1)[-1].lstrip("/")
        literal = re.sub(r"/?<[^>]*>.*", "", rest)
        if state == "served" and by_client.get(rest, literal) not in tests and literal.split("/")[-1] not in tests:
            untested.append((method, path))
    assert untested == []
