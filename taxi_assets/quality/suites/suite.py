"""The classes of a suite and the expectations that suites share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from taxi_assets.quality.cleaning_rules import THRESHOLDS

__all__ = [
    "BETWEEN",
    "DISTINCT",
    "IDENTITY",
    "IN_MONTH",
    "IN_SET",
    "MEDIAN",
    "PLAUSIBLE_DURATION",
    "PRESENT",
    "REQUIRED_COLUMNS",
    "ROWS",
    "SECONDS",
    "TRIP_COLUMNS",
    "UNIQUE",
    "Expectation",
    "Severity",
    "Suite",
    "TableCheck",
    "all_present",
    "error",
    "is_true",
    "on_the_map",
    "warning",
]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Expectation:
    """One expectation: `name` is a sentence, true if it passes; `kind` a Great Expectations class."""

    name: str
    kind: str
    arguments: Mapping[str, object]
    severity: Severity
    description: str


@dataclass(frozen=True)
class TableCheck:
    """A check by `publish_month` that compares tables; Great Expectations sees one table's month."""

    name: str
    severity: Severity
    description: str


@dataclass(frozen=True)
class Suite:
    """The expectations of one table.

    `derived` maps names to SQL expressions. Expectations use them like columns, for conditions on the month or on
    several columns.
    """

    table: str
    expectations: tuple[Expectation, ...]
    derived: Mapping[str, str] = field(default_factory=dict)
    table_checks: tuple[TableCheck, ...] = ()


# Classes of Great Expectations.
ROWS = "ExpectTableRowCountToBeBetween"
BETWEEN = "ExpectColumnValuesToBeBetween"
IN_SET = "ExpectColumnValuesToBeInSet"
PRESENT = "ExpectColumnValuesToNotBeNull"
DISTINCT = "ExpectColumnUniqueValueCountToBeBetween"
UNIQUE = "ExpectColumnProportionOfUniqueValuesToBeBetween"
MEDIAN = "ExpectColumnMedianToBeBetween"

# Columns of a trip, and SQL expressions of them.
REQUIRED_COLUMNS = ("pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id")
TRIP_COLUMNS = ", ".join((*REQUIRED_COLUMNS, "trip_distance_miles"))
SECONDS = "elapsed_seconds(pickup_at, dropoff_at)"
# Four times as fast as comparing with the next month's first day, which adds an interval.
IN_MONTH = "CAST(pickup_at AS DATE) BETWEEN month AND last_day(month)"

PLAUSIBLE_DURATION: Mapping[str, object] = {
    "column": "duration_minutes",
    "min_value": THRESHOLDS["shortest_minutes"],
    "max_value": THRESHOLDS["longest_minutes"],
}


def error(name: str, description: str, kind: str, **arguments: object) -> Expectation:
    return Expectation(name, kind, MappingProxyType(arguments), "error", description)


def warning(name: str, description: str, kind: str, **arguments: object) -> Expectation:
    return Expectation(name, kind, MappingProxyType(arguments), "warning", description)


def is_true(column: str) -> Mapping[str, object]:
    """Arguments of IN_SET for a boolean column."""
    return {"column": column, "value_set": (True,)}


def on_the_map(column: str) -> Mapping[str, object]:
    """Arguments of BETWEEN for a column of TLC's zone ids."""
    return {"column": column, "min_value": 1, "max_value": THRESHOLDS["zones"]}


def all_present(*columns: str) -> str:
    """SQL condition that no column is NULL; one test each, since a tuple of columns is never NULL."""
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)


IDENTITY = (
    error("month_has_rows", "The month has at least one row", ROWS, min_value=1),
    error("rows_are_of_one_service", "All rows are of one service", DISTINCT, column="service", max_value=1),
    error("rows_are_of_one_month", "All rows are of one month", DISTINCT, column="month", max_value=1),
    error(
        "source_rows_are_unique",
        "Every row of the file occurs once; loading a month twice or a wrong join would repeat rows",
        UNIQUE,
        column="source_row",
        min_value=1,
    ),
)
