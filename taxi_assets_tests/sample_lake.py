"""Months to test with, and a warehouse with these months; their fixtures are in `conftest.py`."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc.month_file import file_name, is_synthetic_file, read_file_name
from taxi_assets.warehouse.connection import Warehouse

MONTHS = (Month(2023, 1), Month(2023, 2))
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi_zones.zip")


def inspect_file(path: Path) -> SourceFile:
    """A month's file outside the file store, as publishing takes it."""
    (service, month), size = read_file_name(path.name), path.stat().st_size
    facts = {"bytes": size, "sha256": sha256_of(path), "is_synthetic": is_synthetic_file(path)}
    return SourceFile(str(path), path.name, "waiting", datetime(2024, 1, 1), service, month, **facts)


@dataclass(frozen=True)
class Source:
    """A read-only folder with green months, `MONTHS`, and the two zone files, named as TLC names them."""

    folder: Path
    kind: DataKind

    @property
    def months(self) -> tuple[Month, ...]:
        return MONTHS

    @property
    def zone_files(self) -> tuple[Path, Path]:
        return self.folder / ZONE_FILES[0], self.folder / ZONE_FILES[1]

    def land(self, settings: Settings, month: Month) -> SourceFile:
        """Copies a month into the landing folder."""
        settings.landing.mkdir(parents=True, exist_ok=True)
        return inspect_file(Path(shutil.copy(self.folder / file_name("green", month), settings.landing)))


@dataclass(frozen=True)
class Lake:
    """A read-only warehouse with every month of its source."""

    settings: Settings
    warehouse: Warehouse
    source: Source
