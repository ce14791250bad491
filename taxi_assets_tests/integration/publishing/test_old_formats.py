"""Files of old formats come through the landing folder: CSV, coordinates, and their refusals."""

from pathlib import Path
from typing import Any

import pytest
from month_content import fetch

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import table_checks
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publishing import publish_clean, publish_zones
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.ingestion.table_checks import run_table_checks
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.write_audit_publish import MonthRefused

MARCH = Month(2014, 3)


def land(warehouse: Warehouse, service: str, era: str) -> Path:
    landing = warehouse.settings.landing
    landing.mkdir(parents=True, exist_ok=True)
    return synthetic.write_month(landing, service, MARCH, 2000, 7, era)


def test_a_csv_with_coordinates_is_ingested(warehouse: Warehouse, synthetic_source) -> None:
    publish_zones(warehouse, *synthetic_source.zone_files)
    path = land(warehouse, "green", "2013-08-csv")
    with path.open("a") as file:
        file.write("torn,line\n")
    publication = ingest_month(warehouse, "green", MARCH)
    assert publication.rows == 2001
    assert publication.counts["line_unreadable"] == 1
    assert publication.counts["dropoff_point_unknown"] > 0
    (record,) = list_source_files(warehouse)
    assert (record.state, record.schema_era, record.rows) == ("ingested", "2013-08-csv", 2001)
    cleaned = publish_clean(warehouse, "green", MARCH)
    assert cleaned.counts["line_unreadable"] == 1
    assert cleaned.rows + sum(cleaned.counts.values()) == 2001
    query = "SELECT source_row, unreadable FROM rejected_trips WHERE reason = 'line_unreadable'"
    assert fetch(warehouse, query) == [(2000, '{"line":2002,"text":"torn,line"}')]
    (outcome,) = (o for o in publication.suite_result.outcomes if o.name == "every_row_of_the_file_is_there")
    assert (outcome.severity, outcome.passed) == ("error", True)
    assert outcome.observed == "2,001 rows of 2,001 in the file, 1 of them lines that cannot be read"


def test_file_with_a_lost_row_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    land(warehouse, "green", "2019-csv")

    def lose_one(connection: Any, table: str, service: str, month: Month) -> Any:
        connection.execute("DELETE FROM raw_trips WHERE source_row = 1")
        return run_table_checks(connection, table, service, month)

    monkeypatch.setattr(table_checks, "run_table_checks", lose_one)
    with pytest.raises(MonthRefused, match=r"every_row_of_the_file_is_there: observed 1,999 rows of 2,000 in the file"):
        ingest_month(warehouse, "green", MARCH)
    assert fetch(warehouse, "SELECT count(*) FROM raw_trips") == [(0,)]


def test_row_count_of_an_earlier_release_is_corrected(warehouse: Warehouse) -> None:
    land(warehouse, "green", "2019-csv")
    ingest_month(warehouse, "green", MARCH)
    with warehouse.publishing("source_files") as connection:
        connection.execute("UPDATE source_files SET rows = 1999")
    assert ingest_month(warehouse, "green", MARCH).rows == 2000
    assert fetch(warehouse, "SELECT rows FROM source_files") == [(2000,)]


def test_coordinates_without_zones_are_quarantined(warehouse: Warehouse, synthetic_source) -> None:
    land(warehouse, "yellow", "2010")
    with pytest.raises(TaxiError, match=r"yellow_tripdata_2014-03\.parquet does not meet the contract: it has coord"):
        ingest_month(warehouse, "yellow", MARCH)
    (record,) = list_source_files(warehouse)
    assert record.state == "quarantined"
    assert "no taxi_zones to place them in: materialise taxi_zones, then `taxi files retry`" in record.reasons[0]
    publish_zones(warehouse, *synthetic_source.zone_files)
    retry(warehouse, record.file_name)
    assert ingest_month(warehouse, "yellow", MARCH).rows == 2000
