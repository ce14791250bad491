"""Maintenance deletes only unneeded data and does not disturb readers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lake_listing import files_of
from typer.testing import CliRunner

from taxi_assets.cli import app
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.data_path import data_root, relative_path
from taxi_assets.warehouse.maintenance import Maintenance, maintain
from taxi_assets.warehouse.schema import TABLES

KEEP = timedelta(days=30)
NOW = datetime.now(UTC)
IN_40_DAYS = NOW + timedelta(days=40)
ROWS = 5_000


def publish(warehouse: Warehouse, month: int, seed: int) -> int:
    """Replaces a month of clean trips, adds rows to two small tables, and returns the snapshot."""
    with warehouse.publishing(f"month {month}, {seed}") as connection:
        values = {"month": f"2023-{month:02}-01"}
        connection.execute("DELETE FROM kept_trips WHERE month = $month::DATE", values)
        connection.execute(
            "INSERT INTO kept_trips (service, month, source_row, duration_minutes) "
            "SELECT 'green', $month::DATE, range, range % $seed FROM range($rows)",
            {**values, "seed": seed, "rows": ROWS},
        )
        connection.execute("INSERT INTO promotions (month, model_version) VALUES ($month::DATE, 1)", values)
        connection.execute("INSERT INTO drift_reports (month, psi) SELECT $month::DATE, range FROM range(500)", values)
    return warehouse.snapshot()


def publish_all(warehouse: Warehouse) -> list[int]:
    """Publishes January four times and February once in between, and returns the snapshots."""
    return [publish(warehouse, month, seed) for month, seed in ((1, 7), (1, 8), (2, 9), (1, 10), (1, 11))]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A home with published months, and its snapshots."""
    home = tmp_path_factory.mktemp("published")
    return home, publish_all(Warehouse(Settings(home=home, data_kind="synthetic", threads=1, memory_limit="1GB")))


@pytest.fixture
def snapshots(settings: Settings, request: pytest.FixtureRequest) -> list[int]:
    """Months published in the test's warehouse, by a copy if it is in its home: the snapshots."""
    if settings.catalog:
        return publish_all(Warehouse(settings))
    home, snapshots = request.getfixturevalue("published")
    shutil.copytree(home, settings.home)
    return snapshots


def content(warehouse: Warehouse, snapshot: int | None = None) -> dict[str, list[tuple[object, ...]]]:
    """The row count and hash of every table."""
    with warehouse.at(snapshot).reading() as connection:
        queries = "SELECT count(*) FROM {}", "SELECT bit_xor(hash(t)) FROM {} AS t"
        return {t: [connection.execute(query.format(t)).fetchall()[0] for query in queries] for t in TABLES}


def existing(warehouse: Warehouse) -> list[int]:
    with warehouse.reading() as connection:
        return [row[0] for row in connection.execute("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall()]


def files(warehouse: Warehouse) -> set[str]:
    return {relative_path(warehouse.settings, path) for path in files_of(warehouse)}


def tidy(
    warehouse: Warehouse, protected_snapshots: Collection[int] = (), days: int = 40, dry: bool = False
) -> Maintenance:
    return maintain(warehouse, protected_snapshots, KEEP, NOW + timedelta(days=days), dry)


def put_orphan(warehouse: Warehouse) -> str:
    """A file that no table knows, as a killed process leaves it."""
    folder = f"{data_root(warehouse.settings)}/main/kept_trips"
    if warehouse.settings.data_path is None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    orphan = f"{folder}/ducklake-left-behind.parquet"
    with warehouse.reading() as connection:
        connection.execute(f"COPY (SELECT 1 AS number) TO '{orphan}'")
    return relative_path(warehouse.settings, orphan)


def test_maintenance_keeps_the_content_of_every_table(warehouse: Warehouse, snapshots: list[int]) -> None:
    before = content(warehouse)
    for days in (40, 80):
        tidy(warehouse, days=days)
        assert content(warehouse) == before
    assert before["clean_trips"][0][0] == 2 * ROWS


def test_old_snapshots_expire_and_their_files_go_a_day_later(warehouse: Warehouse, snapshots: list[int]) -> None:
    before = files(warehouse)
    first = tidy(warehouse)
    assert existing(warehouse)[0] == snapshots[-1]
    assert set(first.expired_snapshots) >= set(snapshots[:-1])
    assert first.unused_files == ()
    assert before <= files(warehouse)
    second = tidy(warehouse, days=41)
    assert len([name for name in second.unused_files if "kept_trips" in name]) == 3
    assert files(warehouse) == (before | files(warehouse)) - set(second.unused_files)


def test_young_snapshots_stay(warehouse: Warehouse, snapshots: list[int]) -> None:
    before = existing(warehouse)
    assert tidy(warehouse, days=29).expired_snapshots == ()
    assert set(existing(warehouse)) >= set(before)


@pytest.mark.slow
def test_training_snapshot_of_a_model_stays_readable(warehouse: Warehouse, snapshots: list[int]) -> None:
    protected_snapshots = snapshots[1]
    then = content(warehouse, protected_snapshots)
    for days in (40, 80):
        done = tidy(warehouse, [protected_snapshots], days)
        assert done.kept_for_models == (protected_snapshots,)
        assert content(warehouse, protected_snapshots) == then
    assert existing(warehouse)[0] == protected_snapshots
    assert snapshots[0] not in existing(warehouse)
    assert then != content(warehouse)


def test_newest_snapshot_stays_at_any_age(warehouse: Warehouse, snapshots: list[int]) -> None:
    tidy(warehouse, days=4000)
    tidy(warehouse, days=8000)
    assert existing(warehouse)[-1] == warehouse.snapshot()
    assert content(warehouse)["clean_trips"][0][0] == 2 * ROWS


def test_small_files_are_merged_and_months_keep_their_own_files(warehouse: Warehouse, snapshots: list[int]) -> None:
    assert tidy(warehouse).merged == {"drift_reports": 5}
    with warehouse.reading() as connection:
        counted = connection.execute("SELECT table_name, file_count FROM ducklake_table_info('lake')").fetchall()
    assert dict(counted)["drift_reports"] == 1
    assert dict(counted)["kept_trips"] == 2


def test_an_old_orphan_is_deleted_and_a_young_one_left(warehouse: Warehouse, snapshots: list[int]) -> None:
    orphan = put_orphan(warehouse)
    assert maintain(warehouse, (), KEEP, datetime.now(UTC) + timedelta(hours=2)).orphaned_files == ()
    assert orphan in files(warehouse)
    assert maintain(warehouse, (), KEEP, datetime.now(UTC) + timedelta(days=2)).orphaned_files == (orphan,)
    assert orphan not in files(warehouse)


@pytest.mark.slow
def test_dry_run_reports_the_same_and_changes_nothing(warehouse: Warehouse, snapshots: list[int]) -> None:
    tidy(warehouse, [snapshots[1]])
    publish(warehouse, 3, 3)
    put_orphan(warehouse)
    before = existing(warehouse), files(warehouse), content(warehouse)
    planned = tidy(warehouse, [snapshots[1]], 80, dry=True)
    assert (existing(warehouse), files(warehouse), content(warehouse)) == before
    assert planned == tidy(warehouse, [snapshots[1]], 80)
    lists = (planned.expired_snapshots, planned.kept_for_models, planned.merged)
    assert all((*lists, planned.unused_files, planned.orphaned_files))
    assert (existing(warehouse), files(warehouse)) != before[:2]


def test_maintenance_without_work_changes_nothing(warehouse: Warehouse) -> None:
    before = existing(warehouse)
    done = maintain(warehouse, (), KEEP, datetime.now(UTC))
    assert (done.merged, done.expired_snapshots, done.unused_files, done.orphaned_files) == ({}, (), (), ())
    assert existing(warehouse) == before


def test_reader_started_before_maintenance_finishes(warehouse: Warehouse, snapshots: list[int]) -> None:
    asked = ("count(*)", "bit_xor(hash(t))")  # DuckLake counts without reading rows
    queries = [f"SELECT {what} FROM {table} AS t" for table in ("clean_trips", "drift_reports") for what in asked]
    with warehouse.reading() as connection:
        before = [connection.execute(query).fetchall() for query in queries]
        publish(warehouse, 1, 12)
        assert tidy(warehouse, days=29).merged
        assert [connection.execute(query).fetchall() for query in queries] == before
    assert content(warehouse)["clean_trips"] != before[0]


# Killed at various times of a full maintenance call; a second call then completes it.
KILLED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from taxi_assets.warehouse.data_path import data_root, relative_path
from taxi_assets.warehouse.maintenance import maintain
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.settings import Settings
print("begun", flush=True)
warehouse = Warehouse(Settings(home=Path(sys.argv[1]), data_kind="synthetic", threads=1, memory_limit="1GB"))
for days in range(40, 60):
    maintain(warehouse, (), timedelta(days=30), datetime.now(UTC) + timedelta(days=days))
"""


@pytest.mark.slow
@pytest.mark.local_lake
@pytest.mark.parametrize(
    "seconds", [0.7, *(pytest.param(each / 10, marks=pytest.mark.slow) for each in range(4, 24) if each != 7)]
)
def test_killed_maintenance_damages_nothing(warehouse: Warehouse, snapshots: list[int], seconds: float) -> None:
    put_orphan(warehouse)
    before = content(warehouse)
    command = [sys.executable, "-c", KILLED, str(warehouse.settings.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    assert content(warehouse) == before
    tidy(warehouse, days=100)
    tidy(warehouse, days=200)
    assert content(warehouse) == before
    publish(warehouse, 1, 13)


@pytest.mark.local_lake
def test_command_reports_and_applies(warehouse: Warehouse, snapshots: list[int], monkeypatch) -> None:
    monkeypatch.setenv("TAXI_HOME", str(warehouse.settings.home))
    monkeypatch.setenv("TAXI_DATA_KIND", "synthetic")
    orphan = put_orphan(warehouse)
    then = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    os.utime(warehouse.settings.warehouse / orphan, (then, then))
    dry = CliRunner().invoke(app, ["maintain", "--dry-run", "--json", "-"])
    assert orphan in files(warehouse)
    shown = CliRunner().invoke(app, ["maintain"])
    assert (dry.exit_code, shown.exit_code) == (0, 0), shown.output
    report = json.loads(dry.stdout)
    assert (report.pop("is_dry_run"), report["orphaned_files"], report["merged"]) == (
        True,
        [orphan],
        {"drift_reports": 5},
    )
    assert all(name.replace("_", " ") in shown.stdout for name in report)
    assert orphan in shown.stdout
    assert orphan not in files(warehouse)
