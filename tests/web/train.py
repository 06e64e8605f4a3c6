"""A training script with the stock client, steered line by line: prints one JSON line per finished step."""

import json
import sys

import mlflow
import mlflow.xgboost
import numpy as np
import pandas as pd
import xgboost


def say(**facts):
    print("FACT " + json.dumps(facts), flush=True)


mlflow.set_experiment("page")
UNSET = {f"a{i}": None for i in range(8)}  # as autolog writes what nobody set
x = np.random.default_rng(7).random((60, 3))
y = x[:, 0] * 3 + x[:, 1]

with mlflow.start_run(run_name="done-run") as done:
    mlflow.log_params({"depth": 4, "objective": "reg:squarederror", **UNSET})
    for step in range(50):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metric("odd", float("nan"))
    mlflow.set_tag("team", "rides <b>&amp;</b>")
    mlflow.log_text("hello artifact", "notes/hello.txt")
    mlflow.log_input(mlflow.data.from_numpy(x, name="hours"), context="training")
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(x, y)
    mlflow.xgboost.log_model(model, name="model", registered_model_name="page model", input_example=x[:2])
    named = pd.DataFrame({"it's warm": x[:, 0] > 0.5, "wind": x[:, 1], "hour": (x[:, 2] * 24).astype(int)})
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(named, y)
    for _ in range(2):  # the second version is never what the bare name means, and so waits to be asked for
        mlflow.xgboost.log_model(model, name="named", registered_model_name="named",
                                 signature=mlflow.models.infer_signature(named, y), pip_requirements=[])
        mlflow.MlflowClient().set_registered_model_alias("named", "champion", "1")
mlflow.MlflowClient().set_registered_model_alias("page model", "champion", "1")
say(step="done", run=done.info.run_id, experiment=done.info.experiment_id)

live = mlflow.start_run(run_name="live-run")
mlflow.log_params({"depth": 5, **UNSET})
for line in sys.stdin:
    step = line.split()
    if step[0] == "log":
        first, last = int(step[1]), int(step[2])
        for i in range(first, last):
            mlflow.log_metric("loss", 2 / (i + 1), step=i)
        say(step="logged", run=live.info.run_id)
    elif step[0] == "end":
        mlflow.end_run()
        say(step="ended", run=live.info.run_id)
        break
