"""Files by the real client: up, down, listed, deleted; and the paths that must not work."""
import http.client
import json
import os
import pathlib
import urllib.parse

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from server import Server

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def run(client, experiment):
    return client.create_run(experiment)


def listed(client, run, path=None):
    return [(f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run.info.run_id, path)]


def plain(ours, method, target, body=None, headers=None):
    """Status, headers and bytes of one request whose path is sent as it is."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ours.url).netloc, timeout=30)
    connection.putrequest(method, target, skip_accept_encoding=True)
    for key, value in {"Content-Length": str(len(body or b"")), **(headers or {})}.items():
        connection.putheader(key, value)
    connection.endheaders(body or b"")
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return result


# --- what scripts do -----------------------------------------------------------------------------------------------

def test_texts_dicts_and_files_are_logged_and_read_back(client, run, tmp_path):
    id = run.info.run_id
    (tmp_path / "notes.md").write_text("# notes é漢\n", encoding="utf-8")
    client.log_text(id, "hello\n", "texts/hello.txt")
    client.log_dict(id, {"a": [1, 2.5]}, "config.json")
    client.log_artifact(id, str(tmp_path / "notes.md"))
    client.log_artifact(id, str(tmp_path / "notes.md"), "texts/deep")
    assert listed(client, run) == [("config.json", False, 31), ("notes.md", False, 14), ("texts", True, None)]
    assert listed(client, run, "texts") == [("texts/deep", True, None), ("texts/hello.txt", False, 6)]
    assert listed(client, run, "nothing") == []
    assert listed(client, run, "config.json") == []
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/texts/hello.txt") == "hello\n"
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/config.json") == {"a": [1, 2.5]}
    here = client.download_artifacts(id, "texts/deep/notes.md", str(tmp_path))
    assert pathlib.Path(here).read_text() == "# notes é漢\n"


def test_a_folder_goes_up_and_comes_down_whole(client, run, tmp_path):
    source = tmp_path / "source"
    files = {"a.txt": b"a", "empty.bin": b"", "deep/er/b.bin": bytes(range(256)) * 5000, "deep/with blank é.csv": b"x,y\n"}
    for path, content in files.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    client.log_artifacts(run.info.run_id, str(source), "data")
    back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="data",
                                                            dst_path=str(tmp_path / "back")))
    assert {p.relative_to(back).as_posix(): p.read_bytes() for p in back.rglob("*") if p.is_file()} == files


def test_a_file_is_replaced(client, run):
    client.log_text(run.info.run_id, "long text before", "t.txt")
    client.log_text(run.info.run_id, "after", "t.txt")
    assert listed(client, run) == [("t.txt", False, 5)]
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/t.txt") == "after"


def test_artifacts_are_deleted_file_by_file_and_by_the_folder(client, run):
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    client.log_text(run.info.run_id, "x", "keep.txt")
    client.log_text(run.info.run_id, "x", "gone/deep/x.txt")
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("gone")
    repository.delete_artifacts("gone")
    assert listed(client, run) == [("keep.txt", False, 1)]


def test_a_missing_file_is_missing_at_once(client, ours, run):
    status, _, body = plain(ours, "GET", f"{PROXY}/0/{run.info.run_id}/artifacts/nothing.txt")
    assert status == 404
    assert json.loads(body) == {"error_code": "RESOURCE_DOES_NOT_EXIST",
                                "message": f"No such artifact: '0/{run.info.run_id}/artifacts/nothing.txt'",
                                "sqlstate": "KAM00", "error_class": "RESOURCE_NOT_FOUND"}
    with pytest.raises(Exception):
        mlflow.artifacts.load_text(f"{run.info.artifact_uri}/nothing.txt")


def test_the_fluent_api_logs_to_the_active_run(client, experiment):
    with mlflow.start_run() as active:
        mlflow.log_text("t", "a.txt")
        mlflow.log_dict({"k": 1}, "b.yaml")
        assert mlflow.get_artifact_uri("a.txt").endswith(f"/{active.info.run_id}/artifacts/a.txt")
    assert [f.path for f in client.list_artifacts(active.info.run_id)] == ["a.txt", "b.yaml"]


# --- how files are answered ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("file, kind", [("a.txt", "text/plain"), ("MLmodel", "text/plain"), ("p.png", "image/png"),
                                        ("page.html", "text/html"), ("x.svg", "image/svg+xml"),
                                        ("m.ubj", "application/octet-stream")])
def test_a_browser_saves_files_and_never_runs_them(client, ours, run, file, kind):
    client.log_text(run.info.run_id, "<script>alert(1)</script>", file)
    path = f"/get-artifact?run_id={run.info.run_id}&path={file}"
    for target in (path, f"{PROXY}{urllib.parse.urlsplit(run.info.artifact_uri).path}/{file}"):
        status, headers, body = plain(ours, "GET", target)
        assert (status, body) == (200, b"<script>alert(1)</script>")
        assert headers["Content-Type"] == kind
        assert headers["Content-Disposition"] == f"attachment; filename={file}"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox"
        assert headers["Content-Length"] == "25"


def test_the_page_asks_for_listings_and_files(client, ours, run):
    client.log_text(run.info.run_id, "x", "d/a.txt")
    answer = ours.ask("GET", f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run.info.run_id}&path=d")
    assert answer == {"root_uri": run.info.artifact_uri, "files": [{"path": "d/a.txt", "is_dir": False, "file_size": 1}]}
    status, _, body = plain(ours, "GET", f"/get-artifact?run_id={run.info.run_id}&path=d")
    assert status == 400 and "refers to a directory" in json.loads(body)["message"]
    assert plain(ours, "GET", "/get-artifact?run_id=unknown&path=d")[0] == 404


def test_parts_are_refused_in_the_words_that_clients_know(ours, run):
    for step in ("create", "complete", "abort"):
        status, answer = ours.call("POST", f"/api/2.0/mlflow-artifacts/mpu/{step}/0/{run.info.run_id}/artifacts",
                                   {"path": "big.bin", "num_parts": 2, "upload_id": "u", "parts": []})
        assert (status, answer["error_code"]) == (501, "NOT_IMPLEMENTED")
        assert answer["message"].startswith("Multipart upload is not supported for the current artifact repository")


# --- hostile paths -------------------------------------------------------------------------------------------------

CLIMBING = ["..", "../x", "a/../../x", "%2e%2e/x", "%2E%2E%2Fx", "%252e%252e/x", "%25252e%25252e%25252fx", "..%5cx",
            "a%5c..%5cx", "%2fetc/passwd", "file:///etc/passwd", "a%00b", "a%0ab", "a%23b", "%c0%ae%c0%ae/x"]


@pytest.mark.parametrize("path", CLIMBING)
def test_a_path_never_leaves_the_store(ours, client, run, path):
    for method in ("GET", "PUT", "DELETE"):
        status, _, body = plain(ours, method, f"{PROXY}/{path}", b"evil" if method == "PUT" else None)
        assert status == 400, (method, body)
        assert "error_code" in json.loads(body)
    for target in (f"/api/2.0/mlflow/artifacts/list?run_id={run.info.run_id}&path={path}",
                   f"{PROXY}?path={path}", f"/get-artifact?run_id={run.info.run_id}&path={path}"):
        status, _, body = plain(ours, "GET", target)
        assert status == 400, body
        assert json.loads(body)["message"] == "Invalid path"
    for step in ("create", "complete", "abort"):
        assert plain(ours, "POST", f"/api/2.0/mlflow-artifacts/mpu/{step}/{path}", b'{"path": "x"}',
                     {"Content-Type": "application/json"})[0] == 400


def test_deleting_the_root_is_refused(client, ours, run):
    client.log_text(run.info.run_id, "x", "a.txt")
    for target in (PROXY, f"{PROXY}/", f"{PROXY}/.", f"{PROXY}//", f"{PROXY}/%2e"):
        assert plain(ours, "DELETE", target)[0] in (400, 405)
    assert listed(client, run) == [("a.txt", False, 1)]


def test_the_server_s_own_folder_is_out_of_reach(ours):
    for method in ("GET", "PUT", "DELETE"):
        assert plain(ours, method, f"{PROXY}/.incoming/x", b"x" if method == "PUT" else None)[0] == 400


def test_long_names_are_refused(ours):
    assert plain(ours, "PUT", f"{PROXY}/{'n' * 256}", b"x")[0] == 400
    assert plain(ours, "PUT", f"{PROXY}/{'d/' * 600}x", b"x")[0] == 400


def test_a_file_is_no_folder_and_a_folder_no_file(client, ours, run):
    client.log_text(run.info.run_id, "x", "d/a.txt")
    base = PROXY + urllib.parse.urlsplit(run.info.artifact_uri).path
    assert plain(ours, "PUT", f"{base}/d", b"x")[0] == 409
    assert plain(ours, "PUT", f"{base}/d/a.txt/under", b"x")[0] == 409
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/d/a.txt") == "x"


# --- servers of these tests' own -----------------------------------------------------------------------------------

@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0


def test_symbolic_links_are_not_followed(server, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("secret")
    (server.state / "artifacts" / "real").mkdir()
    (server.state / "artifacts" / "real" / "link").symlink_to(secret)
    (server.state / "artifacts" / "real" / "file").symlink_to(secret / "key.txt")
    connection = server.connect()

    def ask(method, path, body=None):
        connection.request(method, f"{PROXY}{path}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    for method in ("GET", "DELETE"):
        assert ask(method, "/real/link/key.txt")[0] == 400
    assert ask("GET", "/real/file")[0] == 400
    assert ask("PUT", "/real/link/new.txt", b"x")[0] == 400
    assert ask("GET", "?path=real") == (200, b"{}")
    assert ask("GET", "?path=real/link")[0] == 400
    assert sorted(p.name for p in secret.iterdir()) == ["key.txt"]
    assert (secret / "key.txt").read_text() == "secret"


def memory_peak_mb(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_file_passes_in_constant_memory(server, chunked):
    piece, count = os.urandom(1 << 20), 300
    before = memory_peak_mb(server.process)
    connection = server.connect(timeout=120)
    headers = {} if chunked else {"Content-Length": str(len(piece) * count)}
    connection.request("PUT", f"{PROXY}/1/run/artifacts/large.bin", (piece for _ in range(count)), headers,
                       encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.request("GET", f"{PROXY}/1/run/artifacts/large.bin")
    answer = connection.getresponse()
    assert answer.getheader("Content-Length") == str(len(piece) * count)
    for _ in range(count):
        assert answer.read(len(piece)) == piece
    assert answer.read() == b""
    assert memory_peak_mb(server.process) - before < 40


def test_an_acknowledged_file_survives_kill_9_and_an_unfinished_one_leaves_nothing(server):
    connection = server.connect()
    connection.request("PUT", f"{PROXY}/1/run/artifacts/done.bin", b"x" * 100_000)
    assert connection.getresponse().status == 200
    half = server.connect()
    half.putrequest("PUT", f"{PROXY}/1/run/artifacts/half.bin")
    half.putheader("Content-Length", "1000000")
    half.endheaders(b"y" * 300_000)
    server.kill()
    server.start()
    connection = server.connect()
    connection.request("GET", f"{PROXY}?path=1/run/artifacts")
    assert json.loads(connection.getresponse().read()) == {
        "files": [{"path": "done.bin", "is_dir": False, "file_size": 100_000}]}
    assert list((server.state / "artifacts" / ".incoming").iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing(server):
    half = server.connect()
    half.putrequest("PUT", f"{PROXY}/1/run/artifacts/half.bin")
    half.putheader("Content-Length", "1000000")
    half.endheaders(b"y" * 300_000)
    half.close()
    connection = server.connect()
    connection.request("GET", f"{PROXY}?path=1/run/artifacts")
    assert connection.getresponse().read() == b"{}"
