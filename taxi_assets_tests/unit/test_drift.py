"""Drift on a real database: rare alarms without a shift, and the right verdict on each planted shift."""

from collections.abc import Callable, Iterator
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.monitoring.drift.daily_counts import FEATURES, RATIO, TARGET
from taxi_assets.monitoring.drift.measure_drift import DriftReport, FeatureDrift, measure_drift
from taxi_assets.warehouse.schema import TABLES

REFERENCE = tuple(date(2022, number, 1) for number in range(1, 13))
MONTH = date(2023, 1, 1)
COUNT = 3_000
HOURS = np.array([4, 3, 2, 1, 1, 2, 5, 9, 10, 8, 7, 7, 8, 8, 9, 9, 10, 12, 13, 11, 9, 8, 7, 5], float)

Change = Callable[[pd.DataFrame], pd.DataFrame]


def trips(month: date, count: int, seed: int) -> pd.DataFrame:
    """Trips of an unchanging city."""
    random = np.random.default_rng(seed)
    days = (date(month.year + month.month // 12, month.month % 12 + 1, 1) - month).days
    zones = 1 + np.minimum(random.geometric(0.1, (2, count)), 60)
    hours, minutes = random.choice(24, count, p=HOURS / HOURS.sum()), random.integers(0, 60, count)
    pickup = pd.to_datetime(month) + pd.to_timedelta(random.integers(0, days, count), unit="D")
    pickup += pd.to_timedelta(60 * hours + minutes, unit="min")
    miles = 0.3 * np.abs(zones[0] - zones[1])
    return pd.DataFrame(
        {
            "service": "green",
            "month": month,
            "source_row": np.arange(count),
            "pickup_at": pickup,
            "pickup_zone_id": zones[0],
            "dropoff_zone_id": zones[1],
            "passenger_count": pd.array(np.minimum(random.geometric(0.7, count), 6), dtype="Int16"),
            "minute_of_day": 60 * hours + minutes,
            "day_of_week": pickup.dayofweek,
            "is_same_zone": zones[0] == zones[1],
            "zone_distance_miles": miles,
            "trip_distance_miles": 1.3 * miles * random.lognormal(0, 0.1, count),
            "duration_minutes": (4 + 4 * miles) * random.lognormal(0, 0.3, count),
            "rate_code_id": 1,
            "payment_type_id": 1,
            "fare_usd": 10.0,
            "total_usd": 12.0,
        }
    )


class City:
    """The warehouse's tables of trips, in memory."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        for name in ("kept_trips", "raw_trips", "rejections"):
            columns = ", ".join(f"{column.name} {column.type}" for column in TABLES[name].columns)
            connection.execute(f"CREATE TABLE {name} ({columns})")

    def add(self, frame: pd.DataFrame, rejected: int = 0) -> "City":
        """Adds trips, of which cleaning rejects the first so many."""
        reasons = frame.head(rejected).assign(reason="speed_impossible")
        for table, rows in (("kept_trips", frame.iloc[rejected:]), ("raw_trips", frame), ("rejections", reasons)):
            names = [column.name for column in TABLES[table].columns if column.name in rows]
            self.connection.register("rows", rows[names])
            self.connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")
        return self

    def drift(self, *services: str, reference: tuple[date, ...] = REFERENCE, alarms: int = 24) -> DriftReport:
        return measure_drift(self.connection, services or ("green",), reference, MONTH, alarms)


@pytest.fixture(scope="module")
def history() -> Iterator[City]:
    """Twelve months of training data."""
    with duckdb.connect() as connection:
        city = City(connection)
        for seed, month in enumerate(REFERENCE):
            city.add(trips(month, COUNT, seed), rejected=30)
        yield city


@pytest.fixture
def city(history: City) -> Iterator[City]:
    """The training data; what a test adds is removed after it."""
    history.connection.execute("BEGIN TRANSACTION")
    yield history
    history.connection.execute("ROLLBACK")


def of(report: DriftReport, name: str) -> FeatureDrift:
    return next(feature for feature in report.features if feature.name == name)


def slower(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(duration_minutes=1.15 * frame["duration_minutes"])


def other_zones(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(pickup_zone_id=62 - frame["pickup_zone_id"])


def clock_off(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(minute_of_day=(frame["minute_of_day"] + 60) % 1440)


def kilometres(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(trip_distance_miles=1.609 * frame["trip_distance_miles"])


def null_burst(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.sort_values("pickup_at", ignore_index=True)
    frame.loc[: len(frame) // 5, ["passenger_count", "rate_code_id"]] = None
    return frame


def test_a_month_like_those_before_is_stable(city: City) -> None:
    report = city.add(trips(MONTH, COUNT, 99), rejected=30).drift()
    assert report.verdict == "stable"
    assert {feature.name for feature in report.features} == set(FEATURES)
    assert (report.month, report.reference_months) == (MONTH, REFERENCE)
    assert (report.reference_trips, report.month_trips) == (12 * (COUNT - 30), COUNT - 30)
    assert len(report.facts) == 3


@pytest.mark.parametrize("count", [COUNT, pytest.param(COUNT // 3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("change", "feature", "verdict"),
    [
        (slower, RATIO, "retrain"),
        (other_zones, "pickup_zone_id", "retrain"),
        (clock_off, "hour_of_day", "fix data"),
        (kilometres, "metered_distance_ratio", "fix data"),
        (null_burst, "missing_values", "fix data"),
    ],
)
def test_a_planted_shift_has_its_verdict_in_a_large_and_a_small_month(
    city: City, change: Change, feature: str, verdict: str, count: int
) -> None:
    report = city.add(change(trips(MONTH, count, 99)), rejected=count // 100).drift()
    assert report.verdict == verdict
    assert report.is_alarm
    assert of(report, feature).verdict != "stable" or feature == "hour_of_day"  # the clock has a test of its own


def test_more_rejected_trips_are_a_fault_of_the_data(city: City) -> None:
    report = city.add(trips(MONTH, COUNT, 99), rejected=300).drift()
    assert report.verdict == "fix data"
    assert "cleaning rejects 9.0% more of the trips than in training" in report.facts[1]


def test_a_clock_fault_is_stated_in_hours(city: City) -> None:
    report = city.add(clock_off(trips(MONTH, COUNT, 99)), rejected=30).drift()
    assert "clock +1 h off" in report.facts[1]


def test_an_alarm_that_may_be_wrong_more_often_comes_earlier(city: City) -> None:
    city.add(trips(MONTH, COUNT, 99).assign(duration_minutes=lambda frame: 1.05 * frame["duration_minutes"]))
    limits = [of(city.drift(alarms=months), RATIO).limit for months in (6, 24, 240)]
    assert limits == sorted(limits)
    assert len(set(limits)) == 3


def test_the_target_reports_its_shift(city: City) -> None:
    target = city.add(slower(trips(MONTH, COUNT, 99))).drift().target
    assert target.name == TARGET == "duration_minutes"
    assert target.reference_mean
    assert target.month_mean == pytest.approx(1.15 * target.reference_mean, rel=0.03)


def test_categories_have_no_mean(city: City) -> None:
    report = city.add(trips(MONTH, COUNT, 99)).drift()
    assert of(report, "pickup_zone_id").reference_mean is None
    assert of(report, "passenger_count").month_mean == pytest.approx(1.43, abs=0.1)


def test_a_feature_without_values_in_the_month_is_left_out(city: City) -> None:
    frame = trips(MONTH, COUNT, 99).assign(passenger_count=None)
    report = city.add(frame).drift()
    assert "passenger_count" not in {feature.name for feature in report.features}
    assert report.verdict == "fix data"


def test_the_order_of_rows_does_not_change_the_report(city: City) -> None:
    frame = trips(MONTH, COUNT, 99)
    first = city.add(frame).drift()
    for table in ("raw_trips", "kept_trips"):
        city.connection.execute(f"DELETE FROM {table} WHERE month = ?", [MONTH])
    assert city.add(frame.sort_values("duration_minutes")).drift() == first


def test_other_services_and_months_are_ignored(city: City) -> None:
    alone = city.add(trips(MONTH, COUNT, 99)).drift()
    city.add(trips(MONTH, 1_000, 4).assign(service="yellow", duration_minutes=90.0))
    city.add(trips(date(2023, 2, 1), 1_000, 4).assign(duration_minutes=90.0))
    assert city.drift() == alone


def test_another_mix_of_services_is_drift(city: City) -> None:
    for seed, month in enumerate(REFERENCE):
        city.add(trips(month, COUNT, 50 + seed).assign(service="yellow"))
    report = (
        city.add(trips(MONTH, COUNT, 99)).add(trips(MONTH, 100, 5).assign(service="yellow")).drift("yellow", "green")
    )
    assert report.features[0].name == "service"
    assert report.verdict == "retrain"


def test_a_few_training_months_need_a_larger_change(city: City) -> None:
    city.add(trips(MONTH, COUNT, 99))
    few, many = city.drift(reference=REFERENCE[-1:]), city.drift()
    assert few.verdict == "stable"
    assert of(few, RATIO).limit > of(many, RATIO).limit


def test_a_training_month_is_refused(city: City) -> None:
    with pytest.raises(TaxiError, match="2022-02 is a training month of the model: measure"):
        measure_drift(city.connection, ["green"], REFERENCE, REFERENCE[1])


def test_a_side_without_trips_is_refused(city: City) -> None:
    with pytest.raises(TaxiError, match="no trip of green in 2023-01: ingest it first"):
        city.drift()
    city.add(trips(MONTH, 10, 1))
    with pytest.raises(TaxiError, match="no trip of green in its training months: ingest them first"):
        city.drift(reference=(date(2019, 1, 1),))


def test_every_trip_feature_is_measured_itself_or_by_its_source() -> None:
    calendar = {"hour_of_week", "day_of_year", "month_of_year", "is_holiday", "is_holiday_eve", "is_after_holiday"}
    assert set(ROW_FEATURES) - set(FEATURES) == calendar | {"minute_of_day"}
