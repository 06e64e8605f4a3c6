"""The unmodified tritonclient.http against slipway; models come in through MLflow's REST (train.py)."""
import time

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(served):
    with triton.InferenceServerClient(served.address) as client:
        yield client


def matrix(rows, binary=True, name="input-0"):
    tensor = triton.InferInput(name, list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return tensor


def refusal(call, *arguments, **options):
    with pytest.raises(InferenceServerException) as refused:
        call(*arguments, **options)
    return refused.value.status(), refused.value.message()


def test_server_is_live_and_ready(client):
    assert client.is_server_live()
    assert client.is_server_ready()


def test_server_metadata(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "slipway"
    assert "binary_tensor_data" in metadata["extensions"]


def test_model_readiness(client):
    assert client.is_model_ready("bikes")
    assert client.is_model_ready("bikes", "2")
    assert client.is_model_ready("weather kinds")
    assert not client.is_model_ready("bikes", "9")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("linear")


def test_model_metadata(client):
    assert client.get_model_metadata("bikes", "2") == {
        "name": "bikes",
        "versions": ["2"],
        "platform": "xgboost_ubj",
        "inputs": [{"name": "input-0", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "predict", "datatype": "FP32", "shape": [-1, 1]}],
        "parameters": {
            "default_version": "1",
            "columns": [{"name": "temp", "type": "float", "required": True},
                        {"name": "wind", "type": "float", "required": False},  # it has missing cells
                        {"name": "hour", "type": "float", "required": True}],
        },
    }
    assert "1" in client.get_model_metadata("bikes")["versions"]


def test_repository_index(client):
    index = {(entry["name"], entry["version"]): entry for entry in client.get_model_repository_index()}
    assert index["bikes", "1"]["state"] == "READY"
    assert index["bikes", "1"]["parameters"] == {"is_default": True, "loaded": True}
    assert index["linear", "1"]["state"] == "UNAVAILABLE"
    assert index["linear", "1"]["reason"] == "not servable yet: flavour sklearn"


def test_a_version_that_nobody_asked_for_is_ready_and_answers(served, client):
    deadline = time.monotonic() + 60
    while True:
        index = {(entry["name"], entry["version"]): entry for entry in client.get_model_repository_index()}
        entry = index["bikes", "3"]
        if entry["reason"] != "not looked at yet" or time.monotonic() > deadline:
            break
    assert (entry["state"], entry["reason"]) == ("READY", "loads when first asked")
    assert entry["parameters"] == {"is_default": False, "loaded": False}
    assert client.get_model_metadata("bikes")["versions"] == ["1", "2", "3"]
    result = client.infer("bikes", [matrix(served.rows)], model_version="3")
    assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats("bikes/1"))


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer_gives_what_xgboost_gives(served, client, binary_in, binary_out):
    outputs = [triton.InferRequestedOutput("predict", binary_data=binary_out)]
    for version in ("1", "2"):
        result = client.infer("bikes", [matrix(served.rows, binary_in)], model_version=version, outputs=outputs,
                              request_id="17")
        assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats(f"bikes/{version}"))
        response = result.get_response()
        assert (response["id"], response["model_name"], response["model_version"]) == ("17", "bikes", version)


def test_infer_without_version_means_the_champion(served, client):
    result = client.infer("bikes", [matrix(served.rows)])
    assert result.get_response()["model_version"] == "1"
    assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats("bikes/1"))


def test_infer_by_alias(served, client):
    result = client.infer("bikes", [matrix(served.rows)], model_version="@champion")
    assert result.get_response()["model_version"] == "1"


def test_infer_with_a_tensor_per_column(served, client):
    inputs = []
    for place, name in enumerate(["temp", "wind", "hour"]):
        inputs.append(matrix(np.ascontiguousarray(served.rows[:, place:place + 1]), name=name))
    result = client.infer("bikes", inputs)
    assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats("bikes/1"))


def test_infer_with_a_classifier(served, client):
    result = client.infer("weather kinds", [matrix(served.rows)])
    assert result.as_numpy("predict")[:, 0].tolist() == served.expected["weather kinds/labels"]
    assert np.array_equal(result.as_numpy("predict_proba"), served.floats("weather kinds/probabilities"))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_infer_with_compressed_bodies(served, client, coding):
    result = client.infer("bikes", [matrix(served.rows)], request_compression_algorithm=coding,
                          response_compression_algorithm=coding)
    assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats("bikes/1"))


def test_infer_in_parallel(served, client):
    with triton.InferenceServerClient(served.address, concurrency=8) as many:
        waiting = [many.async_infer("bikes", [matrix(served.rows)]) for _ in range(64)]
        for one in waiting:
            assert np.array_equal(one.get_result().as_numpy("predict")[:, 0], served.floats("bikes/1"))


def test_infer_on_many_rows(served, client):
    rows = np.tile(served.rows, (5000, 1))
    result = client.infer("bikes", [matrix(rows)])
    assert np.array_equal(result.as_numpy("predict")[:, 0], np.tile(served.floats("bikes/1"), 5000))


def test_parameters_are_accepted(served, client):
    result = client.infer("bikes", [matrix(served.rows)], sequence_id=4, sequence_start=True, priority=1, timeout=10**6,
                          parameters={"note": "x"})
    assert np.array_equal(result.as_numpy("predict")[:, 0], served.floats("bikes/1"))


def test_refusals(served, client):
    rows = served.rows
    assert refusal(client.infer, "nobody", [matrix(rows)]) == (
        "404", "Request for unknown model: 'nobody' is not found")
    assert refusal(client.infer, "bikes", [matrix(rows)], model_version="9") == (
        "404", "Request for unknown model: 'bikes' version 9 is not found")
    assert refusal(client.infer, "linear", [matrix(rows)]) == (
        "501", "model 'linear': not servable yet: flavour sklearn")
    assert refusal(client.infer, "dart", [matrix(rows)]) == (
        "501", "model 'dart': XGBoost model: booster 'dart' is not supported, only gbtree")
    assert refusal(client.infer, "bikes", [matrix(rows[:, :2].copy())], request_id="5") == (
        "400", "[request id: 5] unexpected shape for input 'input-0' for model 'bikes'. Expected [-1,3], got [8,2].")
    assert refusal(client.infer, "bikes", [matrix(rows)], outputs=[triton.InferRequestedOutput("y")]) == (
        "400", "[request id: <id_unknown>] unexpected inference output 'y' for model 'bikes'")
