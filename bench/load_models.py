"""Run in the environment of the stock clients: python load_models.py SERVER make
                                               python load_models.py SERVER URI COUNT

`make` logs a small model in a run, registers it as `small`, and prints the run's id. Else loads the model at URI so many
times and prints, as JSON, how long each took and what the client's HTTP library said of retries.
"""
import json
import logging
import sys
import time

import mlflow
import numpy
from sklearn.linear_model import LinearRegression


class Retries(logging.Handler):
    """urllib3 warns of each."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []

    def emit(self, record):
        self.said.append(record.getMessage())


def make():
    x = numpy.random.default_rng(5).normal(size=(200, 4))
    with mlflow.start_run() as run:
        mlflow.sklearn.log_model(LinearRegression().fit(x, x.sum(axis=1)), name="model", registered_model_name="small")
    print(run.info.run_id)


def load(uri, count):
    retries, took = Retries(), []
    logging.getLogger("urllib3").addHandler(retries)
    for _ in range(count):
        began = time.perf_counter()
        model = mlflow.pyfunc.load_model(uri)
        took.append(time.perf_counter() - began)
    assert abs(model.predict(numpy.ones((1, 4)))[0] - 4) < 1e-6
    print(json.dumps({"seconds": took, "retries": retries.said}))


server, what, *rest = sys.argv[1:]
mlflow.set_tracking_uri(server)
make() if what == "make" else load(what, int(rest[0]))
