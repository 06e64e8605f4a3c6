"""The world of a scenario: a project in a folder of its own, its server with a replayed clock, and who is told."""
import contextlib
import http.client
import http.server
import itertools
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import threading

import models
from language import Wrong, told_as

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
API = "/api/slipway/v1"
WAIT_S = 180  # on a machine that is busy with much else


class Receiver:
    """Of notifications: keeps what it was told."""

    def __init__(self):
        told = self.told = []
        arrived = self.arrived = threading.Condition()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with arrived:
                    told.append(body["type"].removeprefix("slipway."))
                    arrived.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def was_told(self, kind):
        with self.arrived:
            return self.arrived.wait_for(lambda: kind in self.told, 20)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    def __init__(self, folder):
        self.slipway = os.environ["SLIPWAY_BINARY"]
        self.root, self.state = folder / "project", folder / "project" / ".slipway"
        self.log, self.process, self.address, self.receiver = folder / "server.log", None, "", None
        self.environment = {}
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
        self.env.update(PATH=f"{HERE / 'bin'}:{pathlib.Path(self.slipway).parent}:{os.environ['PATH']}",
                        GIT_CONFIG_GLOBAL=str(REPOSITORY / "tests" / "gitconfig"), GIT_CEILING_DIRECTORIES=str(folder))
        self.root.mkdir()
        self.must("git", "init", "-q", "-b", "main", ".")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.end(signal.SIGKILL)
        if self.receiver is not None:
            self.receiver.close()

    # --- the project ---

    def write(self, name, text):
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise Wrong("a file inside of the project", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def copy(self, name, source, first, last):
        """A file of this repository; of a table the head, and these of its rows."""
        lines = (REPOSITORY / source).read_text().splitlines(keepends=True)
        self.write(name, "".join(lines if first is None else lines[:1] + lines[first:last + 1]))

    def must(self, *command):
        code, output, _ = self.run(command)
        if code != 0:
            raise Wrong(f"that {' '.join(command)} can be done", output)

    def commit(self, message):
        self.must("git", "add", "-A")
        self.must("git", "commit", "-q", "--allow-empty", "-m", message)

    def set_time(self, time):
        self.env.update(GIT_AUTHOR_DATE=time, GIT_COMMITTER_DATE=time)

    def run(self, command):
        """Exit code, all that it said, and its standard output alone."""
        try:
            done = subprocess.run(command, cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=WAIT_S)
        except FileNotFoundError:
            raise Wrong("a program", command[0]) from None
        except subprocess.TimeoutExpired:
            raise Wrong(f"an end within {WAIT_S} s", "it goes on") from None
        return done.returncode, done.stdout + done.stderr, done.stdout

    # --- the server ---

    def up(self, environment):
        if self.process is not None:
            raise Wrong("no server yet", "one is up")
        self.environment = environment
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [self.slipway, "up", "--clock", "replay", "--listen", "127.0.0.1:0", "--log-level", "warning"], cwd=self.root,
                env={**self.env, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("slipway: ready at http://"):
            self.end(signal.SIGKILL)
            raise Wrong("slipway: ready at http://...", line + self.log.read_text()[-2000:])
        url = line.split(" at ")[1].strip()
        self.address = url.removeprefix("http://")
        return url

    def end(self, how):
        self.process.send_signal(how)
        code = self.process.wait(timeout=WAIT_S)
        self.process.stdout.close()
        self.process = None
        return code

    def stop(self):
        self.must_be_up()
        if code := self.end(signal.SIGTERM):
            raise Wrong("a server that ends with 0", f"{code}: {self.log.read_text()[-2000:]}")

    def restart(self):
        """It is killed, and starts again."""
        self.must_be_up()
        self.end(signal.SIGKILL)
        return self.up(self.environment)

    def must_be_up(self):
        if self.process is None:
            raise Wrong("a server (`up`)", "none")

    def call(self, method, path, body, headers):
        self.must_be_up()
        headers = {"Content-Type": "application/json", **headers}
        connection = http.client.HTTPConnection(self.address, timeout=WAIT_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Wrong(f"an answer to {method} {path}", f"{error!r}; {self.log.read_text()[-2000:]}") from None
        finally:
            connection.close()

    def ask(self, method, path, body=None):
        """What has to go well."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        status, text = self.call(method, path, data, {})
        if status != 200:
            raise Wrong(f"that {method} {path} goes well", f"{status} {text}")
        return json.loads(text or "{}")

    def register(self, model, source, more):
        return models.register(self.ask, model, source, [word.strip() for word in more.split(",") if word.strip()])

    # --- what happened ---

    def logged(self):
        """The same, and none where no state has begun."""
        return self.events() if self.process is not None or (self.state / "catalog.db").exists() else []

    def events(self):
        """All of them, from the server, or with none from the command line."""
        found = []
        for _ in itertools.count():
            after = found[-1]["seq"] if found else 0
            if self.process is not None:
                page = self.ask("GET", f"{API}/events?after={after}&limit=1000")["events"]
            else:
                code, said, text = self.run([self.slipway, "--json", "events", "--after", str(after), "--limit", "1000"])
                if code != 0:
                    raise Wrong("events", said)
                page = json.loads(text)["events"]
            found += page
            if len(page) < 1000:
                return found

    def witnesses(self):
        """For whoever looks why a scenario failed."""
        if self.log.exists():
            yield "server", self.log.read_text()[-4000:]
        with contextlib.suppress(Wrong, ValueError, OSError):
            yield "newest events", told_as(self.events(), 60)

    def edges(self):
        """Of the asset graph: effect, relation, cause (docs/formats/catalog.md)."""
        with contextlib.closing(sqlite3.connect(f"file:{self.state}/catalog.db?mode=ro", uri=True)) as catalogue:
            return catalogue.execute(
                "select e.kind || ':' || e.ident, relation, c.kind || ':' || c.ident from edges "
                "join nodes e on e.id = effect join nodes c on c.id = cause order by 1, 2, 3").fetchall()

    def receive(self):
        if self.receiver is None:
            self.receiver = Receiver()
        return self.receiver.url

    def was_told(self, kind):
        if self.receiver is None:
            raise Wrong("`given a receiver of notifications` above", "none")
        return self.receiver.was_told(kind)

    def notices(self):
        return self.receiver.told
