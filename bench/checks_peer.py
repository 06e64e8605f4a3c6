"""What bench/checks.py measures of the peers: checks_peer.py evidently|great_expectations REFERENCE CURRENT."""
import sys

import pandas as pd

NUMBERS = [f"x{n}" for n in range(12)]
CATEGORIES = [f"x{n}" for n in range(12, 16)]  # of n + 1 values
CODE, DAY, TIME, FLAG = "x16", "x17", "x18", "x19"


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """Its drift preset (Wasserstein for numbers, Jensen-Shannon for categories of this size) and its summary of each
    column, with generated tests."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    kinds = DataDefinition(numerical_columns=NUMBERS, categorical_columns=[*CATEGORIES, CODE, FLAG],
                           datetime_columns=[DAY, TIME])
    report = Report([DataDriftPreset(columns=[*NUMBERS, *CATEGORIES]), DataSummaryPreset()], include_tests=True)
    result = report.run(Dataset.from_pandas(current, kinds), Dataset.from_pandas(reference, kinds))
    print(len(result.dict()["metrics"]), "metrics")


def great_expectations(reference: pd.DataFrame, current: pd.DataFrame) -> None:
    """What a profile holds, of both: missing values, extremes, mean, spread, quantiles, distinct values of each column. Of
    the current one also what may be in each, and the divergence from the reference's partition, as its own drift check does it."""
    import great_expectations as gx
    import numpy as np
    from great_expectations import expectations as gxe

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("bench")
    quantiles = [n / 20 for n in range(1, 20)]

    def statistics(column: str) -> list:
        """Expectations without bounds: only what is observed counts."""
        common = [gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=0.95),
                  gxe.ExpectColumnUniqueValueCountToBeBetween(column=column)]
        if column in (DAY, TIME):
            return [*common, gxe.ExpectColumnMinToBeBetween(column=column), gxe.ExpectColumnMaxToBeBetween(column=column)]
        if column not in NUMBERS:
            return common
        return [*common,
                gxe.ExpectColumnMinToBeBetween(column=column),
                gxe.ExpectColumnMaxToBeBetween(column=column),
                gxe.ExpectColumnMeanToBeBetween(column=column),
                gxe.ExpectColumnStdevToBeBetween(column=column),
                gxe.ExpectColumnQuantileValuesToBeBetween(column=column, quantile_ranges={
                    "quantiles": quantiles, "value_ranges": [[None, None]] * len(quantiles)})]

    def checks(column: str) -> list:
        seen = reference[column].dropna()
        if column in NUMBERS:
            weights, bins = np.histogram(seen, bins=64)
            partition = {"bins": [float(x) for x in bins], "weights": [float(x) for x in weights / weights.sum()]}
            return [gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0, max_value=1000),
                    gxe.ExpectColumnKLDivergenceToBeLessThan(column=column, partition_object=partition, threshold=0.1,
                                                             tail_weight_holdout=0.001)]
        if column in CATEGORIES:
            shares = seen.value_counts(normalize=True)
            partition = {"values": list(shares.index), "weights": [float(x) for x in shares]}
            return [gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[f"v{n}" for n in range(int(column[1:]) + 1)]),
                    gxe.ExpectColumnKLDivergenceToBeLessThan(column=column, partition_object=partition, threshold=0.1)]
        if column == CODE:
            return [gxe.ExpectColumnValueLengthsToEqual(column=column, value=5)]
        if column == FLAG:
            return [gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True, False])]
        return [gxe.ExpectColumnValuesToBeBetween(column=column, min_value=pd.Timestamp("2024-01-01"),
                                                  max_value=pd.Timestamp("2025-01-01"))]

    for name, frame, asked in (("reference", reference, [statistics]), ("current", current, [statistics, checks])):
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole").get_batch(
            batch_parameters={"dataframe": frame})
        suite = gx.ExpectationSuite(name, expectations=[e for column in frame.columns for of in asked for e in of(column)])
        results = batch.validate(suite).results
        failed = [r for r in results if r.exception_info.get("raised_exception")]
        if failed:
            raise SystemExit(f"{len(failed)} of {len(results)} could not be evaluated, the first: {failed[0].exception_info}")
        print(name, len(results), "results")


def table(file: str) -> pd.DataFrame:
    """Days come as Python's dates, which neither compares quickly."""
    frame = pd.read_parquet(file)
    frame[DAY] = pd.to_datetime(frame[DAY])
    return frame


def main() -> None:
    name, reference, current = sys.argv[1:]
    {"evidently": evidently, "great_expectations": great_expectations}[name](table(reference), table(current))


if __name__ == "__main__":
    main()
