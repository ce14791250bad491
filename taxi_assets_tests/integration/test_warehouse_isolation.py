"""The warehouse's location, and the limits of its connections to the home's folders."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.catalogue import tables_marker
from taxi_assets.warehouse.connection import Warehouse, require_writable

pytestmark = pytest.mark.usefixtures("created_warehouses")


def put_rows(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    connection.execute("INSERT INTO kept_trips (source_row) SELECT range FROM range($rows)", {"rows": rows})


def existing(warehouse: Warehouse) -> int:
    with warehouse.reading() as connection:
        return len(connection.execute("SELECT source_row FROM clean_trips").fetchall())


@pytest.mark.parametrize("name", ["o'; DROP TABLE raw_trips; --", 'a "home", häus (屋) 100 x; y #z & co'])
def test_home_may_have_any_name(tmp_path: Path, name: str) -> None:
    warehouse = Warehouse(Settings(home=tmp_path / name, threads=1, memory_limit="1GB"))
    with warehouse.publishing("first") as connection:
        put_rows(connection, 5)
    assert existing(warehouse) == 5
    landed = warehouse.settings.landing / "trips.csv"
    landed.write_text("miles\n2.5\n")
    with warehouse.reading() as connection:
        assert connection.execute("SELECT miles FROM read_csv($path)", {"path": str(landed)}).fetchall() == [(2.5,)]


@pytest.mark.local_lake
def test_relative_home_is_read_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Warehouse(Settings(home=Path("home"))).publishing("first") as connection:
        put_rows(connection, 5)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert existing(Warehouse(Settings(home=Path("../home")))) == 5


@pytest.mark.local_lake
def test_moved_home_is_read_from_its_new_place(tmp_path: Path) -> None:
    with Warehouse(Settings(home=tmp_path / "home")).publishing("first") as connection:
        put_rows(connection, 100_000)
    moved, link = (tmp_path / "home").rename(tmp_path / "moved"), tmp_path / "link"
    link.symlink_to(moved)
    for home in (moved, link):
        assert existing(Warehouse(Settings(home=home))) == 100_000


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_read_only_home_is_refused(read_only: Path) -> None:
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


def test_writable_home_is_created_and_stays_clean(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "home")
    assert list((tmp_path / "new" / "home").iterdir()) == []


# Forbidden statements


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse = Warehouse(Settings(home=tmp_path_factory.mktemp("home"), threads=1, memory_limit="1GB"))
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
        "INSTALL httpfs",
        "LOAD '/tmp/taxi-should-not-be-there.duckdb_extension'",
        "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
        "EXPORT DATABASE '/tmp/taxi-should-not-be-there'",
    ],
)
def test_statements_cannot_access_other_folders(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with connection.cursor() as own, pytest.raises(duckdb.Error):
        own.execute(statement).fetchall()
    assert not list(Path("/tmp").glob("taxi-should-not-be-there*"))  # noqa: S108 - must not exist


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
def test_restrictions_cannot_be_removed(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    with connection.cursor() as own, pytest.raises(duckdb.Error):
        own.execute(statement)
    with connection.cursor() as own, pytest.raises(duckdb.PermissionException):
        own.execute("SELECT * FROM read_text('/etc/passwd')")


def test_column_that_a_table_of_an_earlier_release_lacks_is_added(warehouse: Warehouse) -> None:
    with warehouse.publishing("as an earlier release") as connection:
        connection.execute("ALTER TABLE promotions DROP COLUMN bias")
        connection.execute("INSERT INTO promotions BY NAME SELECT 7 AS model_version")
    tables_marker(warehouse.settings).unlink()
    with warehouse.reading() as connection:
        assert connection.execute("SELECT model_version, bias FROM promotions").fetchall() == [(7, None)]
