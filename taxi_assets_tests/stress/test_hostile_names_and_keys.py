"""A thousand hostile names and keys: none leaves its folder, none becomes an SQL statement."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
from hostile_names import HOSTILE_KEYS, HOSTILE_NAMES, KEYS, NAMES
from hypothesis import HealthCheck
from lake_state import assert_consistent, file_checksums, row_hashes
from reported_counts import ReportCounts
from sample_files import SLOTS, SampleFile, SampleFiles, close, land
from simulated_sensor import scan

from taxi_assets.defs.partitions import MONTHS
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.retry_files import retry
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.months import Month
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.warehouse.connection import Warehouse

NAMES_IN_ALL, KEYS_IN_ALL = 1_000, 1_000
AT_ONCE = 50  # names that land together
SCANS = 4
OWN = ("landing", "files", "quarantine", "warehouse")


def drawn(strategy: "hypothesis.strategies.SearchStrategy[bytes]", number: int) -> list[bytes]:
    """So many different values, the same each time."""
    found: dict[bytes, None] = {}

    @hypothesis.seed(number)
    @hypothesis.settings(max_examples=2 * number, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @hypothesis.given(strategy)
    def draw(value: bytes) -> None:
        if len(found) < number:
            found[value] = None

    draw()
    assert len(found) == number
    return list(found)


class Fenced:
    """A home that must not change: neither files outside its own folders nor its published tables."""

    def __init__(self, sample_files: SampleFiles, folder: Path) -> None:
        self.folder = folder
        self.warehouse: Warehouse = sample_files.home(folder)
        (folder / "escaped").write_text("not to be touched")
        self.rows = row_hashes(self.warehouse)
        self.around = self.outside()

    def outside(self) -> dict[str, bytes]:
        own = [self.warehouse.settings.root / name for name in OWN]
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(p): p.read_bytes() for p in files if not any(p.is_relative_to(folder) for folder in own)}

    def check(self) -> None:
        assert self.outside() == self.around
        assert row_hashes(self.warehouse) == self.rows

    def close(self) -> None:
        close(self.warehouse)
        shutil.rmtree(self.warehouse.settings.home)


@pytest.fixture
def fenced(sample_files: SampleFiles, scratch: Path) -> Iterator[Fenced]:
    made = Fenced(sample_files, scratch)
    yield made
    made.close()


def land_names(fenced: Fenced, names: list[bytes], content: bytes) -> Counter[str]:
    """Lands files under these names, each with other bytes, and scans; counts the resulting states."""
    landing, settings = fenced.warehouse.settings.landing, fenced.warehouse.settings
    known = {record.path for record in list_source_files(fenced.warehouse)}
    for number, name in enumerate(names):
        (landing / os.fsdecode(name)).write_bytes(content + b"%d" % number)
    for _ in range(SCANS):
        scan(fenced.warehouse)
    fenced.check()
    assert_consistent(fenced.warehouse)
    new = [record for record in list_source_files(fenced.warehouse) if record.path not in known]
    for record in new:
        assert record.file_name.isprintable()
        path = Path(os.path.normpath(settings.root / record.path))
        assert path.parent in (settings.quarantine, settings.landing) or path.is_relative_to(settings.file_store)
    left = set(landing.iterdir())
    kept = file_checksums(fenced.warehouse, settings.file_store, settings.quarantine)
    assert len(left) + sum(r.state != "arriving" for r in new) == len(names)
    assert len(set(kept.values())) >= len(names) - len(left)
    return Counter("left" if r.state == "arriving" else r.state for r in new)


def retry_by_name(fenced: Fenced, names: list[bytes]) -> None:
    """`taxi files retry` with a hostile name changes nothing."""
    for name in names:
        text = os.fsdecode(name)
        if parse_file_name(text) is None:
            with pytest.raises(TaxiError):
                retry(fenced.warehouse, text)
    fenced.check()


def refuse_keys(fenced: Fenced, keys: list[str]) -> Counter[str]:
    """Each key is refused by Dagster's partitions or is a month; other keys never become a path."""
    counts: Counter[str] = Counter()
    for key in keys:
        if MONTHS.has_partition_key(key):
            assert str(Month.parse(key)) == key
        try:
            month = Month.parse(key)
        except TaxiError:
            counts["refused"] += 1
            assert not MONTHS.has_partition_key(key)
            continue
        counts["months"] += 1
        assert str(month) == key.strip()
        for service in ("green", f"green/{key}", f"x'; DROP TABLE {key}"):
            with pytest.raises(TaxiError):
                ingest_month(fenced.warehouse, service, month)
    fenced.check()
    return counts


def test_listed_hostile_names(fenced: Fenced, sample_files: SampleFiles) -> None:
    assert land_names(fenced, list(HOSTILE_NAMES), sample_files.good[SLOTS[0]][0].data).total() > 50
    retry_by_name(fenced, list(HOSTILE_NAMES[:12]))


def test_listed_hostile_keys(fenced: Fenced) -> None:
    assert refuse_keys(fenced, list(HOSTILE_KEYS))["refused"] >= len(HOSTILE_KEYS) - 2


def test_file_outside_the_home_is_reported(fenced: Fenced, sample_files: SampleFiles) -> None:
    (fenced.folder / "escaped").write_text("touched")
    with pytest.raises(AssertionError):
        fenced.check()
    (fenced.folder / "escaped").write_text("not to be touched")
    land(SampleFile(SLOTS[0], sample_files.good[SLOTS[0]][0].data), fenced.warehouse.settings.landing)
    ingest_month(fenced.warehouse, *SLOTS[0])
    with pytest.raises(AssertionError):
        fenced.check()


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_run_with_a_hostile_key_does_not_start(key: str) -> None:
    @dg.asset(partitions_def=MONTHS)
    def months(context: dg.AssetExecutionContext) -> None:
        raise AssertionError(f"it started for {context.partition_key}")

    with pytest.raises(dg.DagsterError):
        dg.materialize([months], partition_key=key)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(NAMES_IN_ALL // AT_ONCE))
def test_a_thousand_names(fenced: Fenced, sample_files: SampleFiles, report_counts: ReportCounts, part: int) -> None:
    names = drawn(NAMES, NAMES_IN_ALL)[part * AT_ONCE :][:AT_ONCE]
    became = land_names(fenced, names, sample_files.good[SLOTS[0]][0].data)
    assert became.total() > 0
    retry_by_name(fenced, names[:5])
    report_counts("hostile names, none escaped, none reached SQL", {"names": len(names), **became})


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_keys(fenced: Fenced, report_counts: ReportCounts) -> None:
    counts = refuse_keys(fenced, drawn(KEYS, KEYS_IN_ALL))
    assert counts.total() == KEYS_IN_ALL
    report_counts("hostile keys, none escaped, none reached SQL", {"keys": KEYS_IN_ALL, **counts})
