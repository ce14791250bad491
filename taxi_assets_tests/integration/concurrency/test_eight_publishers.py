"""Eight homes publish months from file to features; processes and servers are killed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_server import PostgresServer
from s3_server import S3Server
from sample_lake import ZONE_FILES
from shared_lake import content, settings_at, warehouse_at
from table_digests import table_digests

from taxi_assets import synthetic
from taxi_assets.ingestion import shared_files
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.scan_landing import list_source_files, scan_landing
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse

MONTHS = tuple(Month(2021, 1).plus(number) for number in range(36))
NEW = Month(2024, 1)
WRITERS = 8


def receive(lake: Warehouse, source: Path) -> None:
    """Accept the files of all months."""
    shutil.copytree(source, lake.settings.landing)
    publish_zones(lake, *(source / name for name in ZONE_FILES))
    scan_landing(lake, IMMEDIATE)


def start(places: dict[str, str], number: int) -> "subprocess.Popen[str]":
    """A process that publishes its share of the months, then the month of all."""
    own = {**places, "home": f"{places['home']}-{number}", "months": [*map(str, MONTHS[number::WRITERS]), str(NEW)]}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # the servers' modules are in other folders
    command = [sys.executable, __file__, json.dumps(own)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("own_password")
def test_eight_publishers_that_are_killed_lose_and_double_nothing(
    server: PostgresServer, s3: S3Server, data_path: str, tmp_path: Path
) -> None:
    pytest.importorskip("obstore", reason="obstore is missing: run `make env-scale`")
    source = tmp_path / "source"
    source.mkdir()
    synthetic.write_zones(source, 7)
    for month in (*MONTHS, NEW):
        synthetic.write_month(source, "green", month, 500, 7)
    places = {"home": str(tmp_path / "home"), "url": server.url, "data_path": data_path, "store": f"{data_path}-files"}
    lake = warehouse_at(tmp_path / "home", server.url, data_path)
    lake = Warehouse(lake.settings.model_copy(update={"shared_files": places["store"]}))
    receive(lake, source)
    processes = [start(places, number) for number in range(WRITERS)]
    assert processes[0].stdout
    acknowledged = [processes[0].stdout.readline().strip()]
    for process in processes[1:3]:
        process.kill()
    server.stop("immediate")
    server.start()
    s3.kill()
    s3.start()
    acknowledged += [line for process in processes for line in process.communicate(timeout=600)[0].split()]
    local = warehouse_at(tmp_path / "local", None)
    receive(local, source)
    for month in (*MONTHS, NEW):
        ingest_month(local, "green", month)
    expected = {str(month)[:7]: values for month, *values in content(local)}
    assert acknowledged[0]
    found = {str(month)[:7]: values for month, *values in content(lake)}
    assert {month: found.get(month) for month in acknowledged} == {month: expected[month] for month in acknowledged}
    for process in [start(places, number) for number in range(WRITERS)]:
        errors = process.communicate(timeout=600)[1]
        assert process.returncode == 0, errors
    assert {row.state for row in list_source_files(lake)} == {"ingested"}
    digests = [table_digests(each) for each in (lake, local)]
    for each in digests:  # it has results of checks, which compare a month with those before it
        each.pop("published_months")
    assert digests[0] == digests[1]


def _publish(home: str, url: str, data_path: str, store: str, months: list[str]) -> None:
    settings = settings_at(Path(home), url, data_path)
    lake = Warehouse(settings.model_copy(update={"shared_files": store, "tlc_source": str(settings.landing)}))
    shared_files.zone_files(lake.settings)
    for month in map(Month.parse, months):
        ingest_month(lake, "green", month)
        sys.stdout.write(f"{month}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _publish(**json.loads(sys.argv[1]))
