"""Run in the environment of the stock clients: python model.py SERVER MODEL.ubj [NAME...]

Trains 100 trees of depth 6 on drawn numbers of 28 features, saves them to MODEL.ubj and registers the same at SERVER as
each NAME (`bench` when there is none), with the ordinary mlflow client. Prints the mean number of leaves of a tree.
"""
import sys

import mlflow
import numpy
import xgboost

server, file, *names = sys.argv[1:]
rng = numpy.random.default_rng(5)
x = rng.normal(size=(20_000, 28)).astype(numpy.float32)
y = (x[:, 0] * x[:, 1] + numpy.sin(3 * x[:, 2]) + rng.normal(size=len(x))).astype(numpy.float32)
booster = xgboost.train({"max_depth": 6, "eta": 0.1, "base_score": 0.5, "nthread": 1}, xgboost.DMatrix(x, y), 100)
booster.save_model(file)
leaves = [tree.count("leaf=") for tree in booster.get_dump()]
assert len(leaves) == 100

mlflow.set_tracking_uri(server)
with mlflow.start_run():
    made = mlflow.xgboost.log_model(booster, name="model")
for name in names or ["bench"]:
    mlflow.register_model(made.model_uri, name)
print(sum(leaves) / len(leaves))
