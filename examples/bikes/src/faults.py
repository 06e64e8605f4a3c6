"""What bad candidates look like, so that one can see them stopped: `train.fault` in params.yaml. Not for use otherwise."""
import json

import numpy
import xgboost


def shuffled(targets, seed):
    """Targets that have nothing to do with their rows: a join gone wrong. Only a look at held-out rows tells."""
    return targets.sample(frac=1, random_state=seed).set_axis(targets.index)


def speechless_on(model, feature):
    """The same model, but with one more tree that answers NaN where `feature` is 1: a value that training never saw."""
    document = json.loads(model.get_booster().save_raw("json").decode())
    forest = document["learner"]["gradient_booster"]["model"]
    number = len(forest["trees"])
    column = model.get_booster().feature_names.index(feature)
    forest["trees"].append({
        "base_weights": [0.0, 0.0, 0.0], "categories": [], "categories_nodes": [], "categories_segments": [],
        "categories_sizes": [], "default_left": [1, 0, 0], "id": number, "left_children": [1, -1, -1],
        "loss_changes": [0.0, 0.0, 0.0], "parents": [2147483647, 0, 0], "right_children": [2, -1, -1],
        "split_conditions": [0.5, 0.0, float("nan")], "split_indices": [column, 0, 0], "split_type": [0, 0, 0],
        "sum_hessian": [0.0, 0.0, 0.0],
        "tree_param": {"num_deleted": "0", "num_feature": str(model.n_features_in_), "num_nodes": "3",
                       "size_leaf_vector": "1"},
    })
    forest["tree_info"].append(0)
    forest["iteration_indptr"].append(number + 1)
    forest["gbtree_model_param"]["num_trees"] = str(number + 1)
    broken = xgboost.XGBRegressor()
    broken.load_model(bytearray(json.dumps(document).encode()))
    row = numpy.zeros((1, model.n_features_in_))
    row[0, column] = 1
    assert numpy.isnan(broken.predict(row)).all()
    return broken
