"""Publishing keeps every row of a month unchanged and can be repeated."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from month_content import FEBRUARY, JANUARY, ROWS, TRIPS, content, fetch, rewritten
from sample_lake import inspect_file

from taxi_assets import synthetic
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.publish_month import publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.quality.cleaning_rules import REASONS
from taxi_assets.warehouse.connection import Warehouse

REAL_ROWS = {JANUARY: 68_211, FEBRUARY: 64_809}


# Months


def test_republishing_a_month_changes_only_the_snapshot(full: Warehouse, good: SourceFile) -> None:
    before, snapshot = content(full), full.snapshot()
    published = publish_month(full, good)
    assert content(full) == before
    assert full.snapshot() == snapshot + 1
    assert {name: table.rows for name, table in published.tables.items()} == {
        name: before[name][0] for name in ("raw_trips", "clean_trips", "trip_features")
    }
    query = "SELECT count(*) FROM source_files WHERE service = 'green' AND month = $1 AND state = 'ingested'"
    assert fetch(full, query, JANUARY.first_day) == [(1,)]


def test_file_of_a_month_is_recorded(full: Warehouse, good: SourceFile) -> None:
    publish_month(full, good, "run 7")
    names = "file_name, sha256, bytes, rows, is_synthetic"
    query = f"SELECT {names} FROM source_files WHERE service = 'green' AND month = $1 AND state = 'ingested'"
    recorded = (good.file_name, sha256_of(Path(good.path)), Path(good.path).stat().st_size, ROWS, True)
    assert fetch(full, query, JANUARY.first_day) == [recorded]
    query = "SELECT commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
    assert fetch(full, query) == [("green 2023-01", '{"dagster_run_id": "run 7"}')]


def test_every_row_of_the_file_is_stored_unchanged(full: Warehouse, good: SourceFile) -> None:
    columns = {"PULocationID": "pickup_zone_id", "trip_distance": "trip_distance_miles", "total_amount": "total_usd"}
    columns |= {"lpep_pickup_datetime": "pickup_at", "payment_type": "payment_type_id"}
    query = f"SELECT {', '.join(columns.values())} FROM raw_trips WHERE service = 'green' AND month = $1"
    found = fetch(full, f"{query} ORDER BY source_row", JANUARY.first_day)
    table = pq.read_table(good.path, columns=list(columns))
    assert found == list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_raw_trips_are_kept_or_rejected_for_a_reason(full: Warehouse, good: SourceFile) -> None:
    publication = publish_month(full, good).tables["clean_trips"]
    kept = content(full)
    assert kept["clean_trips"][0] + kept["rejected_trips"][0] == kept["raw_trips"][0] == ROWS
    assert publication.rows == kept["clean_trips"][0]
    assert sum(publication.counts.values()) == kept["rejected_trips"][0]
    assert set(publication.counts) <= set(REASONS)
    query = "SELECT reason FROM rejected_trips WHERE service = 'green' AND month = $1"
    assert Counter(reason for (reason,) in fetch(full, query, JANUARY.first_day)) == publication.counts


def test_features_are_of_every_clean_trip(full: Warehouse, good: SourceFile) -> None:
    publication = publish_month(full, good).tables["trip_features"]
    assert publication.suite_result.failed_errors() == ()
    assert publication.rows == content(full)["clean_trips"][0]
    key = "service, month, source_row, duration_minutes"
    assert fetch(full, f"SELECT {key} FROM clean_trips EXCEPT SELECT {key} FROM trip_features") == []


def test_unknown_columns_are_kept_and_counted(full: Warehouse, good: SourceFile) -> None:
    odd = {"ride_time": list(range(ROWS)), "Pets allowed": ["Y", "N"] * (ROWS // 2)}

    def with_odd(table: pa.Table) -> pa.Table:
        for name, values in odd.items():
            table = table.append_column(name, pa.array(values))
        return table

    publication = publish_month(full, rewritten(good, "odd", with_odd)).tables["raw_trips"]
    assert publication.counts == dict.fromkeys(odd, ROWS)
    query = "SELECT column_name, canonical_name IS NULL FROM file_columns WHERE service = 'green' AND month = $1"
    assert {name for name, is_unknown in fetch(full, query, JANUARY.first_day) if is_unknown} == set(odd)
    query = "SELECT other_columns FROM raw_trips WHERE service = 'green' AND month = $1 ORDER BY source_row"
    kept = [json.loads(value) for (value,) in fetch(full, query, JANUARY.first_day)]
    assert kept == [dict(zip(odd, values, strict=True)) for values in zip(*odd.values(), strict=True)]
    publish_month(full, good)


def test_columns_reported_by_companies_are_known(full: Warehouse) -> None:
    before = content(full)
    path = synthetic.write_month(full.settings.landing, "fhvhv", JANUARY, 3000, 7)
    publication = publish_month(full, inspect_file(path)).tables["raw_trips"]
    assert (publication.rows, publication.counts) == (3000, {})
    source = pq.read_table(path)
    names = {"driver_pay": "driver_pay_usd", "hvfhs_license_num": "company_license", "trip_time": "trip_seconds"}
    query = f"SELECT {', '.join(names.values())} FROM raw_trips WHERE service = 'fhvhv' ORDER BY source_row"
    assert fetch(full, query) == list(zip(*(source[name].to_pylist() for name in names), strict=True))
    assert content(full) == before


def test_a_month_without_unknown_columns_has_none_counted(full: Warehouse, good: SourceFile) -> None:
    assert publish_month(full, good).tables["raw_trips"].counts == {}
    assert fetch(full, "SELECT count(*) FROM raw_trips WHERE service = 'green' AND other_columns IS NOT NULL") == [(0,)]


# TLC's months, if available


def test_trips_of_tlc_months_are_clean_or_rejected(lake) -> None:
    for month in lake.source.months:
        tables = content(lake.warehouse, month)
        raw, rejected, clean, features = (tables[table][0] for table in TRIPS)
        assert raw == (REAL_ROWS[month] if lake.source.kind == "real" else ROWS)
        assert clean + rejected == raw
        assert features == clean
        assert 0.01 < rejected / raw < 0.08


def test_trip_durations_are_plausible(lake) -> None:
    query = "SELECT avg((duration_minutes BETWEEN 1 AND 60)::INT), median(duration_minutes) FROM {} WHERE month = $1"
    ((share, median),) = fetch(lake.warehouse, query.format("trip_features"), JANUARY.first_day)
    assert 0.97 < share < 1
    assert 5 < median < 20
    raw = "(SELECT month, date_diff('second', pickup_at, dropoff_at) / 60 AS duration_minutes FROM raw_trips)"
    ((share, _),) = fetch(lake.warehouse, query.format(raw), JANUARY.first_day)
    assert share == pytest.approx(0.967, abs=0.001 if lake.source.kind == "real" else 0.02)


# Zones


def test_zones_are_replaced_completely(full: Warehouse, synthetic_source) -> None:
    assert publish_zones(full, *synthetic_source.zone_files) == 265
    assert fetch(full, "SELECT count(*), count(DISTINCT zone_id), count(x_miles) FROM taxi_zones") == [(265, 265, 263)]
