"""What the rows of a table must be: suites of named expectations, as plain data for the quality adapter.

A suite looks at one service's month. `error` is for what makes the month unusable, and keeps it from being
published; `warning` is for what a person should know. Raw months are TLC's and may be untidy: most of their
expectations hold for a share of the rows (`mostly`). Clean trips and features are ours: theirs hold for all.
"""

from taxi_assets.quality.suites.clean_trips import CLEAN_TRIPS
from taxi_assets.quality.suites.raw_trips import RAW_TRIPS
from taxi_assets.quality.suites.suite import (
    BETWEEN,
    DISTINCT,
    IN_SET,
    MEDIAN,
    PRESENT,
    ROWS,
    UNIQUE,
    Expectation,
    Severity,
    Suite,
    TableCheck,
)
from taxi_assets.quality.suites.trip_features import TRIP_FEATURES

__all__ = [
    "BETWEEN",
    "CLEAN_TRIPS",
    "DISTINCT",
    "IN_SET",
    "MEDIAN",
    "PRESENT",
    "RAW_TRIPS",
    "ROWS",
    "SUITES",
    "TRIP_FEATURES",
    "UNIQUE",
    "Expectation",
    "Severity",
    "Suite",
    "TableCheck",
]

SUITES: dict[str, Suite] = {suite.table: suite for suite in (RAW_TRIPS, CLEAN_TRIPS, TRIP_FEATURES)}
