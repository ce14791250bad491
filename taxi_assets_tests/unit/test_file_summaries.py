"""`taxi files` lists what the landing folder and the warehouse have, and changes nothing."""

from datetime import datetime
from pathlib import Path

from taxi_assets.cli.status_report import file_summaries
from taxi_assets.ingestion.source_files import SourceFile, write_source_files
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

NAME = "green_tripdata_2023-02.parquet"


def test_file_listing_is_read_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data_kind="synthetic")
    assert file_summaries(settings) == []
    assert not settings.home.exists()
    settings.landing.mkdir(parents=True)
    (settings.landing / NAME).write_bytes(b"any bytes")
    assert file_summaries(settings)[0]["state"] == "arriving"
    Warehouse(settings).snapshot()
    before = {path: path.stat().st_mtime_ns for path in settings.root.rglob("*") if path.is_file()}
    snapshot = Warehouse(settings).snapshot()
    for _ in range(3):
        (fact,) = file_summaries(settings)
    assert (fact["file_name"], fact["state"], fact["path"]) == (NAME, "arriving", f"landing/{NAME}")
    assert "it is not scanned yet" in fact["reasons"][0]
    assert {path: path.stat().st_mtime_ns for path in settings.root.rglob("*") if path.is_file()} == before
    assert Warehouse(settings).snapshot() == snapshot


def test_file_of_an_unused_service_is_listed_without_a_run(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data_kind="synthetic")
    with Warehouse(settings).publishing("one") as connection:
        write_source_files(
            connection, [SourceFile("p", "y", "waiting", datetime(2023, 5, 1), "yellow", Month(2023, 1), request=1)]
        )
    assert file_summaries(settings)[0]["reasons"] == ["it gets no run: yellow is not in TAXI_SERVICES"]
