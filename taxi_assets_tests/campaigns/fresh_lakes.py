"""Lakes built from files that nothing disturbs, to compare with what a disturbed home ends as."""

import shutil
from pathlib import Path
from typing import Any

from lake_state import ingested_files, row_hashes
from little_months import SLOTS, Little, Shelf, Slot, land
from sensor_at_work import look, work
from thrift import close

from taxi_assets.ingestion.retry_files import accept
from taxi_assets.ingestion.scan_landing import records_of
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["Fresh"]


class Fresh:
    """Lakes built from a set of files that nothing disturbs, each built once."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        self.shelf, self.folder = shelf, folder
        self.built: dict[frozenset[Little], tuple[object, object]] = {}
        self.by_rows: dict[Slot, dict[tuple[int, str], Little]] = {slot: {} for slot in SLOTS}

    def file_of(self, slot: Slot, raw: tuple[int, str] | None) -> Little | None:
        """The file whose rows the lake shows as the month's raw trips; None where it shows none."""
        if raw is None:
            return None
        known = self.by_rows[slot]
        for little in self.shelf.good[slot]:
            if raw not in known and little not in known.values():
                hashes: Any = self.lake(frozenset([little]))[0]
                known[hashes["raw_trips"][slot[0], str(slot[1])]] = little
        assert raw in known, f"raw_trips of {slot} holds the rows of no file: half a month"
        return known[raw]

    def lake(self, littles: frozenset[Little]) -> tuple[object, object]:
        """The hashes of every table, and the rows of the files that are ingested."""
        if littles not in self.built:
            warehouse = self.shelf.home(self.folder)
            for little in littles:
                land(little, warehouse.settings.landing)
            look(warehouse)
            work(warehouse)
            for little in littles:
                if little.is_few and not _is_ingested(warehouse, little):
                    accept(warehouse, little.sha256)
            assert work(warehouse) == []
            self.built[littles] = row_hashes(warehouse), ingested_files(warehouse)
            close(warehouse)
            shutil.rmtree(warehouse.settings.home)
        return self.built[littles]


def _is_ingested(warehouse: Warehouse, little: Little) -> bool:
    return any(r.state == "ingested" and r.sha256 == little.sha256 for r in records_of(warehouse))
