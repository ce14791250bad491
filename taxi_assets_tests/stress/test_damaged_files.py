"""Files with flipped bits or cut off after they were accepted: each is detected before it is read."""

import random
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from lake_state import assert_consistent, raw_trips_hashes, row_hashes
from reported_counts import ReportCounts
from sample_files import SLOTS, SampleFile, SampleFiles, close, land
from simulated_sensor import publish_pending, scan

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import file_stability, publish_month, scan_landing
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.recorded_file import DamagedFile
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.warehouse.connection import Warehouse

DAMAGES = 1_000
PER_HOME = 50  # one home would get slower with each damaged file; a fresh home keeps the tests independent


def spoil(path: Path, chance: random.Random) -> str:
    """Flips a bit, or cuts the file off, at a random place; returns which."""
    data = bytearray(path.read_bytes())
    path.chmod(0o644)
    if chance.random() < 0.3:
        path.write_bytes(data[: chance.randrange(len(data))])
        return "cut off"
    place = chance.randrange(len(data))
    data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return "bit flipped"


def stored(warehouse: Warehouse, good: SampleFile) -> Path:
    (path,) = (warehouse.settings.file_store / good.slot[0] / str(good.slot[1])).glob("*.parquet")
    return path


class ReadCounter:
    """Replaces the function that reads a file's rows, and counts its calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.read = 0
        self.former = publish_month.canonical_trips
        patch.setattr(publish_month, "canonical_trips", self.count)

    def count(self, connection: duckdb.DuckDBPyConnection, path: Path, service: str, label: str) -> object:
        self.read += 1
        return self.former(connection, path, service, label)


def damage_once(warehouse: Warehouse, state: str, good: SampleFile, watched: ReadCounter, chance: random.Random) -> str:
    """Damages the stored file, publishes its month, lands a good copy: the warehouse is as before.

    Raw trips are the bytes of the stored file, so their rows come back with the good copy.
    """
    before, read = raw_trips_hashes(warehouse), watched.read
    kept = row_hashes(warehouse, ("kept_trips", "rejections"))
    kind = spoil(stored(warehouse, good), chance)
    with pytest.raises(DamagedFile, match="damaged"):
        ingest_month(warehouse, *good.slot)
    assert watched.read == read, "a damaged file was read"
    assert row_hashes(warehouse, ("kept_trips", "rejections")) == kept
    land(good, warehouse.settings.landing)
    scan_landing.scan_landing(warehouse, file_stability.IMMEDIATE)
    assert [r.state for r in list_source_files(warehouse) if r.sha256 == good.sha256 and r.is_stored] == [state]
    assert raw_trips_hashes(warehouse) == before
    return f"{kind} while {state}"


def damage_files(
    sample_files: SampleFiles, folder: Path, times: int, seed: int, patch: pytest.MonkeyPatch
) -> Counter[str]:
    """Damages one file after the other; half of them wait, half are ingested."""
    chance, counts = random.Random(seed), Counter[str]()  # noqa: S311 - nothing secret
    watched, slot = ReadCounter(patch), SLOTS[0]
    warehouse = sample_files.home(folder)
    first = sample_files.good[slot][0]
    for state in ("waiting", "ingested"):
        if state == "waiting":
            land(first, warehouse.settings.landing)
            scan_landing.scan_landing(warehouse, file_stability.IMMEDIATE)
        else:
            assert publish_pending(warehouse) == []
        before = row_hashes(warehouse)
        counts.update(damage_once(warehouse, state, first, watched, chance) for _ in range(times // 2))
        scan(warehouse)
        assert_consistent(warehouse)
        assert row_hashes(warehouse) == before
    assert publish_pending(warehouse) == []
    close(warehouse)
    shutil.rmtree(warehouse.settings.home)
    return counts


def test_some_damaged_files(sample_files: SampleFiles, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = damage_files(sample_files, scratch, 8, 0, monkeypatch)
    assert counts.total() == 8


def test_reads_of_a_file_are_counted(sample_files: SampleFiles, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, warehouse = ReadCounter(monkeypatch), sample_files.home(scratch)
    land(sample_files.good[SLOTS[0]][0], warehouse.settings.landing)
    ingest_month(warehouse, *SLOTS[0])
    assert watched.read == 1
    with pytest.raises(TaxiError, match="green_tripdata_2023-02"):
        ingest_month(warehouse, *SLOTS[1])
    assert watched.read == 1
    close(warehouse)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(DAMAGES // PER_HOME))
def test_a_thousand_damaged_files(
    sample_files: SampleFiles, scratch: Path, monkeypatch: pytest.MonkeyPatch, report_counts: ReportCounts, part: int
) -> None:
    counts = damage_files(sample_files, scratch, PER_HOME, part, monkeypatch)
    assert counts.total() == PER_HOME
    report_counts(
        "files damaged after they were accepted, all detected, none read", {"files": counts.total(), **counts}
    )
