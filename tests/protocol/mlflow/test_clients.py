"""What training scripts do through the client's own machinery: nested runs, asynchronous logging, system metrics,
autologging, tables and figures, and the `mlflow` command."""
import json
import os
import subprocess
import sys
import warnings

import mlflow
import numpy as np
import pandas as pd
import pytest

MAJOR = int(mlflow.__version__.split(".")[0])
rng = np.random.default_rng(5)
X = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "c"])
y = (X["a"] + X["b"] > 0).astype(int)


def runs_of(client, experiment, **more):
    return client.search_runs([experiment], **more)


def test_a_sweep_of_nested_runs(client, experiment):
    with mlflow.start_run(run_name="sweep") as parent:
        for depth in range(3):
            with mlflow.start_run(run_name=f"depth {depth}", nested=True):
                mlflow.log_param("depth", depth)
                mlflow.log_metric("score", depth / 10)
    children = runs_of(client, experiment, filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
                       order_by=["metrics.score DESC"])
    assert [run.data.params["depth"] for run in children] == ["2", "1", "0"]
    assert {run.info.status for run in children} == {"FINISHED"}


def test_asynchronous_logging_loses_nothing(client, experiment):
    with mlflow.start_run() as run:
        for step in range(300):
            mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False)
        mlflow.log_params({f"p{i}": i for i in range(40)}, synchronous=False)
        mlflow.set_tags({"t": "1"}, synchronous=False)
        mlflow.flush_async_logging()
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted(point.step for point in history) == list(range(300))
    kept = client.get_run(run.info.run_id).data
    assert len(kept.params) == 40 and kept.tags["t"] == "1"


@pytest.mark.since(3)
def test_system_metrics_are_metrics(client, experiment):
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    with mlflow.start_run() as run:
        monitor = SystemMetricsMonitor(run.info.run_id, sampling_interval=0.01, samples_before_logging=1)
        monitor.collect_metrics()
        metrics = monitor.aggregate_metrics()
        monitor.publish_metrics(metrics)
        monitor.mlflow_logger.flush()
    kept = client.get_run(run.info.run_id).data.metrics
    assert "system/cpu_utilization_percentage" in kept and len(kept) >= len(metrics)


def test_autologging_of_sklearn(client, experiment):
    from sklearn.linear_model import LogisticRegression

    mlflow.sklearn.autolog(log_datasets=True)
    try:
        with mlflow.start_run() as run:
            model = LogisticRegression().fit(X, y)
            model.score(X, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    run = client.get_run(run.info.run_id)
    assert run.data.params["max_iter"] == "100" and run.data.metrics["training_score"] > 0.9
    assert run.inputs.dataset_inputs[0].tags[0].value == "train"
    loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    assert (loaded.predict(X) == model.predict(X)).all()


def test_autologging_of_a_search_makes_a_run_for_each_candidate(client, experiment):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    mlflow.sklearn.autolog(max_tuning_runs=3, log_models=False, log_datasets=False)
    try:
        with mlflow.start_run() as parent:
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(X, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    children = runs_of(client, experiment, filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert sorted(run.data.params["C"] for run in children) == ["0.1", "1.0", "10.0"]
    assert client.get_run(parent.info.run_id).data.params["best_C"]


def test_autologging_of_xgboost(client, experiment):
    import xgboost as xgb

    mlflow.xgboost.autolog(log_datasets=True)
    try:
        with mlflow.start_run() as run:
            matrix = xgb.DMatrix(X, label=y)
            xgb.train({"objective": "binary:logistic", "nthread": 1}, matrix, num_boost_round=5, evals=[(matrix, "train")],
                      verbose_eval=False)
    finally:
        mlflow.xgboost.autolog(disable=True)
    assert len(client.get_metric_history(run.info.run_id, "train-logloss")) == 5
    assert client.get_run(run.info.run_id).data.params["num_boost_round"] == "5"
    assert mlflow.xgboost.load_model(f"runs:/{run.info.run_id}/model").num_boosted_rounds() == 5


@pytest.mark.since(3)
def test_autologging_of_lightgbm(client, experiment):
    import lightgbm

    mlflow.lightgbm.autolog(log_datasets=False)
    try:
        with mlflow.start_run() as run:
            data = lightgbm.Dataset(X, label=y)
            lightgbm.train({"objective": "binary", "num_threads": 1, "verbose": -1}, data, num_boost_round=4,
                           valid_sets=[data], valid_names=["train"])
    finally:
        mlflow.lightgbm.autolog(disable=True)
    assert len(client.get_metric_history(run.info.run_id, "train-binary_logloss")) == 4
    assert mlflow.lightgbm.load_model(f"runs:/{run.info.run_id}/model").num_trees() == 4


def test_tables_dicts_and_figures(client, experiment):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with mlflow.start_run() as run:
        mlflow.log_table({"q": ["a", "b"], "a": [1, 2]}, "eval/table.json")
        mlflow.log_table({"q": ["c"], "a": [3]}, "eval/table.json")
        mlflow.log_dict({"k": [1]}, "eval/d.yaml")
        figure = plt.figure()
        mlflow.log_figure(figure, "plots/f.png")
        plt.close(figure)
    table = mlflow.load_table("eval/table.json", run_ids=[run.info.run_id])
    assert table["q"].tolist() == ["a", "b", "c"]
    assert {f.path for f in client.list_artifacts(run.info.run_id, "plots")} == {"plots/f.png"}


def test_evaluation_leaves_metrics_and_tables(client, experiment):
    frame = X.assign(label=y, guess=y)
    with warnings.catch_warnings(), mlflow.start_run() as run:
        warnings.simplefilter("ignore")
        evaluate = mlflow.models.evaluate if MAJOR >= 3 else mlflow.evaluate
        result = evaluate(data=frame[["label", "guess"]], targets="label", predictions="guess", model_type="classifier",
                          evaluator_config={"log_explainer": False})
    assert result.metrics["accuracy_score"] == 1.0
    kept = client.get_run(run.info.run_id)
    assert kept.data.metrics["accuracy_score"] == 1.0
    assert client.list_artifacts(run.info.run_id)


# --- the command ---------------------------------------------------------------------------------------------------

def mlflow_command(uri, *arguments):
    done = subprocess.run([sys.executable, "-m", "mlflow", *arguments], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, MLFLOW_TRACKING_URI=uri))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_for_experiments(client, tracking_uri, name):
    said = mlflow_command(tracking_uri, "experiments", "create", "-n", name)
    id = client.get_experiment_by_name(name).experiment_id
    assert id in said
    assert name in mlflow_command(tracking_uri, "experiments", "search", "--view", "all")
    mlflow_command(tracking_uri, "experiments", "rename", "-x", id, "--new-name", name + " new")
    mlflow_command(tracking_uri, "experiments", "delete", "-x", id)
    assert client.get_experiment(id).lifecycle_stage == "deleted"
    mlflow_command(tracking_uri, "experiments", "restore", "-x", id)
    assert client.get_experiment(id).name == name + " new"
    with mlflow.start_run(experiment_id=id) as run:
        mlflow.log_metric("m", 1.5)
    assert run.info.run_id in mlflow_command(tracking_uri, "experiments", "csv", "-x", id)


def test_the_command_for_runs_and_artifacts(client, experiment, tracking_uri, tmp_path):
    with mlflow.start_run(run_name="by hand") as run:
        mlflow.log_text("hello", "a/b.txt")
    id = run.info.run_id
    assert id in mlflow_command(tracking_uri, "runs", "list", "--experiment-id", experiment)
    described = json.loads(mlflow_command(tracking_uri, "runs", "describe", "--run-id", id))
    assert described["info"]["run_id"] == id
    mlflow_command(tracking_uri, "runs", "delete", "--run-id", id)
    assert client.get_run(id).info.lifecycle_stage == "deleted"
    mlflow_command(tracking_uri, "runs", "restore", "--run-id", id)
    assert client.get_run(id).info.lifecycle_stage == "active"
    file = tmp_path / "c.txt"
    file.write_text("c")
    mlflow_command(tracking_uri, "artifacts", "log-artifact", "--local-file", str(file), "--run-id", id)
    assert "c.txt" in mlflow_command(tracking_uri, "artifacts", "list", "--run-id", id)
    mlflow_command(tracking_uri, "artifacts", "download", "--run-id", id, "--artifact-path", "a/b.txt", "--dst-path",
                   str(tmp_path))
    assert (tmp_path / "a" / "b.txt").exists() or (tmp_path / "b.txt").exists()
