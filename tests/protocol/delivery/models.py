"""Trains, asks for golden rows and registers, with the stock mlflow client: python models.py KIND FOLDER

KIND is good, better, or broken: one whose answers are not numbers where it is wet. FOLDER gets dry.csv, the data that
golden rows are drawn from. MLFLOW_TRACKING_URI names the server. Prints the version.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb

ROOT = pathlib.Path(__file__).resolve().parents[3]
COLUMNS = ["temp", "hour", "wet"]


def data():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"temp": rng.normal(size=600), "hour": rng.integers(0, 24, 600), "wet": rng.integers(0, 2, 600)})
    frame = frame.astype(np.float32)
    return frame, (frame["temp"] + frame["hour"] / 4 + 100 * frame["wet"]).to_numpy()


def without_numbers(booster):
    """The first tree's leaves are NaN where it is wet."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "model.json"
        booster.save_model(file)
        model = json.loads(file.read_text())
        tree = model["learner"]["gradient_booster"]["model"]["trees"][0]
        assert tree["split_indices"][0] == COLUMNS.index("wet")
        tree["default_left"][0] = 1
        below = [tree["right_children"][0]]
        while below:
            node = below.pop()
            if tree["left_children"][node] == -1:
                tree["split_conditions"][node] = math.nan
            else:
                below += [tree["left_children"][node], tree["right_children"][node]]
        file.write_text(json.dumps(model))
        return xgb.Booster(model_file=file)


def main(kind, folder):
    frame, target = data()
    table = pathlib.Path(folder) / "dry.csv"
    frame[frame["wet"] == 0].to_csv(table, index=False)
    rounds = {"good": 20, "better": 30, "broken": 20}[kind]
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(frame, label=target), rounds)
    if kind == "broken":
        booster = without_numbers(booster)
    mlflow.set_experiment("delivery")
    with mlflow.start_run():
        made = mlflow.xgboost.log_model(booster, name="model", pip_requirements=[],
                                        signature=mlflow.models.infer_signature(frame, target.astype(np.float32)))
    subprocess.run([sys.executable, "-m", "slipway.golden", made.model_uri, str(table)], check=True,
                   env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    print(mlflow.register_model(made.model_uri, "bikes").version)


if __name__ == "__main__":
    main(*sys.argv[1:])
