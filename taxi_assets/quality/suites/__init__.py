"""Suites of named expectations about a table's rows, as plain data.

A suite covers one service's month. A failed `error` blocks publishing; a failed `warning` is only reported. Most
expectations about TLC's raw trips apply to a share of the rows (`mostly`). Those about clean trips and features apply
to all rows.
"""

from taxi_assets.quality.suites.clean_trips import CLEAN_TRIPS
from taxi_assets.quality.suites.raw_trips import RAW_TRIPS
from taxi_assets.quality.suites.suite import (
    Expectation,
    Kind,
    Severity,
    Suite,
    TableCheck,
)
from taxi_assets.quality.suites.trip_features import TRIP_FEATURES

__all__ = [
    "CLEAN_TRIPS",
    "RAW_TRIPS",
    "SUITES",
    "TRIP_FEATURES",
    "Expectation",
    "Kind",
    "Severity",
    "Suite",
    "TableCheck",
]

SUITES: dict[str, Suite] = {suite.table: suite for suite in (RAW_TRIPS, CLEAN_TRIPS, TRIP_FEATURES)}
