"""Asks with MLflow's own scoring client: python invoke.py PORT ROWS.json; prints the predictions as JSON."""
import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

with open(sys.argv[2]) as file:
    rows = json.load(file)["rows"]
frame = pd.DataFrame(rows, columns=["temp", "wind", "hour"]).astype("float32")
client = ScoringServerClient("127.0.0.1", int(sys.argv[1]))
client.wait_server_ready(timeout=30)
print(json.dumps(client.invoke(frame).get_predictions().iloc[:, 0].tolist()))
