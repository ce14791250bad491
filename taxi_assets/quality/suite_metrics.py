"""Computes the metrics of a suite in DuckDB: one scan for all row-level expectations.

Great Expectations evaluates them (`validation.py`). Its own SQL engine needs about twenty statements for the same
metrics, and spends most of the time hashing for distinct counts and sorting for the median.
"""

from collections.abc import Callable, Mapping
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
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})

# Integers such as row numbers are dense: one group stores 64 of them as bits, so there are few groups.
_DISTINCT_INTEGERS = """
    SELECT coalesce(sum(bit_count(bits)), 0)::BIGINT
    FROM (SELECT bit_or(1::UBIGINT << ({column} & 63)::UBIGINT) AS bits FROM {view} GROUP BY {column} >> 6)
"""
_DISTINCT = "SELECT count(DISTINCT {column}) FROM {view}"

# Durations are whole seconds: sorting the few distinct values with counts is faster than sorting all rows.
_MEDIAN = """
    WITH counted AS (
        SELECT {column}::DOUBLE AS value, count(*) AS rows FROM {view} WHERE {column} IS NOT NULL GROUP BY value
    ),
    summed AS (
        SELECT value, sum(rows) OVER (ORDER BY value) AS up_to, sum(rows) OVER () AS every FROM counted
    )
    SELECT (min(value) FILTER (up_to * 2 >= every) + min(value) FILTER (up_to * 2 > every)) / 2 FROM summed
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
    types = {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE {view}").fetchall()}
    counts = _count_rows(connection, view, suite)

    def query_value(query: str, column: str) -> Any:
        return connection.execute(query.format(column=column, view=view)).fetchall()[0][0]

    return {e.name: _metrics(e, counts, types, query_value) for e in suite.expectations}


def _metrics(
    expectation: Expectation,
    counts: Mapping[str, int],
    types: Mapping[str, str],
    query_value: Callable[[str, str], Any],
) -> Metrics:
    rows = counts["rows"]
    if expectation.kind == Kind.ROWS:
        return {"table.row_count": rows}
    column = str(expectation.arguments["column"])
    values = counts[f"values of {column}"]
    if expectation.kind == Kind.MEDIAN:
        return {"column.median": query_value(_MEDIAN, column)}
    if expectation.kind in _ROW_BY_ROW:
        metric = _ROW_BY_ROW[expectation.kind]
        missing = {"table.row_count": rows, "column_values.nonnull.unexpected_count": rows - values}
        return {**missing, f"{metric}.unexpected_count": counts[expectation.name], f"{metric}.unexpected_values": []}
    distinct = query_value(_DISTINCT_INTEGERS if types[column] in _INTEGERS else _DISTINCT, column)
    # Without values none is repeated; another expectation checks that there are values.
    return {"column.distinct_values.count": distinct, "column.unique_proportion": distinct / values if values else 1}


def _count_rows(connection: DuckDBPyConnection, view: str, suite: Suite) -> dict[str, int]:
    """Counts of rows, of values by column, and of unexpected rows by expectation."""
    values: dict[str, object] = {}
    parts = {"rows": "count(*)"}
    for expectation in suite.expectations:
        column = expectation.arguments.get("column")
        if column is not None:
            parts[f"values of {column}"] = f"count({column})"
        if expectation.kind in _ROW_BY_ROW:
            parts[expectation.name] = f"count_if({_unexpected(expectation, values)})"
    counts = connection.execute(f"SELECT {', '.join(parts.values())} FROM {view}", values).fetchall()[0]
    return {part: int(count or 0) for part, count in zip(parts, counts, strict=True)}  # NULL without rows


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
        return f"{column} NOT IN ({', '.join(map(bound, allowed))})"
    limits = []
    if arguments.get("min_value") is not None:
        limits.append(f"{column} {'>' if arguments.get('strict_min') else '>='} {bound(arguments['min_value'])}")
    if arguments.get("max_value") is not None:
        limits.append(f"{column} {'<' if arguments.get('strict_max') else '<='} {bound(arguments['max_value'])}")
    return f"NOT ({' AND '.join(limits)})"
