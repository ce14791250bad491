"""Months to test with, and a warehouse with these months; their fixtures are in `conftest.py`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc.month_file import MonthFile, file_name, inspect_file
from taxi_assets.warehouse.connection import Warehouse

MONTHS = (Month(2023, 1), Month(2023, 2))
ZONE_FILES = ("taxi_zone_lookup.csv", "taxi_zones.zip")


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

    def land(self, settings: Settings, month: Month) -> MonthFile:
        """Copies a month into the landing folder."""
        settings.landing.mkdir(parents=True, exist_ok=True)
        return inspect_file(Path(shutil.copy(self.folder / file_name("green", month), settings.landing)))


@dataclass(frozen=True)
class Lake:
    """A read-only warehouse with every month of its source."""

    settings: Settings
    warehouse: Warehouse
    source: Source
