"""kill -9 of servers and of PostgreSQL while real clients log: nothing that was acknowledged is lost, nothing is there twice,
and whoever comes meanwhile is told to come again."""
import contextlib
import os
import random
import threading
import time

import mlflow
import pytest
from conftest import Database, Postgres, acts, wait_until
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from server import API, call, create_run

LONG = bool(os.environ.get("SLIPWAY_TEST_LONG"))
SECONDS = 600 if LONG else 20  # of each kind of death; three kinds
DEATHS_MIN = 100 if LONG else 3
CLIENTS = 6


class Client(threading.Thread):
    """The stock client, logging to a run of its own: single points, and batches of points with a param. No step is tried
    twice, so whatever is there twice is the server's doing."""

    def __init__(self, servers, run, number):
        super().__init__(daemon=True)
        self.servers, self.run_id, self.number = servers, run, number
        self.points, self.params, self.failures, self.tried = {}, {}, 0, 0
        self.over, self.odd = threading.Event(), []

    def server(self):
        """One that says it is ready."""
        while not self.over.is_set():
            for server in self.servers[self.number % 2:] + self.servers[:self.number % 2]:
                with contextlib.suppress(OSError), contextlib.closing(server.connect(timeout=20)) as connection:
                    if call(connection, "GET", "/ready")[0] == 200:
                        return server
            self.over.wait(0.02)
        return None

    def log(self, client, step):
        if self.number % 2 == 0:
            client.log_metric(self.run_id, "single", step * 0.5, timestamp=1000 + step, step=step)
            self.points["single", step] = step * 0.5
            return
        metrics = [Metric(f"m{i % 3}", step + i / 64, 1000 + i, step * 64 + i) for i in range(48)]
        param = Param(f"p{step}", str(step))
        client.log_batch(self.run_id, metrics, [param])
        self.params[param.key] = param.value
        self.points.update({(m.key, m.step): m.value for m in metrics})

    def run(self):
        server = self.server()
        while server is not None and not self.over.is_set():
            url = f"http://{server.address}"
            client = mlflow.MlflowClient(url, url)
            with contextlib.suppress(Failed):
                while not self.over.is_set():
                    self.tried += 1
                    self.attempt(client)
            server = self.server()

    def attempt(self, client):
        try:
            self.log(client, self.tried)
        except MlflowException as error:
            self.failures += 1
            # What the client makes of a server that is gone, or of a 503; anything else is wrong.
            text = str(error)
            if not any(said in text for said in ("API request to", "503", "TEMPORARILY_UNAVAILABLE", "PostgreSQL")):
                self.odd.append(text)
            raise Failed from error


class Failed(Exception):
    pass


def check(client, reader, database):
    """Everything acknowledged is there, and as often as it was logged."""
    stored = {}
    for key in {key for key, _ in client.points}:
        history = reader.get_metric_history(client.run_id, key)
        assert len({m.step for m in history}) == len(history), f"{key} has a step twice"
        stored.update({(key, m.step): m.value for m in history})
        counted = database.execute(f"select s.points from metric_series s join runs r on r.id = s.run where s.key = '{key}' "
                                   f"and r.run_id = '{client.run_id}'")
        assert counted == [str(len(history))], (key, counted, len(history))
    lost = [point for point, value in client.points.items() if stored.get(point) != value]
    assert not lost, f"{len(lost)} acknowledged points are lost: {lost[:3]}"
    params = reader.get_run(client.run_id).data.params
    assert not [key for key, value in client.params.items() if params.get(key) != value]
    assert not client.odd, client.odd[:2]


@pytest.mark.parametrize("kind", ["server", "postgres stop", "postgres kill"])
def test_no_acknowledged_write_is_lost_or_there_twice(kind, start):
    chance, deaths = random.Random(kind), 0
    with Postgres() as postgres:
        database = Database(postgres)
        servers = [start(database.uri, "one"), start(database.uri, "two")]

        def die():
            if kind == "server":
                victim = chance.choice(servers)
                victim.kill()
                victim.start()
            else:
                postgres.stop() if kind == "postgres stop" else postgres.kill()
                postgres.start()

        with contextlib.closing(servers[0].connect()) as connection:
            clients = [Client(servers, create_run(connection), number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or deaths < DEATHS_MIN:
            before = sum(client.tried - client.failures for client in clients)
            # Work gets done between two deaths.
            wait_until(lambda: sum(client.tried - client.failures for client in clients) > before + 30)
            threading.Event().wait(chance.uniform(0.0, 0.3))  # the moment of death
            die()
            deaths += 1
        for client in clients:
            client.over.set()
        for client in clients:
            client.join(timeout=60)
            assert not client.is_alive()
        wait_until(lambda: acts(servers[0]) != acts(servers[1]))
        for server in servers:
            with contextlib.closing(server.connect()) as connection:
                wait_until(lambda: call(connection, "GET", "/ready")[0] == 200)
        url = f"http://{servers[1].address}"
        reader = mlflow.MlflowClient(url, url)
        for client in clients:
            check(client, reader, database)
        acknowledged = sum(client.tried - client.failures for client in clients)
        print(f"kill -9, {kind}: {deaths} deaths in {SECONDS} s, {acknowledged} acknowledged writes "
              f"({sum(len(client.points) for client in clients)} points), {sum(client.failures for client in clients)} "
              "writes failed, 0 lost, 0 twice")
        for server in servers:
            assert server.stop() == 0
    assert acknowledged > 100


def test_while_postgres_is_away_writers_and_readers_are_told_when_to_come_again(start):
    with Postgres() as postgres:
        database = Database(postgres)
        server = start(database.uri)
        with contextlib.closing(server.connect(timeout=60)) as connection:
            run = create_run(connection)
            postgres.stop()
            point = {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": 1}

            def ask(method, path, body=None):
                import json
                connection.request(method, path, json.dumps(body).encode() if body else None,
                                   {"Content-Type": "application/json"})
                answer = connection.getresponse()
                return answer.status, answer.headers.get("Retry-After"), answer.read().decode()

            for method, path, body in (("POST", f"{API}/runs/log-metric", point),
                                       ("GET", f"{API}/runs/get?run_id={run}", None),
                                       ("POST", f"{API}/runs/search", {"experiment_ids": ["0"]}),
                                       ("GET", f"{API}/registered-models/search", None)):
                began = time.monotonic()
                status, again, text = ask(method, path, body)
                assert status == 503 and again and int(again) >= 1, (path, status, again, text)
                assert "PostgreSQL" in text
                assert time.monotonic() - began < 15
            assert ask("GET", "/ready")[0] == 503
            postgres.start()
            back = wait_until(lambda: ask("GET", "/ready")[0] == 200)
            print(f"ready again {back:.2f} s after PostgreSQL was")
            assert ask("POST", f"{API}/runs/log-metric", point)[0] == 200
        assert server.stop() == 0
