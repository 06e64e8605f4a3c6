"""Makes bikes_predictions.csv: what two models would have answered, hour by hour, had they served.

The models are those of examples/bikes: 120 trees of depth 5, fitted to the 56 days before the day they are made for, the
second one without their last fifth. One line an hour: date, hour, answer of the model of 2011-05-01, of that of 2012-02-12
(empty before that day). Needs pandas and xgboost 3.2.0: python make_bikes.py HOUR_CSV > bikes_predictions.csv
"""
import datetime
import sys

import pandas
import xgboost

FEATURES = ["hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed"]
LAST = "2012-04-15"


def fitted(rows, as_of, share):
    day = pandas.Timestamp(as_of)
    window = rows[(rows.dteday >= day - datetime.timedelta(days=56)) & (rows.dteday < day)].sort_values(["dteday", "hr"])
    train = window[: int(len(window) * share)]
    model = xgboost.XGBRegressor(n_estimators=120, max_depth=5, learning_rate=0.1, min_child_weight=3, random_state=7, n_jobs=1)
    return model.fit(train[FEATURES].astype("float64"), train.cnt)


rows = pandas.read_csv(sys.argv[1], parse_dates=["dteday"])
served = rows[(rows.dteday >= "2011-05-01") & (rows.dteday < LAST)].sort_values(["dteday", "hr"])
features = served[FEATURES].astype("float64")
first = fitted(rows, "2011-05-01", 1).predict(features)
second = fitted(rows, "2012-02-12", 0.8).predict(features)
for day, hour, one, two in zip(served.dteday, served.hr, first, second):
    late = day >= pandas.Timestamp("2012-02-12")
    print(f"{day:%Y-%m-%d},{hour},{one:.1f},{two:.1f}" if late else f"{day:%Y-%m-%d},{hour},{one:.1f},")
