"""The registry, logged models and artifacts beside the real server: the same calls, the same answers. Where ours
differs on purpose, the step says what ours answers and why."""
import pytest
from peer import Comparable
from test_tracking_peer import INVALID, Pair, get, pair, post  # noqa: F401

pytestmark = pytest.mark.since(3)
M, V, L = "registered-models/", "model-versions/", "logged-models"
PROXY = "/api/2.0/mlflow-artifacts/artifacts/"


def patch(pair, path, body=None, **more):
    pair.agree("PATCH", path, body, **more)


def delete(pair, path, body=None, **more):
    pair.agree("DELETE", path, body, **more)


def put(pair, path, content=b"x"):
    theirs, ours = [Comparable(made).answer(*peer.call("PUT", pair.fill(path, made), content))
                    for peer, made in zip(pair.peers, pair.made)]
    assert ours == theirs, path


@pytest.fixture
def run(pair, request):
    """A fresh experiment {e}, a run {r} in it, and a name {n} that no other test has."""
    for made in pair.made:
        made["n"] = request.node.name
    post(pair, "experiments/create", {"name": f"registry {request.node.name}"}, make=("e", "experiment_id"))
    post(pair, "runs/create", {"experiment_id": "{e}", "start_time": 5, "run_name": "one"},
         make=("r", "run", "info", "run_id"))


@pytest.fixture
def model(pair, run):
    """A model {n} with version 1, made from the run."""
    post(pair, M + "create", {"name": "{n}"})
    post(pair, V + "create", {"name": "{n}", "source": "mlflow-artifacts:/{e}/{r}/artifacts/model", "run_id": "{r}"})


@pytest.fixture
def logged(pair, run):
    """A logged model {m} of the run."""
    post(pair, L, {"experiment_id": "{e}", "name": "lm", "model_type": "xgboost", "source_run_id": "{r}",
                   "params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "v"}]},
         make=("m", "model", "info", "model_id"))


# --- registered models ---------------------------------------------------------------------------------------------

def test_registered_models(pair, run):
    post(pair, M + "create", {"name": "{n}", "description": "d", "tags": [{"key": "k", "value": "v"}, {"key": "e", "value": ""}]})
    post(pair, M + "create", {"name": "{n}"})
    post(pair, M + "create", {"name": "{n}", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    for name in ("", None, 5, "x/y", "x:y", "..", ".", "./x", " ", ["a"]):
        post(pair, M + "create", {"name": name})
    post(pair, M + "create", {})
    for tags in ("x", [{"key": "a//b", "value": "v"}], [{"key": "k", "value": "x" * 100_001}],
                 [{"key": "k" * 251, "value": "v"}], [{"key": "a!", "value": "v"}]):
        post(pair, M + "create", {"name": "never made", "tags": tags})
    for name in ("{n}", "nobody", "", "x/y"):
        get(pair, M + "get", name=name)
    get(pair, M + "get")
    patch(pair, M + "update", {"name": "{n}", "description": "new"})
    patch(pair, M + "update", {"name": "{n}"})
    patch(pair, M + "update", {"name": "nobody", "description": "new"})
    patch(pair, M + "update", {"description": "new"})
    for tag in ({"key": "t", "value": "1"}, {"key": "t"}, {"key": ""}, {"key": "../x", "value": "1"}, {"value": "1"},
                {"key": "k" * 251, "value": "1"}, {"key": "v", "value": 5}):
        post(pair, M + "set-tag", {"name": "{n}", **tag})
    post(pair, M + "set-tag", {"name": "nobody", "key": "t", "value": "1"})
    delete(pair, M + "delete-tag", {"name": "{n}", "key": "t"})
    delete(pair, M + "delete-tag", {"name": "{n}", "key": "t"})
    delete(pair, M + "delete-tag", {"name": "nobody", "key": "t"})
    post(pair, M + "rename", {"name": "{n}", "new_name": "{n} new"})
    post(pair, M + "rename", {"name": "nobody", "new_name": "other"})
    post(pair, M + "rename", {"name": "{n} new"})
    post(pair, M + "rename", {"name": "{n} new", "new_name": "x/y"})
    get(pair, M + "get", name="{n} new")
    post(pair, M + "create", {"name": "{n}"})
    pair.differ("no text of a database in a message", (400, "RESOURCE_ALREADY_EXISTS", "already exists."), "POST",
                M + "rename", {"name": "{n} new", "new_name": "{n}"})
    delete(pair, M + "delete", {"name": "{n}"})
    delete(pair, M + "delete", {"name": "{n}"})
    delete(pair, M + "delete", {})


def test_searching_registered_models(pair, run):
    for i in range(3):
        post(pair, M + "create", {"name": f"{{n}}-{i}", "tags": [{"key": "odd", "value": str(i % 2)}]})
    post(pair, M + "create", {"name": "{n}-prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]})
    mine = "name LIKE '{n}-%'"
    for more in ("", " AND tags.odd = '1'", " AND tag.odd != '1'", " AND tags.`mlflow.prompt.is_prompt` = 'true'",
                 " AND tags.`mlflow.prompt.is_prompt` != 'true'", " AND name IN ('{n}-1')", " AND name = x",
                 " AND colour = 'x'", " OR"):
        get(pair, M + "search", filter=mine + more)
    for more, found in ((" AND (tags.odd = '1' OR name = '{n}-2')", ["{n}-1", "{n}-2"]),
                        (" AND (tags.odd = '1' OR tags.`mlflow.prompt.is_prompt` = 'true')", ["{n}-1", "{n}-prompt"])):
        theirs, ours = pair.call("GET", M + "search", filter=mine + more)
        assert theirs[0] == 400 and "Invalid clause(s)" in theirs[2]
        assert [model["name"] for model in ours[1]["registered_models"]] == pair.fill(found, pair.made[1])
    pair.differ("our own list of comparators", (*INVALID, "'>'"), "GET", M + "search", filter=mine + " AND name > 'x'")
    for order in ("name DESC", "name", ["timestamp DESC", "name"], ["name ASC"]):
        get(pair, M + "search", filter=mine, order_by=order)
    get(pair, M + "search", filter=mine, max_results=2)
    get(pair, M + "search", filter=mine, max_results=2, page_token="eyJvZmZzZXQiOiAyfQ==")
    for bad in (1001, "x"):
        get(pair, M + "search", filter=mine, max_results=bad)
    get(pair, M + "search", page_token="bad")
    for none in (0, -1):
        pair.differ("a page of none has no next one", (*INVALID, "must be a positive integer"), "GET", M + "search",
                    max_results=none)
    pair.differ("our own list of keys", (*INVALID, "'bogus'"), "GET", M + "search", order_by="bogus")
    pair.differ("a mistake of the caller's is no failure of the server", (*INVALID, "duplicate fields"), "GET",
                M + "search", order_by=["name", "name DESC"])


# --- versions ------------------------------------------------------------------------------------------------------

def test_model_versions(pair, model):
    post(pair, V + "create", {"name": "{n}", "source": "mlflow-artifacts:/{e}/{r}/artifacts", "run_id": "{r}",
                              "description": "d", "run_link": "l", "tags": [{"key": "t", "value": "v"}]})
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x"})
    post(pair, V + "create", {"name": "nobody", "source": "s3://bucket/x"})
    for body in ({"source": ""}, {}, {"source": 5}, {"source": "s3://b/x", "tags": "x"},
                 {"source": "s3://b/x", "tags": [{"key": "a//b", "value": "v"}]}):
        post(pair, V + "create", {"name": "{n}", **body})
    post(pair, V + "create", {"source": "s3://b/x"})
    for version in ("1", "2", "3", "99", "x", "1.5", "-1", ""):
        get(pair, V + "get", name="{n}", version=version)
    for version in ("1", "2", "3", "99", "x"):
        get(pair, V + "get-download-uri", name="{n}", version=version)
    get(pair, V + "get", name="{n}")
    get(pair, V + "get", version="1")
    get(pair, V + "get", name="nobody", version="1")
    pair.differ("a number too large is no failure of the server", (*INVALID, "must be an integer"), "GET", V + "get",
                name="{n}", version="9" * 20)
    patch(pair, V + "update", {"name": "{n}", "version": "1", "description": "new"})
    patch(pair, V + "update", {"name": "{n}", "version": 1, "description": "x"})
    patch(pair, V + "update", {"name": "{n}", "version": "77", "description": "x"})
    for version in ("1", "77", "z"):
        post(pair, V + "set-tag", {"name": "{n}", "version": version, "key": "k", "value": "v"})
    post(pair, V + "set-tag", {"name": "{n}", "version": "1", "key": "k" * 251, "value": "v"})
    post(pair, V + "set-tag", {"name": "{n}", "version": "1", "key": "empty"})
    get(pair, V + "get", name="{n}", version="1")
    for _ in range(2):
        delete(pair, V + "delete-tag", {"name": "{n}", "version": "1", "key": "k"})
    for version in ("2", "2", "x", "77"):
        delete(pair, V + "delete", {"name": "{n}", "version": version})
    delete(pair, V + "delete", {"name": "{n}"})
    get(pair, V + "get", name="{n}", version="2")
    delete(pair, V + "delete", {"name": "{n}", "version": "3"})
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/y"})
    get(pair, M + "get", name="{n}")


def test_sources_of_versions(pair, model, logged):
    for made in pair.made:
        made["root"] = f"mlflow-artifacts:/{made['e']}/{made['r']}/artifacts"
        made["files"] = f"mlflow-artifacts:/{made['e']}/models/{made['m']}/artifacts"
    for source in ("/etc", "file:///etc", "relative/path", "s3://b/x/../y", "s3://b/%2e%2e/y", "s3://b/%252e%252e/y",
                   "s3://b//y", "s3://b/y/", "mlflow-artifacts:/77/x", "mlflow-artifacts:/../x", "runs:/{r}/model",
                   "runs:/nope/model", "models:/{n}/1", "models:/{n}/99", "models:/nobody/1", "models:/m-123", "models:/",
                   "models:/{n}@x", "s3://b/x?y=..", "dbfs:/x", "s3://b/%00", "{root}", "{files}", "models:/{m}"):
        post(pair, V + "create", {"name": "{n}", "source": source})
    for source in ("{root}", "{root}/deep/x", "{root}-2/x", "runs:/{r}/model", "runs:/other/model", "/etc", "{files}",
                   "mlflow-artifacts:/77/x", "models:/{n}/1", "models:/{m}"):
        post(pair, V + "create", {"name": "{n}", "source": source, "run_id": "{r}"})
    for source in ("models:/{m}", "{files}", "{files}/x", "{root}", "runs:/{r}/x", "models:/m-other"):
        post(pair, V + "create", {"name": "{n}", "source": source, "model_id": "{m}"})
    post(pair, V + "create", {"name": "{n}", "source": "models:/{m}", "model_id": "{m}", "run_id": "{r}"})
    post(pair, V + "create", {"name": "{n}", "source": "models:/{n}/1", "run_id": "other"})
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x", "run_id": "nope"})
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x", "model_id": "m-nope"})
    get(pair, V + "search", filter="name = '{n}'", order_by="version_number ASC")
    get(pair, L + "/{m}")
    for scheme in ("http", "https", "ftp", "sftp", "hdfs", "mlflow-artifacts"):
        pair.differ("no variable of MLflow's is named, for it has none here", (*INVALID, f"'{scheme}' scheme"), "POST",
                    V + "create", {"name": "{n}", "source": f"{scheme}://host/x"})
    for source in ("s3://b/a\\b", "s3://b/a%5cb"):
        pair.differ("a backslash is a separator to some readers", INVALID, "POST", V + "create",
                    {"name": "{n}", "source": source})


def test_prompts(pair, model):
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    post(pair, M + "create", {"name": "{n} prompt", "tags": prompt})
    post(pair, M + "create", {"name": "{n} prompt"})
    for source in ("dummy-source", "prompt-template", "/etc/passwd", "s3://b/x"):
        post(pair, V + "create", {"name": "{n} prompt", "source": source, "tags": prompt})
    post(pair, V + "create", {"name": "{n}", "source": "models:/{n} prompt/1"})
    get(pair, V + "search", filter="name = '{n} prompt'")
    get(pair, V + "search", filter="name = '{n} prompt' AND tags.`mlflow.prompt.is_prompt` = 'true'",
        order_by="version_number")


def test_stages(pair, model):
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x"})
    for stage in ("Production", "staging", "PRODUCTION", "None", "Archived", "Nonsense", "", 5):
        post(pair, V + "transition-stage", {"name": "{n}", "version": "1", "stage": stage,
                                            "archive_existing_versions": False})
    post(pair, V + "transition-stage", {"name": "{n}", "version": "1", "stage": "Production"})
    post(pair, V + "transition-stage", {"name": "{n}", "version": "2", "stage": "Production",
                                        "archive_existing_versions": True})
    post(pair, V + "transition-stage", {"name": "{n}", "version": "2", "stage": "Production",
                                        "archive_existing_versions": "true"})
    post(pair, V + "transition-stage", {"name": "{n}", "version": "99", "stage": "Production"})
    pair.differ("a mistake of the caller's is no failure of the server", (*INVALID, "is not an Active stage"), "POST",
                V + "transition-stage",
                {"name": "{n}", "version": "2", "stage": "None", "archive_existing_versions": True})
    post(pair, M + "get-latest-versions", {"name": "{n}"})
    get(pair, M + "get-latest-versions", name="{n}", stages=["Production", "Staging"])
    for stages in (["production"], ["bogus"], [5], []):
        post(pair, M + "get-latest-versions", {"name": "{n}", "stages": stages})
    post(pair, M + "get-latest-versions", {"name": "nobody"})
    post(pair, M + "get-latest-versions", {})
    get(pair, M + "get", name="{n}")


def test_aliases(pair, model):
    get(pair, M + "alias", name="{n}", alias="latest")
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x"})
    post(pair, M + "create", {"name": "{n} empty"})
    for alias, version in (("champion", "2"), ("champion", "1"), ("latest", "1"), ("LATEST", "1"), ("v1", "1"), ("a b", "1"),
                           ("x", "99"), ("", "1"), ("l" * 256, "1"), ("zz", "two"), ("é", "1")):
        post(pair, M + "alias", {"name": "{n}", "alias": alias, "version": version})
    post(pair, M + "alias", {"name": "{n}", "alias": "x"})
    post(pair, M + "alias", {"name": "nobody", "alias": "x", "version": "1"})
    for name, alias in (("{n}", "champion"), ("{n}", "nope"), ("{n}", "latest"), ("nobody", "x"), ("{n} empty", "latest"),
                        ("{n}", "a b"), ("{n}", "")):
        get(pair, M + "alias", name=name, alias=alias)
    get(pair, M + "get", name="{n}")
    get(pair, V + "get", name="{n}", version="1")
    for body in ({"name": "{n}", "alias": "nope"}, {"name": "nobody", "alias": "x"}, {"name": "{n}"}):
        delete(pair, M + "alias", body)
    delete(pair, V + "delete", {"name": "{n}", "version": "1"})
    get(pair, M + "alias", name="{n}", alias="champion")


def test_searching_versions(pair, model):
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/x", "tags": [{"key": "t", "value": "v"}]})
    post(pair, V + "create", {"name": "{n}", "source": "s3://bucket/y"})
    mine = "name = '{n}'"
    for more in ("", " AND run_id = '{r}'", " AND run_id IN ('{r}', 'x')", " AND version_number >= 2",
                 " AND version_number = '1'", " AND tag.t = 'v'", " AND tags.t LIKE 'V%'", " AND tags.t ILIKE 'V%'",
                 " AND source_path LIKE 's3%'", " AND status = 'READY'", " AND version_number > 1.5", " OR"):
        get(pair, V + "search", filter=mine + more, order_by="version_number")
    for order in (["name", "version_number DESC"], "version_number ASC", ["creation_timestamp", "version_number"]):
        get(pair, V + "search", filter=mine, order_by=order)
    get(pair, V + "search", filter=mine, order_by="bogus")
    get(pair, V + "search", filter=mine, order_by="version_number", max_results=1)
    for bad in (200_001, 0, -1, "x"):
        get(pair, V + "search", filter=mine, max_results=bad)


# --- logged models -------------------------------------------------------------------------------------------------

def test_logged_models(pair, logged):
    for body in ({"experiment_id": "999999"}, {}, {"experiment_id": "{e}", "name": "a/b"}, {"experiment_id": "abc"},
                 {"experiment_id": "{e}", "name": 5}, {"experiment_id": "{e}", "params": "x"}):
        post(pair, L, body)
    get(pair, L + "/{m}")
    get(pair, L + "/m-nope")
    for status in ("LOGGED_MODEL_READY", 2, "2", 3, "LOGGED_MODEL_UPLOAD_FAILED", 1, None):
        patch(pair, L + "/{m}", {"model_id": "{m}", "status": status})
    for status in (0, 99, "BOGUS"):
        pair.differ("a status that there is not is refused", (*INVALID, "'status'"), "PATCH", L + "/{m}",
                    {"model_id": "{m}", "status": status})
    patch(pair, L + "/{m}", {"model_id": "{m}"})
    patch(pair, L + "/{m}", {"status": 2})
    patch(pair, L + "/m-nope", {"model_id": "m-nope", "status": 2})
    patch(pair, L + "/{m}", {"model_id": "{m}", "status": 2})
    patch(pair, L + "/{m}/tags", {"tags": [{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]})
    patch(pair, L + "/m-nope/tags", {"tags": [{"key": "a", "value": "b"}]})
    patch(pair, L + "/{m}/tags", {"tags": 5})
    get(pair, L + "/{m}")
    for path in ("/{m}/tags/a", "/{m}/tags/a", "/m-nope/tags/a"):
        delete(pair, L + path)
    post(pair, L + "/{m}/params", {"model_id": "{m}", "params": [{"key": "q", "value": "2"}]})
    post(pair, L + "/{m}/params", {"params": []})
    post(pair, L + "/m-nope/params", {"model_id": "m-nope", "params": [{"key": "q", "value": "2"}]})
    post(pair, "runs/log-metric", {"run_id": "{r}", "key": "rmse", "value": 0.5, "timestamp": 10, "step": 1,
                                   "model_id": "{m}", "dataset_name": "ds", "dataset_digest": "d1"})
    post(pair, "runs/log-batch", {"run_id": "{r}", "metrics": [
        {"key": "mae", "value": 0.25, "timestamp": 11, "model_id": "{m}"}]})
    get(pair, L + "/{m}")
    delete(pair, L + "/{m}")
    get(pair, L + "/{m}")
    get(pair, L + "/{m}", allow_deleted="true")
    delete(pair, L + "/{m}")
    delete(pair, L + "/m-nope")
    pair.differ("what is deleted is not written to", (404, "RESOURCE_DOES_NOT_EXIST"), "PATCH", L + "/{m}/tags",
                {"tags": [{"key": "a", "value": "b"}]})


def test_searching_logged_models(pair, logged):
    post(pair, "runs/log-metric", {"run_id": "{r}", "key": "rmse", "value": 0.5, "timestamp": 10, "model_id": "{m}"})
    post(pair, L, {"experiment_id": "{e}", "name": "second"}, make=("m2", "model", "info", "model_id"))
    for filter in ("", "name = 'lm'", "metrics.rmse < 1", "metrics.rmse > 1", "params.p = '1' AND tags.t = 'v'",
                   "source_run_id = '{r}'", "model_type IN ('xgboost')", "creation_timestamp > 1", "name LIKE 's%'",
                   "bogus.x = 1", "name = lm", "name != lm", "params.p = 1", "tags.t = v AND name = lm"):
        post(pair, L + "/search", {"experiment_ids": ["{e}"], "filter": filter})
    pair.differ("alternatives are ours alone", (200,), "POST", L + "/search",
                {"experiment_ids": ["{e}"], "filter": "name = 'lm' OR name = 'x'"})
    pair.differ("as every other search says it", (*INVALID, "Invalid clause(s) in filter string: OR"), "POST",
                L + "/search", {"experiment_ids": ["{e}"], "filter": "name = 'lm' OR"})
    for field, ascending in (("metrics.rmse", False), ("metrics.rmse", True), ("name", True), ("creation_time", True),
                             ("bogus", True), ("", True), ("params.p", True), ("bogus.x", True)):
        post(pair, L + "/search", {"experiment_ids": ["{e}"],
                                   "order_by": [{"field_name": field, "ascending": ascending}]})
    for body in ({}, {"experiment_ids": []}, {"experiment_ids": "x"}, {"experiment_ids": ["987654"]},
                 {"experiment_ids": ["{e}"], "datasets": [{"dataset_name": "other"}]},
                 {"experiment_ids": ["{e}"], "datasets": [{"dataset_digest": "d1"}]}):
        post(pair, L + "/search", body)
    for body in ({"max_results": -1}, {"page_token": "bad"}):
        pair.differ("refused with a reason", INVALID, "POST", L + "/search", {"experiment_ids": ["{e}"], **body})


# --- artifacts -----------------------------------------------------------------------------------------------------

def test_artifacts(pair, run):
    base = PROXY + "{e}/{r}/artifacts/"
    for path, content in (("a.txt", b"hello"), ("dir/b.bin", b"\0\1"), ("dir/sub/c.json", b"{}"), ("a.txt", b"again"),
                          ("empty", b""), ("with%20blank.txt", b"s"), ("%C3%A9.txt", b"e")):
        put(pair, base + path, content)
    for path in ("a.txt", "dir/b.bin", "dir/sub/c.json", "empty", "with%20blank.txt", "%C3%A9.txt", "nope", "a.txt/x"):
        get(pair, base + path)
    proxy = PROXY.rstrip("/")
    for path in ("{e}/{r}/artifacts", "{e}/{r}/artifacts/dir", "{e}/{r}/artifacts/dir/", "{e}/{r}/artifacts/a.txt", "nope"):
        pair.agree("GET", proxy + "?path=" + path)
    for query in ("?run_id={r}", "?run_uuid={r}", "?run_id={r}&path=dir", "?run_id={r}&path=dir/", "?run_id={r}&path=a.txt",
                  "?run_id={r}&path=nope", "?run_id=nope"):
        get(pair, "artifacts/list" + query)
        if "path" in query and not query.endswith("/"):
            get(pair, "/get-artifact" + query)
    for bad in ("..", "../x", "%2e%2e/x", "%252e%252e/x", "a/../../x", "a%23b", "/etc/x", "%2fetc"):
        if bad not in ("/etc/x", "%2fetc"):  # the real server sends those elsewhere (308); test_artifacts.py
            pair.agree("GET", PROXY + bad)
            pair.agree("DELETE", PROXY + bad)
            put(pair, PROXY + bad)
        pair.agree("GET", proxy + "?path=" + bad)
        get(pair, "artifacts/list?run_id={r}&path=" + bad)
        get(pair, "/get-artifact?run_id={r}&path=" + bad)
        post(pair, "/api/2.0/mlflow-artifacts/mpu/create/" + (bad if "etc" not in bad else ".."), {"path": "x"})
    put(pair, base + "a%20b/x%2520y.txt", b"x")  # how a client escapes the folder "a%20b"
    for path in ("a%20b", "a%2520b", "a%252520b"):
        pair.agree("GET", proxy + "?path={e}/{r}/artifacts/" + path)
        get(pair, "artifacts/list?run_id={r}&path=" + path)
        get(pair, "/get-artifact?run_id={r}&path=" + path + "/x%20y.txt")
    for path in ("a.txt", "a.txt", "dir", "nope"):
        delete(pair, base + path)
    get(pair, "artifacts/list?run_id={r}")
    for verb in ("create", "complete", "abort"):
        # Uploads in parts are ours where the real server's store is a folder: test_artifacts.py.
        theirs, ours = pair.call("POST", f"/api/2.0/mlflow-artifacts/mpu/{verb}/{{e}}/{{r}}/artifacts",
                                 {"path": "x", "num_parts": 2, "upload_id": "u", "parts": [{"part_number": 1}]})
        assert theirs[0] == 501 and ours[0] == (404 if verb == "complete" else 200), (verb, ours)
    put(pair, base + "d/f", b"x")
    for path in ("d", "d/f/under"):
        for peer, made, status in zip(pair.peers, pair.made, (500, 409)):
            assert peer.call("PUT", pair.fill(base + path, made), b"x")[0] == status


def test_files_of_versions_and_logged_models(pair, model, logged):
    put(pair, PROXY + "{e}/{r}/artifacts/model/MLmodel", b"m")
    put(pair, PROXY + "{e}/models/{m}/artifacts/MLmodel", b"lm")
    for query in ("name={n}&version=1&path=MLmodel", "name={n}&version=1&path=../x", "name={n}&version=1&path=no",
                  "name={n}&version=9&path=MLmodel", "name=nobody&version=1&path=MLmodel", "name={n}&version=x&path=MLmodel"):
        get(pair, "/model-versions/get-artifact?" + query)
    for query in ("", "?artifact_directory_path=nope", "?artifact_directory_path=.."):
        get(pair, L + "/{m}/artifacts/directories" + query)
    files = "/ajax-api/2.0/mlflow/logged-models/"
    for path in ("{m}/artifacts/files?artifact_file_path=MLmodel", "{m}/artifacts/files", "m-no/artifacts/files?artifact_file_path=x",
                 "{m}/artifacts/files?artifact_file_path=../x"):
        get(pair, files + path)
