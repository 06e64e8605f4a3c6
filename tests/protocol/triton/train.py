"""Registers the models that test_triton.py asks for: python train.py EXPECTED.json

Runs with the stock mlflow client; MLFLOW_TRACKING_URI names the server. EXPECTED.json gets, per model, rows and what
XGBoost itself predicts for them.
"""
import json
import sys

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression

COLUMNS = ["temp", "wind", "hour"]
rng = np.random.default_rng(5)
data = pd.DataFrame(rng.normal(size=(400, 3)).astype(np.float32), columns=COLUMNS)
data.iloc[::17, 1] = np.nan
signal = (data["temp"] * 2 + np.sin(data["hour"])).to_numpy()
rows = data.iloc[:8]


def register(name, model, flavour=mlflow.xgboost):
    with mlflow.start_run():
        flavour.log_model(model, name="model", registered_model_name=name,
                          signature=mlflow.models.infer_signature(data, signal), pip_requirements=[])


def floats(values):
    return np.asarray(values, dtype=np.float64).tolist()


mlflow.set_experiment("triton")
first = xgb.XGBRegressor(n_estimators=10, max_depth=3).fit(data, signal)
second = xgb.XGBRegressor(n_estimators=20, max_depth=4).fit(data, signal)
register("bikes", first)
register("bikes", second)
classes = np.digitize(signal, [-1, 1])
classifier = xgb.XGBClassifier(n_estimators=5, max_depth=3).fit(data, classes)
register("weather kinds", classifier)
register("dart", xgb.XGBRegressor(booster="dart", n_estimators=2).fit(data, signal))
register("linear", LinearRegression().fit(data.fillna(0), signal), mlflow.sklearn)
MlflowClient().set_registered_model_alias("bikes", "champion", "1")
register("bikes", first)  # version 3 is what neither a name nor an alias ever meant

with open(sys.argv[1], "w") as out:
    json.dump({
        "rows": floats(rows),
        "bikes/1": floats(first.predict(rows)),
        "bikes/2": floats(second.predict(rows)),
        "weather kinds/labels": classifier.predict(rows).tolist(),
        "weather kinds/probabilities": floats(classifier.predict_proba(rows)),
    }, out)
