"""A harness for ingestion: lands files, scans the landing folder and reads the source files."""

import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sample_lake import delete_rows

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.file_stability import ScanPolicy
from taxi_assets.ingestion.scan_landing import list_source_files, scan_landing
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)
ROWS = 3_000
NAME = "green_tripdata_2023-01.parquet"
NO_WAIT = ScanPolicy(seconds_between=0)


@dataclass(frozen=True)
class LandingHarness:
    settings: Settings
    months: Path

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.settings)

    def empty(self) -> None:
        """Deletes all files and their records."""
        for folder in (self.settings.landing, self.settings.file_store, self.settings.quarantine):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        with self.warehouse.publishing("empty") as connection:
            delete_rows(connection, "true", "taxi_zones")

    def put(self, which: str = NAME, name: str | None = None) -> Path:
        """Copies a test month into the landing folder."""
        target = self.settings.landing / (name or Path(which).name)
        return Path(shutil.copy(self.months / which, target))

    def scan_landing(self, times: int = 2) -> list[SourceFile]:
        """Scans repeatedly and returns the source files. A file unchanged at the second scan is complete."""
        for _ in range(times):
            scan_landing(self.warehouse, NO_WAIT)
        return self.records()

    def records(self) -> list[SourceFile]:
        return list_source_files(self.warehouse)

    def states(self) -> Counter[str]:
        return Counter(record.state for record in self.records())

    def path(self, record: SourceFile) -> Path:
        return self.settings.root / record.path

    def fetch(self, query: str) -> list[tuple[object, ...]]:
        with self.warehouse.reading() as connection:
            return connection.execute(query).fetchall()

    def only(self) -> SourceFile:
        (record,) = self.records()
        return record

    def check(self) -> None:
        """Asserts the invariants between files and records while no scan or run is active."""
        records = self.records()
        kept = {record.path: record for record in records if (self.settings.root / record.path).is_file()}
        for record in kept.values():
            if record.sha256:
                assert sha256_of(self.path(record)) == record.sha256, record
        assert files_below(self.settings) == {path for path in kept if not path.startswith("landing/")}
        for state in ("ingested", "waiting", "unaccepted"):
            taken = [(r.service, r.month) for r in records if r.state == state and r.is_stored]
            assert len(set(taken)) == len(taken), (state, taken)
        hashes = [record.sha256 for record in records if record.state in ("ingested", "superseded")]
        assert len(set(hashes)) == len(hashes)


def files_below(settings: Settings) -> set[str]:
    """Every file in the file store and quarantine, except reason files and notes."""
    found = [path for folder in (settings.file_store, settings.quarantine) for path in folder.rglob("*")]
    files = [path for path in found if path.is_file() and not path.name.endswith((".reason.txt", ".lock"))]
    return {
        os.path.relpath(p, settings.root) for p in files if p.name != "observations.json" and not p.name.startswith(".")
    }
