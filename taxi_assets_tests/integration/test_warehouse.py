"""Publications to the warehouse are atomic, and readers see one snapshot."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse, create_month_view, month_key
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

pytestmark = pytest.mark.usefixtures("created_warehouses")
JANUARY = Month(2023, 1)


def put_rows(connection: duckdb.DuckDBPyConnection, month: Month, rows: int, service: str = "green") -> None:
    """Replaces a month of clean trips with this number of rows."""
    key = month_key(service, month)
    connection.execute("DELETE FROM kept_trips WHERE service = $service AND month = $month", key)
    connection.execute(
        "INSERT INTO kept_trips (service, month, source_row) SELECT $service, $month, range FROM range($rows)",
        {**key, "rows": rows},
    )


def existing(warehouse: Warehouse, snapshot: int | None = None) -> dict[tuple[str, str], int]:
    query = "SELECT service, strftime(month, '%Y-%m'), count(*) FROM clean_trips GROUP BY ALL"
    with warehouse.at(snapshot).reading() as connection:
        return {(service, month): rows for service, month, rows in connection.execute(query).fetchall()}


# Publishing and reading


def test_new_warehouse_has_every_table_and_no_rows(warehouse: Warehouse) -> None:
    with warehouse.reading() as connection:
        query = "SELECT {0}_name FROM duckdb_{0}s() WHERE database_name = 'lake'"
        tables, views = (
            {name for (name,) in connection.execute(query.format(kind)).fetchall()} for kind in ("table", "view")
        )
        assert tables == {table.name for table in TABLES.values() if not table.query}
        assert views == set(TABLES) - tables
        for table in TABLES.values():
            assert connection.execute(f"SELECT count(*) FROM {table.name}").fetchall() == [(0,)]
            described = connection.execute(f"DESCRIBE {table.name}").fetchall()
            assert [row[0] for row in described] == [column.name for column in table.columns]
    assert warehouse.settings.landing.is_dir()


def test_published_rows_are_visible_to_later_readers(warehouse: Warehouse) -> None:
    before = warehouse.snapshot()
    with warehouse.publishing("clean_trips green 2023-01") as connection:
        put_rows(connection, JANUARY, 5)
    assert existing(Warehouse(warehouse.settings)) == {("green", "2023-01"): 5}
    assert warehouse.snapshot() == before + 1
    files = list((warehouse.settings.warehouse / "data").rglob("*.parquet"))
    assert all(path.is_relative_to(warehouse.settings.warehouse) for path in files)


def test_a_month_is_replaced_and_the_others_stay(warehouse: Warehouse) -> None:
    with warehouse.publishing("three months") as connection:
        put_rows(connection, JANUARY, 5)
        put_rows(connection, Month(2023, 2), 6)
        put_rows(connection, JANUARY, 7, "yellow")
    with warehouse.publishing("one again") as connection:
        put_rows(connection, JANUARY, 2)
    assert existing(warehouse) == {("green", "2023-01"): 2, ("green", "2023-02"): 6, ("yellow", "2023-01"): 7}


class Interrupted(BaseException):
    """Stands for Ctrl-C and other errors that are not an `Exception`."""


@pytest.mark.parametrize("error", [TaxiError, Interrupted])
def test_failed_publication_leaves_nothing(warehouse: Warehouse, error: type[BaseException]) -> None:
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    before = warehouse.snapshot()

    def fail() -> None:
        with warehouse.publishing("second") as connection:
            put_rows(connection, JANUARY, 9)
            connection.execute("DELETE FROM taxi_zones")
            raise error("in between")

    with pytest.raises(error, match="in between"):
        fail()
    assert (existing(warehouse), warehouse.snapshot()) == ({("green", "2023-01"): 5}, before)


def test_failed_statement_leaves_nothing_and_reports_the_cause(warehouse: Warehouse) -> None:
    warehouse.snapshot()

    def fail() -> None:
        with warehouse.publishing("wrong") as connection:
            put_rows(connection, JANUARY, 9)
            connection.execute("INSERT INTO kept_trips (service, month) VALUES ('green', 'no day')")

    with pytest.raises(duckdb.ConversionException, match="no day"):
        fail()
    assert existing(warehouse) == {}
    with warehouse.publishing("right") as connection:
        put_rows(connection, JANUARY, 3)
    assert existing(warehouse) == {("green", "2023-01"): 3}


def test_reader_sees_complete_months_during_a_publication(warehouse: Warehouse) -> None:
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    with warehouse.publishing("second") as connection:
        put_rows(connection, JANUARY, 9)
        assert existing(warehouse) == {("green", "2023-01"): 5}
    assert existing(warehouse) == {("green", "2023-01"): 9}


def test_reader_sees_one_snapshot(warehouse: Warehouse) -> None:
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    count = "SELECT count(*) FROM clean_trips"
    with warehouse.reading() as reader:
        assert reader.execute(count).fetchall() == [(5,)]
        with warehouse.publishing("second") as connection:
            put_rows(connection, JANUARY, 9)
        assert reader.execute(count).fetchall() == [(5,)]
    assert existing(warehouse) == {("green", "2023-01"): 9}


def test_an_earlier_snapshot_is_read_as_it_was(warehouse: Warehouse) -> None:
    snapshots = [warehouse.snapshot()]
    for rows in (5, 9):
        with warehouse.publishing(f"{rows} rows") as connection:
            put_rows(connection, JANUARY, rows)
        snapshots.append(warehouse.snapshot())
    seen = [existing(warehouse, snapshot) for snapshot in snapshots]
    assert seen == [{}, {("green", "2023-01"): 5}, {("green", "2023-01"): 9}]


def test_unknown_snapshot_is_refused(warehouse: Warehouse) -> None:
    warehouse.snapshot()
    with pytest.raises(duckdb.Error, match="999"):
        existing(warehouse, 999)


def test_writes_of_a_reader_are_discarded(warehouse: Warehouse) -> None:
    before = warehouse.snapshot()
    with warehouse.reading() as connection:
        put_rows(connection, JANUARY, 5)
    assert (existing(warehouse), warehouse.snapshot()) == ({}, before)


def test_snapshot_names_its_author_and_run(warehouse: Warehouse) -> None:
    with warehouse.publishing("it's green's", 'run "7"') as connection:
        put_rows(connection, JANUARY, 5)
    query = "SELECT author, commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
    with warehouse.reading() as connection:
        found = connection.execute(query).fetchall()
    assert found == [("taxi", "it's green's", '{"dagster_run_id": "run \\"7\\""}')]


def test_views_show_the_chosen_month(warehouse: Warehouse) -> None:
    with warehouse.publishing("two months") as connection:
        put_rows(connection, JANUARY, 5)
        put_rows(connection, Month(2023, 2), 6)
        for month, rows in ((JANUARY, 5), (Month(2023, 2), 6), (Month(2023, 3), 0)):
            create_month_view(connection, "trips", "clean_trips", month_key("green", month))
            assert connection.execute("SELECT count(*) FROM trips").fetchall() == [(rows,)]


def test_missing_sql_file_is_reported_by_name() -> None:
    assert sql("kept_trips").startswith("--")
    with pytest.raises(FileNotFoundError, match="no_such_trips"):
        sql("no_such_trips")


# Several processes

_PUBLISH = """
import sys
from pathlib import Path
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

warehouse, months = Warehouse(Settings(home=Path(sys.argv[1]))), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, months + 1):
    with warehouse.publishing(f"{sys.argv[2]} {number}") as connection:
        connection.execute(
            "INSERT INTO kept_trips (service, month, source_row) "
            "SELECT ?, make_date(2023, ?, 1), range FROM range(50)",
            [sys.argv[2], number],
        )
        if "wait" in sys.argv:
            print("written", flush=True)
            sys.stdin.readline()
"""


def start(home: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _PUBLISH, str(home), *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


@pytest.mark.slow
def test_processes_that_publish_at_once_all_succeed(warehouse: Warehouse) -> None:
    services = ("green", "yellow")
    processes = [start(warehouse.settings.home, service, "3") for service in services]
    for process in processes:
        tell(process)  # neither has created the DuckLake yet
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    lake = Warehouse(Settings(home=warehouse.settings.home, data_kind="real"))
    assert existing(lake) == {(s, f"2023-0{number}"): 50 for s in services for number in (1, 2, 3)}


def test_killed_publisher_leaves_no_rows_and_no_lock(warehouse: Warehouse) -> None:
    lake = Warehouse(Settings(home=warehouse.settings.home, data_kind="real"))
    with lake.publishing("before") as connection:
        put_rows(connection, JANUARY, 5)
    with start(warehouse.settings.home, "green", "1", "wait") as process:
        tell(process)
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert existing(lake) == {("green", "2023-01"): 5}
    with lake.publishing("after") as connection:
        put_rows(connection, JANUARY, 7)
    assert existing(lake) == {("green", "2023-01"): 7}
