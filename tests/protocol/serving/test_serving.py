"""Deployments as their callers see them: unmodified tritonclient and MLflow scoring client, labels, explain."""
import json
import os
import pathlib
import subprocess
import uuid

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from conftest import HERE, PROJECT, Site

MAY = "2011-05-01T13:00:00Z"


def tensor(rows):
    values = np.asarray(rows, dtype=np.float32)
    matrix = triton.InferInput("input-0", list(values.shape), "FP32")
    matrix.set_data_from_numpy(values, binary_data=False)
    return matrix


def infer(site, rows, model="live", **options):
    with triton.InferenceServerClient(site.address) as client:
        return client.infer(model, [tensor(rows)], **options)


def id_of(result):
    return result.get_response()["parameters"]["prediction_id"]


def prediction(site, id_text):
    """As logged; the log is written every 50 ms."""
    def found():
        status, _, answer = site.call("GET", f"/api/slipway/v1/predictions/{id_text}")
        return answer if status == 200 else None
    return site.wait_for(found, f"prediction {id_text} in the log")


def test_an_answer_names_its_prediction_and_the_log_has_all_of_it(site):
    rows = site.expected["1"]["rows"]
    result = infer(site, rows, request_id="mine", parameters={"event_time": MAY, "slipway_key": "user 7"})
    version = result.get_response()["model_version"]
    assert result.as_numpy("predict")[:, 0].tolist() == pytest.approx(site.expected[version]["predictions"], abs=0)
    kept = prediction(site, id_of(result))
    assert kept["deployment"] == "live"
    answer = kept["answers"][0]
    assert answer["version"] == version
    assert answer["event_time"] == "2011-05-01T13:00:00.000Z"
    assert answer["client_id"] == "mine"
    assert answer["rows"] == 4
    assert [row["temp"] for row in answer["inputs"]] == [row[0] for row in rows]
    assert [row["predict"] for row in answer["outputs"]] == site.expected[version]["predictions"]
    assert answer["hashed"] == ["wind"]
    assert all(len(row["wind"]) == 8 for row in answer["inputs"])
    assert answer["step"], "the step of the rollout that let it answer"
    assert answer["key_hash"] and "user 7" not in json.dumps(kept)


def test_headers_say_the_same(site):
    body = {"inputs": [{"name": "input-0", "shape": [1, 3], "datatype": "FP32", "data": [0.5, 1.5, 7]}]}
    status, headers, answer = site.call("POST", "/v2/models/live/infer", body, {
        "X-Slipway-Key": "user 7", "X-Slipway-Event-Time": "1304254800000"})
    assert status == 200
    assert headers["X-Slipway-Prediction-Id"] == answer["parameters"]["prediction_id"]
    assert headers["X-Slipway-Route"].startswith(f"live; version={answer['model_version']}; role=")
    assert prediction(site, headers["X-Slipway-Prediction-Id"])["answers"][0]["event_time"] == "2011-05-01T13:00:00.000Z"


def test_a_key_stays_with_its_version(site):
    first = {}
    for round_number in range(2):
        for user in range(40):
            result = infer(site, [[0.5, 1.5, 7]], parameters={"slipway_key": f"user {user}"})
            version = result.get_response()["model_version"]
            assert first.setdefault(user, version) == version
    assert set(first.values()) == {"1", "2"}
    assert 8 <= list(first.values()).count("2") <= 32


def test_only_what_the_rollout_has_loaded_serves(site):
    rows = [[0.5, 1.5, 7]]
    with triton.InferenceServerClient(site.address) as client:
        for model in ("live", "bikes"):
            assert client.get_model_metadata(model)["versions"] == ["1", "2"]
            assert client.is_model_ready(model, "2")
            assert not client.is_model_ready(model, "3")
            assert infer(site, rows, model, model_version="2").get_response()["model_version"] == "2"
            with pytest.raises(InferenceServerException) as refused:
                infer(site, rows, model, model_version="3")
            assert "has not loaded version 3 of model bikes: version 1 serves, 2 is tried" in refused.value.message()
        index = {(entry["name"], entry["version"]): entry["state"] for entry in client.get_model_repository_index()}
    assert index == {("bikes", "1"): "READY", ("bikes", "2"): "READY", ("bikes", "3"): "UNAVAILABLE",
                     ("live", "1"): "READY", ("live", "2"): "READY"}


def test_mlflows_scoring_client_is_answered_by_the_deployment(site):
    before = site.metric("slipway_predictions_answered_total")
    done = subprocess.run([os.environ["SLIPWAY_PYTHON_MLFLOW3"], str(HERE / "invoke.py"), site.address.split(":")[1],
                           str(site.root / "expected-2.json")], check=True, capture_output=True, text=True, timeout=300)
    answered = json.loads(done.stdout)
    assert answered in [site.expected[version]["predictions"] for version in ("1", "2")]
    assert site.metric("slipway_predictions_answered_total") == before + 1


def test_what_a_caller_got_wrong_is_said_and_not_counted(site):
    errors = site.metric("slipway_prediction_errors_total")
    with pytest.raises(InferenceServerException) as refused:
        infer(site, [[0.5, 1.5, 7]], parameters={"event_time": "noon"})
    assert "found 'noon' as event_time" in refused.value.message()
    with pytest.raises(InferenceServerException):
        infer(site, [[0.5, 1.5]])
    assert site.metric("slipway_prediction_errors_total") == errors


def test_labels_join_late_in_any_order_and_twice(site):
    result = infer(site, site.expected["1"]["rows"])
    base = id_of(result)
    labels = [{"prediction_id": f"{base}/{row}", "value": 10 * row, "event_time": "2011-05-08T00:00:00Z", "source": "counter"}
              for row in (3, 1)]
    assert site.call("POST", "/api/slipway/v1/feedback", {"labels": labels})[::2] == (200, {"taken": 2})
    assert site.call("POST", "/api/slipway/v1/feedback", {"labels": labels})[::2] == (200, {"taken": 2})
    one = {"prediction_id": f"{base}/1", "value": True}
    assert site.call("POST", "/api/slipway/v1/feedback", one)[::2] == (200, {"taken": 1})
    kept = prediction(site, base)["labels"]
    assert [(label["row"], label["value"], label["source"]) for label in kept] == [(1, 1.0, ""), (3, 30.0, "counter")]
    assert kept[1]["event_time"] == "2011-05-08T00:00:00.000Z"
    assert [label["row"] for label in prediction(site, base + "/3")["labels"]] == [3]


def test_nothing_of_a_wrong_batch_is_taken(site):
    base = id_of(infer(site, [[0.5, 1.5, 7]]))
    good = {"prediction_id": base, "value": 1}
    wrong = [{"prediction_id": "nonsense", "value": 1}, {"prediction_id": base, "value": "much"},
             {"prediction_id": base}, {"prediction_id": base, "value": 1, "event_time": "noon"},
             {"prediction_id": base.replace("live.", "dead."), "value": 1}]
    status, _, answer = site.call("POST", "/api/slipway/v1/feedback", {"labels": [good, *wrong]})
    assert status == 400
    assert [one["index"] for one in answer["wrong"]] == [1, 2, 3, 4, 5]
    assert answer["wrong_total"] == 5
    assert answer["error"].startswith("labels[1]: found 'nonsense' as prediction_id")
    assert prediction(site, base)["labels"] == []
    for body in ({}, [], {"labels": 7}, {"labels": [[]]}, "text"):
        assert site.call("POST", "/api/slipway/v1/feedback", body)[0] == 400, body


def test_labels_come_from_files_and_the_command_line(site, tmp_path):
    first, second, third = (id_of(infer(site, [[0.5, 1.5, 7]])) for _ in range(3))
    (tmp_path / "labels.csv").write_text(f"prediction_id,value,source\n{first},11.5,file\n{second}/0,12,file\n")
    assert site.json("feedback", "--file", str(tmp_path / "labels.csv")) == {"taken": 2, "unknown": 0}
    (tmp_path / "labels.jsonl").write_text(json.dumps({"prediction_id": second, "value": 13}) + "\n")
    assert site.json("feedback", "--file", str(tmp_path / "labels.jsonl")) == {"taken": 1, "unknown": 0}
    assert site.slipway("feedback", third, "14", "--source", "me") == "1 label taken\n"
    assert [prediction(site, one)["labels"][0]["value"] for one in (first, second, third)] == [11.5, 13, 14]
    (tmp_path / "wrong.csv").write_text(f"prediction_id,value\n{first},much\n")
    assert "wrong.csv:2: value: found 'much'" in site.json("feedback", "--file", str(tmp_path / "wrong.csv"), code=3)["error"]
    (tmp_path / "wrong.csv").write_text(f"prediction_id,value\n{first},1\n{first},much\n{second},no\n")
    said = site.json("feedback", "--file", str(tmp_path / "wrong.csv"), code=3)["error"]
    assert "2 of 3 labels are wrong, none was taken" in said and "wrong.csv:3: " in said and "wrong.csv:4: " in said
    (tmp_path / "many.csv").write_text("prediction_id,value\n" + f"{first},much\n" * 30)
    said = site.json("feedback", "--file", str(tmp_path / "many.csv"), code=3)["error"]
    assert "many.csv:21: " in said and "many.csv:22: " not in said and said.endswith("and 10 more")
    (tmp_path / "named.csv").write_text(f"prediction_id,value\n{first},1\nnonsense,1\n{second}/7,1\nworse,1\n")
    said = site.json("feedback", "--file", str(tmp_path / "named.csv"), code=3)["error"]
    assert said.startswith("line 3: found 'nonsense'") and "line 5: found 'worse'" in said and "labels[" not in said
    assert [prediction(site, one)["labels"][0]["value"] for one in (first, second, third)] == [11.5, 13, 14]
    for name, text, said in (
            ("slip.csv", f"prediction_id,value,event_tme\n{first},1,\n", "column 'event_tme'; did you mean 'event_time'?"),
            ("row.csv", f"prediction_id,value,row\n{first},1,2\n", "row N is named by the prediction_id"),
            ("slip.jsonl", json.dumps({"prediction_id": first, "value": 1, "row": 2}) + "\n", "slip.jsonl:1: a label has no member \"row\"")):
        (tmp_path / name).write_text(text)
        assert said in site.json("feedback", "--file", str(tmp_path / name), code=3)["error"]
    status, _, answer = site.call("POST", "/api/slipway/v1/feedback", {"labels": [{"prediction_id": first, "value": 1, "row": 2}]})
    assert (status, answer["error"][:42]) == (400, "labels[0]: a label has no member \"row\"; ro"), answer


def test_a_label_of_a_row_that_is_not_there_is_refused_and_an_unknown_prediction_told(site):
    base = id_of(infer(site, [[0.5, 1.5, 7], [0.5, 1.5, 7]]))
    said = site.json("feedback", base + "/2", "1", code=3)["error"]
    assert said == f"labels[0]: prediction {base} has 2 rows, counted from 0: found row 2; nothing was taken"
    body = {"labels": [{"prediction_id": base + "/7", "value": 1}], "check": True}
    assert site.call("POST", "/api/slipway/v1/feedback", body)[0] == 400
    assert prediction(site, base)["labels"] == []
    mistyped = base[:-4] + ("0000" if not base.endswith("0000") else "1111")
    said = site.slipway("feedback", mistyped, "1")
    assert said.startswith("1 label taken, 1 of no prediction in the log: "), said


def test_explain_goes_from_a_prediction_to_its_run(site):
    rows = site.expected["1"]["rows"]
    base = id_of(infer(site, rows, model_version="1"))
    prediction(site, base)
    site.slipway("feedback", base + "/2", "7.25")
    told = site.slipway("explain", base + "/2")
    assert told.startswith(f"prediction {base}/2")
    assert f"temp={rows[2][0]}" in told and "wind=#" in told
    assert "turned out: 7.25" in told
    assert "answered by rollout step" in told
    assert "model version bikes/1" in told and "run " in told
    assert "decided by verdict" in told and "integrity" in told  # of the gate before
    answer = site.json("explain", base + "/2")
    assert answer["subject"] == f"prediction:{base}/2"
    status, _, by_server = site.call("GET", f"/api/slipway/v1/explain?subject={base}/2")
    assert status == 200 and by_server == answer
    missing = site.slipway("explain", "live.01975355-0000-7000-8000-000000000000", code=3)
    assert missing == ""


VIEW = """kind: feature_view
name: stations
description: Weather at a station.
owner: ops@example.org
entity: {station: string}
source: {file: weather.csv, event_time: ts}
features: {temp: float64, wind: float64}
"""


def column(name, values, datatype):
    values = np.asarray(values, dtype=object if datatype == "BYTES" else np.float32)
    one = triton.InferInput(name, [len(values)], datatype)
    one.set_data_from_numpy(values)
    return one


def test_features_are_looked_up_by_key_and_logged_as_used(tmp_path):
    site = Site(tmp_path / "features", project=PROJECT.replace("deployments:", "features: [stations.yaml]\ndeployments:")
                .replace("    model: bikes", "    model: bikes\n    features: stations"))
    (site.root / "stations.yaml").write_text(VIEW)
    site.start()
    try:
        site.slipway("apply")
        expected = site.train(2)
        rows, predictions = expected["rows"], expected["predictions"]
        (site.root / "weather.csv").write_text(
            "station,ts,temp,wind\n" + "".join(f"s{n},2011-05-0{n + 1}T00:00:00Z,{row[0]!r},{row[1]!r}\n"
                                               for n, row in enumerate(rows)))
        site.wait_for(lambda: site.served() == ["1"], "version 1 serves")
        inputs = [column("station", [b"s0", b"s1"], "BYTES"), column("hour", [row[2] for row in rows[:2]], "FP32")]
        with triton.InferenceServerClient(site.address) as client:
            with pytest.raises(InferenceServerException) as refused:
                client.infer("live", inputs)
            assert "slipway features materialize --view stations" in refused.value.message()
            site.slipway("features", "materialize", "--view", "stations")
            result = client.infer("live", inputs, parameters={"event_time": MAY})
        # On May 1 nothing is known yet of what happens on May 2.
        assert result.as_numpy("predict")[0, 0] == pytest.approx(predictions[0], abs=0)
        answer = prediction(site, id_of(result))["answers"][0]
        assert answer["looked_up"] == ["temp", "wind"]
        assert [row["temp"] for row in answer["inputs"]] == [rows[0][0], None]
        done = site.call("POST", "/deployments/live/invocations", {"dataframe_records": [
            {"station": "s1", "hour": rows[1][2]}]})
        assert done[0] == 200 and done[2] == {"predictions": [predictions[1]]}
    finally:
        site.stop()


def wait_until_written(site, count):
    site.wait_for(lambda: site.metric("slipway_prediction_log_requests_total") >= count, f"{count} answers in the log")


@pytest.fixture
def other(tmp_path):
    """A site of its own, with one version."""
    site = Site(tmp_path / "other")
    site.start()
    site.slipway("apply")
    site.expected = {"1": site.train(2)}
    site.wait_for(lambda: site.served() == ["1"], "version 1 serves")
    yield site
    site.process.kill()


def test_a_killed_server_loses_only_what_was_not_written_yet(other):
    row = other.expected["1"]["rows"][:1]
    before = [id_of(infer(other, row)) for _ in range(50)]
    wait_until_written(other, 50)
    after = [id_of(infer(other, row)) for _ in range(20)]
    other.kill()
    for one in before[::10]:
        assert other.json("explain", one)["subject"] == f"prediction:{one}"  # without a server
    other.start()
    other.wait_for(lambda: other.served() == ["1"], "version 1 serves again")
    statuses = [other.call("GET", f"/api/slipway/v1/predictions/{one}")[0] for one in before + after]
    assert statuses[:50] == [200] * 50
    written = statuses[50:].count(200)
    assert statuses[50:] == [200] * written + [404] * (20 - written)  # a tail, and nothing else
    newest = id_of(infer(other, row))
    assert prediction(other, newest)["answers"][0]["status"] == 200
    other.stop()
    assert other.json("explain", newest)["subject"] == f"prediction:{newest}"


def test_a_damaged_log_loses_what_was_hit_and_says_so(tmp_path):
    site = Site(tmp_path / "damaged")
    site.start()
    try:
        site.slipway("apply")
        row = site.train(2)["rows"][:1]
        site.wait_for(lambda: site.served() == ["1"], "version 1 serves")
        ids = [id_of(infer(site, row)) for _ in range(9)]
        for one in ids:
            prediction(site, one)
        assert site.metric("slipway_journal_damages_total") == 0
        (file,) = (site.root / ".slipway" / "predictions").glob("*/*/*.log")
        log = file.read_bytes()
        place = log.index(uuid.UUID(ids[4].rpartition(".")[2]).bytes) + 20
        with open(file, "r+b") as damaged:
            damaged.seek(place)
            damaged.write(bytes([log[place] ^ 1]))
        for _ in range(2):
            statuses = [site.call("GET", f"/api/slipway/v1/predictions/{one}")[0] for one in ids]
            assert statuses == [200] * 4 + [404] + [200] * 4
        assert site.metric("slipway_journal_damages_total") == 1
        assert site.metric("slipway_journal_frames_lost_total") == 1
        assert site.json("explain", ids[8])["subject"] == f"prediction:{ids[8]}"
    finally:
        site.stop()


def test_answers_go_on_when_the_disk_of_the_log_is_full(tmp_path):
    root = tmp_path / "full"
    log = root / ".slipway" / "predictions"
    log.mkdir(parents=True)
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    script = f'mount -t tmpfs -o size=512k slipway-test "{log}" && exec "$@"'
    site = Site(root, [*unshare, "sh", "-c", script, "sh"])
    site.start()
    try:
        site.slipway("apply")
        rows = site.train(2)["rows"] * 500
        site.wait_for(lambda: site.served() == ["1"], "version 1 serves")
        before = id_of(infer(site, rows[:1]))
        prediction(site, before)
        ballast = pathlib.Path(f"/proc/{site.process.pid}/root{log}") / "ballast"  # the disk as the server sees it
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        asked = 20
        for _ in range(asked):
            assert len(infer(site, rows).as_numpy("predict")) == 2000
        logged = lambda: site.metric("slipway_prediction_log_requests_total")
        lost = lambda: site.metric("slipway_log_dropped_total")
        site.wait_for(lambda: logged() + lost() == asked + 1, "every answer is in the log or counted as lost")
        assert lost() > 0
        ballast.unlink()
        after = id_of(infer(site, rows[:1]))
        assert [prediction(site, one)["answers"][0]["rows"] for one in (before, after)] == [1, 1]
    finally:
        site.stop()
