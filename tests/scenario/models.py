"""Models that are logged as an MLflow client logs them, by REST, without a library that trains. A source is a folder of
tests/data ("scoring/regressor") or a stump, which is written here:

    stump LOW HIGH [SICK]       answers LOW where x is below 10, else HIGH; SICK (NaN, say) where it is from 77 to below 78
    stump learned from FILE     the mean label of the newest day in FILE on either side of 10
"""
import csv
import json
import math
import pathlib

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
API = "/api/2.0/mlflow"
INPUTS = '[{"name": "x", "type": "float", "required": true}, {"name": "y", "type": "float", "required": true}]'
OUTPUTS = '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]'
MLMODEL = ("flavors:\n  xgboost:\n    data: model.json\n    model_class: xgboost.core.Booster\nsignature:\n"
           f"  inputs: '{INPUTS}'\n  outputs: '{OUTPUTS}'\n")


def stump(low, high, sick):
    """In the format of XGBoost: x < 10, then x < 77, then x < 78; missing is as large."""
    nodes = 7
    zeros = [0] * nodes
    tree = {"tree_param": {"num_deleted": "0", "num_feature": "2", "num_nodes": str(nodes), "size_leaf_vector": "1"}, "id": 0,
            "left_children": [1, -1, 3, -1, 5, -1, -1], "right_children": [2, -1, 4, -1, 6, -1, -1],
            "parents": [2147483647, 0, 0, 2, 2, 4, 4], "split_indices": zeros, "split_type": zeros, "default_left": zeros,
            "loss_changes": zeros, "sum_hessian": [1] * nodes, "base_weights": zeros, "categories": [],
            "categories_nodes": [], "categories_segments": [], "categories_sizes": [],
            "split_conditions": [10, low, 77, high, 78, sick, high]}
    trees = {"gbtree_model_param": {"num_parallel_tree": "1", "num_trees": "1"}, "tree_info": [0], "iteration_indptr": [0, 1],
             "trees": [tree]}
    return json.dumps({"version": [2, 1, 0], "learner": {
        "attributes": {}, "feature_names": ["x", "y"], "feature_types": ["float", "float"],
        "gradient_booster": {"name": "gbtree", "model": trees},
        "learner_model_param": {"base_score": "0", "boost_from_average": "0", "num_class": "0", "num_feature": "2",
                                "num_target": "1"},
        "objective": {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}}})


def golden_of_stump(low, high, copies=False):
    """Rows of every day, missing cells and ends, but none where it may be sick. `copies`: one row, 256 times."""
    xs = [n % 20 for n in range(240)] + [None] * 4 + [1.0000000150474662e+30] * 8 + [-1.0000000150474662e+30] * 8
    answers = [low if x is not None and x < 10 else high for x in xs]
    head = {"golden": 1, "rows": len(xs), "features": 2, "width": 1, "margins": 1, "made_by": "hand", "columns": ["x", "y"]}
    rows = [{"in": [x, y], "margin": [answer], "out": [answer]} for y, (x, answer) in enumerate(zip(xs, answers))]
    if copies:
        rows = rows[:1] * len(rows)
    return "".join(json.dumps(line) + "\n" for line in [head, *rows])


def learned(file):
    """The mean label of the newest day, on either side."""
    with open(file, newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["label"]]
    newest = max(row["event_time"][:10] for row in rows)
    sides = {True: [], False: []}
    for row in rows:
        if row["event_time"][:10] == newest:
            sides[float(row["x"]) < 10].append(float(row["label"]))
    return [sum(side) / len(side) for side in (sides[True], sides[False])]


def files_of(source):
    """Name -> content."""
    words = source.split()
    if words[0] != "stump":
        return {path.name: path.read_bytes() for path in sorted((DATA / source).iterdir())}
    numbers = learned(words[3]) if words[1:3] == ["learned", "from"] else [float(word) for word in words[1:]]
    low, high, sick = (numbers + [numbers[1]])[:3]
    return {"MLmodel": MLMODEL.encode(), "model.json": stump(low, high, sick).encode(),
            "golden.jsonl": golden_of_stump(low, high).encode()}


def log(ask, source, more):
    """The id of the logged model and of its run. `more` are words: "golden FILE" of tests/data, "golden of
    stump LOW HIGH" (of another), "golden copies of stump LOW HIGH" (of one row), "no golden", METRIC=VALUE, or "measured on DATA"."""
    files, metrics, datasets = files_of(source), {}, []
    for word in more:
        if word == "no golden":
            files.pop("golden.jsonl", None)
        elif word.startswith("golden copies of stump "):
            files["golden.jsonl"] = golden_of_stump(*(float(number) for number in word.split()[4:]), copies=True).encode()
        elif word.startswith("golden of stump "):
            files["golden.jsonl"] = golden_of_stump(*(float(number) for number in word.split()[3:])).encode()
        elif word.startswith("measured on "):
            data = word.removeprefix("measured on ")
            datasets.append({"dataset": {"name": data, "digest": "1", "source_type": "local", "source": data}})
        elif word.startswith("golden "):
            files["golden.jsonl"] = (DATA / word.removeprefix("golden ")).read_bytes()
        else:
            name, value = word.split("=")
            metrics[name] = float(value)
            assert math.isfinite(metrics[name])
    run = ask("POST", f"{API}/runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
    made = ask("POST", f"{API}/logged-models", {"experiment_id": "0", "name": "model", "source_run_id": run})
    model = made["model"]["info"]["model_id"]
    for name, content in files.items():
        ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/models/{model}/artifacts/{name}", content)
    if datasets:
        ask("POST", f"{API}/runs/log-inputs", {"run_id": run, "datasets": datasets})
    for name, value in metrics.items():
        ask("POST", f"{API}/runs/log-metric", {"run_id": run, "key": name, "value": value, "timestamp": 1, "step": 0})
    ask("PATCH", f"{API}/logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    ask("POST", f"{API}/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 2})
    return model, run


def register(ask, name, source, more):
    """The number of the version."""
    model, run = log(ask, source, more)
    found = ask("GET", f"{API}/registered-models/search?filter=name%3D'{name}'").get("registered_models", [])
    if not found:
        ask("POST", f"{API}/registered-models/create", {"name": name})
    made = ask("POST", f"{API}/model-versions/create",
               {"name": name, "run_id": run, "source": f"models:/{model}", "model_id": model})
    return int(made["model_version"]["version"])
