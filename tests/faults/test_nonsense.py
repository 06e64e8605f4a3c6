"""Nonsense from outside: an error of the right kind, bounded memory, and the server lives."""
import os
import pathlib
import socket

import pytest

from server import API, Server, call, create_run

MEMORY_MAX_MB = 600


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("nonsense") / "state")
    running.start()
    yield running
    assert running.stop() == 0


def peak_mb(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def lives(server):
    connection = server.connect()
    assert call(connection, "GET", "/health") == (200, "OK")
    assert peak_mb(server) < MEMORY_MAX_MB


@pytest.mark.parametrize("body", [
    b"", b"{", b"[1,2", b"nul", b"\xff\xfe", b'{"run_id": "\xc3\x28"}', b'{"run_id": 5e', b"[]", b"5", b'"x"',
    b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"run_id": ' + b"9" * 5_000_000 + b"}",
    b'{"metrics": [' + b"{}," * 200_000 + b"{}]}", b'{"run_id":"\\ud800"}', b'{"run_id": 1e999999}',
    b'{"run_id":"x",' + b'"k":1,' * 300_000 + b'"z":1}',
], ids=lambda body: f"{bytes(body[:12])!r}-{len(body)}")
@pytest.mark.parametrize("route", ["runs/log-batch", "runs/create", "experiments/create", "registered-models/create"])
def test_bodies(server, route, body):
    status, answer = call(server.connect(), "POST", f"{API}/{route}", body)
    assert 400 <= status < 500 or (route == "runs/create" and status == 200), (status, answer)
    lives(server)


@pytest.mark.parametrize("path", [
    "../x", "a/../../x", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "..%2fx", "%252e%252e/x", "/etc/passwd", "//etc/passwd",
    "a//b", "a/./b", "a\\..\\b", "a%5c..%5cb", "a%00b", "a%0ab", "%2e", "C:%5cx",
])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_artifact_paths_stay_inside(server, tmp_path_factory, method, path):
    """Either refused, or taken as a plain name inside the store; nothing outside of it is read or made."""
    store = server.state / "artifacts"
    outside = set(p.relative_to(server.state.parent) for p in server.state.parent.rglob("*") if store not in p.parents)
    connection = server.connect()
    connection.putrequest(method, f"/api/2.0/mlflow-artifacts/artifacts/{path}", skip_accept_encoding=True)
    data = b"evil" if method == "PUT" else b""
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in (200, 400, 404), (answer.status, text)
    assert b"root:" not in text
    now = set(p.relative_to(server.state.parent) for p in server.state.parent.rglob("*") if store not in p.parents)
    assert {p for p in now - outside if "catalog" not in p.name} == set()
    lives(server)


def test_symbolic_links_in_the_store_are_not_followed(server):
    connection = server.connect()
    run = create_run(connection)
    base = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts"
    assert call(connection, "PUT", f"{base}/plain.txt", b"plain")[0] == 200
    folder = server.state / "artifacts" / "0" / run / "artifacts"
    os.symlink("/etc", folder / "folder")
    os.symlink("/etc/passwd", folder / "file")
    for path in ("file", "folder/passwd"):
        status, answer = call(connection, "GET", f"{base}/{path}")
        assert status in (400, 404) and "root:" not in str(answer), (status, answer)
    assert call(connection, "PUT", f"{base}/folder/slipway-test", b"x")[0] in (400, 404)
    assert not os.path.exists("/etc/slipway-test")


@pytest.mark.parametrize("request_bytes", [
    b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"[:0] + b"GET /api/2.0/mlflow/experiments/search HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(5000)) + b"\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 1000, b"GET\r\n\r\n",
])
def test_requests_that_are_none(server, request_bytes):
    with socket.create_connection(tuple([server.address.split(":")[0], int(server.address.split(":")[1])]), timeout=15) as raw:
        raw.sendall(request_bytes)
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := raw.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    assert answer == b"" or answer.split(b" ")[1][:1] == b"4", answer[:200]
    lives(server)


def test_a_page_of_another_origin_cannot_write(server):
    status, _ = call(server.connect(), "POST", f"{API}/experiments/create", {"name": "evil"},
                     {"Origin": "https://evil.example"})
    assert status == 403
    status, _ = call(server.connect(), "GET", f"{API}/experiments/get-by-name?experiment_name=evil")
    assert status == 404


def test_unknown_ids(server):
    connection = server.connect()
    unknown = "0" * 32
    for method, path, body in [
        ("GET", f"{API}/runs/get?run_id={unknown}", None),
        ("POST", f"{API}/runs/log-metric", {"run_id": unknown, "key": "a", "value": 1, "timestamp": 1}),
        ("GET", f"{API}/registered-models/get?name=nothing", None),
        ("GET", f"{API}/model-versions/get?name=nothing&version=1", None),
        ("GET", f"{API}/experiments/get?experiment_id=999999", None),
        ("POST", "/v2/models/nothing/infer", {"inputs": []}),
        ("POST", "/deployments/nothing/invocations", {"inputs": [[1]]}),
    ]:
        status, answer = call(connection, method, path, body)
        assert status == 404, (path, status, answer)
    lives(server)
