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
    """What a profile holds, of both: missing values, extremes, mean, spread, quantiles, distinct values of each column. Of
    the current one also 20 ranges, and the divergence from the reference's partition, as its own drift check does it."""
    import great_expectations as gx
    import numpy as np
    from great_expectations import expectations as gxe

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("bench")
    quantiles = [n / 20 for n in range(1, 20)]

    def statistics(column: str) -> list:
        """Expectations without bounds: only what is observed counts."""
        return [gxe.ExpectColumnValuesToNotBeNull(column=column),
                gxe.ExpectColumnMinToBeBetween(column=column),
                gxe.ExpectColumnMaxToBeBetween(column=column),
                gxe.ExpectColumnMeanToBeBetween(column=column),
                gxe.ExpectColumnStdevToBeBetween(column=column),
                gxe.ExpectColumnUniqueValueCountToBeBetween(column=column),
                gxe.ExpectColumnQuantileValuesToBeBetween(column=column, quantile_ranges={
                    "quantiles": quantiles, "value_ranges": [[None, None]] * len(quantiles)})]

    def checks(column: str) -> list:
        weights, bins = np.histogram(reference[column], bins=64)
        partition = {"bins": [float(x) for x in bins], "weights": [float(x) for x in weights / weights.sum()]}
        return [gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=1000),
                gxe.ExpectColumnKLDivergenceToBeLessThan(column=column, partition_object=partition, threshold=0.1,
                                                         tail_weight_holdout=0.001)]

    for name, frame, asked in (("reference", reference, [statistics]), ("current", current, [statistics, checks])):
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole").get_batch(
            batch_parameters={"dataframe": frame})
        suite = gx.ExpectationSuite(name, expectations=[e for column in frame.columns for of in asked for e in of(column)])
        results = batch.validate(suite).results
        failed = [r for r in results if r.exception_info.get("raised_exception")]
        if failed:
            raise SystemExit(f"{len(failed)} of {len(results)} could not be evaluated, the first: {failed[0].exception_info}")
        print(name, len(results), "results")


def main() -> None:
    name, reference, current = sys.argv[1:]
    {"evidently": evidently, "great_expectations": great_expectations}[name](pd.read_parquet(reference),
                                                                             pd.read_parquet(current))


if __name__ == "__main__":
    main()
