"""The history of rides that are learned from: the months before, else other blocks of time; never the ride itself."""

from typing import Any

import numpy as np
import pytest
from test_history import JANUARY, changed, drawn, told

from taxi_assets.features.out_of_fold import out_of_fold, past_of_training
from taxi_assets.features.target_encoding import HISTORY_FEATURES, PastRides, Smoothing, Tables, fit_tables
from taxi_assets.features.trip_features import ZoneMap
from taxi_assets.features.zone_geometry import Places

MONTHS = 9


@pytest.fixture(scope="module")
def places(zones: ZoneMap) -> Places:
    return Places(zones)


@pytest.fixture(scope="module")
def rides(places: Places) -> PastRides:
    return drawn(places, months=MONTHS)


@pytest.fixture(scope="module")
def past(places: Places, rides: PastRides) -> tuple[dict[str, Any], Tables]:
    """What all of the rides are told, and the tables of the month after; takes two seconds."""
    return past_of_training(rides, places, Smoothing())


def test_from_the_fourth_month_on_a_ride_is_told_by_the_months_before_it(
    places: Places, rides: PastRides, past: Any
) -> None:
    found, _ = past
    for month in (JANUARY + 3, JANUARY + 8):
        own = rides.month == month
        before = told(fit_tables(rides.subset(rides.month < month), places, month, Smoothing()), rides.subset(own))
        for name in HISTORY_FEATURES:
            assert np.allclose(found[name][own], before[name], rtol=1e-4), name


def test_nothing_of_its_month_or_later_tells_it_anything(places: Places, rides: PastRides, past: Any) -> None:
    before, _ = past
    after, _ = past_of_training(changed(rides, rides.month >= JANUARY + 7), places, Smoothing())
    own = rides.month <= JANUARY + 7
    for name in HISTORY_FEATURES:
        assert np.array_equal(after[name][own], before[name][own]), name
    assert not np.array_equal(after["expected_minutes"][~own], before["expected_minutes"][~own])


def test_the_first_months_are_told_by_each_other(places: Places, rides: PastRides, past: Any) -> None:
    found, _ = past
    early = rides.month < JANUARY + 3
    folds = out_of_fold(rides.subset(early), places, Smoothing())
    for name in HISTORY_FEATURES:
        assert np.array_equal(found[name][early], folds[name]), name


def test_all_rides_make_the_tables_of_the_month_after(places: Places, rides: PastRides, past: Any) -> None:
    _, tables = past
    whole = fit_tables(rides, places, JANUARY + MONTHS, Smoothing())
    for name, table in whole.items():
        assert np.allclose(tables[name], table, rtol=1e-4, atol=1e-5), name


def test_months_too_old_to_be_learned_from_are_not_told(places: Places, rides: PastRides, past: Any) -> None:
    found, tables = past_of_training(rides, places, Smoothing(), since=JANUARY + 2)
    whole, same = past
    old = rides.month < JANUARY + 2
    for name in HISTORY_FEATURES:
        assert np.isnan(found[name][old]).all()
        assert np.array_equal(found[name][~old], whole[name][~old])
    assert all(np.array_equal(tables[name], same[name]) for name in tables)


def test_after_a_gap_months_are_early_again(places: Places, rides: PastRides) -> None:
    gap = PastRides(**vars(rides) | {"month": np.where(rides.month > JANUARY + 6, rides.month + 12, rides.month)})
    found, _ = past_of_training(gap, places, Smoothing())
    folds = out_of_fold(gap, places, Smoothing())
    assert np.array_equal(found["pair_minutes"], folds["pair_minutes"])


def test_no_rides_have_no_past(places: Places, rides: PastRides) -> None:
    with pytest.raises(ValueError, match="no rides"):
        past_of_training(rides.subset(rides.minutes < 0), places, Smoothing())
