"""Makes the models in this folder and records what MLflow's scoring server answers for them: python make.py

Needs mlflow 3 with xgboost. The data are random numbers, drawn here. cases.json is a list of
{model, name, content_type, body, status, answer}; an answer of kind JSON is kept parsed, without stack traces.
"""
import json
import pathlib
import shutil
import tempfile
import warnings

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature, infer_signature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema, TensorSpec

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
rng = np.random.default_rng(11)
COLUMNS = ["temp", "wind", "hour"]


def frame(n):
    return pd.DataFrame({
        "temp": rng.normal(size=n),
        "wind": rng.normal(size=n).astype(np.float32),
        "hour": rng.integers(0, 24, n),
    })


def save(name, model, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model"
        mlflow.xgboost.save_model(model, path, pip_requirements=["xgboost"], **options)
        target = HERE / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        for file in ("MLmodel", "model.ubj"):
            shutil.copy(path / file, target / file)
        return mlflow.pyfunc.load_model(str(path))


def models():
    data = frame(300)
    signal = (data["temp"] + np.sin(data["hour"] / 4) + rng.normal(size=300) * 0.2).to_numpy()
    small = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}
    signature = infer_signature(data, signal)
    regressor = xgb.XGBRegressor(**small).fit(data, signal)
    yield "regressor", save("regressor", regressor, signature=signature)
    yield "binary", save("binary", xgb.XGBClassifier(**small).fit(data, signal > 0), signature=signature)
    three = np.digitize(signal, [-0.5, 0.5])
    yield "three", save("three", xgb.XGBClassifier(**small).fit(data, three), signature=signature)
    booster = xgb.train({"max_depth": 3, "objective": "multi:softprob", "num_class": 3, "nthread": 1},
                        xgb.DMatrix(data, label=three), 3)
    yield "booster", save("booster", booster, signature=signature)
    plain = xgb.XGBRegressor(**small).fit(data.to_numpy(dtype=np.float32), signal)
    yield "unsigned", save("unsigned", plain)
    unnamed = Schema([ColSpec("double")] * 3)
    yield "unnamed", save("unnamed", plain, signature=ModelSignature(inputs=unnamed))
    tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 3))])
    yield "tensor", save("tensor", plain, signature=ModelSignature(inputs=tensor))
    optional = Schema([ColSpec("double", "temp"), ColSpec("float", "wind", required=False), ColSpec("long", "hour")])
    yield "optional", save("optional", regressor, signature=ModelSignature(inputs=optional))


ROWS = [[0.5, 1.5, 7], [-1.25, 0.1, 23]]
RECORDS = [dict(zip(COLUMNS, row)) for row in ROWS]
COLUMN_LISTS = {name: [row[i] for row in ROWS] for i, name in enumerate(COLUMNS)}


def bodies():
    yield "split", {"dataframe_split": {"columns": COLUMNS, "data": ROWS}}
    yield "split_with_index", {"dataframe_split": {"columns": COLUMNS, "data": ROWS, "index": [5, 6]}}
    yield "split_reordered", {"dataframe_split": {"columns": ["hour", "temp", "wind"], "data": [[7, 0.5, 1.5]]}}
    yield "split_extra_column", {"dataframe_split": {"columns": COLUMNS + ["x"], "data": [row + ["y"] for row in ROWS]}}
    yield "split_missing_column", {"dataframe_split": {"columns": ["temp", "hour"], "data": [[0.5, 7]]}}
    yield "split_without_columns", {"dataframe_split": {"data": ROWS}}
    yield "split_without_data", {"dataframe_split": {"columns": COLUMNS}}
    yield "split_unknown_key", {"dataframe_split": {"columns": COLUMNS, "data": ROWS, "rows": 2}}
    yield "split_as_list", {"dataframe_split": ROWS}
    yield "split_ragged", {"dataframe_split": {"columns": COLUMNS, "data": [[1.0, 2.0, 3], [1.0, 2.0]]}}
    yield "split_too_wide", {"dataframe_split": {"columns": COLUMNS, "data": [[1.0, 2.0, 3, 4.0]]}}
    yield "split_null", {"dataframe_split": {"columns": COLUMNS, "data": [[None, 1.5, 7]]}}
    yield "split_null_long", {"dataframe_split": {"columns": COLUMNS, "data": [[0.5, 1.5, None]]}}
    yield "split_fraction_for_long", {"dataframe_split": {"columns": COLUMNS, "data": [[0.5, 1.5, 7.5]]}}
    yield "split_text_number", {"dataframe_split": {"columns": COLUMNS, "data": [["0.5", 1.5, "7"]]}}
    yield "split_text", {"dataframe_split": {"columns": COLUMNS, "data": [["warm", 1.5, 7]]}}
    yield "split_bool", {"dataframe_split": {"columns": COLUMNS, "data": [[True, 1.5, 7]]}}
    yield "split_empty", {"dataframe_split": {"columns": COLUMNS, "data": []}}
    yield "records", {"dataframe_records": RECORDS}
    yield "records_absent_key", {"dataframe_records": [RECORDS[0], {"temp": 0.25, "hour": 3}]}
    yield "records_as_object", {"dataframe_records": RECORDS[0]}
    yield "records_empty", {"dataframe_records": []}
    yield "instances_records", {"instances": RECORDS}
    yield "instances_ragged_records", {"instances": [RECORDS[0], {"temp": 0.25, "hour": 3}]}
    yield "instances_rows", {"instances": ROWS}
    yield "inputs_columns", {"inputs": COLUMN_LISTS}
    yield "inputs_rows", {"inputs": ROWS}
    yield "inputs_records", {"inputs": RECORDS}
    yield "inputs_scalar", {"inputs": 3}
    yield "with_params", {"dataframe_split": {"columns": COLUMNS, "data": ROWS}, "params": {"unknown": 1}}
    yield "other_keys", {"dataframe_split": {"columns": COLUMNS, "data": ROWS}, "more": 1}
    yield "two_formats", {"inputs": ROWS, "instances": ROWS}
    yield "no_format", {"rows": ROWS}
    yield "list", ROWS
    yield "scalar", 5


def answer_of(model, content_type, body):
    try:
        result = scoring_server.invocations(body.encode(), content_type, model, model.metadata.get_input_schema())
        return result.status, result.mimetype, result.response
    except MlflowException as e:
        return e.get_http_status_code(), "application/json", e.serialize_as_json()


def cases():
    for model_name, model in models():
        tried = [(name, "application/json", json.dumps(body)) for name, body in bodies()]
        tried.append(("broken_json", "application/json", '{"inputs": ['))
        tried.append(("csv", "text/csv", "temp,wind,hour\n0.5,1.5,7\n-1.25,0.1,23\n"))
        tried.append(("csv_reordered", "text/csv; charset=UTF-8", "hour,temp,wind\n7,0.5,1.5\n"))
        tried.append(("csv_missing_value", "text/csv", "temp,wind,hour\n,1.5,7\n"))
        tried.append(("csv_quoted", "text/csv", '"temp","wind","hour"\r\n"0.5",1.5,7\r\n'))
        tried.append(("csv_text", "text/csv", "temp,wind,hour\nwarm,1.5,7\n"))
        tried.append(("csv_ragged", "text/csv", "temp,wind,hour\n1,2,3,4\n1,2,3,4,5\n"))
        tried.append(("csv_empty", "text/csv", ""))
        split = json.dumps({"dataframe_split": {"columns": COLUMNS, "data": ROWS}})
        tried.append(("charset", "application/json; charset=utf-8", split))
        tried.append(("other_charset", "application/json; charset=latin1", split))
        tried.append(("other_parameter", "application/json; version=2", split))
        tried.append(("other_type", "application/xml", split))
        for name, content_type, body in tried:
            status, kind, text = answer_of(model, content_type, body)
            answer = json.loads(text) if kind == "application/json" else text
            if isinstance(answer, dict):
                answer.pop("stack_trace", None)
            yield {"model": model_name, "name": name, "content_type": content_type, "body": body, "status": status,
                   "kind": kind, "answer": answer}


(HERE / "cases.json").write_text(
    "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n")
