"""Warehouses built from files without disturbance, to compare disturbed homes with."""

import shutil
from pathlib import Path
from typing import Any

from lake_state import ingested_files, row_hashes
from sample_files import SLOTS, SampleFile, SampleFiles, Slot, close, land
from simulated_sensor import publish_pending, scan

from taxi_assets.ingestion.retry_files import accept
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.warehouse.connection import Warehouse


class ReferenceLakes:
    """Builds an undisturbed warehouse for a set of files, once for each set."""

    def __init__(self, sample_files: SampleFiles, folder: Path) -> None:
        self.sample_files, self.folder = sample_files, folder
        self.built: dict[frozenset[SampleFile], tuple[object, object]] = {}
        self.by_rows: dict[Slot, dict[tuple[int, str], SampleFile]] = {slot: {} for slot in SLOTS}

    def file_of(self, slot: Slot, raw: tuple[int, str] | None) -> SampleFile | None:
        """The file whose rows are the month's raw trips; None if there are no rows."""
        if raw is None:
            return None
        known = self.by_rows[slot]
        for sample_file in self.sample_files.good[slot]:
            if raw not in known and sample_file not in known.values():
                hashes: Any = self.lake(frozenset([sample_file]))[0]
                known[hashes["raw_trips"][slot[0], str(slot[1])]] = sample_file
        assert raw in known, f"raw_trips of {slot} holds the rows of no file: half a month"
        return known[raw]

    def lake(self, sample_file_set: frozenset[SampleFile]) -> tuple[object, object]:
        """The hashes of every table, and the rows of the ingested files."""
        if sample_file_set not in self.built:
            warehouse = self.sample_files.home(self.folder)
            for sample_file in sample_file_set:
                land(sample_file, warehouse.settings.landing)
            scan(warehouse)
            publish_pending(warehouse)
            for sample_file in sample_file_set:
                if sample_file.is_few and not _is_ingested(warehouse, sample_file):
                    accept(warehouse, sample_file.sha256)
            assert publish_pending(warehouse) == []
            self.built[sample_file_set] = row_hashes(warehouse), ingested_files(warehouse)
            close(warehouse)
            shutil.rmtree(warehouse.settings.home)
        return self.built[sample_file_set]


def _is_ingested(warehouse: Warehouse, sample_file: SampleFile) -> bool:
    return any(r.state == "ingested" and r.sha256 == sample_file.sha256 for r in list_source_files(warehouse))
