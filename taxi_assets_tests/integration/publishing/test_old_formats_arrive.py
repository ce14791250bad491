"""Files of old formats come in by the landing folder like any other: text, coordinates, what speaks against them."""

from pathlib import Path

import pytest
from published import ask

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.lake.publishing import publish_clean, publish_zones
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.receiving.ingesting import ingest_month
from taxi_assets.receiving.receive import records_of
from taxi_assets.receiving.retrying import retry

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
    (record,) = records_of(warehouse)
    assert (record.state, record.schema_era, record.rows) == ("ingested", "2013-08-csv", 2001)
    cleaned = publish_clean(warehouse, "green", MARCH)
    assert cleaned.counts["line_unreadable"] == 1
    assert cleaned.rows + sum(cleaned.counts.values()) == 2001
    query = "SELECT source_row, other_columns FROM rejected_trips WHERE reason = 'line_unreadable'"
    assert ask(warehouse, query) == [(2000, '{"unreadable_line":"line 2002: torn,line"}')]


def test_coordinates_wait_in_quarantine_for_the_zones(warehouse: Warehouse, synthetic_source) -> None:
    land(warehouse, "yellow", "2010")
    with pytest.raises(TaxiError, match=r"yellow_tripdata_2014-03\.parquet does not meet the contract: it has coord"):
        ingest_month(warehouse, "yellow", MARCH)
    (record,) = records_of(warehouse)
    assert record.state == "quarantined"
    assert "no taxi_zones to place them in: materialise taxi_zones, then `taxi arrivals retry`" in record.reasons[0]
    publish_zones(warehouse, *synthetic_source.zone_files)
    retry(warehouse, record.file_name)
    assert ingest_month(warehouse, "yellow", MARCH).rows == 2000
