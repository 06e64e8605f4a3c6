"""The real server, and how an answer of it is compared with one of ours."""
import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading


class RealServer:
    """`mlflow server` of the version that is installed, on a fresh SQLite store."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
             "--artifacts-destination", str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port),
             "--workers", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder, env=dict(os.environ),
            start_new_session=True)
        said = []
        for line in self.process.stderr:
            said.append(line)
            if "Uvicorn running on" in line:  # it listens; the application itself started before
                break
        else:
            raise RuntimeError("mlflow server did not start:\n" + "".join(said))
        self.reader = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.reader.start()

    def stop(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(timeout=60)
        self.reader.join(timeout=60)


TIMES = {"creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp",
         "creation_timestamp_ms", "last_updated_timestamp_ms"}


# Lists in no order of their own.
UNORDERED = {"dataset_inputs", "model_inputs", "model_outputs", "dataset_summaries", "events"}


class Comparable:
    """What of an answer must be equal: ids by the name that `made` gives them or the order in which they come up, no
    times of the server's clock, lists with distinct keys in any order, no text of an HTML page."""

    def __init__(self, made):
        self.ids = {id if len(id) > 20 else f"experiment {id}": f"<{name}>" for name, id in made.items()}

    def answer(self, status, body):
        if isinstance(body, str):
            return status, None if body.lstrip().startswith("<") else body
        if isinstance(body, dict) and "error_code" in body:
            classified = body.get("sqlstate"), body.get("error_class"), sorted(body)
            return status, body["error_code"], self.message(body["message"]), *classified
        return status, self.value(body)

    def message(self, text):
        text = re.sub(r" \(at character \d+\)$", "", text)
        # Sets and lists of names are printed in an order of their own.
        text = re.sub(r"\{('[^{}]*')\}|\[('[^\[\]]*')\]", lambda found: str(sorted(found[0][1:-1].split(", "))), text)
        return self.text(text)

    def text(self, text):
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", lambda found: self.id(found[0]), text)
        text = re.sub(r"\b(m-)?[0-9a-f]{32}\b", lambda found: self.id(found[0]), text)
        experiment = r"((?:mlflow-artifacts:/|[Ee]xperiment (?:with id=|id )?|experiment with id ))(\d+)\b"
        return re.sub(experiment, lambda found: found[1] + self.id("experiment " + found[2]), text)

    def id(self, text):
        return self.ids.setdefault(text, f"<new {len(self.ids) + 1}>")

    def member(self, key, value):
        if key in TIMES:
            return "<time>"
        if key == "next_page_token":
            return self.token(value)
        if key in UNORDERED:
            value = sorted(value, key=str)
        return self.id(f"experiment {value}") if key == "experiment_id" else self.value(value)

    @staticmethod
    def token(value):
        """How far a page token is; what else is in it is nobody's business but the server's."""
        try:
            return f"<page at {json.loads(base64.b64decode(value))['offset']}>"
        except (ValueError, KeyError, TypeError):
            return value

    def value(self, value):
        if isinstance(value, dict):
            return {key: self.member(key, inner) for key, inner in value.items()}
        if isinstance(value, list):
            keys = [item.get("key") for item in value if isinstance(item, dict)]
            if len(keys) == len(value) and None not in keys and len(set(keys)) == len(keys):
                value = sorted(value, key=lambda item: item["key"])
            return [self.value(item) for item in value]
        return self.text(value) if isinstance(value, str) else value
