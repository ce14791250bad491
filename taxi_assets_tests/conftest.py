"""Fixtures of all tests: an empty home, months to put into it, a warehouse with these months.

Months are TLC's own if `TAXI_TLC_SOURCE` or `../shared/tlc` beside the clone has them, else synthetic ones: no test
is skipped for lack of them. Fixtures of session scope are read-only.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import hypothesis
import pytest
from empty_warehouse import copying_from, create_or_update
from sample_lake import (
    MONTHS,
    ZONE_FILES,
    Lake,
    Source,
    clean_month,
    derive_features,
    insert_raw_trips,
    inspect_file,
)

from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.warehouse.connection import Warehouse, define_macros, month_key
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.features.trip_features import ZoneMap

# An example's duration depends on the machine, not on the code: no deadline.
# In CI the drawn cases are the same each time, so that a merge does not depend on chance.
hypothesis.settings.register_profile("taxi", deadline=None, print_blob=True, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("taxi")

SYNTHETIC_ROWS = 6_000
SEED = 7
_FOLDERS = (
    os.environ.get("TAXI_TLC_SOURCE", ""),
    str(Path(__file__).resolve().parents[2] / "shared" / "tlc"),
)

Put = Callable[..., None]

# Tests of a slow fixture start first and stay in one worker.
EXPENSIVE_FIXTURES = {
    "dagster_edge": "platform",
    "stress": "sample_files",
    "test_run.py": "run",
    "test_bento.py": "bento",
    "test_bento_responses.py": "bento",
}
EXPENSIVE_FIXTURES |= dict.fromkeys(("publishing", "quality", "test_dataset.py", "test_backtest.py"), "lake")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shared-lake", action="store_true", help="warehouses of integration tests in PostgreSQL and S3")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.config.getoption("shared_lake") and item.get_closest_marker("local_lake"):
        pytest.skip("its warehouse must be in its home")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadscope`, sends a module's tests, and those of a slow fixture, to one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class Modules(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return _expensive_fixture(module) or module

    return Modules(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(trylast=True)  # after the order that pytest-randomly gives
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the slowest modules first and unit tests last, so that both workers end together."""

    def turn(item: pytest.Item) -> tuple[bool, bool]:
        module = item.nodeid.partition("::")[0]
        return not _expensive_fixture(module), "unit" in module.split("/")

    items.sort(key=turn)


def _expensive_fixture(module: str) -> str | None:
    return next((group for part, group in EXPENSIVE_FIXTURES.items() if part in module.split("/")), None)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    """Hides the caller's `TAXI_*` variables from the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TAXI_")]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_signals_ignored_from_outside() -> None:
    """Restores Ctrl-C and hang-up if the caller ignores them: child processes would inherit that.

    SIGTERM as well: Dagster gives it SIGINT's handler.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _copied_warehouses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "_initialise", copying_from(tmp_path_factory.mktemp("empty")))
        yield


@pytest.fixture
def created_warehouses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """New warehouses are created, not copied."""
    if not request.config.getoption("shared_lake"):  # which copies none
        monkeypatch.setattr(Warehouse, "_initialise", create_or_update)


@pytest.fixture(scope="session")
def synthetic_source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Small synthetic months, the same on every machine."""
    from taxi_assets import synthetic

    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.write_zones(folder, SEED)
    for month in MONTHS:
        synthetic.write_month(folder, "green", month, SYNTHETIC_ROWS, SEED)
    return Source(folder, "synthetic")


@pytest.fixture(scope="session")
def source(request: pytest.FixtureRequest) -> Source:
    """TLC's months if available, else synthetic ones."""
    wanted = (*ZONE_FILES, *(file_name("green", month) for month in MONTHS))
    for folder in filter(None, _FOLDERS):
        if all((Path(folder) / name).is_file() for name in wanted):
            is_synthetic = inspect_file(Path(folder) / wanted[-1]).is_synthetic
            return Source(Path(folder), "synthetic" if is_synthetic else "real")
    found: Source = request.getfixturevalue("synthetic_source")
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty home of synthetic months.

    Tests with small months use one thread: a second one costs a fifth more processor time. `lake` uses two.
    """
    return Settings(home=tmp_path / "home", data_kind="synthetic", threads=1, memory_limit="1GB")


@pytest.fixture
def warehouse(settings: Settings) -> Warehouse:
    return Warehouse(settings)


@pytest.fixture(scope="session")
def lake(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    from taxi_assets.ingestion import publish_month

    home = tmp_path_factory.mktemp("lake")
    settings = Settings(home=home, data_kind=source.kind, threads=2, memory_limit="1GB")
    lake = Lake(settings, Warehouse(settings), source)
    publish_month.publish_zones(lake.warehouse, *source.zone_files)
    for month in source.months:
        publish_month.publish_month(lake.warehouse, source.land(settings, month), f"run of {month}")
    return lake


@pytest.fixture(scope="session")
def zone_rows(synthetic_source: Source) -> list[dict[str, Any]]:
    """The rows of `taxi_zones` of the synthetic city."""
    from taxi_assets.ingestion.taxi_zones import read_zones

    return read_zones(*synthetic_source.zone_files)


@pytest.fixture
def memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every warehouse table, empty, in an in-memory database."""
    with duckdb.connect() as connection:
        _create_tables(connection)
        yield connection


@pytest.fixture(scope="session")
def put() -> Put:
    """Inserts rows: `put(connection, "raw_trips", {"source_row": 0}, …)`; columns not given are NULL."""
    return _put


@pytest.fixture(scope="session")
def city(zone_rows: list[dict[str, Any]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse tables in memory, with the zones of the synthetic city."""
    with duckdb.connect() as connection:
        _create_tables(connection)
        _put(connection, "taxi_zones", *zone_rows)
        yield connection


@pytest.fixture(scope="session")
def zones(city: duckdb.DuckDBPyConnection) -> "ZoneMap":
    """Geometry of the synthetic city's zones."""
    from taxi_assets.training.dataset import read_zone_map

    return read_zone_map(city)


@pytest.fixture(scope="session")
def trips(city: duckdb.DuckDBPyConnection, synthetic_source: Source) -> "pd.DataFrame":
    """Trips of the synthetic months, made by the warehouse's SQL: model inputs and `duration_minutes`."""
    from taxi_assets.ingestion.canonical_rows import canonical_trips
    from taxi_assets.tlc.services import SERVICES

    for month in synthetic_source.months:
        key = month_key("green", month)
        path = synthetic_source.folder / file_name("green", month)
        with canonical_trips(city, path, "green"):
            insert_raw_trips(city, key)
        clean_month(city, key)
        derive_features(city, key)
    window = {
        "all_services": list(SERVICES),
        "services": ["green"],
        "months": [month.first_day for month in synthetic_source.months],
        "shortest_minutes": 1,
        "longest_minutes": 180,
    }
    return city.execute(sql("training_trips"), window).df()


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    define_macros(connection)
    for table in TABLES.values():
        connection.execute(table.ddl())


def _put(connection: duckdb.DuckDBPyConnection, table: str, *rows: Mapping[str, Any]) -> None:
    names = [column.name for column in TABLES[table].columns]
    unknown = {name for row in rows for name in row} - set(names)
    assert not unknown, f"{table} has no {unknown}"
    placeholders = ", ".join("?" for _ in names)
    values: Sequence[list[Any]] = [[row.get(name) for name in names] for row in rows]
    if values:
        connection.executemany(f"INSERT INTO {table} VALUES ({placeholders})", values)
