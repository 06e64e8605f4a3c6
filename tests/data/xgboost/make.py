"""Makes the models and expected predictions in this folder: python make.py SUFFIX

Run it once per xgboost version that counts; SUFFIX (v2, v3) is part of every file name. The data are random numbers,
drawn here. Each NAME.SUFFIX.ubj or .json comes with NAME.SUFFIX.expected, little-endian:

    int32 rows, features, margins per row, values per row
    float32 cells[rows][features], margins[rows][...], values[rows][...]

as XGBoost's own predictor gave them. Rows include missing values, infinities, negative zero, denormals, extremes, and
cells that lie exactly on, just below and just above the models' own thresholds.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

HERE = pathlib.Path(__file__).resolve().parent
SUFFIX = sys.argv[1]
FEATURES = 7
rng = np.random.default_rng(20240611)


def training_rows(n=600, features=FEATURES):
    x = rng.normal(size=(n, features)).astype(np.float32)
    x[:, 1] *= 1e6
    x[:, 2] *= 1e-6
    x[:, 3] = np.round(x[:, 3] * 2)
    x[rng.random((n, features)) < 0.08] = np.nan
    return x


def thresholds(booster):
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    found = []
    for tree in model["trees"]:
        for feature, condition, left in zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"]
        ):
            if left != -1:
                found.append((feature, np.float32(condition)))
    return found


def probe_rows(booster, n=64):
    x = training_rows(n)
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-45, -1e-45, 1.1e-38, 3.4028235e38, -3.4028235e38,
                    1.0000001, -1e30], dtype=np.float32)
    for row in range(n // 4, n // 2):
        for column in range(FEATURES):
            if rng.random() < 0.5:
                x[row, column] = rng.choice(odd)
    x[n // 2] = np.nan
    x[n // 2 + 1] = np.inf
    x[n // 2 + 2] = -np.inf
    x[n // 2 + 3] = 0
    splits = thresholds(booster)
    for row in range(n // 2 + 4, n):
        for feature, condition in (splits[i] for i in rng.integers(0, len(splits), 4)):
            nudge = rng.integers(0, 3)
            toward = np.float32(np.inf if nudge == 1 else -np.inf)
            x[row, feature] = condition if nudge == 0 else np.nextafter(condition, toward, dtype=np.float32)
    return x


def table(values, rows):
    return np.ascontiguousarray(np.asarray(values, dtype=np.float32).reshape(rows, -1))


def write_expected(path, x, margins, values):
    rows = x.shape[0]
    margins, values = table(margins, rows), table(values, rows)
    header = np.array([rows, x.shape[1], margins.shape[1], values.shape[1]], dtype="<i4")
    path.write_bytes(header.tobytes() + x.astype("<f4").tobytes() + margins.astype("<f4").tobytes()
                     + values.astype("<f4").tobytes())


def keep(name, booster, extension="ubj", iteration_range=(0, 0)):
    booster.save_model(HERE / f"{name}.{SUFFIX}.{extension}")
    # What counts is the model as read back: text may have rounded its numbers.
    booster = xgb.Booster(model_file=HERE / f"{name}.{SUFFIX}.{extension}")
    x = probe_rows(booster)
    margins = booster.inplace_predict(x, predict_type="margin", iteration_range=iteration_range)
    values = booster.inplace_predict(x, iteration_range=iteration_range)
    finite = x[~np.isinf(x).any(axis=1)]
    by_matrix = booster.predict(xgb.DMatrix(finite), iteration_range=iteration_range)
    kept = table(values, len(x))[~np.isinf(x).any(axis=1)]
    assert np.array_equal(table(by_matrix, len(finite)), kept, equal_nan=True), name
    write_expected(HERE / f"{name}.{SUFFIX}.expected", x, margins, values)


def train(objective, labels, x, rounds=12, **params):
    params = {"objective": objective, "max_depth": 4, "seed": 7, "nthread": 1, **params}
    return xgb.train(params, xgb.DMatrix(x, label=labels), rounds)


def main():
    x = training_rows()
    filled = np.nan_to_num(x)
    signal = filled[:, 0] + np.sign(filled[:, 1]) + 0.3 * filled[:, 3] + rng.normal(size=len(x)) * 0.3
    positive = np.exp(signal / 3)
    yes = (signal > 0).astype(np.float32)
    three = np.digitize(signal, [-0.7, 0.7])

    keep("squared", train("reg:squarederror", signal * 10 + 100, x), "ubj")
    keep("squared_text", train("reg:squarederror", signal * 10 + 100, x), "json")
    keep("absolute", train("reg:absoluteerror", signal, x), "json")
    keep("pseudohuber", train("reg:pseudohubererror", signal, x))
    keep("squaredlog", train("reg:squaredlogerror", positive, x))
    keep("logistic_regression", train("reg:logistic", yes, x))
    keep("poisson", train("count:poisson", np.floor(positive * 3), x))
    keep("gamma", train("reg:gamma", positive, x))
    keep("tweedie", train("reg:tweedie", positive, x, tweedie_variance_power=1.3))
    keep("quantile", train("reg:quantileerror", signal, x, quantile_alpha=0.3))
    keep("cox", train("survival:cox", positive, x))
    keep("binary", train("binary:logistic", yes, x))
    keep("binary_text", train("binary:logistic", yes, x, base_score=0.21), "json")
    keep("logitraw", train("binary:logitraw", yes, x))
    keep("hinge", train("binary:hinge", yes, x))
    keep("softprob", train("multi:softprob", three, x, num_class=3))
    keep("softprob_text", train("multi:softprob", three, x, num_class=3), "json")
    keep("softmax", train("multi:softmax", three, x, num_class=3))
    keep("random_forest", train("multi:softprob", three, x, rounds=3, num_class=3, num_parallel_tree=4, subsample=0.6))
    keep("two_targets", train("reg:squarederror", np.stack([signal, positive], axis=1), x))
    keep("irregular", train("reg:squarederror", signal, x, rounds=9, max_depth=0, grow_policy="lossguide",
                            max_leaves=40, tree_method="hist"))
    keep("stump", train("reg:squarederror", signal, x, rounds=3, max_depth=1))
    if SUFFIX == "v3":
        keep("big", train("binary:logistic", yes, x, rounds=100, max_depth=6, min_child_weight=0))

    ranking = xgb.DMatrix(x, label=three)
    ranking.set_group([50] * 12)
    keep("rank", xgb.train({"objective": "rank:ndcg", "max_depth": 3, "nthread": 1}, ranking, 5))

    classifier = xgb.XGBClassifier(n_estimators=40, max_depth=3, early_stopping_rounds=2, learning_rate=0.6, n_jobs=1)
    classifier.fit(x[:400], yes[:400], eval_set=[(x[400:], yes[400:])], verbose=False)
    best = classifier.best_iteration
    assert best + 1 < classifier.get_booster().num_boosted_rounds()
    keep("early_stopped", classifier.get_booster(), iteration_range=(0, best + 1))

    named = xgb.DMatrix(x, label=signal, feature_names=[f"column {i}" for i in range(FEATURES)])
    booster = xgb.train({"max_depth": 2, "nthread": 1}, named, 2)
    booster.save_model(HERE / f"named.{SUFFIX}.json")

    # What the engine refuses.
    booster = train("reg:squarederror", signal, x, rounds=3, max_depth=2, booster="dart", rate_drop=0.5)
    booster.save_model(HERE / f"refused_dart.{SUFFIX}.ubj")
    xgb.train({"booster": "gblinear", "nthread": 1}, xgb.DMatrix(filled, label=signal), 2).save_model(
        HERE / f"refused_linear.{SUFFIX}.ubj")
    train("reg:squarederror", np.stack([signal, positive], axis=1), x, rounds=2, max_depth=2,
          multi_strategy="multi_output_tree", tree_method="hist").save_model(HERE / f"refused_vector_leaf.{SUFFIX}.ubj")
    colour = x.copy()
    colour[:, 3] = rng.integers(0, 9, len(x))
    matrix = xgb.DMatrix(colour, label=(colour[:, 3] % 2) + signal * 0.01, feature_types=["q"] * 3 + ["c"] + ["q"] * 3,
                         enable_categorical=True)
    xgb.train({"max_depth": 2, "max_cat_to_onehot": 2, "nthread": 1}, matrix, 2).save_model(
        HERE / f"refused_categorical.{SUFFIX}.json")


main()
