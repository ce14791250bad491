"""The warehouse's SQL and the service's Python give the same features for any trip."""

from datetime import date, datetime, time, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxi_assets.features.feature_names import MODEL_INPUTS, ROW_FEATURES
from taxi_assets.features.trip_features import HOLIDAY_YEARS, SERVICE_IDS, ZONES, ZoneMap, holiday_dates, row_features
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.connection import define_macros
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

Ride = tuple[datetime, int, int]

FIRST, LAST = datetime(2008, 1, 1), datetime(2040, 12, 31, 23, 59, 59, 999999)
# Hours that New York's clocks skip or repeat.
CLOCK_CHANGES = (datetime(2023, 3, 12, 2, 30), datetime(2023, 11, 5, 1, 30), datetime(2008, 3, 9, 2))


def special_days() -> st.SearchStrategy[date]:
    """Holidays, the days around them, and leap days."""
    around = [day + timedelta(days=step) for day in holiday_dates() for step in (-2, -1, 0, 1, 2)]
    leap = [date(year, *day) for year in range(2008, 2041, 4) for day in ((2, 29), (12, 31))]
    return st.sampled_from([day for day in (*around, *leap) if FIRST.date() <= day <= LAST.date()])


clock = st.times() | st.sampled_from([time.min, time.max, time(23, 59, 59), time(0, 0, 0, 1)])
pickups = (
    st.datetimes(FIRST, LAST)
    | st.builds(datetime.combine, st.deferred(special_days), clock)
    | st.sampled_from(CLOCK_CHANGES)
)
zone_ids = st.integers(1, ZONES - 1) | st.sampled_from([264, 265, 1, 74])
any_rides = st.tuples(pickups, zone_ids, zone_ids)


def frame_of(sample: list[Ride]) -> pd.DataFrame:
    pickup_at, starts, ends = zip(*sample, strict=True)
    return pd.DataFrame(
        {
            "pickup_at": np.array(pickup_at, "datetime64[us]"),
            "pickup_zone_id": np.array(starts, np.int16),
            "dropoff_zone_id": np.array(ends, np.int16),
        }
    )


def by_sql(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> pd.DataFrame:
    """The features of the trips by the warehouse's SQL."""
    with connection.cursor() as own:
        define_macros(own)
        own.register("some_rides", frame.assign(source_row=range(len(frame))))
        own.execute(
            "CREATE TEMP TABLE trips AS SELECT 'green' AS service, NULL::DATE AS month, NULL AS passenger_count, "
            "15.0 AS duration_minutes, * FROM some_rides"
        )
        query = f"SELECT * FROM ({sql('trip_features')}) ORDER BY source_row"
        return own.execute(query, {"holidays": list(holiday_dates())}).df()


def by_python(frame: pd.DataFrame, zones: ZoneMap) -> dict[str, np.ndarray]:
    """The features of the trips by the service's Python."""
    return row_features({name: frame[name].to_numpy() for name in frame}, zones)


@settings(max_examples=40)
@given(sample=st.lists(any_rides, min_size=1, max_size=30))
@example(sample=[(instant, 74, 75) for instant in CLOCK_CHANGES])
@example(sample=[(datetime(2024, 2, 29, 12), 265, 264), (datetime(2024, 12, 31), 264, 264)])
def test_sql_and_python_give_the_same_features(city, zones, sample: list[Ride]) -> None:
    frame = frame_of(sample)
    lake, service = by_sql(city, frame), by_python(frame, zones)
    assert list(service) == list(ROW_FEATURES)
    for name, values in service.items():
        expected = lake[name].to_numpy(float, na_value=np.nan)
        assert values.astype(float) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), name


def test_sql_and_python_give_the_same_features_for_a_city(trips, zones) -> None:
    service = by_python(trips, zones)
    for name, values in service.items():
        assert np.allclose(values.astype(float), trips[name].to_numpy(float), equal_nan=True), name


@settings(max_examples=25)
@given(sample=st.lists(st.tuples(pickups, st.sampled_from([264, 265]), zone_ids), min_size=1, max_size=5))
def test_without_coordinates_there_is_no_distance(city, zones, sample: list[Ride]) -> None:
    frame = frame_of(sample)
    assert np.isnan(by_python(frame, zones)["zone_distance_miles"]).all()
    assert by_sql(city, frame)["zone_distance_miles"].isna().all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_time_unit_of_a_pickup_is_ignored(zones, unit: str) -> None:
    frame = frame_of([(datetime(2023, 7, 3, 23, 59, 59), 74, 75), (datetime(2012, 2, 29), 1, 1)])
    given_in = frame.assign(pickup_at=frame["pickup_at"].to_numpy().astype(f"datetime64[{unit}]"))
    expected = by_python(frame, zones)
    for name, values in by_python(given_in, zones).items():
        assert np.array_equal(values, expected[name]), name


def test_no_trips_give_no_features(zones) -> None:
    nothing = frame_of([(FIRST, 1, 1)]).iloc[:0]
    assert {name: len(values) for name, values in by_python(nothing, zones).items()} == dict.fromkeys(ROW_FEATURES, 0)


def test_features_are_within_their_described_ranges(trips) -> None:
    ranges = {
        "hour_of_week": 167,
        "minute_of_day": 1439,
        "day_of_week": 6,
        "day_of_year": 366,
        "month_of_year": 12,
    }
    for name, most in ranges.items():
        assert trips[name].between(int(name in ("day_of_year", "month_of_year")), most).all(), name
    assert (trips["hour_of_week"] // 24 == trips["day_of_week"]).all()
    assert (trips["hour_of_week"] % 24 == trips["minute_of_day"] // 60).all()
    assert (trips["is_same_zone"] == (trips["pickup_zone_id"] == trips["dropoff_zone_id"])).all()


# Holidays


@pytest.mark.parametrize(
    ("day", "is_holiday"),
    [
        (date(2023, 1, 1), True),
        (date(2023, 1, 2), True),  # New Year's Day fell on a Sunday: observed on Monday
        (date(2023, 2, 20), True),
        (date(2023, 7, 4), True),
        (date(2023, 11, 23), True),
        (date(2023, 12, 25), True),
        (date(2023, 7, 5), False),
        (date(2023, 3, 14), False),
    ],
)
def test_holidays_are_new_yorks(day: date, is_holiday: bool) -> None:
    assert (day in holiday_dates()) is is_holiday


def test_holidays_are_known_for_every_year_with_trips() -> None:
    years = {day.year for day in holiday_dates()}
    assert years >= set(range(2008, 2041))
    assert set(HOLIDAY_YEARS) <= years
    assert list(holiday_dates()) == sorted(set(holiday_dates()))


# Model inputs


def test_model_inputs_are_columns_of_the_features() -> None:
    feature_columns = {column.name for column in TABLES["trip_features"].columns}
    assert set(MODEL_INPUTS) - {"service_id"} <= feature_columns
    assert len(set(MODEL_INPUTS)) == len(MODEL_INPUTS)


def test_services_are_numbered_as_the_contract_lists_them() -> None:
    assert list(SERVICE_IDS.items()) == [(service, number) for number, service in enumerate(SERVICES)]


def test_feature_descriptions_agree_with_the_warehouse() -> None:
    described = {column.name: column.description.lower() for column in TABLES["trip_features"].columns}
    for name, meaning in ROW_FEATURES.items():
        assert described[name].split(",")[0].split(";")[0] in meaning.lower() or meaning.lower() in described[name]
