"""Rides as they are learned from: each told by what came before it, and by nothing it would not know when served."""

from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.features.encoding import (
    MATRIX_COLUMNS,
    OPTIONAL_INPUTS,
    SEASONAL_COLUMNS,
    SOMETIMES_KNOWN,
    encode,
    expected_minutes,
    periods,
)
from taxi_assets.features.out_of_fold import first_in_order, past_of_training
from taxi_assets.features.recent_traffic import (
    NOW_INPUTS,
    STEADY,
    FinishedRides,
    now_features,
    reach_seconds,
    steady_minutes,
)
from taxi_assets.features.target_encoding import HISTORY_FEATURES, PastRides, Smoothing, Tables
from taxi_assets.features.trip_features import MODEL_INPUTS, Rides
from taxi_assets.features.zone_geometry import Places
from taxi_assets.tlc.local_time import utc_seconds

__all__ = ["Lessons", "columns", "fill_unknown", "finished_rides", "lessons", "now_columns"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A season seen once is told from nothing but chance: with less than a year the trees do not see the calendar's.
_LEAST_MONTHS_OF_SEASONS = 12
_WEIGHT_MONTHS = 24  # a ride this much older counts a third as much
# So many rides are learned from without what is sometimes known: who asks may not know it either.
_HIDDEN_SHARE = 0.25


@dataclass(frozen=True)
class Lessons:
    """What trees learn from, oldest first; and what is kept for later.

    Attributes:
        matrix: Rides as the trees see them, shape (n, len(MATRIX_COLUMNS)).
        minutes: How long they took, shape (n,).
        weights: How much they count, shape (n,).
        at: Their pickups, seconds since 1970, shape (n,).
        tables: History for the month after, by service id.
        finished: The last rides, by service id.
    """

    matrix: NDArray[np.float32]
    minutes: Floats
    weights: Floats
    at: Ints
    tables: Mapping[int, Tables]
    finished: Mapping[int, FinishedRides]


def lessons(  # noqa: PLR0913, PLR0917
    rides: Rides,
    minutes: Floats,
    places: Places,
    smoothing: Smoothing,
    row_months: int,
    left_out: Set[str],
    seed: int,
) -> Lessons:
    """Make them of the rides of a window of months.

    Args:
        rides: Columns of `MODEL_INPUTS`; `passenger_count` and `vendor_id` where they are known; shape (n,) each.
        minutes: How long they took, shape (n,).
        places: Geometry of the zones.
        smoothing: How the history is smoothed.
        row_months: Trees learn from rides of the last so many months.
        left_out: Those of `OPTIONAL_INPUTS` the trees shall not see.
        seed: Of the choice of rides that are learned from without what is sometimes known.
    """
    month = months(rides)
    first = int(month.max()) - row_months + 1
    hidden = np.random.default_rng(seed).random(len(month)) < _HIDDEN_SHARE
    told = {name: np.full(len(minutes), np.nan, np.float32) for name in (*HISTORY_FEATURES, *NOW_INPUTS)}
    tables, finished = dict[int, Tables](), dict[int, FinishedRides]()
    for service in np.unique(rides["service_id"]).tolist():
        own = rides["service_id"] == service
        some = _chosen(rides, own)
        past, tables[service] = past_of_training(_past_rides(some, minutes[own]), places, smoothing, first - 1)
        known = month[own] >= first - 1
        over = finished_rides(_chosen(some, known), minutes[own][known], past["expected_minutes"][known])
        finished[service] = _last(over)
        _put(told, own, past)
        if set(NOW_INPUTS) - left_out:
            recent = own & (month >= first)
            # What was expected out of fold knows of rides to come, this one too; what it is a share of tells nothing.
            asked = recent & ~hidden & (month >= first_in_order(month[own]))
            _put_now(told, rides, recent, asked, places, over)
    kept = (month >= first) & np.isnan(told[STEADY])
    rows = _chosen({**rides, **told}, kept)
    matrix = encode(rows, places, {name: rows[name] for name in told})
    _hide(matrix, hidden[kept], month[kept], left_out)
    weights = expected_minutes(matrix) ** 2 * np.exp(-(month.max() + 1 - month[kept]) / _WEIGHT_MONTHS)
    return Lessons(matrix, minutes[kept], weights, utc_seconds(rows["pickup_at"]), tables, finished)


def columns(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The frame's columns the model looks at, as arrays; what is not known of a ride is NaN, its vendor 0."""
    found = {name: frame[name].to_numpy() for name in MODEL_INPUTS}
    for name in OPTIONAL_INPUTS:
        if name in frame:
            found[name] = frame[name].to_numpy(np.float64, na_value=np.nan)
    if "vendor_id" in frame:
        found["vendor_id"] = frame["vendor_id"].to_numpy(np.float64, na_value=0)
    return found


def fill_unknown(matrix: NDArray[np.float32]) -> None:
    """Put zeros into the columns nobody knows, which no tree can then ask for: scikit-learn has no bins for them."""
    matrix[:, np.isnan(matrix).all(0)] = 0


def months(rides: Rides) -> Ints:
    """Months since 1970 of the pickups."""
    found: Ints = rides["pickup_at"].astype("datetime64[M]").astype(np.int64)
    return found


def finished_rides(rides: Rides, minutes: Floats, expected: NDArray[np.floating]) -> FinishedRides:
    """Rides of one service that are over, and what history led to expect of them.

    A pickup in an hour that the clocks repeat is taken to be in the second: no ride counts as over before it is.
    """
    return FinishedRides(
        over_at=utc_seconds(rides["pickup_at"], repeated="second") + np.rint(minutes * 60).astype(np.int64),
        starts=rides["pickup_zone_id"].astype(np.int64),
        ends=rides["dropoff_zone_id"].astype(np.int64),
        vendor=_vendors(rides),
        minutes=minutes,
        expected=expected.astype(np.float64),
    )


def now_columns(rides: Rides, places: Places, finished: Mapping[int, FinishedRides]) -> dict[str, NDArray[np.float32]]:
    """`NOW_INPUTS` of each ride, from finished rides by service id."""
    told = {name: np.full(len(rides["service_id"]), np.nan, np.float32) for name in NOW_INPUTS}
    for service, over in finished.items():
        own = rides["service_id"] == service
        some = _chosen(rides, own)
        _put(told, own, _now(some, places, over) | {STEADY: _steady(some, over)})
    return told


def _put_now(
    told: Rides,
    rides: Rides,
    recent: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    places: Places,
    finished: FinishedRides,
) -> None:
    with ThreadPoolExecutor(1) as beside:  # NumPy lets go of the interpreter while it sorts and looks up
        steady = beside.submit(_steady, _chosen(rides, recent), finished)
        _put(told, asked, _now(_chosen(rides, asked), places, finished))
    _put(told, recent, {STEADY: steady.result()})


def _now(rides: Rides, places: Places, finished: FinishedRides) -> dict[str, NDArray[np.float32]]:
    return now_features(
        utc_seconds(rides["pickup_at"]),
        rides["pickup_zone_id"].astype(np.int64),
        rides["dropoff_zone_id"].astype(np.int64),
        places.zones.borough,
        finished,
    )


def _steady(rides: Rides, finished: FinishedRides) -> NDArray[np.float32]:
    return steady_minutes(utc_seconds(rides["pickup_at"]), _vendors(rides), finished)


def _vendors(rides: Rides) -> Ints:
    unknown = np.zeros(len(rides["service_id"]))
    return np.asarray(rides.get("vendor_id", unknown), np.int64)


def _last(finished: FinishedRides) -> FinishedRides:
    """Those that may still be looked at in the month after."""
    return finished.subset(finished.over_at > finished.over_at.max() - reach_seconds())


def _hide(matrix: NDArray[np.float32], hidden: NDArray[np.bool_], month: Ints, left_out: Set[str]) -> None:
    if len(np.unique(month)) < _LEAST_MONTHS_OF_SEASONS:
        matrix[:, [MATRIX_COLUMNS.index(name) for name in SEASONAL_COLUMNS]] = 0
    # They are the last columns.
    matrix[hidden, -len(SOMETIMES_KNOWN) :] = np.nan
    matrix[:, [MATRIX_COLUMNS.index(name) for name in SOMETIMES_KNOWN if name in left_out]] = np.nan


def _put(told: Rides, rows: NDArray[np.bool_], values: Rides) -> None:
    for name, each in values.items():
        told[name][rows] = each


def _chosen(rides: Rides, rows: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return dict(rides) if rows.all() else {name: values[rows] for name, values in rides.items()}


def _past_rides(rides: Rides, minutes: Floats) -> PastRides:
    return PastRides(
        starts=rides["pickup_zone_id"].astype(np.int64),
        ends=rides["dropoff_zone_id"].astype(np.int64),
        period=periods(rides),
        month=months(rides),
        week=rides["pickup_at"].astype("datetime64[W]").astype(np.int64),
        minutes=minutes,
    )
