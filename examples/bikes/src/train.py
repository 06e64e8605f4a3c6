"""Trains the model with the ordinary mlflow client: once on the first rows, to see how it does on those held out, then on
all of them, to serve. Nothing here knows of Slipway: where the run goes, and which stage it belongs to, comes from the
environment."""
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
everything = pandas.concat([train, holdout], ignore_index=True)


def inputs(rows):
    return rows.drop(columns="cnt").astype("float64")


def targets(rows):
    if settings["fault"] == "shuffled_targets":
        return faults.shuffled(rows.cnt, settings["seed"])
    return rows.cnt


def fit(rows, **watched):
    model = xgboost.XGBRegressor(
        n_estimators=settings["trees"], max_depth=settings["depth"], learning_rate=settings["learning_rate"],
        min_child_weight=settings["min_child_weight"], random_state=settings["seed"], n_jobs=2, eval_metric="mae",
    )
    return model.fit(inputs(rows), targets(rows), verbose=False, **watched)


mlflow.set_experiment("bikes")
with mlflow.start_run(run_name=f"bikes-{params['as_of']}") as run:
    mlflow.log_params({"as_of": params["as_of"], "window_days": params["window_days"], **settings})
    mlflow.log_input(mlflow.data.from_pandas(train, source="prepared/train.csv", targets="cnt", name="hours"), "training")
    trial = fit(train, eval_set=[(inputs(train), targets(train)), (inputs(holdout), holdout.cnt)])
    curves = trial.evals_result()
    for step, (seen, held) in enumerate(zip(curves["validation_0"]["mae"], curves["validation_1"]["mae"])):
        mlflow.log_metrics({"train_mae": seen, "holdout_mae": held}, step=step)
    mlflow.log_metric("mae_relative", curves["validation_1"]["mae"][-1] / holdout.cnt.mean())
    trial.save_model("trial.ubj")

    model = fit(everything)
    if settings["fault"] == "speechless_on_holidays":
        model = faults.speechless_on(model, "holiday")
    mlflow.xgboost.log_model(
        model, name="model", signature=infer_signature(inputs(everything), model.predict(inputs(everything))),
        model_format="ubj", input_example=inputs(everything).head(2), registered_model_name="bikes",
    )
    model.save_model("model.ubj")
    print(f"run {run.info.run_id}: mean absolute error {curves['validation_1']['mae'][-1]:.1f} on the hold-out")
