"""Refused months: the message gives the reason, and published data stays unchanged."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from month_content import FEBRUARY, JANUARY, ROWS, content, fetch, rewritten

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.publish_month import MonthRefused, publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


def put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def in_seconds(table: pa.Table) -> pa.Table:
    """Multiplies each duration by 60, as if seconds were read as minutes."""
    begin, end = table["lpep_pickup_datetime"], table["lpep_dropoff_datetime"]
    longer = pc.multiply(pc.subtract(end, begin).cast(pa.int64()), 60).cast(pa.duration("us"))
    return put(table, "lpep_dropoff_datetime", pc.add(begin, longer))


def without_pickups(table: pa.Table) -> pa.Table:
    holes = pa.array([row % 4 == 0 for row in range(len(table))])
    return put(
        table,
        "lpep_pickup_datetime",
        pc.if_else(holes, pa.scalar(None, table["lpep_pickup_datetime"].type), table["lpep_pickup_datetime"]),
    )


def elsewhere(table: pa.Table) -> pa.Table:
    return put(table, "DOLocationID", pc.add(table["DOLocationID"], 265))


def a_month_later(table: pa.Table) -> pa.Table:
    month = pa.scalar(31 * 24 * 3600 * 1_000_000, pa.duration("us"))
    table = put(table, "lpep_pickup_datetime", pc.add(table["lpep_pickup_datetime"], month))
    return put(table, "lpep_dropoff_datetime", pc.add(table["lpep_dropoff_datetime"], month))


def empty(table: pa.Table) -> pa.Table:
    return table.slice(0, 0)


REFUSED = {
    "durations_are_plausible": in_seconds,
    "median_duration_is_plausible": in_seconds,
    "pickup_times_are_present": without_pickups,
    "dropoff_zones_are_on_the_map": elsewhere,
    "pickups_are_in_their_month": a_month_later,
    "month_has_rows": empty,
}


@pytest.mark.parametrize("expectation", REFUSED)
def test_refused_month_reports_the_reason_and_changes_nothing(
    full: Warehouse, good: SourceFile, expectation: str
) -> None:
    change = REFUSED[expectation]
    before, snapshot = content(full), full.snapshot()
    bad = rewritten(good, change.__name__, change)
    with pytest.raises(MonthRefused) as refused:
        publish_month(full, bad)
    error = refused.value
    rows = 0 if change is empty else ROWS
    (failed,) = (outcome for outcome in error.suite_result.failed_errors() if outcome.name == expectation)
    assert (error.table, error.service, error.month, error.suite_result.rows) == ("raw_trips", "green", JANUARY, rows)
    assert str(error).startswith("raw_trips of green 2023-01 is not published: ")
    assert str(error).endswith("put another file of the month into the landing folder")
    assert len(str(error).splitlines()) == 1
    assert failed.sentence(rows) in str(error)
    assert failed.observed is not None
    assert (content(full), full.snapshot()) == (before, snapshot)


def test_refusal_states_observed_value_and_rows(full: Warehouse, good: SourceFile) -> None:
    with pytest.raises(MonthRefused) as refused:
        publish_month(full, rewritten(good, "late", a_month_later))
    (failed,) = (o for o in refused.value.suite_result.failed_errors() if o.name == "pickups_are_in_their_month")
    assert failed.observed < 0.01
    assert failed.unexpected_count > 0.98 * ROWS
    assert f"{failed.unexpected_count:,} of 6,000 rows not" in str(refused.value)
    assert re.search(r"; 9\d % of them are of 2023-02\)", str(refused.value))


def test_file_named_as_another_month_is_refused(full: Warehouse, synthetic_source) -> None:
    february = synthetic_source.land(full.settings, FEBRUARY)
    misnamed = replace(february, month=Month(2023, 3))
    with pytest.raises(
        MonthRefused, match=r"raw_trips of green 2023-03 is not published: .*pickups_are_in_their_month"
    ):
        publish_month(full, misnamed)
    assert fetch(full, "SELECT count(*) FROM raw_trips WHERE month = DATE '2023-03-01'") == [(0,)]


def test_month_without_zones_is_refused_with_the_remedy(warehouse: Warehouse, synthetic_source) -> None:
    with pytest.raises(TaxiError, match="the warehouse has no taxi_zones: materialise taxi_zones first"):
        publish_month(warehouse, synthetic_source.land(warehouse.settings, JANUARY))
    assert content(warehouse)["raw_trips"][0] == 0


def test_file_that_violates_the_contract_is_refused(full: Warehouse, good: SourceFile) -> None:
    before = content(full)
    bad = rewritten(good, "columns", lambda table: table.drop_columns(["PULocationID"]))
    with pytest.raises(TaxiError, match=r"green_tripdata_2023-01[.]parquet does not meet the contract: .*pulocationid"):
        publish_month(full, bad)
    assert content(full) == before


def test_deleted_file_is_refused_and_nothing_changes(full: Warehouse, good: SourceFile) -> None:
    before = content(full)
    name = "green_tripdata_2023-09.parquet"
    gone = replace(good, path=str(Path(good.path).with_name(name)), file_name=name)
    with pytest.raises(TaxiError, match=r"green_tripdata_2023-09.* is missing .*put it into the landing"):
        publish_month(full, gone)
    assert content(full) == before


# Real and synthetic months


def labelled_real(month_file: SourceFile) -> SourceFile:
    return rewritten(month_file, "real", lambda table: table.replace_schema_metadata({}))


def test_real_month_is_refused_in_a_synthetic_warehouse(full: Warehouse, good: SourceFile) -> None:
    before, real = content(full), labelled_real(good)
    assert not real.is_synthetic
    with pytest.raises(
        TaxiError, match=r"is a real month and this is the warehouse of synthetic months: .*TAXI_DATA_KIND=real"
    ):
        publish_month(full, real)
    assert content(full) == before


def test_synthetic_month_is_refused_in_a_real_warehouse(good: SourceFile, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data_kind="real")
    with pytest.raises(TaxiError, match=r"is a synthetic month and this is the warehouse of real months: .*=synthetic"):
        publish_month(Warehouse(settings), good)
    assert not settings.home.exists()


def test_source_files_record_the_data_kind(lake) -> None:
    ((kinds,),) = fetch(lake.warehouse, "SELECT list(DISTINCT is_synthetic) FROM source_files")
    assert kinds == [lake.source.kind == "synthetic"]


# Zones


def test_unreadable_zones_leave_the_published_ones(full: Warehouse, synthetic_source, tmp_path) -> None:
    (tmp_path / "taxi_zone_lookup.csv").write_text("LocationID,Zone\nnone,none\n")
    with pytest.raises(TaxiError, match="is not TLC's"):
        publish_zones(full, tmp_path / "taxi_zone_lookup.csv", synthetic_source.zone_files[1])
    assert fetch(full, "SELECT count(*) FROM taxi_zones") == [(265,)]
