"""Computes the metrics of a suite in DuckDB: one scan for nearly all expectations.

Great Expectations evaluates them (`validation.py`). Its own SQL engine needs about twenty statements for the same
metrics, and spends most of the time hashing for distinct counts and sorting for the median.
"""

from collections.abc import Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.quality.suites import Expectation, Kind, Suite

# Metric values by Great Expectations' metric names.
Metrics = Mapping[str, Any]

_ROW_BY_ROW = {
    Kind.BETWEEN: "column_values.between",
    Kind.IN_SET: "column_values.in_set",
    Kind.PRESENT: "column_values.nonnull",
}

# DuckDB finds the median of whole numbers in half the time.
_MEDIANS = {"duration_minutes": "median(duration_seconds) / 60"}

# Row numbers are dense: one group stores 64 of them as bits, so there are few groups.
_DISTINCT_ROWS = """
    SELECT coalesce(sum(bit_count(bits)), 0)::BIGINT
    FROM (SELECT bit_or(1::UBIGINT << ({column} & 63)::UBIGINT) AS bits FROM {view} GROUP BY {column} >> 6)
"""


def count_metrics(connection: DuckDBPyConnection, view: str, suite: Suite) -> dict[str, Metrics]:
    """Metrics of each expectation of the suite, by the expectation's name.

    Args:
        connection: A DuckDB connection; only read.
        view: Rows with the suite's derived columns.
        suite: The expectations.

    Raises:
        duckdb.Error: an expectation or a derived column does not fit the view.
    """
    values: dict[str, object] = {}
    parts = {"rows": "count(*)"}
    for expectation in suite.expectations:
        if column := expectation.arguments.get("column"):
            parts[f"values of {column}"] = f"count({column})"
        if part := _aggregate(expectation, values):
            parts[expectation.name] = part
    row = connection.execute(f"SELECT {', '.join(parts.values())} FROM {view}", values).fetchall()[0]
    counts = dict(zip(parts, row, strict=True))
    for expectation in suite.expectations:
        if expectation.name not in counts and expectation.kind != Kind.ROWS:
            query = _DISTINCT_ROWS.format(column=expectation.arguments["column"], view=view)
            counts[expectation.name] = connection.execute(query).fetchall()[0][0]
    return {e.name: _metrics(e, counts) for e in suite.expectations}


def _aggregate(expectation: Expectation, values: dict[str, object]) -> str | None:
    """SQL of the expectation's own aggregate; None if it has none, or its count needs a scan of its own."""
    column = expectation.arguments.get("column")
    if expectation.kind in _ROW_BY_ROW:
        return f"count_if({_unexpected(expectation, values)})"
    if expectation.kind == Kind.MEDIAN:
        return _MEDIANS.get(str(column), f"median({column})")
    return None if expectation.kind == Kind.ROWS or column == "source_row" else f"count(DISTINCT {column})"


def _metrics(expectation: Expectation, counts: Mapping[str, Any]) -> Metrics:
    rows = counts["rows"]
    if expectation.kind == Kind.ROWS:
        return {"table.row_count": rows}
    values, found = counts[f"values of {expectation.arguments['column']}"], counts[expectation.name]
    if expectation.kind == Kind.MEDIAN:
        return {"column.median": found}
    if expectation.kind in _ROW_BY_ROW:
        metric = _ROW_BY_ROW[expectation.kind]
        missing = {"table.row_count": rows, "column_values.nonnull.unexpected_count": rows - values}
        unexpected = int(found or 0)  # NULL without rows
        return {**missing, f"{metric}.unexpected_count": unexpected, f"{metric}.unexpected_values": []}
    # Without values none is repeated; another expectation checks that there are values.
    return {"column.distinct_values.count": found, "column.unique_proportion": found / values if values else 1}


def _unexpected(expectation: Expectation, values: dict[str, object]) -> str:
    """SQL condition of an unexpected value; a missing value counts only for `PRESENT`."""
    arguments, column = expectation.arguments, str(expectation.arguments["column"])

    def bound(value: object) -> str:
        name = f"value{len(values)}"
        values[name] = value
        return f"${name}"

    if expectation.kind == Kind.PRESENT:
        return f"{column} IS NULL"
    if expectation.kind == Kind.IN_SET:
        allowed = arguments["value_set"]
        assert isinstance(allowed, tuple)  # noqa: S101 - the suites are ours
        # Not `NOT IN`: DuckDB makes a join of more than a few values.
        return f"NOT ({' OR '.join(f'{column} = {bound(value)}' for value in allowed)})"
    limits = []
    if arguments.get("min_value") is not None:
        limits.append(f"{column} {'>' if arguments.get('strict_min') else '>='} {bound(arguments['min_value'])}")
    if arguments.get("max_value") is not None:
        limits.append(f"{column} {'<' if arguments.get('strict_max') else '<='} {bound(arguments['max_value'])}")
    return f"NOT ({' AND '.join(limits)})"
