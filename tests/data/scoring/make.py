"""Makes the models in this folder and records what MLflow's scoring server answers for them: python make.py [--kept]

--kept asks the models that lie here already instead of training them. Needs mlflow 3 with xgboost. The data are random numbers, drawn here. cases.json is a list of
{model, name, content_type, body, status, answer}; an answer of kind JSON is kept parsed, without stack traces, long
messages cut off.
"""
import json
import pathlib
import shutil
import sys
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
MESSAGE_MAX = 200


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
    flags = pd.DataFrame({"temp": data["temp"], "open": data["hour"] > 8, "dry": data["wind"] > 0})
    yield "flags", save("flags", xgb.XGBRegressor(**small).fit(flags, signal), signature=infer_signature(flags, signal))
    reals = data.astype(np.float64)
    yield "reals", save("reals", xgb.XGBRegressor(**small).fit(reals, signal), signature=infer_signature(reals, signal))


NAMES = ["regressor", "binary", "three", "booster", "unsigned", "unnamed", "tensor", "optional", "flags", "reals"]


def kept():
    for name in NAMES:
        yield name, mlflow.pyfunc.load_model(str(HERE / name))


ROWS = [[0.5, 1.5, 7], [-1.25, 0.1, 23]]
RECORDS = [dict(zip(COLUMNS, row)) for row in ROWS]
COLUMN_LISTS = {name: [row[i] for row in ROWS] for i, name in enumerate(COLUMNS)}


FLAGS = ["temp", "open", "dry"]
FLAG_COLUMNS = {  # cells of a CSV column
    "capital": ["True", "False"], "lower": ["true", "false"], "upper": ["TRUE", "FALSE"],
    "mixed_spelling": ["True", "false"], "only_true": ["True", "True"], "odd": ["tRUE", "False"], "zero_one": ["1", "0"],
    "zero_two": ["2", "0"], "reals": ["1.0", "0.5"], "yes": ["yes", "no"], "t": ["t", "f"], "blank": [" True", "False "],
    "with_missing": ["True", ""], "with_nan": ["NaN", "False"], "missing": ["", ""], "with_number": ["True", "1"],
    "with_text": ["True", "maybe"], "whole_reals": ["1.0", "0.0"], "na": ["NA", "True"], "null_word": ["null", "TRUE"], "quoted": ['"True"', '"False"'],
}
CSV = {  # whole bodies
    "csv_flags_in_all": "temp,wind,hour\nTrue,False,True\nFalse,True,True\n",
    "csv_flag_for_real": "temp,wind,hour\nTrue,1.5,7\n",
    "csv_flag_for_long": "temp,wind,hour\n0.5,1.5,True\n",
    "csv_flag_with_missing_for_real": "temp,wind,hour\nTrue,1.5,7\n,1.5,7\n",
    "csv_flag_with_missing_for_long": "temp,wind,hour\n0.5,1.5,True\n0.5,1.5,\n",
    "csv_flag_with_number_for_real": "temp,wind,hour\nTrue,1.5,7\n0.5,1.5,7\n",
    "csv_flag_with_number_for_long": "temp,wind,hour\n0.5,1.5,True\n0.5,1.5,1\n",
    "csv_short_row": "temp,wind,hour\n0.5,1.5\n",
    "csv_short_rows_of_reals": "temp,wind,hour\n0.5\n0.5,1.5,7\n",
    "csv_missing_column": "temp,wind\n0.5,1.5\n",
    "csv_long_rows": "temp,wind,hour\n9,0.5,1.5,7\n8,0.5,1.5,7\n",
    "csv_second_row_long": "temp,wind,hour\n0.5,1.5,7\n0.5,1.5,7,8\n",
    "csv_only_head": "temp,wind,hour\n",
    "csv_fraction_for_long": "temp,wind,hour\n0.5,1.5,7.5\n",
    "csv_real_for_long": "temp,wind,hour\n0.5,1.5,7.0\n",
    "csv_missing_long": "temp,wind,hour\n0.5,1.5,\n0.5,1.5,7\n",
    "csv_with_index": ",temp,wind,hour\n0,0.5,1.5,7\n",
    "csv_spaces": "temp,wind,hour\n 0.5 , 1.5 , 7 \n",
}


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
    yield "split_all_rows_short", {"dataframe_split": {"columns": COLUMNS, "data": [[0.5], [1.0]]}}
    yield "split_all_rows_one_short", {"dataframe_split": {"columns": COLUMNS, "data": [[0.5, 1.5]]}}
    yield "split_first_row_short", {"dataframe_split": {"columns": COLUMNS, "data": [[0.5, 1.5], [0.5, 1.5, 7]]}}
    yield "split_row_without_cells", {"dataframe_split": {"columns": COLUMNS, "data": [[]]}}
    yield "split_scalars", {"dataframe_split": {"columns": COLUMNS, "data": [0.5, 1.5, 7]}}
    yield "split_no_columns_short", {"dataframe_split": {"data": [[0.5, 1.5]]}}
    yield "split_no_columns_ragged", {"dataframe_split": {"data": [[0.5, 1.5], [0.5, 1.5, 7]]}}
    yield "split_short_index", {"dataframe_split": {"columns": COLUMNS, "data": ROWS, "index": [5]}}
    yield "split_columns_twice", {"dataframe_split": {"columns": ["temp", "wind", "hour", "hour"], "data": [[1.0, 2.0, 3, 4]]}}
    yield "records_all_lack_a_key", {"dataframe_records": [{"temp": 0.25, "hour": 3}]}
    yield "records_lack_a_real", {"dataframe_records": [{"wind": 0.5, "hour": 3}, RECORDS[0]]}
    yield "records_without_keys", {"dataframe_records": [{}]}
    yield "records_of_rows", {"dataframe_records": ROWS}
    yield "records_of_scalars", {"dataframe_records": [1, 2, 3]}
    yield "records_extra_key", {"dataframe_records": [dict(RECORDS[0], x=1)]}
    yield "instances_short_rows", {"instances": [[0.5, 1.5]]}
    yield "instances_long_rows", {"instances": [[0.5, 1.5, 7, 8]]}
    yield "instances_ragged_rows", {"instances": [[0.5, 1.5, 7], [0.5, 1.5]]}
    yield "instances_empty", {"instances": []}
    yield "instances_one_row", {"instances": [0.5, 1.5, 7]}
    yield "instances_records_lack_a_key", {"instances": [{"temp": 0.25, "hour": 3}]}
    yield "inputs_short_rows", {"inputs": [[0.5, 1.5]]}
    yield "inputs_long_rows", {"inputs": [[0.5, 1.5, 7, 8]]}
    yield "inputs_ragged_rows", {"inputs": [[0.5, 1.5, 7], [0.5, 1.5]]}
    yield "inputs_empty", {"inputs": []}
    yield "inputs_row_without_cells", {"inputs": [[]]}
    yield "inputs_one_row", {"inputs": [0.5, 1.5, 7]}
    yield "inputs_ragged_columns", {"inputs": {"temp": [0.5, 1.0], "wind": [1.5], "hour": [7, 8]}}
    yield "inputs_missing_column", {"inputs": {"temp": [0.5], "hour": [7]}}
    yield "inputs_extra_column", {"inputs": dict(COLUMN_LISTS, x=[1, 2])}
    yield "inputs_without_columns", {"inputs": {}}
    yield "flags_split", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, True, False]]}}
    yield "flags_split_whole", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, 1, 0]]}}
    yield "flags_split_two", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, 2, 0]]}}
    yield "flags_split_real", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, 1.0, 0.5]]}}
    yield "flags_split_text", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, "True", "false"]]}}
    yield "flags_split_null", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, None, True]]}}
    yield "flags_split_mixed_null", {"dataframe_split": {"columns": FLAGS, "data": [[0.5, None, True], [0.5, True, False]]}}
    yield "flags_records", {"dataframe_records": [{"temp": 0.5, "open": True, "dry": False}]}
    yield "flags_inputs", {"inputs": {"temp": [0.5], "open": [True], "dry": [False]}}
    yield "flags_inputs_whole", {"inputs": {"temp": [0.5], "open": [1], "dry": [0]}}
    yield "flags_inputs_text", {"inputs": {"temp": [0.5], "open": ["True"], "dry": ["x"]}}
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
    for model_name, model in kept() if "--kept" in sys.argv[1:] else models():
        tried = [(name, "application/json", json.dumps(body)) for name, body in bodies()]
        tried.append(("broken_json", "application/json", '{"inputs": ['))
        tried.append(("csv", "text/csv", "temp,wind,hour\n0.5,1.5,7\n-1.25,0.1,23\n"))
        tried.append(("csv_reordered", "text/csv; charset=UTF-8", "hour,temp,wind\n7,0.5,1.5\n"))
        tried.append(("csv_missing_value", "text/csv", "temp,wind,hour\n,1.5,7\n"))
        tried.append(("csv_quoted", "text/csv", '"temp","wind","hour"\r\n"0.5",1.5,7\r\n'))
        tried.append(("csv_text", "text/csv", "temp,wind,hour\nwarm,1.5,7\n"))
        tried.append(("csv_ragged", "text/csv", "temp,wind,hour\n1,2,3,4\n1,2,3,4,5\n"))
        tried.append(("csv_empty", "text/csv", ""))
        if model_name != "tensor":  # which takes no CSV at all, see above
            tried += [(name, "text/csv", body) for name, body in CSV.items()]
        if model_name in ("flags", "unsigned", "unnamed"):
            for name, (first, second) in FLAG_COLUMNS.items():
                body = f"temp,open,dry\n0.5,{first},True\n-1.5,{second},False\n"
                tried.append((f"csv_flags_{name}", "text/csv", body))
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
                if "message" in answer:
                    answer["message"] = answer["message"][:MESSAGE_MAX]
            yield {"model": model_name, "name": name, "content_type": content_type, "body": body, "status": status,
                   "kind": kind, "answer": answer}


(HERE / "cases.json").write_text(
    "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n")
