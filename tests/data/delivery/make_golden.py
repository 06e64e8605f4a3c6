#!/usr/bin/env python3
"""Writes golden rows as XGBoost answers them, for models of tests/data/scoring (docs/formats/golden-rows.md).

    python tests/data/delivery/make_golden.py
"""
import json
import pathlib

import numpy as np
import xgboost

HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent / "scoring"
ROWS = 256


def cells(features: int) -> np.ndarray:
    random = np.random.default_rng(5)
    rows = random.normal(size=(ROWS, features)).astype(np.float32) * 3
    rows[random.random(rows.shape) < 0.1] = np.nan
    rows[:8] = np.float32(1e30)
    rows[8:16] = np.float32(-1e30)
    rows[16:20] = np.nan
    return rows


def floats(values) -> list:
    return [None if np.isnan(v) else float(v) for v in np.atleast_1d(values)]


def write(name: str, with_targets: bool) -> None:
    booster = xgboost.Booster(model_file=MODELS / name / "model.ubj")
    names = booster.feature_names
    rows = cells(booster.num_features())
    data = xgboost.DMatrix(rows, feature_names=names)
    out = booster.predict(data).reshape(ROWS, -1)
    margin = booster.predict(data, output_margin=True).reshape(ROWS, -1)
    header = {"golden": 1, "rows": ROWS, "features": rows.shape[1], "width": out.shape[1], "margins": margin.shape[1],
              "made_by": f"xgboost {xgboost.__version__}", "columns": names}
    with open(HERE / f"golden_{name}.jsonl", "w") as file:
        print(json.dumps(header), file=file)
        for i in range(ROWS):
            row = {"in": floats(rows[i]), "margin": floats(margin[i]), "out": floats(out[i])}
            if with_targets:
                row["target"] = round(float(out[i, 0]), 1)
            print(json.dumps(row), file=file)


if __name__ == "__main__":
    write("binary", False)
    write("regressor", True)
    write("three", False)
