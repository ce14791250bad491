"""Concurrent processes in one home see no lock errors and produce the same tables as one process."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
from concurrent_clients import TRIPS, publish_month, run_together, running_readers

from taxi_assets import synthetic
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.months import Month, parse_months
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

SEED = 7
THREE_YEARS = parse_months("2021-01..2023-12")


def write_months(folder: Path, months: tuple[Month, ...], rows: int) -> Path:
    synthetic.write_zones(folder, SEED)
    for month in months:
        synthetic.write_month(folder, "green", month, rows, SEED)
    return folder


def content(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """The row count and hash of each month in the trip tables."""
    query = "SELECT month, count(*), bit_xor(hash(t)) FROM {} AS t GROUP BY month ORDER BY month"
    with Warehouse(Settings(home=home, data_kind="synthetic")).reading() as connection:
        return {table: connection.execute(query.format(table)).fetchall() for table in TRIPS}


def split_evenly(months: tuple[Month, ...], count: int) -> list[tuple[Month, ...]]:
    """Splits the months into contiguous ranges of about equal length."""
    bounds = [len(months) * part // count for part in range(count + 1)]
    return [months[begin:end] for begin, end in pairwise(bounds)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("writers", "month_range", "readers"),
    [
        (2, "2023-01..2023-02", ("read", "shell")),
        (3, "2023-01..2023-04", ("read", "shell", "status", "tidy")),
    ],
)
@pytest.mark.timeout(900)
def test_concurrent_publishers_and_readers_of_the_same_months_succeed(
    tmp_path: Path, writers: int, month_range: str, readers: tuple[str, ...]
) -> None:
    months = parse_months(month_range)
    source = write_months(tmp_path, months, 1_000)
    homes = [tmp_path / name for name in ("sequential", "concurrent")]
    for home in homes:
        settings = Settings(home=home, data_kind="synthetic")
        publish_zones(Warehouse(settings), source / "taxi_zone_lookup.csv", source / "taxi_zones.zip")
    for month in months:
        publish_month(homes[0], source, month)
    with running_readers(*readers, home=homes[1]) as polls:
        run_together([("publish", homes[1], source, *months)] * writers)
    assert content(homes[1]) == content(homes[0])
    assert len(content(homes[1])["trip_features"]) == len(months)
    assert min(polls.values()) > 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_eight_concurrent_backfills_equal_sequential_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Compares eight concurrent Dagster processes in a new home with the same runs one after another."""
    source = write_months(tmp_path, THREE_YEARS, 1_000)
    concurrent, sequential = tmp_path / "concurrent", tmp_path / "sequential"
    runs = split_evenly(THREE_YEARS, 8)
    with running_readers("read", home=concurrent) as polls:
        together = run_together([("backfill", concurrent, source, *months) for months in runs])
    with running_readers("read", home=sequential):
        in_turn = sum(run_together([("backfill", sequential, source, *months)]) for months in runs)
    with capsys.disabled():
        sys.stdout.write(f"\n{together:.0f} s together, {in_turn:.0f} s in turn, {polls} polls of the reader\n")
    assert content(concurrent) == content(sequential)
    assert len(content(concurrent)["trip_features"]) == len(THREE_YEARS)
    assert polls["read"] > 1
    assert together <= in_turn
