"""The lake: what is published is seen whole by everyone, or not at all; nothing reaches beyond its folders."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.lake.tables import TABLES
from taxi_assets.lake.warehouse import (
    Warehouse,
    choose_month,
    month_key,
    require_writable,
    sql,
    view_month,
)
from taxi_assets.months import Month
from taxi_assets.settings import Settings

JANUARY = Month(2023, 1)


def put_rows(connection: duckdb.DuckDBPyConnection, month: Month, rows: int, service: str = "green") -> None:
    """Replace a month of clean trips with so many."""
    key = month_key(service, month)
    connection.execute("DELETE FROM clean_trips WHERE service = $service AND month = $month", key)
    connection.execute(
        "INSERT INTO clean_trips (service, month, source_row) SELECT $service, $month, range FROM range($rows)",
        {**key, "rows": rows},
    )


def held(warehouse: Warehouse, snapshot: int | None = None) -> dict[tuple[str, str], int]:
    query = "SELECT service, strftime(month, '%Y-%m'), count(*) FROM clean_trips GROUP BY ALL"
    with warehouse.reading(snapshot) as connection:
        return {(service, month): rows for service, month, rows in connection.execute(query).fetchall()}


# What is there, and when


def test_a_new_lake_has_every_table_and_no_rows(warehouse: Warehouse) -> None:
    with warehouse.reading() as connection:
        query = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
        names = {name for (name,) in connection.execute(query).fetchall()}
        assert names == set(TABLES)
        for table in TABLES.values():
            assert connection.execute(f"SELECT count(*) FROM {table.name}").fetchall() == [(0,)]
            described = connection.execute(f"DESCRIBE {table.name}").fetchall()
            assert [row[0] for row in described] == [column.name for column in table.columns]
    assert warehouse.settings.landing.is_dir()


def test_what_is_published_is_there_for_all_who_come_later(warehouse: Warehouse) -> None:
    before = warehouse.snapshot()
    with warehouse.publishing("clean_trips green 2023-01") as connection:
        put_rows(connection, JANUARY, 5)
    assert held(Warehouse(warehouse.settings)) == {("green", "2023-01"): 5}
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
    assert held(warehouse) == {("green", "2023-01"): 2, ("green", "2023-02"): 6, ("yellow", "2023-01"): 7}


class Interrupted(BaseException):
    """Stands for Ctrl-C and its like, which are no `Exception`."""


@pytest.mark.parametrize("error", [ValueError, TaxiError, KeyboardInterrupt, Interrupted])
def test_a_publication_that_fails_leaves_nothing(warehouse: Warehouse, error: type[BaseException]) -> None:
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
    assert (held(warehouse), warehouse.snapshot()) == ({("green", "2023-01"): 5}, before)


def test_a_statement_that_fails_leaves_nothing_and_tells_why(warehouse: Warehouse) -> None:
    warehouse.snapshot()

    def fail() -> None:
        with warehouse.publishing("wrong") as connection:
            put_rows(connection, JANUARY, 9)
            connection.execute("INSERT INTO clean_trips (service, month) VALUES ('green', 'no day')")

    with pytest.raises(duckdb.ConversionException, match="no day"):
        fail()
    assert held(warehouse) == {}
    with warehouse.publishing("right") as connection:
        put_rows(connection, JANUARY, 3)
    assert held(warehouse) == {("green", "2023-01"): 3}


def test_a_reader_sees_whole_months_while_one_is_being_written(warehouse: Warehouse) -> None:
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    with warehouse.publishing("second") as connection:
        put_rows(connection, JANUARY, 9)
        assert held(warehouse) == {("green", "2023-01"): 5}
    assert held(warehouse) == {("green", "2023-01"): 9}


def test_a_reader_sees_one_state_throughout(warehouse: Warehouse) -> None:
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    count = "SELECT count(*) FROM clean_trips"
    with warehouse.reading() as reader:
        assert reader.execute(count).fetchall() == [(5,)]
        with warehouse.publishing("second") as connection:
            put_rows(connection, JANUARY, 9)
        assert reader.execute(count).fetchall() == [(5,)]
    assert held(warehouse) == {("green", "2023-01"): 9}


def test_an_earlier_snapshot_is_read_as_it_was(warehouse: Warehouse) -> None:
    snapshots = [warehouse.snapshot()]
    for rows in (5, 9):
        with warehouse.publishing(f"{rows} rows") as connection:
            put_rows(connection, JANUARY, rows)
        snapshots.append(warehouse.snapshot())
    seen = [held(warehouse, snapshot) for snapshot in snapshots]
    assert seen == [{}, {("green", "2023-01"): 5}, {("green", "2023-01"): 9}]


def test_a_snapshot_nobody_made_is_refused(warehouse: Warehouse) -> None:
    warehouse.snapshot()
    with pytest.raises(duckdb.Error, match="999"):
        held(warehouse, 999)


def test_what_a_reader_writes_is_lost(warehouse: Warehouse) -> None:
    before = warehouse.snapshot()
    with warehouse.reading() as connection:
        put_rows(connection, JANUARY, 5)
    assert (held(warehouse), warehouse.snapshot()) == ({}, before)


def test_a_snapshot_tells_who_made_it(warehouse: Warehouse) -> None:
    with warehouse.publishing("it's green's", 'run "7"') as connection:
        put_rows(connection, JANUARY, 5)
    query = "SELECT author, commit_message, commit_extra_info FROM lake.snapshots() ORDER BY snapshot_id DESC LIMIT 1"
    with warehouse.reading() as connection:
        told = connection.execute(query).fetchall()
    assert told == [("taxi", "it's green's", '{"dagster_run_id": "run \\"7\\""}')]


def test_views_show_the_chosen_month(warehouse: Warehouse) -> None:
    with warehouse.publishing("two months") as connection:
        put_rows(connection, JANUARY, 5)
        put_rows(connection, Month(2023, 2), 6)
        view_month(connection, "trips", "clean_trips")
        for month, rows in ((JANUARY, 5), (Month(2023, 2), 6), (Month(2023, 3), 0)):
            choose_month(connection, "green", month)
            assert connection.execute("SELECT count(*) FROM trips").fetchall() == [(rows,)]


def test_sql_that_is_not_there_is_missed_by_name() -> None:
    assert sql("raw_trips").startswith("--")
    with pytest.raises(FileNotFoundError, match="no_such_trips"):
        sql("no_such_trips")


# Where it lies


@pytest.mark.parametrize(
    "name", ["it's a home", 'a "home"', "o'; DROP TABLE raw_trips; --", "häus 屋", "a,b[c]", "100%"]
)
def test_a_home_of_any_name_will_do(tmp_path: Path, name: str) -> None:
    warehouse = Warehouse(Settings(home=tmp_path / name, threads=2, memory_limit="1GB"))
    with warehouse.publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    assert held(warehouse) == {("green", "2023-01"): 5}
    landed = warehouse.settings.landing / "trips.csv"
    landed.write_text("miles\n2.5\n")
    with warehouse.reading() as connection:
        assert connection.execute("SELECT miles FROM read_csv($path)", {"path": str(landed)}).fetchall() == [(2.5,)]


def test_a_home_given_from_here_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Warehouse(Settings(home=Path("home"))).publishing("first") as connection:
        put_rows(connection, JANUARY, 5)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert held(Warehouse(Settings(home=Path("../home")))) == {("green", "2023-01"): 5}


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_a_read_only_home_is_refused_to_everyone(read_only: Path) -> None:
    remedy = "make it writable or set TAXI_HOME to a folder that is"
    for refused in (lambda: require_writable(read_only), Warehouse(Settings(home=read_only)).snapshot):
        with pytest.raises(TaxiError, match=f"read-only.*: {remedy}"):
            refused()
    assert list(read_only.iterdir()) == []


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(TaxiError, match=r"cannot write to .*home \(File exists\): make it writable or set TAXI_HOME"):
        require_writable(tmp_path / "home")
    with pytest.raises(TaxiError, match=r"cannot write to .*home/below \(Not a directory\)"):
        require_writable(tmp_path / "home" / "below")


def test_a_writable_home_is_made_and_left_clean(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "home")
    assert list((tmp_path / "new" / "home").iterdir()) == []


# What nobody may do on a connection


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse = Warehouse(Settings(home=tmp_path_factory.mktemp("home"), threads=2, memory_limit="1GB"))
    with warehouse.reading() as connection:
        connection.execute("SET VARIABLE landing = $folder", {"folder": str(warehouse.settings.landing)})
        yield connection


def test_the_landing_folder_may_be_read(connection: duckdb.DuckDBPyConnection) -> None:
    (Path(connection.execute("SELECT getvariable('landing')").fetchall()[0][0]) / "a.csv").write_text("a\n1\n")
    assert connection.execute("FROM read_csv(getvariable('landing') || '/a.csv')").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text(getvariable('landing') || '/../../../../../../../../../etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/taxi-should-not-be-there.csv'",
        "ATTACH '/tmp/taxi-should-not-be-there.db' AS other",
        "ATTACH 'sqlite:/tmp/taxi-should-not-be-there.sqlite' AS other",
        "INSTALL httpfs",
        "LOAD '/tmp/taxi-should-not-be-there.duckdb_extension'",
        "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
        "EXPORT DATABASE '/tmp/taxi-should-not-be-there'",
    ],
)
def test_no_statement_reaches_beyond_the_platforms_folders(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    with connection.cursor() as own, pytest.raises(duckdb.Error, match=r"(?i)disabled|permission|not allowed|cannot"):
        own.execute(statement).fetchall()
    assert not list(Path("/tmp").glob("taxi-should-not-be-there*"))  # noqa: S108 - to see that it is not


@pytest.mark.parametrize(
    "statement",
    [
        "SET enable_external_access = true",
        "RESET enable_external_access",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "SET allowed_directories = ['/']",
        "SET GLOBAL allowed_directories = ['/etc']",
        "SET allowed_paths = ['/etc/passwd']",
        "PRAGMA enable_external_access = true",
        "SET memory_limit = '100GB'",
    ],
)
def test_the_limit_is_not_lifted(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with connection.cursor() as own, pytest.raises(duckdb.Error):
        own.execute(statement)
    with connection.cursor() as own, pytest.raises(duckdb.PermissionException):
        own.execute("SELECT * FROM read_text('/etc/passwd')")


# Several processes

_PUBLISH = """
import sys
from pathlib import Path
from taxi_assets.settings import Settings
from taxi_assets.lake.warehouse import Warehouse

warehouse, months = Warehouse(Settings(home=Path(sys.argv[1]))), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, months + 1):
    with warehouse.publishing(f"{sys.argv[2]} {number}") as connection:
        connection.execute(
            "INSERT INTO clean_trips (service, month, source_row) SELECT ?, make_date(2023, ?, 1), range FROM range(50)",
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


def test_processes_that_publish_at_once_all_succeed(warehouse: Warehouse) -> None:
    services = ("green", "yellow")
    processes = [start(warehouse.settings.home, service, "3") for service in services]
    for process in processes:
        tell(process)  # neither has made the lake yet
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    lake = Warehouse(Settings(home=warehouse.settings.home, data="real"))
    assert held(lake) == {(s, f"2023-0{number}"): 50 for s in services for number in (1, 2, 3)}


def test_a_publisher_that_is_killed_leaves_nothing_and_nobody_waits(warehouse: Warehouse) -> None:
    lake = Warehouse(Settings(home=warehouse.settings.home, data="real"))
    with lake.publishing("before") as connection:
        put_rows(connection, JANUARY, 5)
    with start(warehouse.settings.home, "green", "1", "wait") as process:
        tell(process)
        assert process.stdout
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert held(lake) == {("green", "2023-01"): 5}
    with lake.publishing("after") as connection:
        put_rows(connection, JANUARY, 7)
    assert held(lake) == {("green", "2023-01"): 7}
