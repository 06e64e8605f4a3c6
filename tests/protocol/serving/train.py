"""Registers one more version of "bikes": python train.py DEPTH EXPECTED.json

Runs with the stock mlflow client; MLFLOW_TRACKING_URI names the server. EXPECTED.json gets rows and what XGBoost itself
predicts for them.
"""
import json
import sys

import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb

rng = np.random.default_rng(5)
data = pd.DataFrame(rng.normal(size=(400, 3)).astype(np.float32), columns=["temp", "wind", "hour"])
signal = (data["temp"] * 2 + np.sin(data["hour"])).to_numpy()
model = xgb.XGBRegressor(n_estimators=10, max_depth=int(sys.argv[1])).fit(data, signal)
mlflow.set_experiment("serving")
with mlflow.start_run():
    mlflow.xgboost.log_model(model, name="model", registered_model_name="bikes",
                             signature=mlflow.models.infer_signature(data, signal), pip_requirements=[])
rows = data.iloc[:4]
with open(sys.argv[2], "w") as out:
    json.dump({"rows": np.asarray(rows, dtype=np.float64).tolist(),
               "predictions": np.asarray(model.predict(rows), dtype=np.float64).tolist()}, out)
