"""A full disk: a clear error, nothing acknowledged that is not kept, and it works again when there is space."""
import os
import pathlib
import shutil

import pytest

from server import API, Server, call, create_run, history

@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB. Its own mount name space goes with the server; the folder is seen through /proc."""
    folder = tmp_path / "disk"
    folder.mkdir()
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    script = f'mount -t tmpfs -o size=24m slipway-test "{folder}" && exec "$@"'
    return folder, [*unshare, "sh", "-c", script, "sh"]


def test_writes_fail_clearly_on_a_full_disk_and_go_on_afterwards(small_disk):
    folder, prefix = small_disk
    server = Server(folder / "state", prefix)
    server.start()
    seen = pathlib.Path(f"/proc/{server.process.pid}/root{folder}")  # the disk as the server sees it
    connection = server.connect()
    run = create_run(connection)
    ballast = seen / "ballast"
    with open(ballast, "wb") as file:
        file.write(b"\0" * max(0, shutil.disk_usage(seen).free - (1 << 20)))

    acknowledged, refused = [], None
    for step in range(20000):
        batch = [{"key": "m", "value": float(step * 1000 + i), "timestamp": 1, "step": step * 1000 + i} for i in range(1000)]
        status, answer = call(connection, "POST", f"{API}/runs/log-batch", {"run_id": run, "metrics": batch})
        if status != 200:
            refused = status, answer
            break
        acknowledged.append(step)
    assert refused is not None and acknowledged, "the disk never filled"
    status, answer = refused
    assert status == 503, refused
    assert "full" in answer["message"] or "space" in answer["message"], answer
    assert call(connection, "GET", "/health") == (200, "OK")  # it lives,
    status, reason = call(connection, "GET", "/ready")  # and is of no use
    assert status == 503 and "full" in reason, (status, reason)

    ballast.unlink()
    status, answer = call(connection, "POST", f"{API}/runs/log-metric",
                          {"run_id": run, "key": "after", "value": 1.0, "timestamp": 1, "step": 0})
    assert status == 200, answer
    assert call(connection, "GET", "/ready") == (200, "OK")
    assert history(connection, run, "after") == [(0, 1.0)]
    token, steps = "", set()
    while True:
        status, answer = call(connection, "GET", f"{API}/metrics/get-history?run_id={run}&metric_key=m&max_results=25000"
                              + (f"&page_token={token}" if token else ""))
        assert status == 200, answer
        steps |= {m["step"] for m in answer.get("metrics", [])}
        token = answer.get("next_page_token", "")
        if not token:
            break
    assert all(step * 1000 + i in steps for step in acknowledged for i in (0, 999))
    assert server.stop() == 0


def test_an_upload_that_does_not_fit_leaves_nothing(small_disk):
    folder, prefix = small_disk
    server = Server(folder / "state", prefix)
    server.start()
    seen = pathlib.Path(f"/proc/{server.process.pid}/root{folder}")
    connection = server.connect()
    run = create_run(connection)
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts"
    status, answer = call(connection, "PUT", f"{path}/large.bin", b"x" * (40 << 20))
    assert status == 503, (status, answer)
    connection = server.connect()
    assert call(connection, "GET", f"{path}/large.bin")[0] == 404
    status, answer = call(connection, "PUT", f"{path}/small.bin", b"y" * 1000)
    assert status == 200, answer
    assert shutil.disk_usage(seen).free > 15 << 20, "the failed upload still takes space"
    assert server.stop() == 0
