"""Traces as the stock client makes and reads them, and OTLP as anybody sends it."""
import gzip
import json
import time

import mlflow
import pytest
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.since(3)
V3 = "/api/3.0/mlflow/traces"


def traced(tags=None, value=1):
    @mlflow.trace(span_type="LLM", attributes={"k": 1, "city": "Zürich"})
    def outer(x, y=2):
        with mlflow.start_span("inner", span_type="TOOL") as span:
            span.set_inputs({"a": [1, 2.5, None, True, "é"]})
            span.set_attribute("deep", {"x": [{"y": 1}]})
        mlflow.update_current_trace(tags=tags or {}, metadata={"m": "2"})
        return {"r": x + y}

    outer(value)
    id = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    return id


def found(experiment, filter="", **more):
    traces = mlflow.MlflowClient().search_traces(locations=[experiment], filter_string=filter or None, **more)
    return [trace.info.trace_id for trace in traces]


def test_a_trace_comes_back_as_it_was_made(experiment):
    id = traced({"mine": "1"})
    trace = mlflow.get_trace(id)
    info = trace.info
    assert (str(info.state), info.experiment_id, info.trace_metadata["m"]) == ("TraceState.OK", experiment, "2") or \
        (info.state.value, info.experiment_id, info.trace_metadata["m"]) == ("OK", experiment, "2")
    assert (info.tags["mine"], info.tags["mlflow.traceName"]) == ("1", "outer")
    assert (info.request_preview, info.response_preview) == ('{"x": 1, "y": 2}', '{"r": 3}')
    outer, inner = trace.data.spans
    assert (outer.name, outer.span_type, outer.inputs, outer.outputs) == ("outer", "LLM", {"x": 1, "y": 2}, {"r": 3})
    assert outer.attributes["k"] == 1 and outer.attributes["city"] == "Zürich"
    assert (inner.parent_id, inner.span_type) == (outer.span_id, "TOOL")
    assert inner.inputs == {"a": [1, 2.5, None, True, "é"]}
    assert inner.attributes["deep"] == {"x": [{"y": 1}]}
    assert str(outer.status.status_code) in ("OK", "SpanStatusCode.OK")


def test_an_error_is_one(experiment):
    @mlflow.trace
    def fails():
        raise ValueError("no good")

    with pytest.raises(ValueError):
        fails()
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    assert trace.info.state.value == "ERROR"
    assert trace.data.spans[0].events[0].name == "exception"
    assert found(experiment, "status = 'ERROR'") == [trace.info.trace_id]


def test_tags(experiment, ours):
    id = traced()
    mlflow.set_trace_tag(id, "x", "y" * 9000)
    assert mlflow.get_trace(id).info.tags["x"] == "y" * 8000
    mlflow.delete_trace_tag(id, "x")
    assert "x" not in mlflow.get_trace(id).info.tags
    with pytest.raises(MlflowException, match="No trace tag with key 'x'"):
        mlflow.delete_trace_tag(id, "x")
    status, answer = ours.call("PATCH", f"{V3}/{id}/tags", {"key": "mlflow.trace.spansLocation", "value": "no"})
    assert status == 400 and "immutable" in answer["message"]
    assert ours.call("PATCH", f"{V3}/none/tags", {"key": "a", "value": "b"})[0] == 404


def test_searches(experiment):
    a, b = traced({"k": "one", "both": "x"}, 1), traced({"k": "two", "both": "x"}, 20)
    assert found(experiment) == [b, a]
    for filter, ids in (
            ("tag.k = 'one'", [a]), ("tags.k != 'one'", [b]), ("tags.`k` LIKE 't%'", [b]), ("tag.k IS NULL", []),
            ("tag.both = 'x' AND tag.k = 'two'", [b]), ("tag.k = 'one' OR tag.k = 'two'", [b, a]),
            ("metadata.m = '2'", [b, a]), ("request_metadata.m ILIKE '2'", [b, a]), ("metadata.none IS NOT NULL", []),
            ("trace.status = 'OK'", [b, a]), ("attributes.status IN ('ERROR')", []), ("name = 'outer'", [b, a]),
            (f"request_id = '{a}'", [a]), (f"trace.request_id IN ('{a}', '{b}')", [b, a]),
            ("timestamp_ms > 0", [b, a]), ("trace.timestamp < 0", []), ("execution_time_ms >= 0", [b, a]),
            ("end_time > 0", [b, a]), ("span.name = 'inner'", [b, a]), ("span.type = 'TOOL'", [b, a]),
            ("span.status = 'ERROR'", []), ("span.content LIKE '%rich%'", [b, a]),
            ("span.attributes.city = 'Zürich'", [b, a]), ("span.attributes.city LIKE 'Z%'", [b, a]),
            ("span.attributes.city = 'Bern'", []), ("trace.text LIKE '%inner%'", [b, a]),
            ("client_request_id = 'none'", [])):
        assert found(experiment, filter) == ids, filter
    assert found(experiment, order_by=["timestamp ASC"]) == [a, b]
    assert found(experiment, order_by=["tag.k DESC"]) == [b, a]
    first = mlflow.MlflowClient().search_traces(locations=[experiment], max_results=1)
    assert [trace.info.trace_id for trace in first] == [b] and first.token
    assert found(experiment, max_results=1, page_token=first.token) == [a]
    frame = mlflow.search_traces(locations=[experiment], filter_string="tag.k = 'one'")
    assert list(frame["trace_id"]) == [a]


@pytest.mark.parametrize("body, why", [
    ({}, "Missing value for required parameter 'locations'"), ({"max_results": 501}, "Invalid value 501"),
    ({"max_results": -1}, "max_results"), ({"filter": "bogus.x = 1"}, "Invalid entity type 'bogus'"),
    ({"filter": "status > 'OK'"}, "comparator"), ({"filter": "span.color = 'red'"}, "Invalid span attribute 'color'"),
    ({"filter": "timestamp_ms = 'x'"}, "numeric"), ({"filter": "span.content = 'x'"}, "span.content"),
    ({"order_by": ["span.name"]}, "order_by"), ({"page_token": "bad"}, ""), ({"filter": "tag.k RLIKE 'x'"}, "")])
def test_searches_that_are_refused(ours, body, why):
    body = body and {"locations": [{"mlflow_experiment": {"experiment_id": "0"}}], **body}
    status, answer = ours.call("POST", f"{V3}/search", body)
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert why in answer["message"]


def test_assessments(experiment):
    id = traced()
    feedback = mlflow.log_feedback(trace_id=id, name="good", value=True, rationale="because", metadata={"a": "b"})
    expectation = mlflow.log_expectation(trace_id=id, name="wanted", value={"z": [1]})
    read = mlflow.get_assessment(id, feedback.assessment_id)
    assert (read.name, read.value, read.rationale, read.metadata, read.valid) == (
        "good", True, "because", {"a": "b"}, True)
    assert mlflow.get_assessment(id, expectation.assessment_id).value == {"z": [1]}
    changed = mlflow.update_assessment(id, feedback.assessment_id, mlflow.entities.Feedback(
        name="better", value=0.5, rationale="r2", metadata={"c": "d"}))
    assert (changed.name, changed.value, changed.metadata) == ("better", 0.5, {"a": "b", "c": "d"})
    for filter, hit in (("feedback.better = 0.5", True), ("feedback.better > 0.4", True), ("feedback.better > 1", False),
                        ("feedback.other = 'x'", False), ("expectation.wanted IS NOT NULL", True),
                        ("feedback.better IS NULL", False)):
        assert found(experiment, filter) == ([id] if hit else []), filter
    other = mlflow.override_feedback(trace_id=id, assessment_id=feedback.assessment_id, value="no")
    by_id = {one.assessment_id: one for one in mlflow.get_trace(id).info.assessments}
    assert (by_id[feedback.assessment_id].valid, by_id[other.assessment_id].value) == (False, "no")
    assert found(experiment, "feedback.better = 'no'") == [id]
    mlflow.delete_assessment(id, other.assessment_id)
    assert mlflow.get_assessment(id, feedback.assessment_id).valid
    mlflow.delete_assessment(id, other.assessment_id)
    with pytest.raises(MlflowException, match="not found for trace"):
        mlflow.get_assessment(id, other.assessment_id)
    with pytest.raises(MlflowException, match="not found"):
        mlflow.log_feedback(trace_id="tr-none", name="x", value=1)
    with pytest.raises(MlflowException, match="Cannot update expectation value on a Feedback"):
        mlflow.update_assessment(id, feedback.assessment_id, mlflow.entities.Expectation(name="better", value=1))


def test_deletes(experiment):
    client = mlflow.MlflowClient()
    a, b = traced(), traced()
    assert client.delete_traces(experiment, trace_ids=[a, "tr-none"]) == 1
    assert found(experiment) == [b]
    assert client.delete_traces(experiment, max_timestamp_millis=1) == 0
    assert client.delete_traces(experiment, max_timestamp_millis=int(time.time() * 1000) + 5000, max_traces=9) == 1
    assert found(experiment) == []
    with pytest.raises(MlflowException):
        client.delete_traces(experiment)


def test_traces_of_a_run(experiment):
    with mlflow.start_run() as run:
        inside = traced()
    outside = traced()
    assert found(experiment, f"run_id = '{run.info.run_id}'") == [inside]
    mlflow.MlflowClient().link_traces_to_run([outside], run.info.run_id)
    assert found(experiment, f"attributes.run_id = '{run.info.run_id}'") == [outside, inside]


def test_reads_by_the_batch(experiment, ours):
    a, b = traced(), traced()
    answer = ours.ask("GET", f"{V3}/batchGet", trace_ids=[b, "none", a])
    assert [trace["trace_info"]["trace_id"] for trace in answer["traces"]] == [b, a]
    answer = ours.ask("POST", f"{V3}/batchGetInfos", {"trace_ids": [a, "none"]})
    assert [info["trace_id"] for info in answer["trace_infos"]] == [a]
    for path, text in ((f"{V3}/none", "Trace with ID 'none' not found."),
                       (f"{V3}/get?trace_id=none", "Trace with ID none is not found.")):
        status, answer = ours.call("GET", path)
        assert (status, answer["message"]) == (404, text)
    status, file = ours.call("GET", "/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" + a)
    assert status == 200 and json.loads(file["spans"][0]["attributes"]["mlflow.spanInputs"]) == {"x": 1, "y": 2}


@pytest.mark.parametrize("info", [
    {}, {"trace_id": "tr-1"}, {"trace_id": "../x", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}},
    {"trace_id": "tr-2", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "request_time": "yesterday"},
    {"trace_id": "tr-2", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "execution_duration": "5"},
    {"trace_id": "tr-2", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "state": "FINE"},
    {"trace_id": "tr-2", "trace_location": {"mlflow_experiment": {"experiment_id": "0"}}, "tags": {"a": 1}}], ids=str)
def test_traces_that_are_none(ours, info):
    status, answer = ours.call("POST", V3, {"trace": {"trace_info": info}})
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_opentelemetry_sends_json_in_gzip(experiment, ours):
    """What a collector sends: no word of MLflow in it."""
    id = "5b8aa5a2d2c872e8321cf37308d69df2"
    span = {"traceId": id, "spanId": "051581bf3cb55c13", "name": "GET /", "kind": 2,
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001500000000",
            "attributes": [{"key": "http.status", "value": {"intValue": "200"}}]}
    child = dict(span, spanId="5fb397be34d26b51", parentSpanId="051581bf3cb55c13", name="query")
    body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
                               "scopeSpans": [{"spans": [child, span]}]}]}
    with mlflow.start_run() as run:
        pass
    status, answer = ours.call("POST", "/v1/traces", gzip.compress(json.dumps(body).encode()), {
        "x-mlflow-experiment-id": experiment, "x-mlflow-run-id": run.info.run_id, "Content-Encoding": "gzip"})
    assert (status, answer) == (200, {})
    trace = mlflow.get_trace("tr-" + id)
    assert (trace.info.state.value, trace.info.execution_duration, trace.info.tags["service.name"]) == ("OK", 1500, "shop")
    assert {span.name for span in trace.data.spans} == {"GET /", "query"}
    assert found(experiment, f"run_id = '{run.info.run_id}'") == ["tr-" + id]
    # The same again is the same.
    ours.call("POST", "/v1/traces", json.dumps(body).encode(), {"x-mlflow-experiment-id": experiment})
    assert len(mlflow.get_trace("tr-" + id).data.spans) == 2


def test_what_opentelemetry_may_not_send(experiment, ours):
    def send(body, **headers):
        return ours.call("POST", "/v1/traces", body, {"x-mlflow-experiment-id": experiment, **headers})

    proto = {"Content-Type": "application/x-protobuf"}
    assert send(b"", **proto) == (400, {"detail": "Invalid OpenTelemetry format - no spans found"})
    assert send(b"garbage", **proto)[0] == 400
    assert send(b"{}")[0] == 400
    assert send(b"not json")[0] == 400
    assert send(b"x", **{"Content-Type": "text/plain"})[0] == 400
    assert send(b"x", **{"Content-Encoding": "br"})[0] == 400
    assert send(b"x", **{"Content-Encoding": "gzip"})[0] == 400
    bomb = gzip.compress(bytes(65 << 20))
    assert send(bomb, **{"Content-Encoding": "gzip", **proto})[0] == 400
    status, answer = ours.call("POST", "/v1/traces", b"{}")
    assert status == 422
    wrong = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab", "spanId": "cd", "name": "n"}]}]}]}
    assert send(json.dumps(wrong).encode())[0] == 422
    wrong["resourceSpans"][0]["scopeSpans"][0]["spans"].append({"traceId": "1" * 32, "spanId": "2" * 16, "name": "n"})
    status, answer = send(json.dumps(wrong).encode())
    assert status == 200 and answer["partialSuccess"]["rejectedSpans"] == "1"
