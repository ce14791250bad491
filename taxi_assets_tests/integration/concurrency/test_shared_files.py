"""Machines with homes of their own publish months whose files another one has accepted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import s3_server
from postgres_server import PostgresServer
from sample_lake import MONTHS, Source
from shared_lake import settings_at, warehouse_at
from table_digests import table_digests

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.ingestion import shared_files
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import MonthRefused, publish_zones
from taxi_assets.ingestion.scan_landing import list_source_files, scan_landing
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.shared_store import SharedStore, SharedStoreUnavailable

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_password")]
JANUARY, FEBRUARY = MONTHS
Machine = Callable[[str], Warehouse]


@pytest.fixture(params=["folder", "S3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path, server: PostgresServer, data_path: str) -> Machine:
    """A machine by its name: a home of its own, and no source of months."""
    pytest.importorskip("obstore", reason="obstore is missing: run `make env-scale`")
    store = f"{data_path}-files" if request.param == "S3" else str(tmp_path / "store")
    warehouse_at(tmp_path, server.url)  # drops the schema of the test before
    (tmp_path / "empty").mkdir()
    shared = {"shared_files": store, "tlc_source": str(tmp_path / "empty")}
    return lambda name: Warehouse(settings_at(tmp_path / name, server.url, data_path).model_copy(update=shared))


def receive(lake: Warehouse, source: Source) -> None:
    """Accept the files of both months, and TLC's zones."""
    lake.settings.landing.mkdir(parents=True)
    for path in source.zone_files:
        shutil.copy(path, lake.settings.landing)
    for month in MONTHS:
        source.land(lake.settings, month)
    publish_zones(lake, *source.zone_files)
    scan_landing(lake, IMMEDIATE)


def states(lake: Warehouse) -> list[str]:
    return [row.state for row in list_source_files(lake)]


def test_another_machine_publishes_accepted_months(machine: Machine, synthetic_source: Source, tmp_path: Path) -> None:
    receiver, worker = machine("receiver"), machine("worker")
    receive(receiver, synthetic_source)
    publish_zones(worker, *shared_files.zone_files(worker.settings))
    ingest_month(worker, "green", JANUARY)
    scan_landing(worker, IMMEDIATE)
    assert states(worker) == ["ingested", "waiting"]
    ingest_month(receiver, "green", FEBRUARY)
    local = warehouse_at(tmp_path / "local", None)
    receive(local, synthetic_source)
    for month in MONTHS:
        ingest_month(local, "green", month)
    assert table_digests(worker) == table_digests(local)
    (copy,) = worker.settings.file_store.rglob("*.parquet")
    assert sha256_of(copy) == copy.stem
    assert not copy.stat().st_mode & 0o222


def test_a_refused_file_stays_refused_on_all_machines(machine: Machine, synthetic_source: Source) -> None:
    receiver, worker = machine("receiver"), machine("worker")
    receive(receiver, synthetic_source)
    bad = [synthetic.parse_shift("slower_city=0.1")]
    synthetic.write_month(receiver.settings.landing, "green", JANUARY, 3_000, 7, None, bad)
    scan_landing(receiver, IMMEDIATE)
    assert states(receiver).count("superseded") == 1
    with pytest.raises(MonthRefused):
        ingest_month(worker, "green", JANUARY)
    for lake in (worker, receiver, machine("third"), receiver):
        scan_landing(lake, IMMEDIATE)
        assert sorted(states(lake)) == ["quarantined", "waiting", "waiting"]
    ingest_month(worker, "green", JANUARY)
    assert sorted(states(receiver)) == ["ingested", "quarantined", "waiting"]


def test_a_damaged_copy_in_the_store_is_refused(machine: Machine, synthetic_source: Source) -> None:
    receiver, worker = machine("receiver"), machine("worker")
    receive(receiver, synthetic_source)
    row = next(row for row in list_source_files(receiver) if row.month == JANUARY)
    SharedStore(receiver.settings, "shared_files").write(row.path, b"other bytes")
    with pytest.raises(TaxiError, match="damaged"):
        ingest_month(worker, "green", JANUARY)
    assert states(worker) == ["waiting", "waiting"]
    assert not list(worker.settings.file_store.rglob("*.parquet*"))


def test_a_store_that_is_down_changes_no_state(
    machine: Machine, synthetic_source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, worker = machine("receiver"), machine("worker")
    if not str(receiver.settings.shared_files).startswith("s3:"):
        pytest.skip("a folder is never down")
    receive(receiver, synthetic_source)
    wrong = worker.settings.model_copy(update={"shared_files": "s3://absent-bucket/files"})
    with pytest.raises(SharedStoreUnavailable, match="TAXI_SHARED_FILES") as down:
        ingest_month(Warehouse(wrong), "green", JANUARY)
    assert s3_server.SECRET_KEY not in str(down.value)
    assert states(receiver) == ["waiting", "waiting"]


def test_files_of_the_home_need_no_store(tmp_path: Path, synthetic_source: Source, created_warehouses: None) -> None:
    settings = Settings(home=tmp_path / "home", data_kind="synthetic", threads=1, memory_limit="1GB")
    row = synthetic_source.land(settings, JANUARY)
    shared_files.share_file(settings, Path(row.path), "files/x.parquet")
    shared_files.fetch_shared(settings, row)
    assert shared_files.listed_files(settings)(row)
    assert shared_files.is_available(settings, row)
