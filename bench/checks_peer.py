"""What bench/checks.py measures of the peers: checks_peer.py evidently|great_expectations REFERENCE CURRENT."""
import sys

import pandas as pd


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """Its drift preset (Wasserstein for columns of this size) and its summary of each column, with generated tests."""
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    report = Report([DataDriftPreset(), DataSummaryPreset()], include_tests=True)
    result = report.run(Dataset.from_pandas(current), Dataset.from_pandas(reference))
    print(len(result.dict()["metrics"]), "metrics")


def great_expectations(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """20 ranges, and of each column the divergence from the reference's partition, as its own drift check does it."""
    import great_expectations as gx
    import numpy as np

    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("bench").add_dataframe_asset("current")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(batch_parameters={"dataframe": current})
    suite = gx.ExpectationSuite("bench")
    for column in current.columns:
        weights, bins = np.histogram(reference[column], bins=64)
        partition = {"bins": [float(x) for x in bins], "weights": [float(x) for x in weights / weights.sum()]}
        suite.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=1000))
        suite.add_expectation(gx.expectations.ExpectColumnKLDivergenceToBeLessThan(
            column=column, partition_object=partition, threshold=0.1, tail_weight_holdout=0.001))
    print(len(batch.validate(suite).results), "results")


def main() -> None:
    name, reference, current = sys.argv[1:]
    {"evidently": evidently, "great_expectations": great_expectations}[name](pd.read_parquet(reference),
                                                                             pd.read_parquet(current))


if __name__ == "__main__":
    main()
