"""Parquet files in S3 equal those of a local lake, and an S3 server that fails loses nothing."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from lake_listing import files_of
from s3_server import BUCKET, KEY_ID, SECRET_KEY, S3Server
from sample_lake import MONTHS, Source
from shared_lake import content, put_month, settings_at, warehouse_at
from table_digests import table_digests

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError, WarehouseUnavailable
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.maintenance import maintain

pytestmark = pytest.mark.slow
JANUARY, FEBRUARY = MONTHS


@pytest.fixture(params=["sqlite", "postgresql"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, data_path: str, own_password: None) -> Warehouse:
    url = request.getfixturevalue("server").url if request.param == "postgresql" else None
    return warehouse_at(tmp_path / "home", url, data_path)


@pytest.fixture
def local(tmp_path: Path, created_warehouses: None, synthetic_source: Source) -> Warehouse:
    """A lake of the home with both months."""
    lake = warehouse_at(tmp_path / "local", None)
    for month in MONTHS:
        ingest(lake, synthetic_source, month)
    return lake


def ingest(lake: Warehouse, source: Source, month=JANUARY) -> None:
    publish_zones(lake, *source.zone_files)
    source.land(lake.settings, month)
    ingest_month(lake, "green", month)


def test_an_ingested_month_equals_that_of_a_local_lake(
    remote: Warehouse, local: Warehouse, synthetic_source: Source, s3: S3Server
) -> None:
    for month in MONTHS:
        ingest(remote, synthetic_source, month)
    digests = table_digests(local)
    assert table_digests(remote) == digests
    prefix = str(remote.settings.data_path).removeprefix(f"s3://{BUCKET}/")
    raw = [name for name in s3.objects(f"{prefix}/synthetic/main/") if "/raw_files_" in name]
    assert len(raw) == len(MONTHS)
    stored = {sha256_of(path) for path in remote.settings.file_store.rglob("*.parquet")}
    assert {sha256_of(s3.folder / BUCKET / name) for name in raw} == stored
    assert not list((remote.settings.warehouse / "data").rglob("*.parquet"))


def test_a_refused_month_leaves_its_upload_to_maintenance(
    remote: Warehouse, synthetic_source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(remote, synthetic_source)
    before, known = content(remote), files_of(remote, "raw_files_*")

    def fail(point: str) -> None:
        if point == "registered":
            raise TaxiError("in between")

    monkeypatch.setattr(fault_points, "fault_point", fail)
    with pytest.raises(TaxiError, match="in between"):
        ingest(remote, synthetic_source, FEBRUARY)
    assert content(remote) == before
    assert len(files_of(remote, "raw_files_*")) == len(known) + 1
    maintain(remote, (), timedelta(days=30), datetime.now(UTC) + timedelta(days=40))
    assert (files_of(remote, "raw_files_*"), content(remote)) == (known, before)


@pytest.mark.parametrize("point", ["checked", "filled", "audited", "registered"])
def test_a_killed_s3_server_loses_nothing(
    remote: Warehouse,
    local: Warehouse,
    synthetic_source: Source,
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    ingest(remote, synthetic_source)
    acknowledged = content(remote)

    def kill(reached: str) -> None:
        if reached == point:
            s3.kill()

    with monkeypatch.context() as patch:
        patch.setattr(fault_points, "fault_point", kill)
        try:
            ingest(remote, synthetic_source, FEBRUARY)
        except WarehouseUnavailable as error:
            assert_clear(error, "does not answer")
        else:  # all was in S3 before the server was killed
            acknowledged = content(local)
        finally:
            s3.kill()
            s3.start()
    assert content(remote) == acknowledged
    assert {file.state for file in list_source_files(remote)} <= {"ingested", "waiting"}
    ingest_month(remote, "green", FEBRUARY)
    assert content(remote) == content(local)


def assert_clear(error: TaxiError, reason: str) -> None:
    message = str(error)
    assert reason in message
    assert "TAXI_DATA_PATH" in message or "AWS_" in message
    assert "\n" not in message
    assert KEY_ID not in message
    assert SECRET_KEY not in message


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another"}, "refuses the keys"),
        ({"AWS_ACCESS_KEY_ID": "another"}, "refuses the keys"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:{port}"}, "does not answer"),
        ({"AWS_ENDPOINT_URL_S3": "ftp://x"}, "is not an address"),
        ({"AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}, "needs keys"),
    ],
)
def test_wrong_variables_are_named_and_can_be_corrected(
    remote: Warehouse, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value.format(port=free_port()))
        with pytest.raises(TaxiError) as refused:
            remote.snapshot()
        assert_clear(refused.value, reason)
    with remote.publishing("a month") as connection:
        put_month(connection, JANUARY, 50)
    assert [rows for _, rows, _ in content(remote)] == [50]


def test_a_missing_bucket_is_named_and_can_be_corrected(tmp_path: Path, data_path: str) -> None:
    lake = warehouse_at(tmp_path / "home", None, "s3://absent-bucket/lake")
    with pytest.raises(WarehouseUnavailable) as refused:
        lake.snapshot()
    assert_clear(refused.value, "bucket does not exist")
    assert Warehouse(settings_at(tmp_path / "home", None, data_path)).snapshot()


def test_keys_are_read_from_the_credentials_file(
    remote: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[taxi]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET_KEY}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "taxi")
    assert remote.snapshot()


def test_the_keys_are_shown_nowhere(remote: Warehouse) -> None:
    with remote.reading() as connection:
        tables = ("duckdb_secrets()", "duckdb_settings()", "duckdb_databases()", "lake.options()")
        shown = [connection.execute(f"FROM {table}").fetchall() for table in tables]
        with pytest.raises(duckdb.Error):
            connection.execute("FROM duckdb_secrets(redact => false)")
    assert SECRET_KEY in os.environ.values()
    assert SECRET_KEY not in f"{shown} {remote} {remote.settings!r} {remote.settings.model_dump_json()}"


@pytest.mark.parametrize("place", ["s3://{}/other/x", "http://{}/x", "/etc/passwd"])
def test_statements_reach_only_the_data_path(remote: Warehouse, place: str) -> None:
    with remote.reading() as connection, pytest.raises(duckdb.PermissionException):
        connection.execute(f"FROM read_text('{place.format(BUCKET)}')")


def test_a_second_warehouse_does_not_share_the_prefix(remote: Warehouse, tmp_path: Path) -> None:
    with remote.publishing("a month") as connection:
        put_month(connection, JANUARY, 50)
    other = settings_at(tmp_path / "other", None, remote.settings.data_path)
    with pytest.raises(TaxiError, match="files of another warehouse"):
        Warehouse(other).snapshot()
    assert not (other.warehouse / "catalog.sqlite").exists()


def test_a_catalogue_whose_files_are_elsewhere_is_refused(remote: Warehouse, tmp_path: Path) -> None:
    remote.snapshot()
    changed = remote.settings.model_copy(update={"data_path": f"{remote.settings.data_path}-moved"})
    with pytest.raises(TaxiError, match="TAXI_DATA_PATH is not where"):
        Warehouse(changed).snapshot()
    with pytest.raises(TaxiError, match=r"TAXI_DATA_PATH|DATA_PATH parameter"):
        Warehouse(remote.settings.model_copy(update={"data_path": None})).snapshot()
    in_home = warehouse_at(tmp_path / "local", None)
    in_home.snapshot()
    with pytest.raises(TaxiError, match="TAXI_DATA_PATH is not where"):
        Warehouse(in_home.settings.model_copy(update={"data_path": remote.settings.data_path + "-new"})).snapshot()
