"""Files of old formats come through the landing folder: CSV, coordinates, and their refusals."""

from pathlib import Path
from typing import Any

import pytest
from month_content import fetch

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import lake_files
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.lake_files import copy_rows
from taxi_assets.ingestion.publish_month import MonthRefused, publish_zones
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse

MARCH = Month(2014, 3)


def land(warehouse: Warehouse, service: str, era: str) -> Path:
    landing = warehouse.settings.landing
    landing.mkdir(parents=True, exist_ok=True)
    return synthetic.write_month(landing, service, MARCH, 2000, 7, era)


@pytest.mark.slow
def test_a_csv_with_coordinates_is_ingested(warehouse: Warehouse, synthetic_source) -> None:
    publish_zones(warehouse, *synthetic_source.zone_files)
    path = land(warehouse, "green", "2013-08-csv")
    with path.open("a") as file:
        file.write("torn,line\n")
    publication, cleaned, _ = ingest_month(warehouse, "green", MARCH).tables.values()
    assert publication.rows == 2001
    assert publication.counts["line_unreadable"] == 1
    assert publication.counts["dropoff_point_unknown"] > 0
    (record,) = list_source_files(warehouse)
    assert (record.state, record.schema_era, record.rows) == ("ingested", "2013-08-csv", 2001)
    assert cleaned.counts["line_unreadable"] == 1
    assert cleaned.rows + sum(cleaned.counts.values()) == 2001
    query = "SELECT source_row, unreadable FROM rejected_trips WHERE reason = 'line_unreadable'"
    assert fetch(warehouse, query) == [(2000, '{"line":2002,"text":"torn,line"}')]
    (outcome,) = (o for o in publication.suite_result.outcomes if o.name == "every_row_of_the_file_is_there")
    assert (outcome.severity, outcome.passed) == ("error", True)
    assert outcome.observed == "2,001 rows of 2,001 in the file, 1 of them lines that cannot be read"


def test_file_with_a_lost_row_is_refused(
    warehouse: Warehouse, synthetic_source, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_zones(warehouse, *synthetic_source.zone_files)
    land(warehouse, "green", "2019-csv")

    def lose_one(connection: Any, query: str, *others: Any) -> None:
        copy_rows(connection, f"FROM ({query}) LIMIT 1999" if "canonical" in query else query, *others)

    monkeypatch.setattr(lake_files, "copy_rows", lose_one)
    with pytest.raises(MonthRefused, match=r"every_row_of_the_file_is_there: observed 1,999 rows of 2,000 in the file"):
        ingest_month(warehouse, "green", MARCH)
    assert fetch(warehouse, "SELECT count(*) FROM raw_trips") == [(0,)]


@pytest.mark.slow
def test_coordinates_become_zones_once_there_are_zones(warehouse: Warehouse, synthetic_source) -> None:
    land(warehouse, "yellow", "2010")
    with pytest.raises(TaxiError, match="the warehouse has no taxi_zones: materialise taxi_zones first"):
        ingest_month(warehouse, "yellow", MARCH)
    (record,) = list_source_files(warehouse)
    assert record.state == "waiting"
    publish_zones(warehouse, *synthetic_source.zone_files)
    assert ingest_month(warehouse, "yellow", MARCH).tables["raw_trips"].rows == 2000
