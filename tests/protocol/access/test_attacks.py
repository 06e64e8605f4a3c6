"""Each class of holes that servers of this kind had: what was tried there is refused here, by somebody who is let in."""
import http.client
import itertools
import json
import os
import signal
import stat
import subprocess

import pytest
from conftest import PASSWORD, basic

numbers = itertools.count(1)
CLIMBS = ["..", "%2e%2e", "%252e%252e", "%25252e%25252e", "..%2f..", "..%5c..", "..\\..", "a/../../..", "%2e%2e%2f%2e%2e",
          "/etc", "//etc", "%2fetc", "C:%5cWindows", "file:%2f%2f%2fetc", "a%00b", "a%0ab", "%c0%ae%c0%ae"]


@pytest.fixture(scope="module")
def raw(site):
    """One request as it is written, without a client that tidies it up: status and body."""
    def ask(method, target, body=b"", headers=None, host=None, address=None):
        connection = http.client.HTTPConnection(address or site.server.address, timeout=30)
        connection.putrequest(method, target, skip_host=True)
        connection.putheader("Host", host or site.server.address)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **basic("root"),
                            **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text, answer.headers
    return ask


@pytest.fixture(scope="module")
def run(site):
    experiment = site.ask("POST", "experiments/create", {"name": f"attacked {next(numbers)}"}, who=basic("root"))["experiment_id"]
    answer = site.ask("POST", "runs/create", {"experiment_id": experiment, "start_time": 1}, who=basic("root"))
    return answer["run"]["info"]


@pytest.fixture(scope="module")
def model(site):
    site.ask("POST", "registered-models/create", {"name": "attacked"}, who=basic("root"))
    return "attacked"


def everything_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("climb", CLIMBS)
def test_no_path_of_an_artifact_leaves_the_store(site, raw, run, climb):
    root = "mlflow-artifacts/artifacts"
    (site.state.parent / "outside.txt").write_text("outside")
    before = everything_below(site.state.parent)
    for prefix in ("/api/2.0/", "/ajax-api/2.0/"):
        for method in ("GET", "PUT", "DELETE"):
            for target in (f"{prefix}{root}/{climb}/outside.txt", f"{prefix}{root}/{run['experiment_id']}/{climb}/{climb}/outside.txt"):
                status, text, _ = raw(method, target, b"x" if method == "PUT" else b"")
                assert b"outside" != text and status < 500, (method, target, status)
                if method == "PUT":
                    assert status != 200 or ".." not in climb and "%2e" not in climb, (method, target, status)
        for what in ("mpu/create", "presigned"):
            status, _, _ = raw("POST" if "mpu" in what else "GET", f"{prefix}mlflow-artifacts/{what}/{climb}/x", b'{"path": "x"}')
            assert status < 500, (what, climb, status)
    for target in (f"/get-artifact?run_uuid={run['run_id']}&path={climb}/{climb}/outside.txt",
                   f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run['run_id']}&path={climb}",
                   f"/model-versions/get-artifact?name=attacked&version=1&path={climb}/outside.txt"):
        status, text, _ = raw("GET", target)
        assert status in (400, 404) or b"outside" not in text, (target, status, text)
    status, _, _ = raw("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run['run_id']}&path={climb}/x", b"x")
    assert status < 500
    after = everything_below(site.state.parent)
    assert (site.state.parent / "outside.txt").read_text() == "outside"
    changed = {path for path in after if after[path] != before.get(path)}
    allowed = (site.state / "artifacts", site.state / "catalog.db", site.state / "catalog.db-wal", site.state / "catalog.db-shm")
    assert all(any(path.is_relative_to(place) for place in allowed) for path in changed), changed


@pytest.mark.parametrize("source", [
    "/etc", "/etc/passwd", "file:///etc", "file:/x/../../etc", "\\..\\etc", "..\\..\\etc", "models:/a/../../etc",
    "runs:/../../etc", "mlflow-artifacts:/../../etc", "mlflow-artifacts:/%2e%2e/%2e%2e/etc", "file:///etc#x", "../etc"])
@pytest.mark.parametrize("tags", [[], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]])
def test_no_version_is_made_of_files_of_the_machine(site, model, source, tags):
    body = {"name": model, "source": source, "tags": tags}
    status, answer, _ = site.call("POST", "model-versions/create", body, who=basic("root"))
    if status == 200:  # a prompt holds its text in tags, and its source names nothing
        version = answer["model_version"]["version"]
        for key in ("mlflow.prompt.is_prompt", "x"):
            site.call("DELETE", "model-versions/delete-tag", {"name": model, "version": version, "key": key}, who=basic("root"))
        status, answer, _ = site.call("GET", "/model-versions/get-artifact", who=basic("root"), name=model, version=version, path="passwd")
        assert status in (400, 404, 409) and "root:" not in str(answer), (status, answer)
    else:
        assert status in (400, 404), (status, answer)


@pytest.mark.parametrize("location", [
    "mlflow-artifacts:/a/../../..", "mlflow-artifacts:/%2e%2e/x", "file:///a/../../etc", "/tmp/#/../../etc",
    "mlflow-artifacts:/a?/../../..", "mlflow-artifacts:/a;/../..", "s3://bucket/a?x=/../.."])
def test_no_experiment_lies_where_its_location_climbs(site, location):
    body = {"name": f"climbs {next(numbers)}", "artifact_location": location}
    status, answer, _ = site.call("POST", "experiments/create", body, who=basic("root"))
    if status == 200:
        made = site.ask("POST", "runs/create", {"experiment_id": answer["experiment_id"]}, who=basic("root"))
        status, answer, _ = site.call("GET", "/get-artifact", who=basic("root"), run_uuid=made["run"]["info"]["run_id"],
                                      path="passwd")
        assert status in (400, 404, 409, 501) and "root:" not in str(answer), (status, answer)
    else:
        assert status == 400, (status, answer)


def test_a_path_that_is_escaped_twice_deletes_nothing_above(site, raw, run):
    folder = f"/api/2.0/mlflow-artifacts/artifacts/{run['experiment_id']}/{run['run_id']}/artifacts"
    assert raw("PUT", f"{folder}/keep/a.txt", b"kept")[0] == 200
    for climb in ("%252e%252e", "%2e%2e", "keep/%252e%252e/%252e%252e"):
        assert raw("DELETE", f"{folder}/{climb}")[0] in (400, 404)
    assert raw("GET", f"{folder}/keep/a.txt")[1] == b"kept"


def test_ids_that_clients_choose_are_no_paths(raw):
    for target in ("/api/3.0/mlflow/traces/..%2f..%2fetc", "/api/2.0/mlflow/logged-models/..%2f..%2fetc",
                   "/api/slipway/v1/predictions/..%2f..%2fetc", "/api/slipway/v1/runs/..%2f..%2fetc/log"):
        status, text, _ = raw("GET", target)
        assert 400 <= status < 500 or status == 501, (target, status, text)


def test_what_is_private_is_readable_by_its_owner_only(site):
    assert stat.S_IMODE((site.state / "secret").stat().st_mode) & 0o077 == 0
    kept = b"".join(path.read_bytes() for path in site.state.glob("catalog.db*"))
    assert PASSWORD.format("root").encode() not in kept and b"scrypt$" in kept


def test_a_page_among_the_artifacts_is_saved_and_not_run(raw, run):
    folder = f"/api/2.0/mlflow-artifacts/artifacts/{run['experiment_id']}/{run['run_id']}/artifacts"
    for name in ("x.html", "x.svg"):
        assert raw("PUT", f"{folder}/{name}", b"<script>alert(1)</script>")[0] == 200
        for target in (f"{folder}/{name}", f"/get-artifact?run_uuid={run['run_id']}&path={name}"):
            _, _, headers = raw("GET", target)
            assert headers["Content-Disposition"].startswith("attachment")
            assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"]
    _, text, headers = raw("POST", "/api/2.0/mlflow/runs/create", b"{}", {"Content-Type": "<script>alert(1)</script>"})
    assert headers["Content-Type"] == "application/json" and b"<script>" not in text


def log_in(raw, site):
    body = json.dumps({"user": "root", "password": PASSWORD.format("root")}).encode()
    status, text, headers = raw("POST", "/api/slipway/v1/login", body, {"Authorization": ""})
    assert status == 200, text
    return headers["Set-Cookie"]


def test_another_sites_page_changes_nothing_for_whoever_is_logged_in(site, raw):
    cookie = log_in(raw, site)
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    session = {"Authorization": "", "Cookie": cookie.split(";")[0]}
    body = json.dumps({"name": f"forged {next(numbers)}"}).encode()
    for prefix in ("/api", "/ajax-api"):
        target = f"{prefix}/2.0/mlflow/experiments/create"
        for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}, {"Sec-Fetch-Site": "cross-site"},
                       {"Origin": "http://localhost:3000"}, {"Origin": "http://127.0.0.1:1"}):
            status, text, _ = raw("POST", target, body, {**session, **origin})
            assert status == 403 and b"Cross-origin" in text, (prefix, origin, status, text)
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": site.url}
    assert raw("POST", "/api/2.0/mlflow/experiments/create", b"name=forged", {**session, **form})[0] == 400
    assert raw("POST", "/api/slipway/v1/login", b"user=root", {"Authorization": "", **form})[0] == 400
    assert raw("POST", "/api/slipway/v1/people/create-user", b"user=eve", {**session, **form})[0] == 400
    login = json.dumps({"user": "root", "password": PASSWORD.format("root")}).encode()
    for page in ({"Origin": "http://localhost:3000"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"}):
        status, _, headers = raw("POST", "/api/slipway/v1/login", login, {"Authorization": "", **page})
        assert status == 403 and "Set-Cookie" not in headers, (page, status)
    for page in ({}, {"Origin": site.url}, {"Sec-Fetch-Site": "same-origin"}):
        assert raw("POST", "/api/slipway/v1/login", login, {"Authorization": "", **page})[0] == 200, page
    assert raw("POST", "/api/2.0/mlflow/experiments/create", body, {**session, "Origin": site.url})[0] == 200
    assert raw("GET", "/api/slipway/v1/me", b"", session)[0] == 200
    assert raw("POST", "/api/slipway/v1/logout", b"{}", {**session, "Origin": site.url})[0] == 200
    assert raw("GET", "/api/slipway/v1/me", b"", session)[0] == 401


def test_a_name_that_is_turned_to_this_machine_is_refused_on_every_listener(tmp_path, raw):
    process = subprocess.Popen(
        [os.environ["SLIPWAY_BINARY"], "--json", "up", "--listen", "127.0.0.1:0", "--listen-serving", "127.0.0.1:0", "--state",
         str(tmp_path / "state"), "--allowed-hosts", "ml.example.org", "--log-level", "error"], stdout=subprocess.PIPE, text=True)
    try:
        said = json.loads(process.stdout.readline())
        main, serving = said["url"].split("//")[1], said["serving_url"].split("//")[1]
        assert main != serving
        for address, target in ((main, "/metrics"), (main, "/api/2.0/mlflow/experiments/search"), (main, "/"),
                                (serving, "/metrics"), (serving, "/v2/models/x")):
            status, text, _ = raw("GET", target, host="evil.example", address=address)
            assert status == 403 and b"rebinding" in text, (address, target, status)
        assert raw("GET", "/metrics", host="ml.example.org", address=main)[0] == 200
        assert raw("GET", "/health", host="evil.example", address=main)[0] == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0
        process.stdout.close()


@pytest.mark.parametrize("source", ["http://169.254.169.254/latest", "https://127.0.0.1:1/x", "ftp://127.0.0.1/x",
                                    "mlflow-artifacts://127.0.0.1:1/x"])
def test_the_server_asks_no_address_that_a_source_names(site, model, source):
    status, answer, _ = site.call("POST", "model-versions/create", {"name": model, "source": source}, who=basic("root"))
    if status == 200:
        version = answer["model_version"]["version"]
        status, answer, _ = site.call("GET", "/model-versions/get-artifact", who=basic("root"), name=model, version=version, path="x")
    assert status in (400, 404, 409), (status, answer)


def test_a_new_server_has_no_user_and_no_password_that_anybody_knows(tmp_path, site):
    for user, password in (("admin", "password1234"), ("admin", "password"), ("admin", "admin"), ("root", ""), ("", "")):
        assert site.status("GET", "experiments/search", who=basic(user, password or " ")) in (401, 429)


def test_a_query_of_a_thousand_aliases_is_refused(site):
    query = "query q { " + " ".join(f"a{i}: mlflowGetExperiment(input: {{experimentId: \"0\"}}) {{ experiment {{ name }} }}"
                                    for i in range(1000)) + " }"
    status, answer, _ = site.call("POST", "/graphql", {"query": query, "operationName": "q"}, who=basic("root"))
    assert status == 400 or "errors" in answer, (status, answer)


# ---- names and ids that mean more, or something else, where permissions are looked at

@pytest.fixture
def closed(site):
    """Where nobody may do what he was not granted."""
    assert site.people("set-default", basic("root"), level="none")[0] == 200
    yield site
    assert site.people("set-default", basic("root"), level="read")[0] == 200


def a_model(site, who, name=None):
    name = name or f"attacked-{next(numbers)}"
    site.ask("POST", "registered-models/create", {"name": name}, who=who)
    return name


def test_no_model_is_named_as_every_model_is(closed):
    private, eve = a_model(closed, basic("root")), closed.add(f"eve{next(numbers)}")
    status, answer, _ = closed.call("POST", "registered-models/create", {"name": "*"}, who=eve)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    own = a_model(closed, eve)
    assert closed.status("POST", "registered-models/rename", {"name": own, "new_name": "*"}, who=eve) == 400
    assert closed.status("GET", "registered-models/get", who=eve, name=private) == 403
    assert closed.status("DELETE", "registered-models/delete", {"name": private}, who=eve) == 403


@pytest.mark.parametrize("spelling", ["0{}", "+{}", "00{}"])
def test_an_experiment_that_is_denied_is_so_however_its_id_is_written(site, spelling):
    user = f"ben{next(numbers)}"
    who = site.add(user)
    experiment = site.ask("POST", "experiments/create", {"name": f"denied {next(numbers)}"}, who=basic("root"))["experiment_id"]
    site.ask("POST", "runs/create", {"experiment_id": experiment, "start_time": 1}, who=basic("root"))
    ids = {"experiment_ids": [spelling.format(experiment)]}
    query = {"query": "query Q($data: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $data) { runs { info { runId } } } }",
             "operationName": "Q", "variables": {"data": {"experimentIds": ids["experiment_ids"]}}}
    assert len(site.ask("POST", "runs/search", ids, who=who)["runs"]) == 1
    assert "runId" in json.dumps(site.ask("POST", "/graphql", query, who=who))
    # A permission is on the id as everybody writes it, or it is refused: else it would do nothing.
    status, answer, _ = site.people("grant", basic("root"), user=user, level="deny", experiment=ids["experiment_ids"][0])
    assert status == 400 and "whole number" in str(answer), answer
    site.grant(user, "deny", experiment=experiment)
    assert site.ask("POST", "runs/search", ids, who=who).get("runs", []) == []
    for prefix in ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"):
        answer = site.ask("POST", prefix + "/experiments/search-datasets", ids, who=who)
        assert answer.get("dataset_summaries", []) == []
    assert "runId" not in json.dumps(site.call("POST", "/graphql", query, who=who)[1])


def test_a_name_that_is_denied_stays_so_whoever_makes_it(site):
    user = f"ben{next(numbers)}"
    who, denied = site.add(user), f"attacked-{next(numbers)}"
    site.grant(user, "deny", model=denied)
    site.call("POST", "registered-models/create", {"name": denied}, who=who)
    assert site.status("GET", "registered-models/get", who=who, name=denied) == 403
    site.call("DELETE", "registered-models/delete", {"name": denied}, who=basic("root"))
    other = a_model(site, basic("root"))
    site.ask("POST", "registered-models/rename", {"name": other, "new_name": denied}, who=basic("root"))
    assert site.status("GET", "registered-models/get", who=who, name=denied) == 403


@pytest.mark.parametrize("way", ["delete", "rename"])
def test_who_takes_a_freed_name_learns_nothing_of_who_had_it(closed, way):
    name, ben = a_model(closed, basic("root")), closed.add(f"ben{next(numbers)}")
    closed.ask("POST", "registered-models/set-tag", {"name": name, "key": "k", "value": "TOPSECRET"}, who=basic("root"))
    if way == "delete":
        closed.ask("DELETE", "registered-models/delete", {"name": name}, who=basic("root"))
    else:
        closed.ask("POST", "registered-models/rename", {"name": name, "new_name": name + "z"}, who=basic("root"))
    a_model(closed, ben, name)
    history = f"/api/slipway/v1/models/{name}/history"
    answer = closed.ask("GET", history, who=ben)
    assert [change["change"] for change in answer["changes"]] == ["registered_model.created"]
    # Nothing is lost: who administers the server still sees it.
    assert "TOPSECRET" in json.dumps(closed.ask("GET", history, who=basic("root")))


def test_what_anybody_sends_leaves_room_for_those_who_are_known(site):
    status, answer, _ = site.call("POST", "/hooks/git", b"x" * 200_000)
    assert status == 413, answer
    assert site.call("POST", "/hooks/git", b"{}")[0] == 403
