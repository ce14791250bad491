"""What past rides say: close to what was seen often, sensible where nothing was, never told by the ride itself."""

from typing import Any

import numpy as np
import pytest

from taxi_assets.features.out_of_fold import out_of_fold
from taxi_assets.features.target_encoding import (
    HISTORY_FEATURES,
    PERIODS,
    PastRides,
    Smoothing,
    Tables,
    fit_tables,
    look_up,
)
from taxi_assets.features.trip_features import ZONES, ZoneMap
from taxi_assets.features.zone_geometry import Places

JANUARY = 53 * 12  # of 2023, in months since 1970
RIDES = 4000


def past(**columns: Any) -> PastRides:
    """Rides of one length of time and period, but for what is said otherwise; scalars hold for every ride."""
    told = {"starts": 74, "ends": 75, "period": 8, "month": JANUARY, "week": 2765, "minutes": 15.0} | columns
    count = max(np.size(values) for values in told.values())
    kinds = {"minutes": np.float64}
    return PastRides(**{name: np.full(count, v, kinds.get(name, np.int64)) for name, v in told.items()})


def drawn(places: Places, months: int = 1, seed: int = 5) -> PastRides:
    """Rides between zones of a city, over weeks and periods, that last as long as they go far."""
    rng = np.random.default_rng(seed)
    placed = np.flatnonzero(places.is_placed)
    starts, ends = rng.choice(placed, (2, RIDES))
    week = rng.integers(0, 4 * months, RIDES)
    minutes = 4 + 5 * places.ride_miles[starts, ends] * rng.lognormal(0, 0.1, RIDES)
    period = rng.integers(0, PERIODS, RIDES)
    return past(starts=starts, ends=ends, period=period, month=JANUARY + week // 4, week=2765 + week, minutes=minutes)


def changed(rides: PastRides, chosen: np.ndarray) -> PastRides:
    """The same rides, of which the chosen ones took another time."""
    return PastRides(**vars(rides) | {"minutes": np.where(chosen, rides.minutes * 4 + 30, rides.minutes)})


def told(tables: Tables, rides: PastRides) -> dict[str, np.ndarray]:
    return dict(look_up(tables, rides.starts, rides.ends, rides.period))


@pytest.fixture(scope="module")
def places(zones: ZoneMap) -> Places:
    return Places(zones)


@pytest.fixture(scope="module")
def rides(places: Places) -> PastRides:
    return drawn(places)


@pytest.fixture(scope="module")
def tables(rides: PastRides, places: Places) -> Tables:
    return fit_tables(rides, places, JANUARY + 1, Smoothing())


def assert_usable(tables: Tables) -> None:
    for name, table in tables.items():
        assert table.dtype == np.float32, name
        assert np.isfinite(table).all(), name
        assert table.min() >= 0, name
        assert table.min() > 0 or name.endswith("_log_rides"), name


# Tables


def test_tables_speak_of_every_pair_and_period(tables: Tables) -> None:
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
    ids=["one ride", "no places", "two rides", "short ones"],
)
def test_of_few_rides_tables_are_usable_too(places: Places, few: PastRides) -> None:
    assert_usable(fit_tables(few, places, JANUARY + 1, Smoothing()))


def test_the_same_rides_make_the_same_tables(rides: PastRides, tables: Tables, places: Places) -> None:
    again = fit_tables(rides, places, JANUARY + 1, Smoothing())
    assert all(np.array_equal(again[name], table) for name, table in tables.items())


def test_every_feature_is_told_of_every_ride(rides: PastRides, tables: Tables) -> None:
    found = told(tables, rides)
    assert list(found) == list(HISTORY_FEATURES)
    assert all(values.shape == (RIDES,) for values in found.values())
    assert np.array_equal(found["reverse_pair_minutes"], tables["pair_minutes"][rides.ends, rides.starts])
    assert np.array_equal(found["pickup_period_ratio"], tables["pickup_period_ratio"][rides.period, rides.starts])
    assert np.array_equal(found["dropoff_period_ratio"], tables["dropoff_period_ratio"][rides.period, rides.ends])
    product = found["pair_period_minutes"] * found["neighbour_period_ratio"]
    assert np.array_equal(found["expected_minutes"], product)


# What they say


def test_a_pair_nobody_rode_is_told_by_the_city_around_it(tables: Tables, rides: PastRides, places: Places) -> None:
    ridden = np.zeros((ZONES, ZONES), bool)
    ridden[rides.starts, rides.ends] = True
    unseen = ~ridden & places.is_placed & places.is_placed[:, None] & (places.ride_miles < 12)
    truth = 4 + 5 * places.ride_miles
    found = tables["pair_minutes"] / truth
    assert unseen.sum() > 10_000
    assert 0.95 < np.median(found[unseen]) < 1.05
    assert np.mean(np.abs(found[unseen] - 1) < 0.25) > 0.95


def test_an_unseen_pair_lies_between_its_neighbours(places: Places) -> None:
    near = np.argsort(places.ride_miles[74])[1:6]
    far = int(np.nanargmin(np.abs(places.ride_miles[74] - 5)))
    seen = [int(zone) for zone in near if zone not in (74, far)]
    minutes = np.repeat(np.linspace(20, 28, len(seen)), 60)
    found = fit_tables(past(starts=np.repeat(seen, 60), ends=far, minutes=minutes), places, JANUARY + 1, Smoothing())
    assert 20 <= found["pair_minutes"][74, far] <= 28
    assert found["pair_log_rides"][74, far] == 0


@pytest.fixture(scope="module")
def planted(rides: PastRides, places: Places) -> Tables:
    """A city in which one pair is slow, one zone is slow at eight, and one pair became slower lately."""
    parts = [
        vars(rides),
        vars(past(starts=74, ends=75, minutes=np.linspace(50, 60, 800), period=np.arange(800) % PERIODS)),
        vars(past(starts=10, ends=20, minutes=40.0, period=np.full(400, 8))),
        vars(past(starts=10, ends=20, minutes=20.0, period=np.full(400, 3))),
        vars(past(starts=30, ends=40, minutes=20.0, month=np.full(200, JANUARY - 24))),
        vars(past(starts=30, ends=40, minutes=30.0, month=np.full(200, JANUARY))),
        vars(past(starts=50, ends=60, period=np.full(300, 23))),
    ]
    every = {name: np.concatenate([part[name] for part in parts]) for name in vars(rides)}
    return fit_tables(PastRides(**every), places, JANUARY + 1, Smoothing())


def test_a_pair_seen_often_is_told_by_its_own_rides(planted: Tables) -> None:
    assert planted["pair_minutes"][74, 75] == pytest.approx(55, rel=0.02)
    assert planted["pair_typical_minutes"][74, 75] == pytest.approx(55, rel=0.03)
    assert planted["pair_spread_minutes"][74, 75] == pytest.approx(np.sqrt(100 / 12), rel=0.5)
    assert planted["pair_log_rides"][74, 75] == pytest.approx(np.log1p(800), rel=0.05)


def test_the_time_of_day_is_told_where_rides_tell_it(planted: Tables) -> None:
    pair = planted["pair_period_minutes"]
    assert pair[8, 10, 20] == pytest.approx(40, rel=0.05)
    assert pair[3, 10, 20] == pytest.approx(20, rel=0.05)
    assert planted["pickup_period_ratio"][8, 10] > 1.1
    assert planted["dropoff_period_ratio"][8, 20] > 1.1


def test_hours_go_around_the_clock_but_not_to_other_days(planted: Tables) -> None:
    seen = planted["pair_period_log_rides"][:, 50, 60]
    assert seen[23] > seen[0] > 0
    assert seen[22] == pytest.approx(seen[0])
    assert (seen[24:] < 0.5).all()
    assert seen[12] < 0.5


def test_what_happened_lately_counts_for_more(planted: Tables) -> None:
    assert 25.5 < planted["pair_minutes"][30, 40] < 30
    assert planted["pair_recent_ratio"][30, 40] > 1.02
    assert planted["pair_recent_ratio"][10, 20] == pytest.approx(1, abs=0.02)


# Training rows


def test_a_training_ride_is_told_by_the_other_weeks(rides: PastRides, places: Places) -> None:
    found = out_of_fold(rides, places, Smoothing())
    own = rides.week == rides.week.min()
    others = told(fit_tables(rides.subset(~own), places, JANUARY, Smoothing()), rides.subset(own))
    assert list(found) == list(HISTORY_FEATURES)
    for name, values in others.items():
        assert np.array_equal(found[name][own], values), name


def test_its_own_duration_and_its_weeks_tell_a_training_ride_nothing(rides: PastRides, places: Places) -> None:
    before = out_of_fold(rides, places, Smoothing())
    one = np.arange(RIDES) == 17
    after = out_of_fold(changed(rides, one), places, Smoothing())
    week = rides.week == rides.week[17]
    for name, values in before.items():
        assert np.array_equal(after[name][week], values[week]), name
    assert not np.array_equal(after["expected_minutes"][~week], before["expected_minutes"][~week])


def test_over_half_a_year_a_training_ride_is_told_by_other_blocks_of_three_weeks(places: Places) -> None:
    rides = drawn(places, months=6)
    found = out_of_fold(rides, places, Smoothing())
    weeks = np.unique(rides.week)
    own = np.isin(rides.week, weeks[3:6])
    as_of = float(np.median(rides.month[own]))
    others = told(fit_tables(rides.subset(~own), places, as_of, Smoothing()), rides.subset(own))
    for name, values in others.items():
        assert np.array_equal(found[name][own], values), name


def test_rides_of_a_single_week_are_told_by_themselves_for_want_of_others(rides: PastRides, places: Places) -> None:
    week = rides.subset(rides.week == rides.week[0])
    found = out_of_fold(week, places, Smoothing())
    themselves = told(fit_tables(week, places, JANUARY, Smoothing()), week)
    for name, values in themselves.items():
        assert np.isfinite(values).all()
        assert np.array_equal(found[name], values), name


def test_rides_chosen_keep_all_their_columns(rides: PastRides) -> None:
    some = rides.subset(rides.minutes > 20)
    assert {len(values) for values in vars(some).values()} == {int((rides.minutes > 20).sum())}
    assert some.minutes.min() > 20
