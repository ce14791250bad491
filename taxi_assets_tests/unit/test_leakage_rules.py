"""The model uses no post-trip field: no feature is named after one, none changes with one."""

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from sample_lake import clean_month

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.feature_names import MODEL_INPUTS, ROW_FEATURES
from taxi_assets.features.leakage_rules import leaking_names
from taxi_assets.features.target_encoding import TARGET_ENCODING_FEATURES
from taxi_assets.features.trip_features import POST_TRIP_FIELDS, holiday_dates
from taxi_assets.tlc.columns import RAW_COLUMNS
from taxi_assets.training.model import DurationModel
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

FEATURES = {
    "MATRIX_COLUMNS": MATRIX_COLUMNS,
    "MODEL_INPUTS": MODEL_INPUTS,
    "ROW_FEATURES": tuple(ROW_FEATURES),
    "TARGET_ENCODING_FEATURES": tuple(TARGET_ENCODING_FEATURES),
}
KNOWN_BEFORE = {
    "vendor_id",
    "pickup_at",
    "pickup_zone_id",
    "dropoff_zone_id",
    "passenger_count",
    "trip_type_id",
    "vendor_name",
    "pickup_longitude",
    "pickup_latitude",
    "dropoff_longitude",  # of the requested place, as its zone is
    "dropoff_latitude",
    "company_license",
    "dispatching_base",
    "originating_base",
    "requested_at",
    "on_scene_at",
    "shared_request_flag",
    "access_a_ride_flag",
    "wav_request_flag",
    "wav_match_flag",  # of the taxi that came
}
NEITHER = {"store_and_forward_flag"}  # of the meter's connection, no feature of a trip

# By name


@pytest.mark.parametrize("names", FEATURES.values(), ids=FEATURES)
def test_no_feature_is_a_post_trip_field(names: tuple[str, ...]) -> None:
    assert leaking_names(names) == []


LEAKS = [
    "trip_distance_miles",
    "trip_distance",
    "distance_miles",
    "fare_usd",
    "fares_usd",
    "tip_usd",
    "mean_tips",
    "tolls_usd",
    "toll",
    "total_usd",
    "dropoff_at",
    "dropoff_hour",
    "dropoff_minute_of_day",
    "tpep_dropoff_datetime",
    "payment_type_id",
    "duration_minutes",
    "duration",
    "log_duration",
    "trip_duration_minutes",
    "mta_tax_usd",
    "taxes",
    "speed_mph",
    "rate_code_id",
    "airport_fee_usd",
    "congestion_surcharge_usd",
    "extra_usd",
    "pair_fare_usd",
    "zone_tip_share",
    "Fare_Amt",
    "tips",
]


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", LEAKS)
def test_a_post_trip_feature_is_named(features: str, name: str) -> None:
    assert leaking_names((*FEATURES[features], name)) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "zone_distance_miles",
        "straight_line_miles",
        "minute_of_day",
        "pair_minutes",
        "pair_duration_median",
        "past_duration_minutes",
        "zone_speed_mph",
        "expected_minutes",
        "dropoff_zone_id",
        "dropoff_period_ratio",
        "dropoff_x_miles",
        "multiple_rides",
        "is_yellow_taxi",
        "stipend",
    ],
)
def test_pickup_fields_are_allowed(name: str) -> None:
    assert leaking_names([name]) == []


@pytest.mark.parametrize("known", POST_TRIP_FIELDS)
def test_each_post_trip_field_is_found_alone_and_among_words(known: str) -> None:
    assert leaking_names([known, f"{known}_usd", f"mean_{known}", f"a_{known}_b"]) == [
        known,
        f"{known}_usd",
        f"mean_{known}",
        f"a_{known}_b",
    ]


def test_every_tlc_column_is_classified_under_all_its_names() -> None:
    for column in (column for column in RAW_COLUMNS if column.name not in NEITHER):
        names = [column.name, *column.published_as, *(name.upper() for name in column.published_as)]
        assert leaking_names(names) == ([] if column.name in KNOWN_BEFORE else names), column.name


def test_leaks_are_named_in_their_order() -> None:
    assert leaking_names(["tip_usd", "pickup_at", "fare_usd"]) == ["tip_usd", "fare_usd"]
    assert leaking_names([]) == []


# By effect

OTHER_VALUES = {
    "SMALLINT": "coalesce({}, 0) + 7",
    "DOUBLE": "coalesce({}, 0) + 3.25",
    "INTEGER": "coalesce({}, 0) + 7",
    "TIMESTAMP": "coalesce({}, pickup_at) + INTERVAL 7 MINUTE",
    "VARCHAR": "'Y'",
}
KEPT = {"pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count"}


def derive(connection: duckdb.DuckDBPyConnection, raw: Any, other: Mapping[str, str]) -> pd.DataFrame:
    """Features of raw trips, computed by the warehouse's SQL, with some columns replaced."""
    key = {"service": "green", "month": raw["month"][0].as_py()}
    connection.register("arrived", raw)
    replaced = ", ".join(f"{value} AS {name}" for name, value in other.items()) or "month AS month"
    connection.execute(f"INSERT INTO raw_trips BY NAME SELECT * REPLACE ({replaced}) FROM arrived")
    clean_month(connection, key)
    connection.execute("CREATE OR REPLACE TEMP VIEW trips AS SELECT * FROM clean_trips")
    columns = ", ".join(column.name for column in TABLES["trip_features"].columns)
    query = f"SELECT 0 AS service_id, {columns} FROM ({sql('trip_features')}) ORDER BY source_row"
    frame = connection.execute(query, {"holidays": list(holiday_dates())}).df()
    for table in ("raw_trips", "rejected_trips", "clean_trips"):
        connection.execute(f"DELETE FROM {table}")
    return frame


@pytest.fixture(scope="module")
def raw(city, trips) -> Any:
    """One month of raw trips that cleaning keeps, as an Arrow table."""
    query = "SELECT raw_trips.* FROM raw_trips SEMI JOIN clean_trips USING (month, source_row)"
    return city.execute(f"{query} WHERE month = (SELECT min(month) FROM raw_trips)").to_arrow_table()


@pytest.fixture
def with_zones(memory, put, zone_rows) -> duckdb.DuckDBPyConnection:
    put(memory, "taxi_zones", *zone_rows)
    return memory


@pytest.fixture(scope="module")
def model(zones, trips) -> DurationModel:
    week = trips[trips["pickup_at"] < trips["pickup_at"].min() + pd.Timedelta(days=5)]
    fitted = DurationModel(zones, max_iter=10, min_samples_leaf=20)
    return fitted.fit(week[list(MODEL_INPUTS)], week["duration_minutes"].to_numpy())


def test_post_trip_fields_change_neither_features_nor_predictions(with_zones, raw, model) -> None:
    post_trip_columns = {
        column.name: OTHER_VALUES[column.type].format(column.name) for column in RAW_COLUMNS if column.name not in KEPT
    } | {
        # Speeds above the limit and duplicates would be removed by cleaning: the changes must cause neither.
        "trip_distance_miles": "least(coalesce(trip_distance_miles, 0) * 0.5, 1) + source_row * 1e-6",
        "other_columns": """'{"driver_pay": 12.5, "trip_time": 60}'::JSON""",
    }
    assert {"fare_usd", "tip_usd", "payment_type_id", "total_usd", "rate_code_id"} < set(post_trip_columns)
    features = derive(with_zones, raw, {})
    assert len(features) > 1000
    changed = derive(with_zones, raw, post_trip_columns)
    pd.testing.assert_frame_equal(changed, features)
    assert np.array_equal(model.predict(changed), model.predict(features))


def test_pickup_fields_change_features_and_predictions(with_zones, raw, model) -> None:
    features = derive(with_zones, raw, {})
    elsewhere = derive(with_zones, raw, {"dropoff_zone_id": "(dropoff_zone_id % 263 + 1)::SMALLINT"})
    assert not elsewhere["zone_distance_miles"].equals(features["zone_distance_miles"])
    assert not np.array_equal(model.predict(elsewhere), model.predict(features))


def test_duration_of_a_scored_trip_changes_none_of_its_features(trips, model) -> None:
    scored = trips.tail(500)
    longer = scored.assign(duration_minutes=scored["duration_minutes"] * 3 + 17)
    assert np.array_equal(model.encode(longer), model.encode(scored), equal_nan=True)
    assert np.array_equal(model.predict(longer), model.predict(scored))
    without = scored.drop(columns="duration_minutes")
    assert np.array_equal(model.predict(without), model.predict(scored))


def test_unused_columns_change_nothing(trips, model) -> None:
    scored = trips.tail(500)
    more = scored.assign(
        trip_distance_miles=99.0, fare_usd=scored["duration_minutes"] * 2, dropoff_at=scored["pickup_at"]
    )
    assert np.array_equal(model.predict(more), model.predict(scored))
