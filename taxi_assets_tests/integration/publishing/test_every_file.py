"""Every available file is ingested or refused for the right reason, and no row is lost.

Uses synthetic files of every service and era. TLC's own months and samples are added if `TAXI_TLC_SOURCE` or
`../shared/tlc` beside the clone has them, with `tlc-samples` next to it.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from month_content import fetch
from sample_lake import inspect_file

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_columns import read_columns
from taxi_assets.ingestion.publish_month import MonthRefused, publish_month, publish_zones
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.synthetic import ERAS
from taxi_assets.tlc.contract import schema_era
from taxi_assets.tlc.month_file import parse_file_name
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.connection import Warehouse

SHARED = Path(__file__).resolve().parents[4] / "shared"
TLC = Path(os.environ.get("TAXI_TLC_SOURCE") or SHARED / "tlc")
MARCH = Month(2019, 3)  # every service has this month and those after it, and no other file here is of 2019
SAMPLES = TLC.parent / "tlc-samples"
ERAS_OF_TLC = {"A": Month(2020, 8), "B": Month(2023, 2), "C": Month(2025, 1)}
# Sample: its service and month, and the beginning of the refusal, or nothing.
SAMPLE_MONTHS: dict[str, tuple[str, str, str]] = {
    "green_tripdatasample_2020-04.csv": ("green", "2020-04", ""),
    "yellow_tripdatasample_2020-04.csv": ("yellow", "2020-04", ""),
    "fhvhv_tripdatasample_2020-04.csv": ("fhvhv", "2020-04", ""),
    "fhv_tripdatasample_2020-04.csv": ("fhvhv", "2020-04", "other for-hire trips (fhv) have no distance and no fare"),
    "yellow_2025-01-15_one_day.parquet": ("yellow", "2025-01", ""),
    "yellow_2021-2022_24k_sample.parquet": ("yellow", "2021-01", "pickups_are_in_their_month"),
}


@pytest.fixture(scope="module")
def lake(synthetic_source, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse with only the zones."""
    settings = Settings(home=tmp_path_factory.mktemp("every"), data_kind="synthetic", threads=1, memory_limit="1GB")
    warehouse = Warehouse(settings)
    publish_zones(warehouse, *synthetic_source.zone_files)
    return warehouse


def arrive(lake: Warehouse, path: Path, service: str, month: Month) -> SourceFile:
    """Lands the file as a month of a service."""
    target = lake.settings.landing / f"{service}_tripdata_{month}{path.suffix}"
    target.unlink(missing_ok=True)  # the lake may have a link to its bytes, which a new file leaves as they are
    shutil.copyfile(path, target)
    return replace(inspect_file(target), is_synthetic=True)


def require_whole(lake: Warehouse, month_file: SourceFile, rows: int) -> dict[str, int]:
    """Publishes the month up to its features; each row must be kept or rejected for a reason."""
    raw, clean, features = publish_month(lake, month_file).tables.values()
    assert raw.rows == rows == clean.rows + sum(clean.counts.values())
    assert features.rows == clean.rows
    query = "SELECT count(*), count(reason) FROM rejected_trips WHERE service = $1 AND month = $2"
    rejected = sum(clean.counts.values())
    assert fetch(lake, query, month_file.service, month_file.require_month()[1].first_day) == [(rejected, rejected)]
    return clean.counts


def lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_bytes().splitlines()) - 1


def months() -> Iterator[Path]:
    return (path for path in sorted(TLC.glob("*_tripdata_*.parquet")) if parse_file_name(path.name))


def ingest_month(lake: Warehouse, path: Path) -> None:
    parsed = parse_file_name(path.name)
    assert parsed
    service, month = parsed
    columns = read_columns(path)
    counts = require_whole(lake, arrive(lake, path, service, month), columns.rows or 0)
    assert "line_unreadable" not in counts
    if service == "green":
        era = max(name for name, first in ERAS_OF_TLC.items() if first <= month)
        assert schema_era(columns.names, columns.types) == era


@pytest.mark.parametrize("month", ["2021-01", "2025-06"])
def test_a_month_of_each_era_is_ingested(lake: Warehouse, tmp_path: Path, month: str) -> None:
    real = TLC / f"green_tripdata_{month}.parquet"
    path = real if real.is_file() else synthetic.write_month(tmp_path, "green", Month.parse(month), 3000, 7)
    ingest_month(lake, path)
    assert fetch(lake, "SELECT count(*) > 0 FROM trip_features") == [(True,)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_available_month_is_ingested(lake: Warehouse, tmp_path: Path) -> None:
    found = list(months()) or [
        synthetic.write_month(tmp_path, "green", Month(2022, number), 3000, 7) for number in range(1, 13)
    ]
    for path in found:
        ingest_month(lake, path)
    query = "SELECT count(*), count(*) FILTER (compared_with IS NULL) FROM schema_changes"
    changes, uncompared = fetch(lake, query)[0]
    assert uncompared == 0
    assert changes > 0 or len(found) < 48


@pytest.mark.parametrize("name", SAMPLE_MONTHS)
def test_a_sample_is_ingested_or_refused_for_the_right_reason(lake: Warehouse, tmp_path: Path, name: str) -> None:
    service, month, reason = SAMPLE_MONTHS[name]
    path = SAMPLES / name
    if not path.is_file():
        path = stand_in(tmp_path, name)
    month_file = arrive(lake, path, service, Month.parse(month))
    if reason:
        with pytest.raises((TaxiError, MonthRefused)) as caught:
            publish_month(lake, month_file)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)
    else:
        require_whole(lake, month_file, read_columns(path).rows or lines(path))


def stand_in(folder: Path, name: str) -> Path:
    """A synthetic file with the sample's service and format, and its pickups of another month."""
    service, month, reason = SAMPLE_MONTHS[name]
    if name.startswith("fhv_"):
        return synthetic.write_month(folder, "fhv", Month(2020, 4), 1000, 7, "2019-csv")
    drawn = Month(2022, 7) if "pickups" in reason else Month.parse(month)
    era = {"green": "2019-csv", "yellow": "2019-csv", "fhvhv": "2019-02-csv"}[service]
    return synthetic.write_month(folder, service, drawn, 1000, 7, era if name.endswith(".csv") else None)


@pytest.mark.slow
@pytest.mark.parametrize(("service", "era"), [(service, era) for service in SERVICES for era in ERAS[service]])
def test_every_era_of_every_service_is_ingested(lake: Warehouse, tmp_path: Path, service: str, era: str) -> None:
    month = MARCH.plus(list(ERAS[service]).index(era))  # one each: a file without fares replaces none that has them
    path = synthetic.write_month(tmp_path, service, month, 1500, 7, era)
    counts = require_whole(lake, arrive(lake, path, service, month), 1500)
    assert "line_unreadable" not in counts
    assert "needed_value_missing" not in counts
