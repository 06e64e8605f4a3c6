"""Artifacts in S3: against a server that computes every signature anew with botocore and has bad days, and against moto
and OpenStack's Swift, which others have written."""
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
import urllib.parse

import botocore.session
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "faults"))
import bucket_server as s3  # noqa: E402
from server import Server  # noqa: E402

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"
PART = 8 << 20


class Store:
    """A server of ours whose artifacts are in a bucket."""

    def __init__(self, state, uri, environment):
        self.server = Server(state, arguments=["--artifacts", uri], **environment)
        self.server.start()

    def ask(self, method, path, body=None, headers=None):
        connection = self.server.connect(timeout=120)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        result = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return result

    def put(self, path, body):
        status, headers, text = self.ask("PUT", f"{PROXY}/{urllib.parse.quote(path)}", body)
        assert status == 200, text
        return headers["ETag"]

    def get(self, path, **headers):
        return self.ask("GET", f"{PROXY}/{urllib.parse.quote(path)}", headers=headers)

    def listed(self, folder):
        status, _, text = self.ask("GET", f"{PROXY}?path={urllib.parse.quote(folder)}")
        assert status == 200, text
        return [(f["path"], f["is_dir"], f.get("file_size", 0)) for f in json.loads(text).get("files", [])]

    def post(self, path, body):
        status, _, text = self.ask("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return status, json.loads(text)


@pytest.fixture
def bucket():
    with s3.BucketServer() as server:
        yield server


@pytest.fixture
def store(bucket, tmp_path):
    store = Store(tmp_path / "state", bucket.uri(), bucket.environment())
    yield store
    assert store.server.stop() == 0


def digest(data):
    return f'"{hashlib.sha256(data).hexdigest()}"'


# --- files ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["a.txt", "with blank é漢.csv", "a+b&c=d;e,f.bin", "100%", "~tilde'(x)!*$@.txt",
                                  "<&>\".xml"])
def test_a_file_goes_up_comes_down_and_goes(store, bucket, name):
    data = name.encode() * 100
    assert store.put(f"1/r/artifacts/{name}", data) == digest(data)
    assert bucket.state.objects[f"some/prefix/1/r/artifacts/{name}"][0] == data
    status, headers, body = store.get(f"1/r/artifacts/{name}")
    assert (status, body, headers["ETag"]) == (200, data, digest(data))
    assert store.listed("1/r/artifacts") == [(name, False, len(data))]
    assert store.listed("1/r") == [("artifacts", True, 0)]
    assert store.ask("DELETE", f"{PROXY}/1/r/artifacts")[0] == 200
    assert bucket.state.objects == {}
    assert store.get(f"1/r/artifacts/{name}")[0] == 404
    assert bucket.state.checked["header"] > 5


def test_a_range_is_asked_for_as_a_range(store, bucket):
    data = os.urandom(1 << 20)
    store.put("d/x", data)
    status, headers, body = store.get("d/x", Range="bytes=1000-1999")
    assert (status, body) == (206, data[1000:2000])
    assert headers["Content-Range"] == f"bytes 1000-1999/{1 << 20}"
    assert store.get("d/x", Range="bytes=-5")[2] == data[-5:]
    assert store.get("d/x", Range=f"bytes={1 << 20}-")[0] == 416
    assert store.get("d/x", **{"If-None-Match": digest(data)})[0] == 304
    status, headers, body = store.ask("HEAD", f"{PROXY}/d/x")
    assert (status, headers["Content-Length"], body) == (200, str(1 << 20), b"")


def test_a_large_file_goes_in_parts(store, bucket):
    data = os.urandom(2 * PART + 12345)
    assert store.put("d/large", data) == digest(data)
    assert bucket.state.objects["some/prefix/d/large"][1].endswith('-3"')
    assert bucket.state.uploads == {}
    assert store.get("d/large")[2] == data


def test_what_is_exactly_a_part_needs_one_request(store, bucket):
    data = os.urandom(PART)
    before = len(bucket.state.requests)
    store.put("d/one", data)
    assert [method for method, _ in bucket.state.requests[before:]] == ["PUT"]


def test_an_upload_that_breaks_off_leaves_nothing(store, bucket):
    half = store.server.connect()
    half.putrequest("PUT", f"{PROXY}/d/half")
    half.putheader("Content-Length", str(4 * PART))
    half.endheaders()
    half.send(os.urandom(2 * PART))
    while not any("uploadId" in path and method == "PUT" for method, path in list(bucket.state.requests)):
        time.sleep(0.01)
    half.close()
    while bucket.state.uploads:
        time.sleep(0.01)
    assert bucket.state.objects == {}


def test_listings_go_on_page_by_page(store, bucket):
    with bucket.state.lock:
        bucket.state.page_max = 7
        for i in range(30):
            bucket.state.put(f"some/prefix/d/f{i:02}", b"x" * i)
            bucket.state.put(f"some/prefix/d/sub{i:02}/x", b"")
        bucket.state.put("some/prefix/d-not/this", b"")
        bucket.state.put("other/d/this", b"")
    assert store.listed("d") == [(f"f{i:02}", False, i) for i in range(30)] + [(f"sub{i:02}", True, 0) for i in range(30)]
    assert store.ask("DELETE", f"{PROXY}/d")[0] == 200
    assert sorted(bucket.state.objects) == ["other/d/this", "some/prefix/d-not/this"]


def test_virtual_hosts(bucket, tmp_path):
    store = Store(tmp_path / "state", bucket.uri(prefix="", host="localhost", style="virtual"), bucket.environment())
    store.put("d/x y", b"virtual")
    assert bucket.state.objects["d/x y"][0] == b"virtual"
    assert store.get("d/x y")[2] == b"virtual"
    assert store.server.stop() == 0


def test_credentials_come_from_a_profile_with_a_session_token(tmp_path):
    with s3.BucketServer(token="the/token==") as bucket:
        file = tmp_path / "credentials"
        file.write_text(f"[team]\naws_access_key_id = {s3.KEY_ID}\naws_secret_access_key = {s3.SECRET}\n"
                        f"aws_session_token = the/token==\n")
        store = Store(tmp_path / "state", bucket.uri(),
                      {"AWS_PROFILE": "team", "AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_REGION": s3.REGION})
        store.put("d/x", b"1")
        # They expire; new ones are in the file already.
        with bucket.state.lock:
            bucket.state.token = "next"
        file.write_text(file.read_text().replace("the/token==", "next"))
        assert store.get("d/x")[2] == b"1"
        assert store.server.stop() == 0


def test_a_bucket_that_cannot_be_used_is_told_at_the_start_without_the_secret(bucket, tmp_path):
    for change, word in (({"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "SignatureDoesNotMatch"),
                         ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS_ACCESS_KEY_ID")):
        done = subprocess.run([os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state",
                               str(tmp_path / "state"), "--artifacts", bucket.uri()], capture_output=True, text=True,
                              env={**os.environ, **bucket.environment(), **change}, timeout=60)
        assert done.returncode != 0
        assert word in done.stderr, done.stderr
        assert "wrong-secret" not in done.stderr and s3.SECRET not in done.stderr


# --- parts and addresses of the client's own ------------------------------------------------------------------------

def send_to(url, method, body=None, headers=None):
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    connection.request(method, f"{address.path}?{address.query}", body, headers or {})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_the_clients_parts_go_straight_to_the_bucket(store, bucket):
    data = os.urandom((6 << 20) + 7)
    status, created = store.post(f"{MPU}/create/1/r/artifacts", {"path": "/home/me/big file.bin", "num_parts": 2})
    assert status == 200
    parts = []
    for credential in created["credentials"]:
        n = credential["part_number"]
        assert urllib.parse.urlsplit(credential["url"]).port == bucket.port
        status, headers, _ = send_to(credential["url"], "PUT", data[(n - 1) * (5 << 20):n * (5 << 20)],
                                     credential.get("headers"))
        assert status == 200
        parts.append({"part_number": n, "etag": headers["ETag"], "url": credential["url"]})
    finish = {"path": "/home/me/big file.bin", "upload_id": created["upload_id"], "parts": parts}
    for _ in range(2):  # the second time as a client whose answer was lost
        assert store.post(f"{MPU}/complete/1/r/artifacts", finish) == (200, {})
    assert store.get("1/r/artifacts/big file.bin")[2] == data
    assert bucket.state.checked["query"] == 2


def test_parts_that_are_given_up_are_gone(store, bucket):
    _, created = store.post(f"{MPU}/create/d", {"path": "x", "num_parts": 3})
    assert store.post(f"{MPU}/abort/d", {"path": "x", "upload_id": created["upload_id"]}) == (200, {})
    assert bucket.state.uploads == {}
    status, answer = store.post(f"{MPU}/complete/d", {"path": "x", "upload_id": created["upload_id"],
                                                      "parts": [{"part_number": 1, "etag": '"e"'}]})
    assert (status, answer["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_download_can_go_past_the_server(store, bucket):
    store.put("d/x y", b"0123456789")
    status, _, text = store.ask("GET", "/api/2.0/mlflow-artifacts/presigned/d/x%20y")
    told = json.loads(text)
    assert (status, told["file_size"]) == (200, 10)
    assert send_to(told["url"], "GET", headers={**told["headers"], "Range": "bytes=2-4"})[::2] == (206, b"234")
    assert send_to(told["url"].replace("x%20y", "other"), "GET")[0] == 403
    assert store.ask("GET", "/api/2.0/mlflow-artifacts/presigned/d/none")[0] == 404


def test_runs_have_addresses_too(store, bucket):
    _, made = store.post("/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
    run = made["run"]["info"]["run_id"]
    _, up = store.post("/api/2.0/mlflow/artifacts/presigned-upload-url", {"run_id": run, "path": "m/x.bin"})
    assert send_to(up["presigned_url"], "PUT", b"direct")[0] == 200
    _, down = store.post("/api/2.0/mlflow/artifacts/presigned-download-url", {"run_id": run, "path": "m/x.bin"})
    assert down["file_size"] == 6
    assert send_to(down["presigned_url"], "GET")[2] == b"direct"
    for seconds in (0, 604801):
        status, answer = store.post("/api/2.0/mlflow/artifacts/presigned-download-url",
                                    {"run_id": run, "path": "m/x.bin", "expiration": seconds})
        assert status == 400 and "expiration must be between 1 and 604800 seconds" in answer["message"]


# --- bad days ------------------------------------------------------------------------------------------------------

def test_a_busy_bucket_is_asked_again(store, bucket):
    bucket.state.bad_days(s3.slow_down, s3.hang_up, s3.slow_down)
    store.put("d/x", b"at last")
    bucket.state.bad_days(s3.slow_down, s3.hang_up, s3.fine, s3.slow_down)
    assert store.get("d/x")[2] == b"at last"


def test_a_bucket_that_stays_busy_is_told_to_the_client(store, bucket):
    bucket.state.bad_days(*[s3.slow_down] * 5)
    status, _, body = store.ask("PUT", f"{PROXY}/d/x", b"1")
    answer = json.loads(body)
    assert (status, answer["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert "SlowDown" in answer["message"] and s3.SECRET not in answer["message"]
    assert len(bucket.state.plan) == 0
    store.put("d/x", b"1")


def http_answer(status, body=b""):
    return s3.says(b"HTTP/1.1 %d Odd\r\nContent-Length: %d\r\n\r\n" % (status, len(body)), body)


@pytest.mark.parametrize("other", [
    s3.says(b"\x00\xff nothing of the kind\n"), s3.says(b"<html>hello</html>"), s3.says(b"HTTP/9.9 hm\r\n\r\n"),
    http_answer(400), http_answer(400, b"<html>Bad Request</html>"), http_answer(418, b"short and stout"), http_answer(405),
    http_answer(403), http_answer(301), http_answer(400, b"<Error><Code>AuthorizationHeaderMalformed</Code></Error>"),
    http_answer(451, b"<Error><Code>"),
], ids=range(11))
def test_what_is_no_s3_is_unavailable_and_the_client_is_not_told_where(store, bucket, other):
    store.put("d/x", b"1")
    for method, body in (("GET", None), ("PUT", b"2"), ("DELETE", None), ("PUT", bytes(2 * PART))):
        bucket.state.bad_days(*[other] * 50)
        status, _, text = store.ask(method, f"{PROXY}/d/x", body)
        answer = json.loads(text)
        assert (status, answer["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE"), (method, answer)
        for secret in (s3.SECRET, s3.BUCKET, "127.0.0.1", str(bucket.port), "some/prefix"):
            assert secret not in answer["message"], answer
    bucket.state.bad_days()
    assert store.get("d/x")[2] == b"1"


@pytest.mark.parametrize("bad_at", range(6))
@pytest.mark.parametrize("how", ["slow_down", "hang_up", "done_and_hang_up"])
def test_an_upload_in_parts_survives_a_fault_of_any_request(store, bucket, bad_at, how):
    data = os.urandom(2 * PART + 5)
    bucket.state.bad_days(*[s3.fine] * bad_at, getattr(s3, how))
    if bad_at == 0 and how != "slow_down":
        # Nobody knows whether the upload was begun, so it is not begun again by us; libcurl does so on a connection that
        # was kept open. An answer may come while the client still sends.
        with contextlib.suppress(ConnectionError):
            assert store.ask("PUT", f"{PROXY}/d/large", data)[0] in (200, 503)
        assert all(object == data for object, _ in bucket.state.objects.values())
    status, headers, body = store.ask("PUT", f"{PROXY}/d/large", data)
    assert (status, headers["ETag"]) == (200, digest(data)), body
    assert store.get("d/large")[2] == data


def test_a_download_that_breaks_off_is_taken_up_where_it_broke(store, bucket):
    data = os.urandom(3 << 20)
    store.put("d/x", data)
    bucket.state.bad_days(s3.fine, s3.cut_after(1 << 20), s3.slow_down, s3.cut_after(1000))
    before = len(bucket.state.requests)
    status, _, body = store.get("d/x")
    assert (status, body) == (200, data)
    assert [method for method, _ in bucket.state.requests[before:]] == ["HEAD", "GET", "GET", "GET", "GET"]


def test_an_object_that_changes_during_a_download_is_never_mixed(store, bucket):
    data = os.urandom(3 << 20)
    store.put("d/x", data)
    bucket.state.bad_days(s3.fine, s3.cut_after(1 << 20), s3.replace_before("some/prefix/d/x", os.urandom(3 << 20)))
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as broken:
        store.get("d/x")
    if isinstance(broken.value, http.client.IncompleteRead):
        assert data.startswith(broken.value.partial)


def test_another_object_under_the_key_has_another_etag(store, bucket):
    store.put("d/x", b"ours")
    with bucket.state.lock:
        bucket.state.put("some/prefix/d/x", b"theirs")
    status, headers, body = store.get("d/x")
    assert (status, body) == (200, b"theirs")
    assert headers["ETag"] == f'"v-{hashlib.md5(b"theirs").hexdigest()}"'


def test_a_bucket_that_is_gone_is_unavailable_and_comes_back(store, bucket):
    store.put("d/x", b"1")
    bucket.state.bad_days(*[s3.hang_up] * 50)
    assert store.get("d/x")[0] == 503
    bucket.state.bad_days()
    assert store.get("d/x")[2] == b"1"


def test_kill_9_in_the_middle_of_an_upload_leaves_the_old_object(bucket, tmp_path):
    store = Store(tmp_path / "state", bucket.uri(), bucket.environment())
    store.put("d/x", b"old")
    half = store.server.connect()
    half.putrequest("PUT", f"{PROXY}/d/x")
    half.putheader("Content-Length", str(4 * PART))
    half.endheaders()
    half.send(os.urandom(2 * PART))
    while not any("uploadId" in path for _, path in list(bucket.state.requests)):
        time.sleep(0.01)
    store.server.kill()
    store.server.start()
    status, headers, body = store.get("d/x")
    assert (status, body, headers["ETag"]) == (200, b"old", digest(b"old"))
    assert store.server.stop() == 0


# --- servers that others have written ------------------------------------------------------------------------------

def address_said(stream, words):
    line = ""
    while words not in line:
        line = stream.readline()
        assert line, "the server did not start"
    threading.Thread(target=stream.read, daemon=True).start()  # what it logs must not stop it
    return "http://" + line.split("http://")[1].split()[0]


@contextlib.contextmanager
def moto(_):
    process = subprocess.Popen([pathlib.Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", "0"],
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
    try:
        yield address_said(process.stderr, "Running on http://127.0.0.1:"), "a", "b"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def swift(folder):
    """Strict about signatures."""
    here = pathlib.Path(__file__).resolve().parent
    process = subprocess.Popen(["/usr/bin/python3", here / "swift_server.py", folder], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(here)})
    try:
        yield address_said(process.stdout, "ready at http://"), "test:tester", "testing"
    finally:
        process.stdin.close()
        process.wait()


@pytest.fixture(scope="module", params=[moto, swift], ids=["moto", "swift"])
def peer(request, tmp_path_factory):
    with request.param(tmp_path_factory.mktemp("peer")) as (url, key_id, secret):
        client = botocore.session.get_session().create_client(
            "s3", region_name="us-east-1", endpoint_url=url, aws_access_key_id=key_id, aws_secret_access_key=secret)
        client.create_bucket(Bucket="peer-bucket")
        yield url, client, {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}


def test_others_servers_and_botocore_agree_with_us(peer, tmp_path):
    url, client, environment = peer
    store = Store(tmp_path / "state", f"s3://peer-bucket/p?endpoint={url}", environment)
    small, large = b"small", os.urandom(2 * PART + 1)
    store.put("d/small é+x&.txt", small)
    store.put("d/sub/large", large)
    assert client.get_object(Bucket="peer-bucket", Key="p/d/small é+x&.txt")["Body"].read() == small
    assert client.get_object(Bucket="peer-bucket", Key="p/d/sub/large")["Body"].read() == large
    client.put_object(Bucket="peer-bucket", Key="p/d/theirs", Body=b"theirs")
    assert store.get("d/theirs")[2] == b"theirs"
    assert store.get("d/none")[0] == 404
    assert store.get("d/sub/large")[2] == large
    assert store.get("d/sub/large", Range="bytes=100-199")[2] == large[100:200]
    assert store.listed("d") == [("small é+x&.txt", False, 5), ("sub", True, 0), ("theirs", False, 6)]
    assert store.ask("DELETE", f"{PROXY}/d")[0] == 200
    assert client.list_objects_v2(Bucket="peer-bucket").get("KeyCount", 0) == 0
    assert store.server.stop() == 0


def test_parts_and_addresses_are_taken_by_others_servers(peer, tmp_path):
    url, client, environment = peer
    store = Store(tmp_path / "state", f"s3://peer-bucket/q?endpoint={url}", environment)
    data = os.urandom((5 << 20) + 7)
    _, created = store.post(f"{MPU}/create/d", {"path": "big file", "num_parts": 2})
    parts = []
    for credential, piece in zip(created["credentials"], (data[:5 << 20], data[5 << 20:])):
        status, headers, body = send_to(credential["url"], "PUT", piece)
        assert status == 200, body
        etag = next(value for name, value in headers.items() if name.lower() == "etag")
        parts.append({"part_number": credential["part_number"], "etag": etag})
    for _ in range(2):
        assert store.post(f"{MPU}/complete/d", {"path": "big file", "upload_id": created["upload_id"],
                                                "parts": parts}) == (200, {})
    assert store.get("d/big file")[2] == data
    _, _, text = store.ask("GET", "/api/2.0/mlflow-artifacts/presigned/d/big%20file")
    assert send_to(json.loads(text)["url"], "GET", headers={"Range": "bytes=5-9"})[2] == data[5:10]
    _, created = store.post(f"{MPU}/create/d", {"path": "given up", "num_parts": 2})
    assert store.post(f"{MPU}/abort/d", {"path": "given up", "upload_id": created["upload_id"]}) == (200, {})
    assert store.server.stop() == 0


def test_many_objects_are_listed_and_removed(peer, tmp_path):
    url, client, environment = peer
    store = Store(tmp_path / "state", f"s3://peer-bucket/many?endpoint={url}", environment)
    # More than one page; Swift, which takes long for each, shows the rest.
    names = [f"{number:04}" for number in range(30 if environment["AWS_ACCESS_KEY_ID"] == "test:tester" else 1100)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: client.put_object(Bucket="peer-bucket", Key=f"many/d/{name}", Body=b""), names))
    assert [name for name, _, _ in store.listed("d")] == names
    assert store.ask("DELETE", f"{PROXY}/d")[0] == 200
    assert store.listed("d") == []
    assert store.server.stop() == 0
