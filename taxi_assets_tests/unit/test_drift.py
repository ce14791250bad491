"""Drift on a real database: no drift without a shift, and each planted shift found by its feature."""

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.monitoring.drift import (
    DRIFTED,
    FEATURES,
    RATIO,
    SPEED,
    TARGET,
    WATCH,
    DriftReport,
    FeatureDrift,
    measure_drift,
)
from taxi_assets.warehouse.schema import TABLES

# Features derived from a feature move with it.
FOLLOW = {TARGET: {RATIO, SPEED}, "zone_distance_miles": {RATIO, SPEED}}
TRAINING_MONTHS, MONTH = (date(2023, 1, 1), date(2023, 2, 1)), date(2023, 3, 1)


def trips(count: int, seed: int, **shifts: object) -> pd.DataFrame:
    """Trips of an unchanging city; keyword arguments change columns."""
    random = np.random.default_rng(seed)
    zones = 1 + np.minimum(random.geometric(0.03, (2, count)), 260)
    drawn = {
        "pickup_zone_id": zones[0],
        "dropoff_zone_id": zones[1],
        "passenger_count": pd.array(np.minimum(random.geometric(0.7, count), 6), dtype="Int16"),
        "day_of_week": random.integers(0, 7, count),
        "minute_of_day": np.clip(random.normal(900, 240, count), 0, 1439).astype(int),
        "is_same_zone": zones[0] == zones[1],
        "zone_distance_miles": np.where(random.random(count) < 0.01, np.nan, random.gamma(2, 1.5, count)),
        "duration_minutes": 1 + random.gamma(3, 5, count),
    }
    frame = pd.DataFrame(drawn)
    for name, change in shifts.items():
        frame[name] = change(frame[name]) if callable(change) else change
    return frame


class City:
    """`trip_features` in memory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        connection.execute(TABLES["trip_features"].ddl())

    def add(self, month: date, frame: pd.DataFrame, service: str = "green") -> "City":
        self.connection.register("frame", frame.assign(month=month, service=service))
        self.connection.execute("INSERT INTO trip_features BY NAME SELECT * FROM frame")
        return self

    def drift(self, *services: str) -> DriftReport:
        return measure_drift(self.connection, services or ("green",), TRAINING_MONTHS, MONTH)


@pytest.fixture
def city():
    with duckdb.connect() as connection:
        yield City(connection)


@pytest.fixture
def trained_on(city: City) -> City:
    return city.add(TRAINING_MONTHS[0], trips(20_000, 1)).add(TRAINING_MONTHS[1], trips(20_000, 2))


def of(report: DriftReport, name: str) -> FeatureDrift:
    return next(feature for feature in report.features if feature.name == name)


def test_a_month_like_those_before_is_stable(trained_on: City) -> None:
    report = trained_on.add(MONTH, trips(20_000, 3)).drift()
    assert report.verdict == "stable"
    assert {feature.name for feature in report.features} == set(FEATURES)
    assert all(feature.psi < 0.02 and feature.verdict == "stable" for feature in report.features)
    assert (report.month, report.reference_months) == (MONTH, TRAINING_MONTHS)
    assert (report.reference_trips, report.month_trips) == (40_000, 20_000)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("duration_minutes", lambda minutes: minutes * 1.6),  # a slower city
        ("pickup_zone_id", lambda zones: 262 - zones),  # another mix of zones
        ("dropoff_zone_id", 7),
        ("minute_of_day", lambda minutes: (minutes + 360) % 1440),  # a shifted clock
        ("zone_distance_miles", lambda miles: miles * 1.609),  # another unit
        ("passenger_count", lambda counts: counts.mask(counts.index % 4 == 0)),  # a burst of missing values
        ("day_of_week", lambda days: days // 2),
        ("is_same_zone", True),
    ],
)
def test_a_planted_shift_is_found_in_its_feature(trained_on: City, name: str, change: object) -> None:
    report = trained_on.add(MONTH, trips(20_000, 3, **{name: change})).drift()
    follows = FOLLOW.get(name, set())
    assert report.verdict == "drifted"
    assert report.features[0].name in {name, *follows}
    assert {feature.name for feature in report.features if feature.verdict != "stable"} - follows == {name}


def test_a_smaller_shift_is_a_warning(trained_on: City) -> None:
    report = trained_on.add(MONTH, trips(20_000, 3, duration_minutes=lambda minutes: minutes * 1.25)).drift()
    assert report.verdict == "watch"
    assert WATCH < report.target.psi < DRIFTED


def test_the_target_reports_its_shift(trained_on: City) -> None:
    target = trained_on.add(MONTH, trips(20_000, 3, duration_minutes=lambda minutes: minutes + 5)).drift().target
    assert target.name == TARGET == "duration_minutes"
    assert target.month_mean == pytest.approx(target.reference_mean + 5, abs=0.2)


def test_missing_values_are_left_out_of_means(city: City) -> None:
    city.add(TRAINING_MONTHS[0], trips(1_000, 1, passenger_count=2))
    missing = pd.array([None] * 750 + [4] * 250, dtype="Int16")
    found = of(city.add(MONTH, trips(1_000, 2, passenger_count=missing)).drift(), "passenger_count")
    assert (found.reference_mean, found.month_mean) == (2, 4)


def test_categorical_and_empty_columns_have_no_mean(city: City) -> None:
    nothing = {"passenger_count": pd.array([None] * 100, dtype="Int16")}
    report = city.add(TRAINING_MONTHS[0], trips(100, 1, **nothing)).add(MONTH, trips(100, 2, **nothing)).drift()
    assert of(report, "pickup_zone_id").reference_mean is None
    assert of(report, "passenger_count").month_mean is None
    assert of(report, "passenger_count").psi == 0


def test_psi_follows_its_formula(city: City) -> None:
    city.add(TRAINING_MONTHS[0], trips(8_000, 1, is_same_zone=lambda same: same.index % 2 == 0))
    city.add(MONTH, trips(8_000, 2, is_same_zone=lambda same: same.index % 4 == 0))
    found = of(city.drift(), "is_same_zone")
    assert found.psi == pytest.approx((0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5))
    assert (found.reference_mean, found.month_mean) == (0.5, 0.25)


def test_a_numeric_feature_is_binned_by_tenths_of_the_training_data(city: City) -> None:
    city.add(TRAINING_MONTHS[0], trips(1_000, 1, duration_minutes=np.arange(1_000) + 1.0))
    found = city.add(MONTH, trips(1_000, 2, duration_minutes=np.arange(1_000) // 2 + 1.0)).drift().target
    shares = np.array([0.2] * 5 + [0.0001] * 5)
    assert found.psi == pytest.approx(np.sum((shares - 0.1) * np.log(shares / 0.1)), abs=0.01)


def test_psi_of_an_unseen_value_is_finite(trained_on: City) -> None:
    report = trained_on.add(MONTH, trips(20_000, 3, pickup_zone_id=265)).drift()
    assert of(report, "pickup_zone_id").verdict == "drifted"
    assert all(np.isfinite([feature.psi, feature.psi_noise_floor]).all() for feature in report.features)


@pytest.mark.parametrize("count", [1, 5, 20, 100, 400])
@pytest.mark.parametrize("seed", [10, 11, 12])
def test_a_few_trips_are_no_drift(trained_on: City, count: int, seed: int) -> None:
    report = trained_on.add(MONTH, trips(count, seed)).drift()
    assert report.verdict == "stable"
    assert report.month_trips == count


def test_psi_of_a_few_trips_is_within_the_noise_floor(trained_on: City) -> None:
    found = of(trained_on.add(MONTH, trips(100, 10)).drift(), "pickup_zone_id")
    assert found.psi > DRIFTED
    assert found.psi <= found.psi_noise_floor


def test_a_few_trips_that_all_moved_are_drift(trained_on: City) -> None:
    report = trained_on.add(MONTH, trips(50, 10, duration_minutes=lambda minutes: minutes + 40)).drift()
    assert {feature.name for feature in report.features if feature.verdict == "drifted"} == {TARGET, RATIO, SPEED}


def test_the_same_months_have_the_same_report(trained_on: City) -> None:
    trained_on.add(MONTH, trips(300, 3))
    assert trained_on.drift() == trained_on.drift()


def test_the_order_of_rows_does_not_change_the_report(city: City) -> None:
    """Threads read rows in any order; ratios such as 603 s / 600 s are halfway between two roundings."""
    random = np.random.default_rng(4)
    seconds = np.concatenate([600 + offset * np.array([-1, 1]) for offset in 3 * random.integers(1, 150, 20_000)])
    zones = np.repeat(random.integers(1, 200, 20_000), 2)
    frame = trips(40_000, 1, pickup_zone_id=zones, dropoff_zone_id=9, duration_minutes=seconds / 60)
    reports = []
    for order in (frame.index, frame["duration_minutes"].sort_values().index, frame.index[::-1]):
        city.connection.execute("DELETE FROM trip_features")
        for month in (*TRAINING_MONTHS, MONTH):
            city.add(month, frame.loc[order])
        reports.append(city.drift())
    assert reports[0] == reports[1] == reports[2]


def test_other_services_and_months_are_ignored(trained_on: City) -> None:
    trained_on.add(MONTH, trips(5_000, 3))
    alone = trained_on.drift()
    trained_on.add(MONTH, trips(5_000, 4, duration_minutes=90.0), service="yellow")
    trained_on.add(date(2023, 4, 1), trips(5_000, 4, duration_minutes=90.0))
    assert trained_on.drift() == alone


def test_another_mix_of_services_is_drift(trained_on: City) -> None:
    trained_on.add(TRAINING_MONTHS[0], trips(20_000, 4), service="yellow")
    trained_on.add(MONTH, trips(20_000, 3), service="green").add(MONTH, trips(500, 5), service="yellow")
    report = trained_on.drift("yellow", "green")
    assert report.features[0].name == "service"
    assert report.verdict == "drifted"


def test_a_training_month_is_refused(trained_on: City) -> None:
    with pytest.raises(TaxiError, match="2023-02 is a training month of the model: measure"):
        measure_drift(trained_on.connection, ["green"], TRAINING_MONTHS, TRAINING_MONTHS[1])


def test_a_month_without_trips_is_refused(trained_on: City) -> None:
    with pytest.raises(TaxiError, match="no trip of green in 2023-03: ingest"):
        trained_on.drift()


def test_a_missing_reference_is_an_error(city: City) -> None:
    city.add(MONTH, trips(10, 1))
    with pytest.raises(TaxiError, match="no trip of green in 2023-01, 2023-02: ingest"):
        city.drift()
    with pytest.raises(TaxiError, match="in no month: ingest"):
        measure_drift(city.connection, ["green"], [], MONTH)


def test_every_trip_feature_is_measured_itself_or_by_its_source() -> None:
    calendar = {"hour_of_week", "day_of_year", "month_of_year", "is_holiday", "is_holiday_eve", "is_after_holiday"}
    assert set(ROW_FEATURES) - set(FEATURES) == calendar
    assert set(FEATURES) - {RATIO, SPEED} <= {column.name for column in TABLES["trip_features"].columns}


def test_a_faster_city_with_longer_trips_is_reported(city: City) -> None:
    """As in a lockdown: other trips keep the durations the same, and each is faster than before."""

    def taken(count: int, seed: int, pace: float, miles: float) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        frame = trips(count, seed, pickup_zone_id=random.integers(1, 9, count))
        frame["dropoff_zone_id"] = np.clip(np.round(frame["pickup_zone_id"] + random.normal(miles, 1, count)), 1, 30)
        frame["zone_distance_miles"] = (frame["dropoff_zone_id"] - frame["pickup_zone_id"]).abs()
        frame["is_same_zone"] = frame["zone_distance_miles"] == 0
        typical = pace * (2 + 3 * frame["zone_distance_miles"])
        return frame.assign(duration_minutes=np.clip(typical * random.lognormal(0, 0.35, count), 1, 180))

    for number, month in enumerate(TRAINING_MONTHS):
        city.add(month, taken(20_000, number, pace=1.0, miles=3))
    report = city.add(MONTH, taken(20_000, 9, pace=0.7, miles=4.5)).drift()
    found = {name: of(report, name) for name in (TARGET, RATIO, SPEED)}
    assert found[TARGET].verdict == "stable"
    assert found[RATIO].verdict == "drifted"
    assert found[SPEED].verdict in {"watch", "drifted"}
    assert found[RATIO].reference_mean == pytest.approx(1, abs=0.01)
    assert found[RATIO].month_mean == pytest.approx(0.7, abs=0.03)
