"""The classes of a suite and the expectations that suites share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from taxi_assets.quality.cleaning_rules import THRESHOLDS

Severity = Literal["error", "warning"]


class Kind(StrEnum):
    """Great Expectations' classes that `suite_metrics.py` supports."""

    ROWS = "ExpectTableRowCountToBeBetween"
    BETWEEN = "ExpectColumnValuesToBeBetween"
    IN_SET = "ExpectColumnValuesToBeInSet"
    PRESENT = "ExpectColumnValuesToNotBeNull"
    DISTINCT = "ExpectColumnUniqueValueCountToBeBetween"
    UNIQUE = "ExpectColumnProportionOfUniqueValuesToBeBetween"
    MEDIAN = "ExpectColumnMedianToBeBetween"


@dataclass(frozen=True)
class Expectation:
    """One expectation: `name` is a sentence, true if it passes; `kind` a Great Expectations class."""

    name: str
    kind: Kind
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

    `derived` maps names to SQL expressions, each of columns and of derived columns before it. Expectations use them
    like columns, for conditions on the month or on several columns.
    """

    table: str
    expectations: tuple[Expectation, ...]
    derived: Mapping[str, str] = field(default_factory=dict)
    table_checks: tuple[TableCheck, ...] = ()

    def with_derived(self, relation: str) -> str:
        """SQL of the relation's rows with the derived columns."""
        # A SELECT for each: DuckDB would evaluate an expression again for every column that uses it by name.
        for name, sql in self.derived.items():
            relation = f"(SELECT *, {sql} AS {name} FROM {relation})"  # noqa: S608
        return relation


# Columns of a trip, and SQL expressions of them.
REQUIRED_COLUMNS = ("pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id")
SECONDS: Mapping[str, str] = {"duration_seconds": "elapsed_seconds(pickup_at, dropoff_at)"}
# A sample: counting all distinct trips would double the suite's time.
SAMPLED_TRIP = f"CASE WHEN second(pickup_at) = 0 THEN hash({', '.join(REQUIRED_COLUMNS)}, trip_distance_miles) END"
# Four times as fast as comparing with the next month's first day, which adds an interval.
IN_MONTH = "CAST(pickup_at AS DATE) BETWEEN month AND last_day(month)"

PLAUSIBLE_DURATION: Mapping[str, object] = {
    "column": "duration_minutes",
    "min_value": THRESHOLDS["shortest_minutes"],
    "max_value": THRESHOLDS["longest_minutes"],
}


def error(name: str, description: str, kind: Kind, **arguments: object) -> Expectation:
    return Expectation(name, kind, MappingProxyType(arguments), "error", description)


def warning(name: str, description: str, kind: Kind, **arguments: object) -> Expectation:
    return Expectation(name, kind, MappingProxyType(arguments), "warning", description)


def is_true(column: str) -> Mapping[str, object]:
    """Arguments of Kind.IN_SET for a boolean column."""
    return {"column": column, "value_set": (True,)}


def on_the_map(column: str) -> Mapping[str, object]:
    """Arguments of Kind.BETWEEN for a column of TLC's zone ids."""
    return {"column": column, "min_value": 1, "max_value": THRESHOLDS["zones"]}


def all_present(*columns: str) -> str:
    """SQL condition that no column is NULL; one test each, since a tuple of columns is never NULL."""
    return " AND ".join(f"{column} IS NOT NULL" for column in columns)


IDENTITY = (
    error("month_has_rows", "The month has at least one row", Kind.ROWS, min_value=1),
    error("rows_are_of_one_service", "All rows are of one service", Kind.DISTINCT, column="service", max_value=1),
    error("rows_are_of_one_month", "All rows are of one month", Kind.DISTINCT, column="month", max_value=1),
    error(
        "source_rows_are_unique",
        "Every row of the file occurs once; loading a month twice or a wrong join would repeat rows",
        Kind.UNIQUE,
        column="source_row",
        min_value=1,
    ),
)

EVERY_TRIP_IS_VALID = (
    error(
        "pickup_zones_are_on_the_map",
        "Every pickup_zone_id is a TLC zone id, 1-265",
        Kind.BETWEEN,
        **on_the_map("pickup_zone_id"),
    ),
    error(
        "dropoff_zones_are_on_the_map",
        "Every dropoff_zone_id is a TLC zone id, 1-265",
        Kind.BETWEEN,
        **on_the_map("dropoff_zone_id"),
    ),
    error("pickups_are_in_their_month", "Every pickup is in the file's month", Kind.IN_SET, **is_true("is_in_month")),
    error("durations_are_plausible", "Every trip lasts 1 to 180 minutes", Kind.BETWEEN, **PLAUSIBLE_DURATION),
)

PASSENGER_COUNTS = warning(  # 0.980 or more
    "passenger_counts_are_plausible",
    "At least 95 % of the passenger counts are 1 to 6",
    Kind.BETWEEN,
    column="passenger_count",
    min_value=1,
    max_value=6,
    mostly=0.95,
)
