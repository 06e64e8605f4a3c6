"""Fills a store by the real library, as its users would: `write_store.py TRACKING_URI SEED RUNS ARTIFACTS`.

Without TRACKING_URI's server: the library writes the database or the folder itself. What it writes is the same for a seed
but for ids and times. Runs under MLflow 2 and 3."""
import os
import pathlib
import random
import sys
import tempfile

import sqlalchemy.pool

if not hasattr(sqlalchemy.pool, "FallbackAsyncAdaptedQueuePool"):  # MLflow 2 names it; SQLAlchemy 2.1 has it no more
    sqlalchemy.pool.FallbackAsyncAdaptedQueuePool = sqlalchemy.pool.AsyncAdaptedQueuePool

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
import mlflow  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag  # noqa: E402

MAJOR = int(mlflow.__version__.split(".")[0])


def series(rng):
    """Points of one key: steps up and down, equal times, NaN and infinities among them."""
    points = []
    for at in range(rng.choice([1, 3, 40, 700])):
        value = rng.choice([rng.random(), -1e300, 0.0, 3, float("nan"), float("inf"), float("-inf")]) if at % 7 == 3 else rng.random()
        points.append((value, 1_700_000_000_000 + at // 2, rng.choice([at, -at, 0])))
    return points


def fill_run(client, rng, experiment, number):
    run = client.create_run(experiment, start_time=1_600_000_000_000 + number, tags={"né": "ü " * 3, "mlflow.source.name": "train.py"},
                            run_name=f"run {number}" if number % 3 else None)
    run_id = run.info.run_id
    metrics = [Metric(key, value, time, step) for key in ("loss", "val/acc", "a b.c-d_e")[: 1 + number % 3]
               for value, time, step in series(rng)]
    params = [Param("lr", str(rng.random())), Param("text", "line\nanother 'quoted' \"one\""), Param("empty", "")]
    client.log_batch(run_id, metrics[:900], params, [RunTag("big", "x" * 4000), RunTag("mlflow.note.content", "# note")])
    for at in range(900, len(metrics), 900):
        client.log_batch(run_id, metrics[at:at + 900])
    if number % 2:
        client.log_inputs(run_id, [DatasetInput(Dataset("rides", f"d{number % 3}", "local", '{"uri": "x.csv"}', '{"a": 1}', "{}"),
                                                [InputTag("mlflow.data.context", "training")])])
    client.log_text(run_id, f"artifact of {number}\n", "notes/text.txt")
    client.log_text(run_id, "MLmodel: no", "model/MLmodel")
    if number % 4 == 0:
        client.set_terminated(run_id, rng.choice(["FAILED", "KILLED"]), end_time=1_700_000_000_000)
    elif number % 4 != 1:
        client.set_terminated(run_id, end_time=1_700_000_000_000)
    return run_id


def fill_registry(client, runs):
    client.create_registered_model("rides", {"team": "sea"}, "counts rides")
    for number, run_id in enumerate(runs[:4], 1):
        source = client.get_run(run_id).info.artifact_uri + "/model"
        client.create_model_version("rides", source, run_id, tags={"n": str(number)}, description=f"version {number}")
    client.set_registered_model_alias("rides", "champion", "3")
    client.set_registered_model_alias("rides", "odd-one", "1")
    client.transition_model_version_stage("rides", "1", "Archived")
    client.transition_model_version_stage("rides", "3", "Production")
    client.delete_model_version("rides", "2")
    client.create_registered_model("empty")
    register_prompt = getattr(client, "register_prompt", None) or mlflow.register_prompt
    register_prompt("greeting", "Hi {{name}}")
    register_prompt("greeting", "Hello {{name}}", commit_message="warmer")


def fill_models(client, experiment, run_id):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput
    made = client.create_logged_model(experiment, "forest", run_id, {"kind": "tree"}, {"depth": "3"}, "xgboost")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "MLmodel").write_text("flavors: {}\n")
        client.log_model_artifacts(made.model_id, folder)
    client.finalize_logged_model(made.model_id, "READY")
    for step in range(3):
        client.log_metric(run_id, "auc", 0.5 + step / 10, 1_700_000_000_000 + step, step, model_id=made.model_id)
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 2)])
    client.log_inputs(run_id, models=[LoggedModelInput(made.model_id)])
    gone = client.create_logged_model(experiment, "gone")
    client.delete_logged_model(gone.model_id)
    client.create_model_version("rides", f"models:/{made.model_id}", run_id, model_id=made.model_id)


def main(uri, seed, runs, artifacts):
    rng = random.Random(int(seed))
    client = mlflow.MlflowClient(uri, uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    first = client.create_experiment("first", str(pathlib.Path(artifacts) / "first"), {"owner": "ann", "né": "ü"})
    second = client.create_experiment("second")
    made = [fill_run(client, rng, experiment, number) for number, experiment in
            enumerate(rng.choice(["0", first, second]) for _ in range(int(runs)))]
    fill_registry(client, made)
    if MAJOR >= 3:
        fill_models(client, first, made[0])
    client.delete_run(made[-1])
    third = client.create_experiment("third, gone")
    fill_run(client, rng, third, 1)
    client.delete_experiment(third)


if __name__ == "__main__":
    main(*sys.argv[1:])
