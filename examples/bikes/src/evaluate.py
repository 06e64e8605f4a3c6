"""Error on the hold-out rows of the model that has not seen them, absolute and relative to the mean demand."""
import json

import pandas
import xgboost

holdout = pandas.read_csv("prepared/holdout.csv")
trial = xgboost.XGBRegressor()
trial.load_model("trial.ubj")
error = (trial.predict(holdout.drop(columns="cnt").astype("float64")) - holdout.cnt).abs().mean()
metrics = {"mae": round(float(error), 4), "mae_relative": round(float(error / holdout.cnt.mean()), 4), "rows": len(holdout)}
with open("metrics.json", "w") as file:
    json.dump(metrics, file, indent=2)
print(metrics)
