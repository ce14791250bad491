"""Fixtures: a warehouse with a synthetic January from file to features, which tests leave unchanged."""

import pytest
from month_content import JANUARY

from taxi_assets.ingestion.publish_month import publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture(scope="package")
def full(synthetic_source, tmp_path_factory) -> Warehouse:
    settings = Settings(home=tmp_path_factory.mktemp("home"), data_kind="synthetic", threads=1, memory_limit="1GB")
    warehouse = Warehouse(settings)
    publish_zones(warehouse, *synthetic_source.zone_files)
    publish_month(warehouse, synthetic_source.land(settings, JANUARY), "first run")
    return warehouse


@pytest.fixture
def good(full: Warehouse, synthetic_source) -> SourceFile:
    """The landed file of January."""
    return synthetic_source.land(full.settings, JANUARY)
