"""Files by the real client: up, down, listed, deleted; and the paths that must not work."""
import hashlib
import http.client
import json
import os
import pathlib
import threading
import time
import urllib.parse

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from server import Server

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"


def unfinished(server):
    """Files of writes that have not ended, beside the store's id and each server's own folder with its lock."""
    incoming = server.state / "artifacts" / ".incoming"
    return [path for path in incoming.rglob("*") if path != incoming / "id" and path.suffix != ".lock"
            and not path.with_name(path.name + ".lock").exists()]


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


def base_of(run):
    return PROXY + urllib.parse.urlsplit(run.info.artifact_uri).path


def test_a_file_is_given_in_ranges_and_only_when_it_is_new(client, ours, run):
    client.log_text(run.info.run_id, "0123456789", "n.txt")
    path = f"{base_of(run)}/n.txt"
    status, headers, body = plain(ours, "GET", path)
    etag = headers["ETag"]
    assert (status, body, headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")
    assert etag == f'"{hashlib.sha256(body).hexdigest()}"'
    for wanted, status, body, where in (("bytes=2-4", 206, b"234", "bytes 2-4/10"), ("bytes=7-", 206, b"789", "bytes 7-9/10"),
                                        ("bytes=-2", 206, b"89", "bytes 8-9/10"), ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
                                        ("bytes=0-1,4-5", 200, b"0123456789", None), ("bytes=x", 200, b"0123456789", None)):
        answer = plain(ours, "GET", path, headers={"Range": wanted})
        assert (answer[0], answer[2], answer[1].get("Content-Range")) == (status, body, where), wanted
        assert answer[1]["Content-Length"] == str(len(body))
    status, headers, _ = plain(ours, "GET", path, headers={"Range": "bytes=10-"})
    assert (status, headers["Content-Range"]) == (416, "bytes */10")
    assert plain(ours, "GET", path, headers={"Range": "bytes=2-4", "If-Range": etag})[0] == 206
    assert plain(ours, "GET", path, headers={"Range": "bytes=2-4", "If-Range": '"old"'})[0] == 200
    status, headers, body = plain(ours, "GET", path, headers={"If-None-Match": f'"x", {etag}'})
    assert (status, body, headers["ETag"]) == (304, b"", etag)
    assert plain(ours, "GET", path, headers={"If-Match": '"old"'})[0] == 412
    status, headers, body = plain(ours, "HEAD", path)
    assert (status, headers["Content-Length"], headers["ETag"], body) == (200, "10", etag, b"")
    client.log_text(run.info.run_id, "9876543210", "n.txt")
    assert plain(ours, "GET", path, headers={"If-None-Match": etag})[0] == 200


# --- large files in parts ------------------------------------------------------------------------------------------

@pytest.fixture
def in_parts(monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", "100000")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_MINIMUM_FILE_SIZE", "1000")
    monkeypatch.setenv("MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE", "70000")


@pytest.mark.since(3)
@pytest.mark.parametrize("size", [1000, 100_000, 1_234_567])
def test_the_client_sends_and_fetches_in_parts(client, ours, run, in_parts, tmp_path, size):
    data, file = os.urandom(size), tmp_path / "with blank.bin"
    file.write_bytes(data)
    client.log_artifact(run.info.run_id, str(file), "deep")
    back = client.download_artifacts(run.info.run_id, "deep/with blank.bin", str(tmp_path))
    assert pathlib.Path(back).read_bytes() == data
    headers = plain(ours, "HEAD", f"{base_of(run)}/deep/with%20blank.bin")[1]
    assert headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'


def create_parts(ours, run, count, name="big.bin"):
    return ours.ask("POST", f"{MPU}/create{urllib.parse.urlsplit(run.info.artifact_uri).path}", {"path": name, "num_parts": count})


def send_part(ours, created, number, data):
    url = urllib.parse.urlsplit(created["credentials"][number - 1]["url"])
    assert url.netloc == urllib.parse.urlsplit(ours.url).netloc
    status, headers, body = plain(ours, "PUT", url.path, data)
    return status, headers.get("ETag"), body


def finish_parts(ours, run, created, parts, name="big.bin"):
    return ours.call("POST", f"{MPU}/complete{urllib.parse.urlsplit(run.info.artifact_uri).path}",
                     {"path": name, "upload_id": created["upload_id"],
                      "parts": [{"part_number": n, "etag": etag} for n, etag in parts]})


def test_parts_may_come_in_any_order_and_twice(client, ours, run):
    pieces = [os.urandom(200_000), os.urandom(100_000), b"end"]
    created = create_parts(ours, run, 3)
    etags = {}
    for number in (3, 1, 1, 2, 3):
        status, etags[number], body = send_part(ours, created, number, pieces[number - 1])
        assert status == 200, body
    assert finish_parts(ours, run, created, sorted(etags.items())) == (200, {})
    assert plain(ours, "GET", f"{base_of(run)}/big.bin")[2] == b"".join(pieces)


def test_parts_that_do_not_fit_are_refused(client, ours, run):
    created = create_parts(ours, run, 2)
    _, first, _ = send_part(ours, created, 1, b"one")
    assert send_part(ours, created, 1, b"eno")[0] == 409
    for parts in ([(1, first), (2, "")], [(1, "other")], [(2, first)], []):
        status, answer = finish_parts(ours, run, created, parts)
        assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), parts
    assert finish_parts(ours, run, created, [(1, first)], name="other.bin")[0] == 404
    assert finish_parts(ours, run, created, [(1, first)])[0] == 200
    assert plain(ours, "GET", f"{base_of(run)}/big.bin")[2] == b"one"


def test_uploads_in_parts_are_bounded(client, ours, run):
    for count in (0, -1, 10_001):
        assert ours.call("POST", f"{MPU}/create/0/{run.info.run_id}", {"path": "x", "num_parts": count})[0] == 400
    opened = []
    while True:
        status, answer = ours.call("POST", f"{MPU}/create/0/{run.info.run_id}", {"path": "x", "num_parts": 1})
        if status != 200:
            break
        opened.append(answer["upload_id"])
        assert len(opened) <= 1000
    assert (status, answer["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    for id in opened:
        assert ours.call("POST", f"{MPU}/abort/0/{run.info.run_id}", {"path": "x", "upload_id": id}) == (200, {})
    create_parts(ours, run, 1)


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
    assert unfinished(server) == []


def test_an_upload_that_breaks_off_leaves_nothing(server):
    half = server.connect()
    half.putrequest("PUT", f"{PROXY}/1/run/artifacts/half.bin")
    half.putheader("Content-Length", "1000000")
    half.endheaders(b"y" * 300_000)
    half.close()
    connection = server.connect()
    connection.request("GET", f"{PROXY}?path=1/run/artifacts")
    assert connection.getresponse().read() == b"{}"


def test_kill_9_in_the_middle_of_an_upload_in_parts_leaves_nothing(server):
    connection = server.connect()

    def post(path, body):
        connection.request("POST", f"{MPU}/{path}", json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    _, created = post("create/1/run", {"path": "big.bin", "num_parts": 3})
    for number in (1, 3):
        connection.request("PUT", f"{MPU}/part/{created['upload_id']}/{number}", os.urandom(300_000))
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    assert len(unfinished(server)) == 2  # the object so far, and part 3
    server.kill()
    server.start()
    assert unfinished(server) == []
    connection = server.connect()
    status, answer = post("complete/1/run", {"path": "big.bin", "upload_id": created["upload_id"],
                                             "parts": [{"part_number": 1}]})
    assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "begin again" in answer["message"]
    connection.request("GET", f"{PROXY}?path=1/run")
    assert connection.getresponse().read() == b"{}"


def test_killed_between_file_and_record_the_digest_is_not_that_of_another_content(tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    connection = server.connect()
    connection.request("PUT", f"{PROXY}/d/x", b"before")
    assert connection.getresponse().read() == b""
    assert server.stop() == 0
    server.environment["SLIPWAY_FAILPOINT"] = "artifacts.stored"
    server.start()
    connection = server.connect()
    connection.request("PUT", f"{PROXY}/d/x", b"after!")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    server.process.wait()
    server.process.stdout.close()
    del server.environment["SLIPWAY_FAILPOINT"]
    server.start()
    connection = server.connect()
    connection.request("GET", f"{PROXY}/d/x")
    answer = connection.getresponse()
    assert answer.read() == b"after!"
    assert answer.getheader("ETag").startswith('"v-')
    connection.request("PUT", f"{PROXY}/d/x", b"after!")
    assert connection.getresponse().getheader("ETag") == f'"{hashlib.sha256(b"after!").hexdigest()}"'
    assert server.stop() == 0


def test_a_folder_of_100_000_files_is_listed(server):
    folder = server.state / "artifacts" / "1" / "run" / "many"
    folder.mkdir(parents=True)
    for number in range(100_000):
        (folder / f"{number:06}").touch()
    before = memory_peak_mb(server.process)
    connection = server.connect(timeout=120)
    connection.request("GET", f"{PROXY}?path=1/run/many")
    files = json.loads(connection.getresponse().read())["files"]
    assert [f["path"] for f in files] == [f"{number:06}" for number in range(100_000)]
    assert memory_peak_mb(server.process) - before < 150


def test_a_file_from_the_page(client, run, ours):
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run.info.run_id}&path=notes/a.txt"
    assert ours.call("POST", upload, b"some words") == (200, {})
    assert listed(client, run, "notes") == [("notes/a.txt", False, 10)]


def test_a_client_that_sends_one_byte_a_second_is_given_up(tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    connection = server.connect(timeout=120)
    connection.putrequest("PUT", f"{PROXY}/d/slow")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"x")
    began, over = time.monotonic(), threading.Event()

    def drip():
        while not over.wait(1):
            connection.sock.send(b"x")
    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    answer = connection.sock.recv(1000)
    over.set()
    thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ") and b"the body comes too slowly" in answer
    assert time.monotonic() - began < 70
    assert unfinished(server) == []
    assert server.stop() == 0
