"""Run in MLServer's environment: python single_row.py MODEL.ubj

Prints the median time, in microseconds, that XGBoost itself takes in this process for one row, on one thread.
"""
import statistics
import sys
import time

import numpy
import xgboost

booster = xgboost.Booster(model_file=sys.argv[1])
booster.set_param({"nthread": 1})
rows = numpy.random.default_rng(1).normal(size=(64, 1, 28)).astype(numpy.float32)
taken = []
for number in range(3000):
    began = time.perf_counter()
    booster.inplace_predict(rows[number % len(rows)])
    taken.append(time.perf_counter() - began)
print(statistics.median(taken) * 1e6)
