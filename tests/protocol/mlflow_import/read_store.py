"""Everything that the real client reads from a store or a server, as JSON: `read_store.py URI`. Runs under MLflow 2 and 3."""
import json
import os
import sys

import sqlalchemy.pool

if not hasattr(sqlalchemy.pool, "FallbackAsyncAdaptedQueuePool"):
    sqlalchemy.pool.FallbackAsyncAdaptedQueuePool = sqlalchemy.pool.AsyncAdaptedQueuePool

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
import mlflow  # noqa: E402
from mlflow.entities import ViewType  # noqa: E402

MAJOR = int(mlflow.__version__.split(".")[0])
LARGEST = 1.7976931348623157e308


def number(value):
    """Databases of MLflow keep infinities as the largest numbers, and so do we; its files keep them."""
    return "nan" if value != value else max(-LARGEST, min(LARGEST, value))


def plain(entity, *fields):
    return {field: getattr(entity, field, None) for field in fields}


def all_of(search, **arguments):
    found, token = [], None
    while True:
        page = search(page_token=token, **arguments)
        found += page
        token = page.token
        if not token:
            return found


def read_run(client, run):
    info, data = run.info, run.data
    history = {key: sorted([m.timestamp, m.step, str(number(m.value))] for m in client.get_metric_history(info.run_id, key))
               for key in sorted(data.metrics)} if info.lifecycle_stage == "active" else {}
    inputs = run.inputs
    return {
        **plain(info, "run_id", "run_name", "experiment_id", "user_id", "status", "start_time", "end_time",
                "lifecycle_stage", "artifact_uri"),
        "params": data.params, "tags": data.tags, "latest": {key: number(value) for key, value in sorted(data.metrics.items())},
        "points": history,
        "datasets": sorted([d.dataset.name, d.dataset.digest, d.dataset.source_type, d.dataset.source, d.dataset.schema,
                            d.dataset.profile, [[t.key, t.value] for t in d.tags]] for d in inputs.dataset_inputs),
        "models_used": sorted(m.model_id for m in getattr(inputs, "model_inputs", None) or []),
        "models_made": sorted([m.model_id, m.step] for m in (getattr(getattr(run, "outputs", None), "model_outputs", None) or [])),
    }


def read_version(client, version):
    return {**plain(version, "name", "version", "creation_timestamp", "last_updated_timestamp", "description",
                    "current_stage", "source", "status"), "run_id": version.run_id or "", "run_link": version.run_link or "",
            "description": version.description or "", "version": int(version.version), "tags": version.tags,
            "files": client.get_model_version_download_uri(version.name, version.version)}


def read(uri):
    client = mlflow.MlflowClient(uri, uri)
    experiments = all_of(client.search_experiments, view_type=ViewType.ALL)
    ids = sorted((e.experiment_id for e in experiments), key=int)
    runs = [client.get_run(r.info.run_id) for r in
            all_of(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL)]
    models = all_of(client.search_registered_models) + all_of(
        client.search_registered_models, filter_string="tags.`mlflow.prompt.is_prompt` = 'true'")
    answer = {
        "experiments": {e.experiment_id: {**plain(e, "name", "artifact_location", "lifecycle_stage", "creation_time",
                                                  "last_update_time"), "tags": e.tags} for e in experiments},
        "runs": {run.info.run_id: read_run(client, run) for run in runs},
        "models": {m.name: {**plain(m, "creation_timestamp", "last_updated_timestamp"), "description": m.description or "",
                            "tags": m.tags, "aliases": {alias: int(version) for alias, version in m.aliases.items()}}
                   for m in models},
        "versions": sorted((read_version(client, v) for m in models for v in
                            all_of(client.search_model_versions, filter_string=f"name = '{m.name}'")),
                           key=lambda v: (v["name"], v["version"])),
    }
    if MAJOR >= 3:
        found = all_of(client.search_logged_models, experiment_ids=ids)
        answer["logged_models"] = {m.model_id: {
            **plain(m, "experiment_id", "name", "artifact_location", "creation_timestamp", "last_updated_timestamp",
                    "model_type", "source_run_id"), "status": str(m.status), "tags": m.tags, "params": m.params,
            "metrics": sorted([x.key, number(x.value), x.timestamp, x.step, x.run_id] for x in m.metrics or [])} for m in found}
    return answer


if __name__ == "__main__":
    json.dump(read(sys.argv[1]), sys.stdout, sort_keys=True)
