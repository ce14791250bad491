"""Sample months made in memory, and a home to copy for each trial, with the zones and one older month."""

import hashlib
import io
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from taxi_assets import synthetic
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.warehouse import connection
from taxi_assets.warehouse.connection import Warehouse

Slot = tuple[str, Month]

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)
SLOTS: tuple[Slot, ...] = (("green", JANUARY), ("green", FEBRUARY), ("yellow", JANUARY))
_OLDER: Slot = ("green", Month(2022, 12))
_SEED, _ROWS = 7, 240


@dataclass(frozen=True)
class SampleFile:
    """A file of a few hundred rows: its name, its bytes, and if the platform should accept it.

    A file with few rows is accepted beside others only by a person.
    """

    slot: Slot
    data: bytes
    is_good: bool = True
    is_few: bool = False

    @property
    def name(self) -> str:
        return file_name(*self.slot)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def __repr__(self) -> str:
        return f"{self.slot[0]} {self.slot[1]} {self.sha256[:8]}{'' if self.is_good else ' bad'}"


@dataclass(frozen=True)
class SampleFiles:
    """Good months by slot, each published four times with other bytes; bad files; a home to start from."""

    folder: Path
    good: Mapping[Slot, tuple[SampleFile, ...]]
    bad: tuple[SampleFile, ...]
    first_home: Path

    def settings(self, home: Path) -> Settings:
        """Settings of a home that cannot fetch months: its files must land."""
        nowhere = self.folder / "nothing"
        services = tuple(dict.fromkeys(service for service, _ in SLOTS))
        return Settings(
            home=home,
            data_kind="synthetic",
            services=services,
            tlc_source=str(nowhere),
            threads=1,
            memory_limit="500MB",
        )

    def home(self, folder: Path) -> Warehouse:
        """A new home with one older month."""
        home = folder / uuid.uuid4().hex[:8]
        shutil.copytree(self.first_home, home)
        return Warehouse(self.settings(home))


def make_sample_files(folder: Path) -> SampleFiles:
    (folder / "nothing").mkdir()
    good = {slot: _published_again(slot, _first(folder, slot)) for slot in SLOTS}
    misfiled = SampleFile(SLOTS[0], good[SLOTS[1]][0].data, is_good=False)
    strange = SampleFile(SLOTS[1], _bytes(pa.table({"a": [1], "b": ["x"]})), is_good=False)
    sample_files = SampleFiles(folder, good, (misfiled, strange), folder / "first")
    synthetic.write_zones(folder, _SEED)
    warehouse = Warehouse(sample_files.settings(sample_files.first_home))
    publish_zones(warehouse, folder / "taxi_zone_lookup.csv", folder / "taxi_zones.zip")
    land(SampleFile(_OLDER, _bytes(_first(folder, _OLDER))), warehouse.settings.landing)
    publish_month(warehouse, _OLDER)
    close(warehouse)
    return sample_files


def land(sample_file: SampleFile, landing: Path, name: str | None = None, modified: int | None = None) -> Path:
    """Puts a file into the landing folder in one step; other name and old date on request."""
    draft, target = landing / f".{uuid.uuid4().hex}", landing / (name or sample_file.name)
    draft.write_bytes(sample_file.data)
    if modified is not None:
        os.utime(draft, (modified, modified))
    draft.replace(target)
    return target


def publish_month(warehouse: Warehouse, slot: Slot) -> None:
    """Publishes a month from its file to its features.

    Raises:
        TaxiError: there is no file, or it is refused.
    """
    ingest_month(warehouse, *slot)


def _first(folder: Path, slot: Slot) -> pa.Table:
    return pq.read_table(synthetic.write_month(folder / "made", *slot, _ROWS, _SEED))


def _published_again(slot: Slot, first: pa.Table) -> tuple[SampleFile, ...]:
    """The rows unchanged, with rows missing, with corrected fares, and with most rows missing."""
    place = first.schema.get_field_index("fare_amount")
    dearer = first.set_column(place, first.schema.field(place), pc.add(first.column(place), 1.0))
    tables = (first, first.slice(0, _ROWS - 5), dearer)
    few = SampleFile(slot, _bytes(first.slice(0, _ROWS // 4)), is_few=True)
    return (*(SampleFile(slot, _bytes(table)) for table in tables), few)


def _bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def close(warehouse: Warehouse) -> None:
    """Closes this process's open database of a home, as the process's end would."""
    for key in [key for key in connection._databases if key[2] == warehouse.settings]:
        connection._databases.pop(key).close()
