"""Encodings of training trips: from the months before, else from other blocks of time."""

from typing import Any

import numpy as np
import pytest
from test_target_encoding import JANUARY, changed, drawn, encoded

from taxi_assets.features.out_of_fold import encode_training_trips, out_of_fold
from taxi_assets.features.target_encoding import (
    TARGET_ENCODING_FEATURES,
    EncodingTables,
    PastTrips,
    Smoothing,
    fit_tables,
)
from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.features.zone_geometry import ZoneGeometry

MONTHS = 9


@pytest.fixture(scope="module")
def geometry(zones: ZoneMap) -> ZoneGeometry:
    return ZoneGeometry(zones)


@pytest.fixture(scope="module")
def trips(geometry: ZoneGeometry) -> PastTrips:
    return drawn(geometry, months=MONTHS)


@pytest.fixture(scope="module")
def past(geometry: ZoneGeometry, trips: PastTrips) -> tuple[dict[str, Any], EncodingTables]:
    """The encodings of all trips, and the tables of the month after; takes two seconds."""
    return encode_training_trips(trips, geometry, Smoothing())


def test_from_the_fourth_month_on_a_trip_is_encoded_by_earlier_months(
    geometry: ZoneGeometry, trips: PastTrips, past: Any
) -> None:
    found, _ = past
    for month in (JANUARY + 3, JANUARY + 5):
        own = trips.month == month
        before = encoded(fit_tables(trips.subset(trips.month < month), geometry, month, Smoothing()), trips.subset(own))
        for name in TARGET_ENCODING_FEATURES:
            assert np.allclose(found[name][own], before[name], rtol=1e-4), name


def test_the_same_month_and_later_ones_do_not_affect_a_trip(
    geometry: ZoneGeometry, trips: PastTrips, past: Any
) -> None:
    before, _ = past
    after, _ = encode_training_trips(changed(trips, trips.month >= JANUARY + 7), geometry, Smoothing())
    own = trips.month <= JANUARY + 7
    for name in TARGET_ENCODING_FEATURES:
        assert np.array_equal(after[name][own], before[name][own]), name
    assert not np.array_equal(after["expected_minutes"][~own], before["expected_minutes"][~own])


def test_the_first_months_are_encoded_out_of_fold(geometry: ZoneGeometry, trips: PastTrips, past: Any) -> None:
    found, _ = past
    early = trips.month < JANUARY + 3
    folds = out_of_fold(trips.subset(early), geometry, Smoothing())
    for name in TARGET_ENCODING_FEATURES:
        assert np.array_equal(found[name][early], folds[name]), name


def test_final_tables_use_all_trips(geometry: ZoneGeometry, trips: PastTrips, past: Any) -> None:
    _, tables = past
    whole = fit_tables(trips, geometry, JANUARY + MONTHS, Smoothing())
    for name, table in whole.items():
        assert np.allclose(tables[name], table, rtol=1e-4, atol=1e-5), name


@pytest.mark.slow
def test_months_before_the_window_are_not_encoded(geometry: ZoneGeometry, trips: PastTrips, past: Any) -> None:
    found, tables = encode_training_trips(trips, geometry, Smoothing(), since=JANUARY + 2)
    whole, same = past
    old = trips.month < JANUARY + 2
    for name in TARGET_ENCODING_FEATURES:
        assert np.isnan(found[name][old]).all()
        assert np.array_equal(found[name][~old], whole[name][~old])
    assert all(np.array_equal(tables[name], same[name]) for name in tables)


@pytest.mark.slow
def test_months_after_a_gap_are_encoded_out_of_fold(geometry: ZoneGeometry, trips: PastTrips) -> None:
    gap = PastTrips(**vars(trips) | {"month": np.where(trips.month > JANUARY + 6, trips.month + 12, trips.month)})
    found, _ = encode_training_trips(gap, geometry, Smoothing())
    folds = out_of_fold(gap, geometry, Smoothing())
    assert np.array_equal(found["pair_minutes"], folds["pair_minutes"])


def test_encoding_no_trips_is_refused(geometry: ZoneGeometry, trips: PastTrips) -> None:
    with pytest.raises(ValueError, match="no trips"):
        encode_training_trips(trips.subset(trips.minutes < 0), geometry, Smoothing())
