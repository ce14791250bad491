"""Target encoding: close to the data for frequent pairs, sensible for unseen ones."""

from typing import Any

import numpy as np
import pytest

from taxi_assets.features.out_of_fold import out_of_fold
from taxi_assets.features.target_encoding import (
    PERIODS,
    TARGET_ENCODING_FEATURES,
    EncodingTables,
    PastTrips,
    Smoothing,
    fit_tables,
    look_up,
)
from taxi_assets.features.trip_features import ZONES, ZoneMap
from taxi_assets.features.zone_geometry import ZoneGeometry

JANUARY = 53 * 12  # of 2023, in months since 1970
TRIPS = 4000


def past(**columns: Any) -> PastTrips:
    """Trips of equal duration and period; keyword arguments replace columns, scalars hold for every trip."""
    encoded = {"starts": 74, "ends": 75, "period": 8, "month": JANUARY, "week": 2765, "minutes": 15.0} | columns
    count = max(np.size(values) for values in encoded.values())
    kinds = {"minutes": np.float64}
    return PastTrips(**{name: np.full(count, v, kinds.get(name, np.int64)) for name, v in encoded.items()})


def drawn(geometry: ZoneGeometry, months: int = 1, seed: int = 5) -> PastTrips:
    """Trips between zones of a city over weeks and periods; durations grow with distance."""
    rng = np.random.default_rng(seed)
    placed = np.flatnonzero(geometry.has_location)
    starts, ends = rng.choice(placed, (2, TRIPS))
    week = rng.integers(0, 4 * months, TRIPS)
    minutes = 4 + 5 * geometry.straight_line_miles[starts, ends] * rng.lognormal(0, 0.1, TRIPS)
    period = rng.integers(0, PERIODS, TRIPS)
    return past(starts=starts, ends=ends, period=period, month=JANUARY + week // 4, week=2765 + week, minutes=minutes)


def changed(trips: PastTrips, chosen: np.ndarray) -> PastTrips:
    """The same trips, with other durations for the chosen ones."""
    return PastTrips(**vars(trips) | {"minutes": np.where(chosen, trips.minutes * 4 + 30, trips.minutes)})


def encoded(tables: EncodingTables, trips: PastTrips) -> dict[str, np.ndarray]:
    return dict(look_up(tables, trips.starts, trips.ends, trips.period))


@pytest.fixture(scope="module")
def geometry(zones: ZoneMap) -> ZoneGeometry:
    return ZoneGeometry(zones)


@pytest.fixture(scope="module")
def trips(geometry: ZoneGeometry) -> PastTrips:
    return drawn(geometry)


@pytest.fixture(scope="module")
def tables(trips: PastTrips, geometry: ZoneGeometry) -> EncodingTables:
    return fit_tables(trips, geometry, JANUARY + 1, Smoothing())


def assert_usable(tables: EncodingTables) -> None:
    for name, table in tables.items():
        assert table.dtype == np.float32, name
        assert np.isfinite(table).all(), name
        assert table.min() >= 0, name
        assert table.min() > 0 or name.endswith("_log_trips"), name


# Tables


def test_tables_cover_every_pair_and_period(tables: EncodingTables) -> None:
    assert_usable(tables)
    shapes = {table.shape for table in tables.values()}
    assert shapes == {(ZONES, ZONES), (PERIODS, ZONES), (PERIODS, ZONES, ZONES)}


@pytest.mark.parametrize(
    "few",
    [
        past(),
        past(starts=265, ends=264),
        past(starts=[264, 74], ends=[264, 74], minutes=[1, 180]),
        past(minutes=np.full(500, 1.0), week=np.arange(500)),
    ],
    ids=["one trip", "no places", "two trips", "short ones"],
)
def test_tables_of_a_few_trips_are_usable(geometry: ZoneGeometry, few: PastTrips) -> None:
    assert_usable(fit_tables(few, geometry, JANUARY + 1, Smoothing()))


@pytest.mark.slow
def test_the_same_trips_give_the_same_tables(trips: PastTrips, tables: EncodingTables, geometry: ZoneGeometry) -> None:
    again = fit_tables(trips, geometry, JANUARY + 1, Smoothing())
    assert all(np.array_equal(again[name], table) for name, table in tables.items())


def test_every_feature_is_computed_for_every_trip(trips: PastTrips, tables: EncodingTables) -> None:
    found = encoded(tables, trips)
    assert list(found) == list(TARGET_ENCODING_FEATURES)
    assert all(values.shape == (TRIPS,) for values in found.values())
    assert np.array_equal(found["reverse_pair_minutes"], tables["pair_minutes"][trips.ends, trips.starts])
    assert np.array_equal(found["pickup_period_ratio"], tables["pickup_period_ratio"][trips.period, trips.starts])
    assert np.array_equal(found["dropoff_period_ratio"], tables["dropoff_period_ratio"][trips.period, trips.ends])
    product = found["pair_period_minutes"] * found["neighbour_period_ratio"]
    assert np.array_equal(found["expected_minutes"], product)


# Values


def test_an_unseen_pair_takes_the_values_of_the_city_around_it(
    tables: EncodingTables, trips: PastTrips, geometry: ZoneGeometry
) -> None:
    ridden = np.zeros((ZONES, ZONES), bool)
    ridden[trips.starts, trips.ends] = True
    unseen = ~ridden & geometry.has_location & geometry.has_location[:, None] & (geometry.straight_line_miles < 12)
    truth = 4 + 5 * geometry.straight_line_miles
    found = tables["pair_minutes"] / truth
    assert unseen.sum() > 10_000
    assert 0.95 < np.median(found[unseen]) < 1.05
    assert np.mean(np.abs(found[unseen] - 1) < 0.25) > 0.95


def test_an_unseen_pair_lies_between_its_neighbours(geometry: ZoneGeometry) -> None:
    near = np.argsort(geometry.straight_line_miles[74])[1:6]
    far = int(np.nanargmin(np.abs(geometry.straight_line_miles[74] - 5)))
    seen = [int(zone) for zone in near if zone not in (74, far)]
    minutes = np.repeat(np.linspace(20, 28, len(seen)), 60)
    found = fit_tables(past(starts=np.repeat(seen, 60), ends=far, minutes=minutes), geometry, JANUARY + 1, Smoothing())
    assert 20 <= found["pair_minutes"][74, far] <= 28
    assert found["pair_log_trips"][74, far] == 0


@pytest.fixture(scope="module")
def planted(trips: PastTrips, geometry: ZoneGeometry) -> EncodingTables:
    """A city with a slow pair, a zone that is slow at eight, and a pair that became slower lately."""
    parts = [
        vars(trips),
        vars(past(starts=74, ends=75, minutes=np.linspace(50, 60, 800), period=np.arange(800) % PERIODS)),
        vars(past(starts=10, ends=20, minutes=40.0, period=np.full(400, 8))),
        vars(past(starts=10, ends=20, minutes=20.0, period=np.full(400, 3))),
        vars(past(starts=30, ends=40, minutes=20.0, month=np.full(200, JANUARY - 24))),
        vars(past(starts=30, ends=40, minutes=30.0, month=np.full(200, JANUARY))),
        vars(past(starts=50, ends=60, period=np.full(300, 23))),
    ]
    every = {name: np.concatenate([part[name] for part in parts]) for name in vars(trips)}
    return fit_tables(PastTrips(**every), geometry, JANUARY + 1, Smoothing())


def test_a_frequent_pair_has_its_own_mean(planted: EncodingTables) -> None:
    assert planted["pair_minutes"][74, 75] == pytest.approx(55, rel=0.02)
    assert planted["pair_typical_minutes"][74, 75] == pytest.approx(55, rel=0.03)
    assert planted["pair_spread_minutes"][74, 75] == pytest.approx(np.sqrt(100 / 12), rel=0.5)
    assert planted["pair_log_trips"][74, 75] == pytest.approx(np.log1p(800), rel=0.05)


def test_a_pair_has_its_own_mean_at_a_time_of_day(planted: EncodingTables) -> None:
    pair = planted["pair_period_minutes"]
    assert pair[8, 10, 20] == pytest.approx(40, rel=0.05)
    assert pair[3, 10, 20] == pytest.approx(20, rel=0.05)
    assert planted["pickup_period_ratio"][8, 10] > 1.1
    assert planted["dropoff_period_ratio"][8, 20] > 1.1


def test_hours_wrap_around_midnight_but_not_to_other_days(planted: EncodingTables) -> None:
    seen = planted["pair_period_log_trips"][:, 50, 60]
    assert seen[23] > seen[0] > 0
    assert seen[22] == pytest.approx(seen[0])
    assert (seen[24:] < 0.5).all()
    assert seen[12] < 0.5


def test_recent_trips_have_more_weight(planted: EncodingTables) -> None:
    assert 25.5 < planted["pair_minutes"][30, 40] < 30
    assert planted["pair_recent_ratio"][30, 40] > 1.02
    assert planted["pair_recent_ratio"][10, 20] == pytest.approx(1, abs=0.02)


# Training rows


def test_a_training_trip_is_encoded_by_the_other_weeks(trips: PastTrips, geometry: ZoneGeometry) -> None:
    found = out_of_fold(trips, geometry, Smoothing())
    own = trips.week == trips.week.min()
    others = encoded(fit_tables(trips.subset(~own), geometry, JANUARY, Smoothing()), trips.subset(own))
    assert list(found) == list(TARGET_ENCODING_FEATURES)
    for name, values in others.items():
        assert np.array_equal(found[name][own], values), name


@pytest.mark.slow
def test_a_training_trip_is_independent_of_its_own_weeks(trips: PastTrips, geometry: ZoneGeometry) -> None:
    before = out_of_fold(trips, geometry, Smoothing())
    one = np.arange(TRIPS) == 17
    after = out_of_fold(changed(trips, one), geometry, Smoothing())
    week = trips.week == trips.week[17]
    for name, values in before.items():
        assert np.array_equal(after[name][week], values[week]), name
    assert not np.array_equal(after["expected_minutes"][~week], before["expected_minutes"][~week])


@pytest.mark.slow
def test_over_half_a_year_folds_are_blocks_of_three_weeks(geometry: ZoneGeometry) -> None:
    trips = drawn(geometry, months=6)
    found = out_of_fold(trips, geometry, Smoothing())
    weeks = np.unique(trips.week)
    own = np.isin(trips.week, weeks[3:6])
    as_of = float(np.median(trips.month[own]))
    others = encoded(fit_tables(trips.subset(~own), geometry, as_of, Smoothing()), trips.subset(own))
    for name, values in others.items():
        assert np.array_equal(found[name][own], values), name


def test_trips_of_a_single_week_are_encoded_by_themselves(trips: PastTrips, geometry: ZoneGeometry) -> None:
    week = trips.subset(trips.week == trips.week[0])
    found = out_of_fold(week, geometry, Smoothing())
    themselves = encoded(fit_tables(week, geometry, JANUARY, Smoothing()), week)
    for name, values in themselves.items():
        assert np.isfinite(values).all()
        assert np.array_equal(found[name], values), name


def test_a_subset_of_trips_keeps_all_columns(trips: PastTrips) -> None:
    some = trips.subset(trips.minutes > 20)
    assert {len(values) for values in vars(some).values()} == {int((trips.minutes > 20).sum())}
    assert some.minutes.min() > 20
