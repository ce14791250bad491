"""A month made from the same file by the same code and zones is not written again."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from month_content import JANUARY, content

from taxi_assets.ingestion import published_months
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.published_months import Publication
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture(scope="module")
def ingested(synthetic_source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    from taxi_assets.settings import Settings

    home, folder = tmp_path_factory.mktemp("unchanged"), str(synthetic_source.folder)
    settings = Settings(home=home, data_kind="synthetic", tlc_source=folder, threads=1, memory_limit="1GB")
    warehouse = Warehouse(settings)
    publish_zones(warehouse, *synthetic_source.zone_files)
    ingest_month(warehouse, "green", JANUARY)
    return warehouse


def facts(publication: Publication) -> object:
    """The parts of a publication that people see."""
    tables = {name: (table.suite_result, dict(table.counts)) for name, table in publication.tables.items()}
    return tables, publication.schema_changes, publication.source_file


def test_unchanged_month_is_reported_and_not_written(ingested: Warehouse) -> None:
    ingest_month(ingested, "green", JANUARY)  # other tests may have changed code or zones
    snapshot, before = ingested.snapshot(), content(ingested)
    publication = ingest_month(ingested, "green", JANUARY)
    assert publication.is_unchanged
    assert (ingested.snapshot(), content(ingested)) == (snapshot, before)


def test_unchanged_month_reports_the_results_of_its_publication(
    ingested: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_month(ingested, "green", JANUARY)
    stored = ingest_month(ingested, "green", JANUARY)
    monkeypatch.setattr(published_months, "publication_code", lambda: "another code")
    written = ingest_month(ingested, "green", JANUARY)
    assert (stored.is_unchanged, written.is_unchanged) == (True, False)
    assert facts(stored) == facts(replace(written, source_file=stored.source_file))
    assert ingest_month(ingested, "green", JANUARY).is_unchanged


def test_changed_code_writes_the_month_again(ingested: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest_month(ingested, "green", JANUARY)
    before, snapshot = content(ingested), ingested.snapshot()
    monkeypatch.setattr(published_months, "publication_code", lambda: "some code")
    assert not ingest_month(ingested, "green", JANUARY).is_unchanged
    assert content(ingested) == before
    assert ingested.snapshot() == snapshot + 1


@pytest.mark.slow
def test_changed_zones_write_the_month_again(ingested: Warehouse, synthetic_source) -> None:
    ingest_month(ingested, "green", JANUARY)
    with ingested.publishing("a zone moves") as connection:
        connection.execute("UPDATE taxi_zones SET x_miles = x_miles + 1 WHERE zone_id = 74")
    moved = ingest_month(ingested, "green", JANUARY)
    assert not moved.is_unchanged
    publish_zones(ingested, *synthetic_source.zone_files)
    assert not ingest_month(ingested, "green", JANUARY).is_unchanged
    publish_zones(ingested, *synthetic_source.zone_files)  # equal zones change nothing
    assert ingest_month(ingested, "green", JANUARY).is_unchanged
