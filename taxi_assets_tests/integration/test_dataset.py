"""Reads trips from one snapshot of the warehouse, in a fixed order."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.features.trip_features import row_features
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.services import SERVICES
from taxi_assets.training.dataset import (
    TrainingData,
    read_evaluation_trips,
    read_monthly_training_data,
    read_training_data,
    read_zone_map,
)
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, EvaluationScope
from taxi_assets.training.monthly_trips import FrameTrips
from taxi_assets.training.warehouse_trips import month_of, number_of
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

JANUARY, FEBRUARY, MARCH = Month(2023, 1), Month(2023, 2), Month(2023, 3)
TRIPS_1_TO_60_MINUTES = EVALUATION_SCOPES["1_to_60_minutes"]
GREEN = ["green"]


@pytest.fixture(scope="module")
def january(lake) -> TrainingData:
    return read_training_data(lake.warehouse, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES)


@pytest.fixture(scope="module")
def scored(lake) -> pd.DataFrame:
    return read_evaluation_trips(lake.warehouse, GREEN, FEBRUARY, TRIPS_1_TO_60_MINUTES)


@pytest.fixture(scope="module")
def written(tmp_path_factory, put) -> Warehouse:
    """A warehouse with a few green and yellow trips of three months."""
    home = tmp_path_factory.mktemp("written")
    warehouse = Warehouse(Settings(home=home, data_kind="synthetic", threads=1, memory_limit="1GB"))
    trips = [("green", JANUARY), ("yellow", JANUARY), ("green", FEBRUARY), ("yellow", MARCH), ("green", JANUARY)]
    rows = [
        {
            "service": service,
            "month": month.first_day,
            "source_row": 10 - number,
            "pickup_at": pd.Timestamp(month.first_day) + pd.Timedelta(hours=number),
            "dropoff_at": pd.Timestamp(month.first_day) + pd.Timedelta(hours=number, minutes=10 + number),
            "pickup_zone_id": 1,
            "dropoff_zone_id": 2,
            "duration_minutes": 10.0 + number,
        }
        for number, (service, month) in enumerate(trips)
    ]
    for table in ("converted_trips", "kept_trips", "published_months"):
        names = {column.name for column in TABLES[table].columns}
        with warehouse.publishing(table) as connection:
            put(connection, table, *({name: row[name] for name in row if name in names} for row in rows))
    with warehouse.publishing("taxi_zones") as connection:
        zone_columns = {"borough": "Here", "x_miles": 1.0, "y_miles": 1.0, "is_airport": False}
        put(
            connection,
            "taxi_zones",
            {"zone_id": 1} | zone_columns,
            {"zone_id": 2, "borough": "There", "is_airport": True},
        )
    return warehouse


# Training data


def test_training_trips_have_model_features_and_duration(january: TrainingData) -> None:
    assert {*MODEL_INPUTS, "duration_minutes"} <= set(january.trips)
    assert not january.trips[list(MODEL_INPUTS)].drop(columns="zone_distance_miles").isna().any().any()
    assert january.trips["duration_minutes"].between(1, 60).all()
    assert set(january.trips["service_id"]) == {0}
    assert (january.trips["pickup_at"].dt.month == 1).all()
    assert (january.months, january.services) == ((JANUARY,), ("green",))


def test_training_trips_are_the_clean_trips(lake, january: TrainingData) -> None:
    with lake.warehouse.reading() as connection:
        query = "SELECT count(*) FROM clean_trips WHERE month = $1 AND duration_minutes <= 60"
        ((rows,),) = connection.execute(query, [JANUARY.first_day]).fetchall()
    assert len(january.trips) == rows


def test_same_trips_have_the_same_digest(lake, january: TrainingData) -> None:
    again = read_training_data(lake.warehouse, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES)
    pd.testing.assert_frame_equal(again.trips, january.trips)
    assert (again.digest, again.snapshot) == (january.digest, january.snapshot)
    assert january.snapshot == lake.warehouse.snapshot()


def test_other_trips_have_another_digest(lake, january: TrainingData) -> None:
    others = [
        read_training_data(lake.warehouse, GREEN, [FEBRUARY], TRIPS_1_TO_60_MINUTES),
        read_training_data(lake.warehouse, GREEN, [JANUARY, FEBRUARY], TRIPS_1_TO_60_MINUTES),
        read_training_data(lake.warehouse, GREEN, [JANUARY], EvaluationScope("short", 1, 30, "short trips")),
    ]
    assert len({january.digest, *(other.digest for other in others)}) == 4


def test_changed_trip_changes_the_digest(written: Warehouse) -> None:
    before = read_training_data(written, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES)
    with written.publishing("one trip") as connection:
        connection.execute("UPDATE kept_trips SET is_holiday = true WHERE service = 'green' AND source_row = 10")
    after = read_training_data(written, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES)
    with written.publishing("as before") as connection:
        connection.execute("UPDATE kept_trips SET is_holiday = NULL WHERE service = 'green' AND source_row = 10")
    assert after.digest != before.digest
    assert after.snapshot > before.snapshot
    assert read_training_data(written, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES).digest == before.digest


def test_trips_are_ordered_by_service_month_and_row(written: Warehouse) -> None:
    both = read_training_data(written, ["yellow", "green"], [FEBRUARY, JANUARY], TRIPS_1_TO_60_MINUTES).trips
    assert list(both["duration_minutes"]) == [14, 10, 12, 11]
    assert list(both["service_id"]) == [0, 0, 0, list(SERVICES).index("yellow")]


def test_trips_read_by_month_are_those_read_at_once(lake, january: TrainingData) -> None:
    described = read_monthly_training_data(lake.warehouse, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES)
    assert (described.row_count, described.snapshot) == (len(january.trips), january.snapshot)
    pd.testing.assert_frame_equal(described.trips, january.trips.head(5), check_dtype=False)
    assert described.monthly
    number = number_of(JANUARY)
    assert month_of(number) == JANUARY
    with described.monthly.reading() as reader:
        assert reader.counts(0) == {number: len(january.trips)}
        pd.testing.assert_frame_equal(reader.trips(0, number), january.trips)
        for by_week in (False, True):
            ours, theirs = (each.sums(0, number, by_week=by_week) for each in (reader, FrameTrips(january.trips)))
            assert ours.minutes_range == theirs.minutes_range
            assert ours.pairs.count.sum() == len(january.trips)
            for name, values in vars(theirs.pairs).items():
                assert np.array_equal(getattr(ours.pairs, name), values), name


def test_digest_of_trips_read_by_month_depends_on_the_trips(written: Warehouse) -> None:
    def digest() -> str:
        return read_monthly_training_data(written, GREEN, [JANUARY], TRIPS_1_TO_60_MINUTES).digest

    before = digest()
    assert read_monthly_training_data(written, GREEN, [FEBRUARY], TRIPS_1_TO_60_MINUTES).digest != before
    with written.publishing("one trip") as connection:
        connection.execute("UPDATE kept_trips SET is_holiday = true WHERE service = 'green' AND source_row = 10")
    after = digest()
    with written.publishing("as before") as connection:
        connection.execute("UPDATE kept_trips SET is_holiday = NULL WHERE service = 'green' AND source_row = 10")
    assert after != before
    assert digest() == before


@pytest.mark.parametrize(
    ("services", "months", "message"),
    [
        (["green"], [MARCH], "no trip of green to train on in 2023-03: ingest earlier months first"),
        (["fhvhv"], [JANUARY], "no trip of fhvhv to train on in 2023-01"),
        (["green"], [], "no trip of green to train on in no month"),
    ],
)
def test_training_data_without_trips_is_an_error(written: Warehouse, services, months, message: str) -> None:
    for read in (read_training_data, read_monthly_training_data):
        with pytest.raises(TaxiError, match=message):
            read(written, services, months, TRIPS_1_TO_60_MINUTES)


@pytest.mark.parametrize(
    ("services", "months"),
    [
        (["green"], [JANUARY, FEBRUARY]),
        (["yellow"], [JANUARY, MARCH]),
        (["green", "yellow"], [JANUARY]),
        (["green", "fhvhv"], []),
    ],
)
def test_months_of_every_service_are_available(written: Warehouse, services, months) -> None:
    with written.reading() as connection:
        assert available_months(connection, services) == tuple(months)


def test_every_published_month_is_available(lake) -> None:
    with lake.warehouse.reading() as connection:
        assert available_months(connection, GREEN) == lake.source.months


# Scoring data


def test_every_raw_trip_of_the_scope_is_scored(lake, scored: pd.DataFrame) -> None:
    with lake.warehouse.reading() as connection:
        query = (
            "SELECT count(*) FROM raw_trips WHERE month = $1 AND pickup_zone_id BETWEEN 1 AND 265 "
            "AND dropoff_zone_id BETWEEN 1 AND 265 "
            "AND dropoff_at - pickup_at BETWEEN INTERVAL 1 MINUTE AND INTERVAL 1 HOUR "
            "AND date_trunc('month', pickup_at) = month"
        )
        ((rows,),) = connection.execute(query, [FEBRUARY.first_day]).fetchall()
    assert len(scored) == rows
    clean = read_training_data(lake.warehouse, GREEN, [FEBRUARY], TRIPS_1_TO_60_MINUTES).trips
    assert len(scored) > len(clean) > 0.97 * len(scored)
    assert scored["duration_minutes"].between(1, 60).all()
    if lake.source.kind == "real":
        assert len(scored) == 62_551


def test_scored_trips_have_the_served_features(lake, scored: pd.DataFrame) -> None:
    with lake.warehouse.reading() as connection:
        zones = read_zone_map(connection)
    made = row_features({name: scored[name].to_numpy() for name in MODEL_INPUTS}, zones)
    for name, values in made.items():
        assert np.allclose(values.astype(float), scored[name].to_numpy(float), equal_nan=True), name
    assert {*MODEL_INPUTS, "duration_minutes"} <= set(scored)


def test_services_are_scored_together(written: Warehouse) -> None:
    both = read_evaluation_trips(written, ["green", "yellow"], JANUARY, TRIPS_1_TO_60_MINUTES)
    assert sorted(zip(both["service_id"], both["duration_minutes"], strict=True)) == [(0, 10), (0, 14), (1, 11)]


def test_service_without_trips_in_the_month_adds_no_trips(written: Warehouse) -> None:
    assert len(read_evaluation_trips(written, ["green", "yellow"], FEBRUARY, TRIPS_1_TO_60_MINUTES)) == 1


def test_scoring_data_without_trips_is_an_error(written: Warehouse) -> None:
    with pytest.raises(TaxiError, match="no trip of green in 2023-03 to score: ingest that month first"):
        read_evaluation_trips(written, GREEN, MARCH, TRIPS_1_TO_60_MINUTES)


# Zones


def test_zone_geometry_is_indexed_by_zone_id(lake) -> None:
    with lake.warehouse.reading() as connection:
        zones = read_zone_map(connection)
        known = connection.execute("SELECT zone_id, x_miles, y_miles FROM taxi_zones WHERE x_miles > 0").fetchall()
    assert len(known) == 263
    assert all((zones.x_miles[zone], zones.y_miles[zone]) == (x, y) for zone, x, y in known)
    assert set(np.flatnonzero(np.isnan(zones.x_miles))) == {0, 264, 265}
    assert set(np.flatnonzero(zones.is_airport)) == {1, 132, 138}
    assert {*zones.borough[1:266]} == set(range(1, 9))  # five boroughs, Newark, unknown, outside


def test_boroughs_have_distinct_codes_and_missing_values_are_nan(written: Warehouse) -> None:
    with written.reading() as connection:
        zones = read_zone_map(connection)
    assert list(zones.borough[:4]) == [0, 1, 2, 0]
    assert (zones.x_miles[1], zones.is_airport[1], zones.is_airport[2]) == (1, False, True)
    assert np.isnan(zones.x_miles[2])
    assert np.isnan(zones.x_miles[3])


def test_reading_without_zones_is_an_error(tmp_path: Path) -> None:
    empty = Warehouse(Settings(home=tmp_path, threads=1, memory_limit="1GB"))
    with empty.reading() as connection, pytest.raises(TaxiError, match="no taxi zones: materialise taxi_zones first"):
        read_zone_map(connection)
