"""Cuts the last weeks before a day out of the history and of what has been served since, and splits them by time."""
import datetime
import pathlib

import pandas
import yaml

FEATURES = ["hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed"]

params = yaml.safe_load(open("params.yaml"))
as_of = pandas.Timestamp(params["as_of"]).tz_localize(None).normalize()
start = as_of - datetime.timedelta(days=params["window_days"])


def read(path, time):
    """The rows of a table with the time that this column says, and no more."""
    rows = pandas.read_csv(path)
    rows["time"] = pandas.to_datetime(rows[time]).dt.tz_localize(None)
    return rows[["time", *FEATURES, "cnt"]]


history = read("data/hour.csv", "dteday")
history["time"] += pandas.to_timedelta(history.hr, unit="h")
live = read("data/live.csv", "event_time")  # hours that the model was asked for, and what they turned out to be
live = live[~live.time.isin(history.time)].drop_duplicates("time")

rows = pandas.concat([history, live]) if len(live) else history
rows = rows[(rows.time >= start) & (rows.time < as_of)].sort_values("time")
cut = int(len(rows) * (1 - params["holdout_share"]))

folder = pathlib.Path("prepared")
folder.mkdir(exist_ok=True)
for name, part in {"train": rows[:cut], "holdout": rows[cut:]}.items():
    part[FEATURES + ["cnt"]].to_csv(folder / f"{name}.csv", index=False)
    print(f"{name}: {len(part)} hours, {part.time.min():%Y-%m-%d} to {part.time.max():%Y-%m-%d}")
