"""Cuts the last weeks before a day out of the history and splits them by time."""
import datetime
import pathlib

import pandas
import yaml

FEATURES = ["hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed"]

params = yaml.safe_load(open("params.yaml"))
as_of = pandas.Timestamp(params["as_of"])
start = as_of - datetime.timedelta(days=params["window_days"])

rows = pandas.read_csv("data/hour.csv", parse_dates=["dteday"])
rows = rows[(rows.dteday >= start) & (rows.dteday < as_of)].sort_values(["dteday", "hr"])
cut = int(len(rows) * (1 - params["holdout_share"]))

folder = pathlib.Path("prepared")
folder.mkdir(exist_ok=True)
for name, part in {"train": rows[:cut], "holdout": rows[cut:]}.items():
    part[FEATURES + ["cnt"]].to_csv(folder / f"{name}.csv", index=False)
    print(f"{name}: {len(part)} hours, {part.dteday.min():%Y-%m-%d} to {part.dteday.max():%Y-%m-%d}")
