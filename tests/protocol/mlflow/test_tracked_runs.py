"""Commands about runs that the real client has logged: the best one, one by its name, many at once, a search as a file,
and the trash, judged by what `mlflow gc` would do."""
import csv
import datetime
import io
import json
import os
import socket
import subprocess

import mlflow
import pyarrow.parquet
import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from conftest import Peer, Server, own_store


class Place:
    """A server of this test's own, the real client, and our command line beside it."""

    def __init__(self, folder):
        self.state = folder / "state"
        store = own_store()
        self.named = ["--state", self.state, *store]
        self.server = Server(self.state, arguments=store)
        self.server.start()
        self.peer = Peer(f"http://{self.server.address}")
        self.client = mlflow.MlflowClient(self.peer.url, self.peer.url)

    def run(self, *arguments, code=0):
        done = subprocess.run([os.environ["SLIPWAY_BINARY"], *arguments, *self.named], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def json(self, *arguments, code=0):
        done = subprocess.run([os.environ["SLIPWAY_BINARY"], "--json", *arguments, *self.named],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def make(self, experiment="0", name=None, params=(), metrics=(), tags=()):
        run = self.client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
        for key, value in dict(params).items():
            self.client.log_param(run, key, value)
        for key, value in dict(metrics).items():
            self.client.log_metric(run, key, value)
        self.client.set_terminated(run)
        return run

    def file(self, run, name, text):
        self.peer.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{self.place_of(run)}/{name}", text.encode())

    def place_of(self, run):
        return self.client.get_run(run).info.artifact_uri.split("mlflow-artifacts:/")[1].lstrip("/")

    def files(self, place):
        status, answer = self.peer.call("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={place}")
        assert status == 200, answer
        return [file["path"] for file in answer.get("files", [])]


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    assert made.server.stop() == 0


# --- best ---

def test_the_best_run_is_told_with_an_interval_of_what_repeats_it(place):
    good = [place.make(params={"lr": 1, "seed": i}, metrics={"auc": 0.9 + i / 1000}) for i in range(3)]
    poor = [place.make(params={"lr": 2, "seed": i}, metrics={"auc": 0.8 + i / 1000}) for i in range(3)]
    best = place.json("runs", "best", "--metric", "auc")
    assert best["goal"] == "maximize" and best["shown"] is True
    first, second = best["contenders"]
    assert first["run_id"] == good[2] and sorted(first["run_ids"]) == sorted(good)
    assert second["against_best"] == "worse" and sorted(second["run_ids"]) == sorted(poor)
    low, high = first["interval"]
    assert low < first["mean"] < high and first["mean"] == pytest.approx(0.901)
    text = place.run("runs", "best", "--metric", "auc", "--minimize")
    assert poor[0] in text.splitlines()[2] and "it is shown to be better than each of the others" in text


def test_a_comparison_is_kept_with_the_run_that_it_was_for(place):
    good = [place.make(params={"lr": 1, "seed": i}, metrics={"auc": 0.9 + i / 1000}) for i in range(3)]
    poor = place.make(params={"lr": 2}, metrics={"auc": 0.8})
    assert place.json("runs", "show", good[2])["comparisons"] == []
    place.json("runs", "best", "--metric", "auc")
    assert place.json("runs", "show", good[2])["comparisons"] == [], "unless it is asked for"
    best = place.json("runs", "best", "--metric", "auc", "--filter", "metrics.auc > 0", "--record")
    assert best["event"] > 0
    place.client.delete_run(poor)
    shown = place.json("runs", "show", good[2])
    [kept] = shown["comparisons"]
    assert kept["found"]["contenders"] == best["contenders"] and kept["found"]["verdict"] == best["verdict"]
    assert kept["found"]["filter"] == "metrics.auc > 0" and "seed" in kept["found"]["varying"]
    assert kept["actor"] and kept["time"]
    assert place.json("runs", "show", poor)["comparisons"] == []
    assert "best of 4 by auc on" in place.run("runs", "show", good[2])
    assert "kept as event" in place.run("runs", "best", "--metric", "auc", "--record")
    place.server.stop()
    assert place.json("runs", "best", "--metric", "auc", "--record")["event"] > best["event"], "without a server too"
    place.server.start()
    assert len(place.json("runs", "show", good[2])["comparisons"]) == 3


def test_a_difference_within_the_noise_is_not_shown(place):
    for branch, values in (("main", (0.90, 0.80, 0.85)), ("trial", (0.91, 0.79, 0.84))):
        for seed, value in enumerate(values):
            place.make(params={"random_state": seed}, metrics={"auc": value}, tags={"mlflow.source.git.branch": branch})
    best = place.json("runs", "best", "--metric", "auc", "--across", "branches")
    assert [one["group"] for one in best["contenders"]] == ["trial", "main"]
    assert best["contenders"][1]["against_best"] == "not_shown" and best["shown"] is False
    assert "not shown" in best["verdict"]


def test_what_cannot_be_compared_is_refused_in_words(place):
    place.make(metrics={"auc": 1})
    assert "needs --metric" in place.run("runs", "best", code=2)
    assert "either" in place.run("runs", "best", "--metric", "a", "--minimize", "--maximize", code=2)
    assert "has the metric 'nothing'" in place.run("runs", "best", "--metric", "nothing", code=3)
    assert "no experiment named 'nowhere'" in place.run("runs", "best", "--metric", "auc", "--experiment", "nowhere",
                                                         code=3)
    assert "branches, tags.KEY" in place.run("runs", "best", "--metric", "auc", "--across", "colours", code=3)


# --- show ---

def test_a_run_is_found_by_its_id_and_by_a_name_that_one_run_has(place):
    run = place.make(name="blue-fox-1", params={"lr": "0.1"}, metrics={"auc": 0.5})
    for name in (run, "blue-fox-1"):
        shown = place.json("runs", "show", name)
        assert shown["run_id"] == run and shown["params"] == {"lr": "0.1"} and shown["metrics"]["auc"]["value"] == 0.5
    assert "lr = 0.1" in place.run("runs", "show", "blue-fox-1")
    other = place.make(name="blue-fox-1")
    text = place.run("runs", "show", "blue-fox-1", code=1)
    assert "several runs are named" in text and run in text and other in text
    place.client.delete_run(other)
    assert place.json("runs", "show", "blue-fox-1")["run_id"] == run
    assert "no run has the id or the name" in place.run("runs", "show", "red-fox", code=3)


# --- many at once ---

def test_many_runs_are_deleted_and_restored_by_a_filter(place):
    experiment = place.client.create_experiment("many")
    runs = [place.make(experiment, params={"lr": i % 2}) for i in range(450)]
    elsewhere = place.make("0", params={"lr": 1})
    said = place.json("runs", "delete", "--experiment", "many", "--filter", "params.lr = '1'", "--dry-run")
    assert said["runs"] == 225 and said["dry_run"] is True and len(said["some"]) == 20
    assert len(place.client.search_runs([experiment], max_results=1000)) == 450
    assert place.json("runs", "delete", "--experiment", "many", "--filter", "params.lr = '1'")["runs"] == 225
    left = {run.info.run_id for run in place.client.search_runs([experiment], max_results=1000)}
    assert left == set(runs[::2])
    assert place.client.get_run(elsewhere).info.lifecycle_stage == "active"
    assert place.json("runs", "restore", "--experiment", experiment, "--all")["runs"] == 225
    assert len(place.client.search_runs([experiment], max_results=1000)) == 450
    assert "needs --filter, or --all" in place.run("runs", "delete", "--experiment", "many", code=2)
    assert "needs --experiment" in place.run("runs", "delete", "--all", code=2)


# --- export ---

AWKWARD = {"plain": "x", "comma": "a,b", "quote": 'say "no"', "line": "a\nb", "formula": "=1+1", "empty ": " pad "}


def test_an_export_is_what_the_client_sees(place, tmp_path):
    experiment = place.client.create_experiment("export")
    first = place.make(experiment, name="first", params=AWKWARD, metrics={"auc": 0.1 + 0.2, "nan": float("nan")})
    second = place.make(experiment, name="second", params={"plain": "001"}, tags={"team": "a"})
    rows = list(csv.DictReader(io.StringIO(place.run("runs", "export", "--experiment", "export", "--order-by",
                                                     "start_time ASC"))))
    assert [row["run_id"] for row in rows] == [first, second]
    assert {key: rows[0]["params." + key] for key in AWKWARD} == AWKWARD
    assert float(rows[0]["metrics.auc"]) == 0.1 + 0.2 and rows[0]["metrics.nan"] == "NaN"
    assert rows[1]["params.plain"] == "001" and rows[1]["metrics.auc"] == "" and rows[1]["tags.team"] == "a"
    assert list(rows[0])[:10] == ["run_id", "name", "experiment_id", "experiment", "status", "deleted", "user",
                                  "start_time", "end_time", "artifact_uri"]
    guarded = place.run("runs", "export", "--experiment", "export", "--columns", "params.formula",
                        "--for-spreadsheets")
    assert guarded == "params.formula\n\n'=1+1\n"
    listed = json.loads(place.run("runs", "export", "--experiment", "export", "--format", "json", "--filter",
                                  "params.plain = 'x'"))
    assert len(listed) == 1 and listed[0]["params"] == AWKWARD and listed[0]["metrics"]["auc"] == 0.1 + 0.2
    assert "expected a file that ends in .csv" in place.run("runs", "export", "--experiment", "export", "-o",
                                                            str(tmp_path / "runs.xlsx"), code=2)
    target = tmp_path / "runs.parquet"
    assert place.json("runs", "export", "--experiment", "export", "-o", str(target))["format"] == "parquet"
    table = pyarrow.parquet.read_table(target).to_pylist()
    by_id = {row["run_id"]: row for row in table}
    assert {key: by_id[first]["params." + key] for key in AWKWARD} == AWKWARD
    assert by_id[second]["params.plain"] == "001" and by_id[second]["metrics.auc"] is None
    assert by_id[first]["metrics.auc"] == 0.1 + 0.2
    assert by_id[first]["start_time"].utcoffset() == datetime.timedelta(0), "it says that it is UTC"
    assert by_id[first]["start_time"].timestamp() * 1000 == place.client.get_run(first).info.start_time
    assert by_id[first]["deleted"] is False
    assert [path.name for path in tmp_path.iterdir() if path.name != "state"] == ["runs.parquet"]


def test_a_long_export_has_every_run_once(place):
    experiment = place.client.create_experiment("long")
    runs = [place.make(experiment) for _ in range(620)]
    listed = json.loads(place.run("runs", "export", "--experiment", "long", "--format", "json"))
    assert sorted(run["run_id"] for run in listed) == sorted(runs)
    assert place.run("runs", "export", "--experiment", "long", "--columns", "run_id").count("\n") == 621


def test_an_export_that_cannot_be_is_refused(place):
    assert "expected run_id, name" in place.run("runs", "export", "--columns", "colour", code=3)
    assert "name the file" in place.run("runs", "export", "--format", "parquet", code=2)
    assert "character 1" in place.run("runs", "export", "--filter", "what is this", code=3)


# --- the trash ---

def gone(place, run):
    with pytest.raises(MlflowException) as raised:
        place.client.get_run(run)
    return raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_deleted_runs_go_with_their_files_and_active_ones_stay(place):
    kept, dropped = place.make(metrics={"auc": 1}), place.make(params={"a": 1}, metrics={"auc": 1})
    for run in (kept, dropped):
        place.file(run, "a.txt", run)
    where = place.place_of(dropped)
    place.client.delete_run(dropped)
    assert place.json("runs", "gc", "--dry-run")["runs"] == [dropped]
    assert place.client.get_run(dropped).info.lifecycle_stage == "deleted"
    assert f"Run with ID {dropped} has been permanently deleted." in place.run("runs", "gc")
    assert gone(place, dropped) and place.files(where) == []
    assert place.files(place.place_of(kept)) == ["a.txt"]
    assert place.client.search_runs(["0"], run_view_type=ViewType.ALL)[0].info.run_id == kept
    assert "nothing that is deleted went" in place.run("runs", "gc")


def test_what_is_named_must_be_deleted_and_old_enough(place):
    active, fresh = place.make(), place.make()
    place.client.delete_run(fresh)
    assert "not in `deleted` lifecycle stage" in place.run("runs", "gc", "--run-ids", active, code=3)
    assert "not older than the required age" in place.run("runs", "gc", "--run-ids", fresh, "--older-than", "1d",
                                                          code=3)
    assert "not found" in place.run("runs", "gc", "--run-ids", "0" * 32, code=3)
    assert "are not in the deleted lifecycle stage" in place.run("runs", "gc", "--experiment-ids", "0", code=3)
    assert "Could not parse any time" in place.run("runs", "gc", "--older-than", "soon", code=3)
    assert place.json("runs", "gc", "--older-than", "30d")["runs"] == []
    assert place.client.get_run(fresh).info.lifecycle_stage == "deleted"


def test_an_experiment_goes_with_its_runs_and_its_name_is_free(place):
    experiment = place.client.create_experiment("old")
    run = place.make(experiment, metrics={"auc": 1}, tags={"a": "b"})
    place.file(run, "deep/a.txt", "x")
    place.client.delete_experiment(experiment)
    done = place.json("runs", "gc")
    assert done["runs"] == [run] and done["experiments"] == [experiment]
    assert gone(place, run) and place.files(experiment) == []
    with pytest.raises(MlflowException):
        place.client.get_experiment(experiment)
    assert place.client.create_experiment("old") != experiment


def test_a_run_whose_version_is_registered_is_kept_unless_forced_by_its_id(place):
    run = place.make()
    place.file(run, "model/MLmodel", "flavors: {}")
    place.client.create_registered_model("held")
    place.client.create_model_version("held", f"runs:/{run}/model", run)
    place.client.delete_run(run)
    kept = place.json("runs", "gc")
    assert kept["runs"] == [] and kept["kept"] == [{"run_id": run, "why": "version held/1 is registered"}]
    assert "force it by its id" in place.run("runs", "gc", "--run-ids", run, code=1)
    assert place.json("runs", "gc", "--run-ids", run, "--force", run)["runs"] == [run]
    assert gone(place, run)


def test_the_tag_that_lets_a_version_go_lets_its_run_go_too(place):
    run = place.make()
    place.client.create_registered_model("free")
    place.client.create_model_version("free", f"runs:/{run}/model", run)
    place.client.delete_run(run)
    place.client.set_model_version_tag("free", "1", "slipway.delete", "free/1")
    assert place.json("runs", "gc")["runs"] == [run]


def test_a_selector_that_came_out_empty_removes_nothing(place):
    run = place.make(name="gone")
    place.client.delete_run(run)
    for selector in (["--run-ids", ""], ["--run-ids", ","], ["--experiment-ids", " "], ["--older-than", ""]):
        assert "names nothing" in place.run("runs", "gc", *selector, code=2)
    assert "--all" in place.run("runs", "delete", "--experiment", "0", "--filter", " ", code=2)
    path = "/api/slipway/v1/tracked-runs/gc"
    for body in ({"run_ids": []}, {"older_than": ""}, {"experiment_ids": []}, {"older_then": "30d"}, {"dryrun": True}, [], 3):
        status, answer = place.peer.call("POST", path, json.dumps(body).encode())
        assert status == 400, (body, answer)
    status, answer = place.peer.call("POST", path, b'{"older_then": "30d"}')
    assert "did you mean 'older_than'?" in json.dumps(answer)
    assert place.client.get_run(run).info.lifecycle_stage == "deleted"


def test_the_catalogue_answers_when_the_server_has_ended(place):
    run = place.make(name="kept", metrics={"m": 1})
    announced = json.loads((place.state / "owner.json").read_text())
    place.server.kill()
    assert run in place.run("runs", "best", "--metric", "m")
    # One that was killed leaves its word; whoever listens there now is shown nothing.
    with Listener() as listener:
        (place.state / "owner.json").write_text(json.dumps({**announced, "url": listener.url}))
        for command in (["best", "--metric", "m"], ["show", "kept"], ["export", "--experiment", "0"],
                        ["delete", "--experiment", "0", "--all", "--dry-run"]):
            assert run in place.run("runs", *command)
        assert not listener.asked
    place.server.start()


class Listener:
    """Says nothing to anybody, and remembers whether somebody came."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def asked(self):
        try:
            self.socket.accept()
        except BlockingIOError:
            return False
        return True


def test_names_do_not_speak_to_the_terminal(place):
    run = place.make(name="\x1b[31mred\x1b]0;title\x07\nsecond line", params={"p": "\x1b[2J"}, metrics={"m": 1},
                     tags={"t": "a\u202eb"})
    for text in (place.run("runs", "best", "--metric", "m"), place.run("runs", "show", run),
                 place.run("runs", "delete", "--experiment", "0", "--all", "--dry-run")):
        assert not set(text) & {"\x1b", "\x07", "\u202e"} and "\\x1b[31mred" in text
    assert "second line" not in place.run("runs", "show", run).splitlines()


def test_an_export_replaces_files_only(place, tmp_path):
    place.make(name="a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "real.csv").write_text("before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    for target in ("pipe", ".", "nowhere/runs.csv"):
        place.run("runs", "export", "--experiment", "0", "-o", tmp_path / target, code=2)
    assert (tmp_path / "pipe").is_fifo()
    place.run("runs", "export", "--experiment", "0", "-o", tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text().startswith("run_id")
