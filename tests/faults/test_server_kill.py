"""kill -9 of the server while clients log: nothing that was acknowledged is lost, the next start needs no repair."""
import http.client
import os
import random
import sqlite3
import threading
import time

from server import API, Server, call, create_run, history

CLIENTS = 8
LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
TRIALS_WANTED, SECONDS = (2000, 3 * 3600) if LONG else (None, 60)
TRIALS_MIN = 2000 if LONG else 100


class Client(threading.Thread):
    """Logs one metric, step by step, until the server is gone; remembers what was acknowledged."""

    def __init__(self, server, run, number, first_step):
        super().__init__(daemon=True)
        self.server, self.run_id, self.key, self.step = server, run, f"m{number}", first_step
        self.acknowledged, self.answers = [], []

    def run(self):
        connection = self.server.connect()
        try:
            while True:
                status, answer = call(connection, "POST", f"{API}/runs/log-metric",
                                      {"run_id": self.run_id, "key": self.key, "value": self.step * 0.5,
                                       "timestamp": 1000 + self.step, "step": self.step})
                if status != 200:
                    self.answers.append((status, answer))
                    return
                self.acknowledged.append((self.step, self.step * 0.5))
                self.step += 1
        except (OSError, http.client.HTTPException):
            return  # the server was killed
        finally:
            connection.close()


def test_no_acknowledged_write_is_lost(tmp_path):
    server, chance = Server(tmp_path / "state"), random.Random(20)
    server.start()
    connection = server.connect()
    run = create_run(connection)
    connection.close()
    trials, slowest, total = 0, 0.0, 0
    known = {f"m{i}": [] for i in range(CLIENTS)}  # acknowledged in all trials
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and trials != TRIALS_WANTED:
        if trials % 20 == 19:  # histories stay short, so that a trial does
            connection = server.connect()
            run = create_run(connection)
            connection.close()
            known = {key: [] for key in known}
        clients = [Client(server, run, i, len(known[f"m{i}"]) * 1000 + trials) for i in range(CLIENTS)]
        for i, client in enumerate(clients):
            last = known[client.key][-1][0] if known[client.key] else -1
            client.step = last + 1000  # never a step that an earlier trial may have left unacknowledged
            client.start()
        threading.Event().wait(chance.uniform(0.005, 0.15))  # the moment of the kill
        server.kill()
        for client in clients:
            client.join()
            assert not client.answers, client.answers
            known[client.key] += client.acknowledged
            total += len(client.acknowledged)
        slowest = max(slowest, server.start())
        connection = server.connect()
        for key, acknowledged in known.items():
            stored = set(history(connection, run, key))
            lost = [point for point in acknowledged if point not in stored]
            assert not lost, f"trial {trials}: {key} lost {lost[:3]}"
        status, answer = call(connection, "GET", f"{API}/runs/get?run_id={run}")
        latest = {m["key"]: m["step"] for m in answer["run"]["data"].get("metrics", [])}
        for key, acknowledged in known.items():
            assert not acknowledged or latest[key] >= acknowledged[-1][0]
        connection.close()
        trials += 1
    assert server.stop() == 0
    database = sqlite3.connect(tmp_path / "state" / "catalog.db")
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    print(f"kill -9 of the server: {trials} trials, {total} acknowledged writes, slowest restart {slowest:.3f} s")
    assert trials >= TRIALS_MIN and total > trials
    assert slowest < 1.0


def test_a_second_server_on_the_same_state_is_refused_with_the_first_ones_address(tmp_path):
    import subprocess

    first = Server(tmp_path / "state")
    first.start()
    second = subprocess.run([os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(first.state)],
                            capture_output=True, text=True, timeout=30)
    assert second.returncode == 3
    assert first.address in second.stderr
    assert first.stop() == 0


def test_sigterm_finishes_what_is_in_flight(tmp_path):
    server = Server(tmp_path / "state")
    server.start()
    connection = server.connect()
    run = create_run(connection)
    clients = [Client(server, run, i, 0) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    while sum(len(client.acknowledged) for client in clients) < 200:
        threading.Event().wait(0.001)
    assert server.stop() == 0
    for client in clients:
        client.join()
        assert not client.answers, client.answers
    server.start()
    connection = server.connect()
    for client in clients:
        stored = history(connection, run, client.key)
        # Every answered write is there; at most one more per client, whose answer the end of the server cut off.
        assert [p for p in client.acknowledged if p not in stored] == []
        assert len(stored) <= len(client.acknowledged) + 1
    assert server.stop() == 0
