"""Files of the lake: TLC's own bytes are linked, other rows converted, and replaced files deleted."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lake_listing import files_of
from month_content import JANUARY, content, fetch, rewritten

from taxi_assets.files import sha256_of
from taxi_assets.ingestion.publish_month import publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.data_path import data_root
from taxi_assets.warehouse.maintenance import maintain

NOW = datetime.now(UTC)


@pytest.fixture
def zoned(warehouse: Warehouse, synthetic_source) -> Warehouse:
    publish_zones(warehouse, *synthetic_source.zone_files)
    return warehouse


@pytest.fixture
def january(zoned: Warehouse, synthetic_source) -> SourceFile:
    return synthetic_source.land(zoned.settings, JANUARY)


def raw_files(warehouse: Warehouse) -> list[str]:
    return [*files_of(warehouse, "raw_files_*"), *files_of(warehouse, "converted_trips")]


@pytest.mark.local_lake
def test_month_in_parquet_is_linked_not_copied(zoned: Warehouse, january: SourceFile) -> None:
    publish_month(zoned, january)
    (file,) = raw_files(zoned)
    assert Path(file).samefile(january.path)


@pytest.mark.local_lake
def test_file_system_without_hard_links_gets_a_copy(
    zoned: Warehouse, january: SourceFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    publish_month(zoned, january)
    (file,) = raw_files(zoned)
    assert not Path(file).samefile(january.path)
    assert sha256_of(Path(file)) == january.sha256


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.set_column(
            table.column_names.index("passenger_count"),
            "passenger_count",
            pa.array([1.5, *[2.0] * (len(table) - 1)]),
        ),
        lambda table: table.append_column("half", pa.array([1.0] * len(table), pa.float64()).cast(pa.float16())),
        lambda table: table.append_column("large", pa.array([2**63] * len(table), pa.uint64())),
        lambda table: table.append_column("month", pa.array(["x"] * len(table))),
        lambda table: table.append_column("odd", table["VendorID"]).append_column("Odd", table["VendorID"]),
    ],
    ids=[
        "an unreadable value",
        "half floats",
        "large integers",
        "a column of the lake's own name",
        "names that differ in case",
    ],
)
def test_rows_that_cannot_be_registered_are_converted(zoned: Warehouse, january: SourceFile, change) -> None:
    publish_month(zoned, rewritten(january, "odd", change))
    (file,) = raw_files(zoned)
    assert file.startswith(f"{data_root(zoned.settings)}/main/converted_trips/")
    assert fetch(zoned, "SELECT count(*) FROM raw_trips") == [(pq.read_metadata(january.path).num_rows,)]


def test_months_of_different_columns_are_one_view(zoned: Warehouse, january: SourceFile, synthetic_source) -> None:
    publish_month(zoned, january)
    february = synthetic_source.land(zoned.settings, JANUARY.plus(1))
    without_fee = rewritten(february, "fewer", lambda table: table.drop_columns(["ehail_fee"]))
    publish_month(zoned, without_fee)
    assert len({file.split("/")[-4] for file in raw_files(zoned)}) == 2
    months = fetch(zoned, "SELECT month, count(*) FROM raw_trips GROUP BY 1 ORDER BY 1")
    assert [rows for _, rows in months] == [pq.read_metadata(file.path).num_rows for file in (january, february)]


def test_failed_month_leaves_no_file(zoned: Warehouse, january: SourceFile) -> None:
    publish_month(zoned, january)
    before = raw_files(zoned)
    with pytest.raises(Exception, match="is not published"):
        publish_month(zoned, rewritten(january, "empty", lambda table: table.slice(0, 0)))
    if zoned.settings.data_path:  # a file that no table knows stays in S3 until then
        maintain(zoned, (), timedelta(days=30), NOW + timedelta(days=2))
    assert raw_files(zoned) == before
    assert len(files_of(zoned, "kept_trips")) == 1


@pytest.mark.slow
@pytest.mark.local_lake
def test_maintenance_deletes_the_link_of_a_replaced_month_and_keeps_its_file(
    zoned: Warehouse, january: SourceFile
) -> None:
    publish_month(zoned, january)
    (first,) = raw_files(zoned)
    replacement = rewritten(january, "again", lambda table: table.slice(1))
    publish_month(zoned, replacement)
    for days in (40, 80):  # unused files go one call after their snapshots
        maintain(zoned, (), timedelta(days=30), NOW + timedelta(days=days))
    assert first not in raw_files(zoned)
    assert sha256_of(Path(january.path)) == january.sha256
    (second,) = raw_files(zoned)
    assert Path(second).samefile(replacement.path)
    assert fetch(zoned, "SELECT count(*) FROM raw_trips") == [(pq.read_metadata(replacement.path).num_rows,)]


def test_earlier_snapshot_has_the_replaced_rows(zoned: Warehouse, january: SourceFile) -> None:
    publish_month(zoned, january)
    before, snapshot = content(zoned), zoned.snapshot()
    publish_month(zoned, rewritten(january, "again", lambda table: table.slice(1)))
    assert content(zoned) != before
    assert content(zoned.at(snapshot)) == before


@pytest.mark.slow
@pytest.mark.local_lake
def test_moved_home_has_its_raw_trips(zoned: Warehouse, january: SourceFile, tmp_path: Path) -> None:
    publish_month(zoned, january)
    before = content(zoned)
    moved = zoned.settings.home.rename(tmp_path / "moved")
    assert content(Warehouse(Settings(home=moved, data_kind="synthetic"))) == before
