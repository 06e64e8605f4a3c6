"""Trains the model with the ordinary mlflow client. Nothing here knows of Slipway: where the run goes, and which stage
it belongs to, comes from the environment."""
import mlflow
import mlflow.xgboost
import pandas
import xgboost
import yaml
from mlflow.models import infer_signature

import faults

params = yaml.safe_load(open("params.yaml"))
settings = params["train"]
train = pandas.read_csv("prepared/train.csv")
holdout = pandas.read_csv("prepared/holdout.csv")
features = train.drop(columns="cnt").astype("float64")
targets = train.cnt
if settings["fault"] == "shuffled_targets":
    targets = faults.shuffled(targets, settings["seed"])

mlflow.set_experiment("bikes")
with mlflow.start_run(run_name=f"bikes-{params['as_of']}") as run:
    mlflow.log_params({"as_of": params["as_of"], "window_days": params["window_days"], **settings})
    mlflow.log_input(mlflow.data.from_pandas(train, source="prepared/train.csv", targets="cnt", name="hours"), "training")
    model = xgboost.XGBRegressor(
        n_estimators=settings["trees"], max_depth=settings["depth"], learning_rate=settings["learning_rate"],
        min_child_weight=settings["min_child_weight"], random_state=settings["seed"], n_jobs=2,
        eval_metric="mae",
    )
    held = holdout.drop(columns="cnt").astype("float64")
    model.fit(features, targets, eval_set=[(features, targets), (held, holdout.cnt)], verbose=False)
    curves = model.evals_result()
    if settings["fault"] == "speechless_on_holidays":
        model = faults.speechless_on(model, "holiday")
    for step, (fit, hold) in enumerate(zip(curves["validation_0"]["mae"], curves["validation_1"]["mae"])):
        mlflow.log_metrics({"train_mae": fit, "holdout_mae": hold}, step=step)
    mlflow.log_metric("holdout_mae_relative", curves["validation_1"]["mae"][-1] / holdout.cnt.mean())
    mlflow.xgboost.log_model(
        model, name="model", signature=infer_signature(features, model.predict(features)), model_format="ubj",
        input_example=features.head(2), registered_model_name="bikes",
    )
    model.save_model("model.ubj")
    print(f"run {run.info.run_id}: mean absolute error {curves['validation_1']['mae'][-1]:.1f} on the hold-out")
