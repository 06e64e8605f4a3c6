"""Golden rows: what a model answers where it was trained.

    python -m slipway.golden MODEL TABLE... [--target COLUMN] [--rows N] [--output FILE]

MODEL is a folder or a URI that MLflow knows ("models:/m-...", "runs:/..."). The first TABLE that has all columns of the
model is used; of a folder its tables are looked at, in the order of their paths. Rows of it, rows with missing values and
rows with extremes are predicted by the model's own library, and kept as golden.jsonl in the model's folder. With --target
each row of the table is one that the model was not trained on, and COLUMN says what came true.
"""
import argparse
import json
import math
import pathlib
import sys

ROWS_MIN, ROWS_DEFAULT, ROWS_MAX = 256, 1024, 100_000
DIFFERENT_MIN = 128
MISSING_ROWS = 64
NAME = "golden.jsonl"
CSV, TSV, PARQUET = (".csv", ".csv.gz"), (".tsv", ".tsv.gz"), (".parquet",)
TABLES_MAX, TABLES_NAMED = 1000, 3
REMEDY = "name one in dvc.yaml, in this stage: meta: {slipway: {golden: {table: PATH, target: COLUMN}}}"


class NotPossible(Exception):
    """There can be no golden rows of this model; the message says why."""


class NoTable(NotPossible):
    """Another table would help."""


class Booster:
    """A model of XGBoost, however it was wrapped."""

    def __init__(self, model):
        import xgboost

        self.xgboost = xgboost
        self.booster = model.get_booster() if hasattr(model, "get_booster") else model
        if not isinstance(self.booster, xgboost.Booster):
            raise NotPossible(f"{type(model).__name__} is no model of XGBoost")
        # A wrapper predicts with its best number of trees, as the serving engine does.
        self.trees = getattr(model, "best_iteration", None) if hasattr(model, "get_booster") and early_stopped(model) else None
        self.columns = self.booster.feature_names
        self.features = self.booster.num_features()
        self.kinds = self.booster.feature_types or ["float"] * self.features
        self.made_by = f"xgboost {xgboost.__version__}"

    def predict(self, cells, margin):
        data = self.xgboost.DMatrix(cells, feature_names=self.columns)
        span = {} if self.trees is None else {"iteration_range": (0, self.trees + 1)}
        return self.booster.predict(data, output_margin=margin, **span).reshape(len(cells), -1)


def early_stopped(model):
    try:
        return model.best_iteration is not None
    except AttributeError:
        return False


def load(uri):
    """The model in its own library."""
    import mlflow

    try:
        return Booster(mlflow.xgboost.load_model(str(uri)))
    except mlflow.exceptions.MlflowException as error:
        raise NotPossible(f"{uri} can't be loaded as a model of XGBoost: {error}") from error


def tables_in(places):
    """The tables among the places and in folders among them."""
    found = []
    for place in map(pathlib.Path, places):
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        found += [path for path in inside if path.name.endswith(CSV + TSV + PARQUET) and not path.is_dir()]
    return found[:TABLES_MAX]


def read_table(path, **how):
    import pandas

    if path.name.endswith(PARQUET):
        return pandas.read_parquet(path)
    return pandas.read_csv(path, sep="\t" if path.name.endswith(TSV) else ",", **how)


def lacks_columns(model, path, target):
    """Whether its first line says so; of Parquet nobody knows before it is read."""
    if path.name.endswith(PARQUET):
        return False
    header = read_table(path, nrows=0).columns
    return any(name not in header for name in [*(model.columns or []), *([target] if target else [])])


def is_numeric(column):
    return column.dtype.kind in "biuf"


def columns_of(model, frame, target):
    """The names of the model's columns in `frame`; nothing when it lacks one, or one is no number."""
    names = model.columns
    if names is None:
        names = [name for name in frame.columns if name != target and is_numeric(frame[name])]
        if len(names) != model.features:
            return None
    if any(name not in frame.columns or not is_numeric(frame[name]) for name in names):
        return None
    if target is not None and target not in frame.columns:
        return None
    return list(names)


def choose(model, places, target):
    """The first table that has all columns: the frame, and the names."""
    tables, faults = tables_in(places), []
    for path in tables:
        try:
            frame = None if lacks_columns(model, path, target) else read_table(path)
        except Exception as error:  # noqa: BLE001 - whatever the library says of a broken file
            faults.append(f"{path} can't be read: {error}")
            continue
        names = None if frame is None or len(frame) == 0 else columns_of(model, frame, target)
        if names is not None:
            return frame, names
    if not tables:
        raise NoTable(f"there is no table (CSV, TSV, Parquet) among {listed(places)}")
    raise NoTable("; ".join([f"none of {listed(tables)} has all columns of the model as numbers"
                             + (f", and {target}" if target else ""), *faults[:1]]))


def listed(paths):
    more = len(paths) - TABLES_NAMED
    return ", ".join(map(str, paths[:TABLES_NAMED])) + (f" and {more} more" if more > 0 else "")


def spread(count, wanted):
    """`wanted` positions from 0 to `count`, evenly; every one when there are fewer."""
    if count <= wanted:
        return list(range(count))
    return [i * count // wanted for i in range(wanted)]


def with_gaps(cells, numpy):
    """Rows of the table with cells missing: each column alone, then all of them."""
    width = cells.shape[1]
    rows = cells[[i % len(cells) for i in range(max(MISSING_ROWS, width + 1))]].copy()
    for i in range(len(rows)):
        if i % (width + 1) == width:
            rows[i, :] = numpy.nan
        else:
            rows[i, i % (width + 1)] = numpy.nan
    return rows


def with_extremes(cells, numpy):
    """Rows with a column at the ends of what was seen, and all columns at once."""
    ends = []
    for column in range(cells.shape[1]):
        seen = cells[:, column][numpy.isfinite(cells[:, column])]
        ends.append((seen.min(), seen.max()) if len(seen) else (numpy.nan, numpy.nan))
    rows = [numpy.asarray([low for low, _ in ends]), numpy.asarray([high for _, high in ends])]
    for column, pair in enumerate(ends):
        for i, value in enumerate(pair):
            row = cells[(column * 2 + i) % len(cells)].copy()
            row[column] = value
            rows.append(row)
    return numpy.asarray(rows, dtype=numpy.float32)


def different(rows, numpy):
    """How many there are when copies count once."""
    return len({row.tobytes() for row in numpy.where(numpy.isnan(rows), numpy.float32("nan"), rows + 0)})


def mixed(cells, count, kinds, numpy):
    """Rows whose cells come from several rows each; some are missing, and half of those that are no categories lie
    anywhere between the column's ends."""
    random = numpy.random.default_rng(len(cells))
    rows = numpy.empty((count, cells.shape[1]), dtype=numpy.float32)
    for column in range(cells.shape[1]):
        rows[:, column] = cells[random.integers(0, len(cells), count), column]
        seen = cells[:, column][numpy.isfinite(cells[:, column])]
        if kinds[column] != "c" and len(seen):
            anywhere = random.random(count) < 0.5
            rows[anywhere, column] = random.uniform(seen.min(), seen.max(), anywhere.sum())
        rows[random.random(count) < 0.1, column] = numpy.nan
    return rows


def number(value):
    """As JSON that reads back as the same float32; missing is null."""
    value = float(value)
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(f"{value:.9g}")


def answer(value):
    """A value of the model; what is not finite stays visible."""
    value = float(value)
    return "NaN" if math.isnan(value) else number(value)


def make(model, frame, names, target, rows_max):
    """The lines of the file."""
    import numpy

    if target is not None:
        frame = frame[frame[target].notna()]
    rows_max = min(max(rows_max, ROWS_MIN), ROWS_MAX)
    real = frame.iloc[spread(len(frame), ROWS_MAX // 2 if target else rows_max)]
    if len(real) == 0:
        raise NotPossible(f"no row has a {target}")
    cells = real[names].to_numpy(dtype=numpy.float32)
    made = [with_gaps(cells, numpy), with_extremes(cells, numpy)]
    everything = numpy.concatenate([cells, *made])
    short = ROWS_MIN - len(everything)
    if short > 0 or different(everything, numpy) < DIFFERENT_MIN:  # a small table, or one of few different rows
        everything = numpy.concatenate([everything, mixed(cells, max(short, 4 * DIFFERENT_MIN), model.kinds, numpy)])
    targets = [number(value) for value in real[target]] if target else []
    values, margins = model.predict(everything, False), model.predict(everything, True)
    yield {"golden": 1, "rows": len(everything), "features": len(names), "width": values.shape[1],
           "margins": margins.shape[1], "made_by": model.made_by, "columns": model.columns}
    for i, row in enumerate(everything):
        line = {"in": [number(v) for v in row], "margin": [answer(v) for v in margins[i]],
                "out": [answer(v) for v in values[i]]}
        if target:
            line["target"] = targets[i] if i < len(targets) else None
        yield line


def write(lines, path):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, allow_nan=False) + "\n")


def keep(uri, lines, folder):
    """Puts the file into the model's folder, wherever that is."""
    file = pathlib.Path(folder) / NAME
    write(lines, file)
    local = pathlib.Path(str(uri).removeprefix("file://"))
    if local.is_dir():
        (local / NAME).write_bytes(file.read_bytes())
        return
    import mlflow

    model_id = logged_model_id(uri)
    if model_id is not None:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        location = mlflow.MlflowClient().get_logged_model(model_id).artifact_location
        get_artifact_repository(location).log_artifact(str(file))
        return
    from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

    if str(uri).startswith("runs:/"):
        run_id, path = RunsArtifactRepository.parse_runs_uri(str(uri))
        mlflow.MlflowClient().log_artifact(run_id, str(file), path)
        return
    raise NotPossible(f"golden rows can't be kept with {uri}: name its folder, models:/m-ID or runs:/ID/path")


def logged_model_id(uri):
    """Of "models:/m-..."; nothing for other URIs."""
    name = str(uri).removeprefix("models:/")
    return name if str(uri).startswith("models:/m-") and "/" not in name else None


def ask(model_uri, tables, target=None, rows=ROWS_DEFAULT, output=None):
    """Makes golden rows of one model and keeps them."""
    import tempfile

    model = load(model_uri)
    frame, names = choose(model, tables, target)
    lines = make(model, frame, names, target, rows)
    if output:
        write(lines, output)
        return
    with tempfile.TemporaryDirectory() as folder:
        keep(model_uri, lines, folder)


def logged_by_this_attempt():
    """The models that the attempt around us has logged and that have no golden rows yet, as URIs."""
    import os
    import urllib.request

    server, attempt = os.environ.get("SLIPWAY_URL"), os.environ.get("SLIPWAY_ATTEMPT")
    if not server or not attempt:
        return []
    request = urllib.request.Request(f"{server}/api/slipway/v1/attempts/{attempt}/models")
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    # A server of this machine: no proxy is asked for the way.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return json.load(answer)["models"]


def after_stage(tables, target):
    """Never fails the stage: without golden rows the gate says so."""
    try:
        models = logged_by_this_attempt()
    except Exception as error:  # noqa: BLE001
        print(f"slipway.golden: cannot ask which models were logged: {error}", file=sys.stderr)
        return
    for uri in models:
        try:
            ask(uri, tables, target)
        except NoTable as error:
            print(f"slipway.golden: no golden rows of {uri}: {error}; {REMEDY}", file=sys.stderr)
        except Exception as error:  # noqa: BLE001
            print(f"slipway.golden: no golden rows of {uri}: {error}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(prog="python -m slipway.golden", description=__doc__.split("\n")[0])
    after = "--after-stage" in sys.argv[1:]
    if not after:
        parser.add_argument("model", help="a folder, models:/m-ID or runs:/ID/path")
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="CSV, TSV or Parquet, or a folder of them; the first that fits is used")
    parser.add_argument("--target", help="the column with what came true, where the model was not trained on the table")
    parser.add_argument("--rows", type=int, default=ROWS_DEFAULT, help=f"of the table, at most ({ROWS_DEFAULT})")
    parser.add_argument("--output", help="write here instead of beside the model")
    parser.add_argument("--after-stage", action="store_true", help="of all models that the stage around this has logged")
    arguments = parser.parse_args()
    if after:
        after_stage(arguments.tables, arguments.target)
        return 0
    try:
        ask(arguments.model, arguments.tables, arguments.target, arguments.rows, arguments.output)
    except NotPossible as error:
        print(f"slipway.golden: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
