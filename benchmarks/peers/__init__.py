"""Peers of the platform in `bench_data`: the same work in polars, a DuckDB script and pandas.

Each peer reads one parquet month and writes `raw_trips`, `rejected_trips`, `clean_trips` and `trip_features`, a file
each, with the columns, types and reasons of the warehouse. Then it computes the numbers of the three suites. No peer
has transactions, checksums, times in other zones or old formats: those are extra work of the platform.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import in_duckdb, in_pandas, in_polars
from benchmarks.peers.month_source import CLEAN, FEATURES, KEY, SERVICE, TABLES, canonical_names, month_path
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import duckdb

Work = Callable[[], object]
Peer = Callable[[Path, Month, Path], object]

PEERS: Mapping[str, Peer] = {
    "polars": in_polars.process,
    "duckdb": in_duckdb.process,
    "pandas": in_pandas.process,
}
"""Functions that process a month as the platform does, by the name of the library."""


def run_peer(source: str, peer: str) -> Work:
    """The work of one peer on the large month, after a warm-up with the small one."""
    from benchmarks.publish_pipelines import MONTH, SMALL_MONTH

    folder, process = Path(source), PEERS[peer]
    process(folder, SMALL_MONTH, _output(folder, peer, SMALL_MONTH))
    output = _output(folder, peer, MONTH)
    return lambda: process(folder, MONTH, output)


def require_equal_tables(warehouse: Warehouse, source: Path) -> None:
    """Compares every peer's tables of the large month with the warehouse's: rows, reasons and all values.

    Raises:
        TaxiError: a table differs, so the peer does not do the same work.
    """
    import duckdb

    from benchmarks.publish_pipelines import MONTH

    with warehouse.reading() as connection, duckdb.connect() as script:
        for table in TABLES:
            month = f"(FROM lake.{table} WHERE service = '{SERVICE}' AND month = '{MONTH.first_day}')"
            ours = _contents(connection, month, table, source)
            for peer in PEERS:
                theirs = _contents(script, f"'{_output(source, peer, MONTH) / table}.parquet'", table, source)
                if ours != theirs:
                    raise TaxiError(f"{peer} has other {table} than the platform: {theirs} instead of {ours}")


def _contents(connection: "duckdb.DuckDBPyConnection", relation: str, table: str, source: Path) -> tuple[Any, ...]:
    """Rows, and the sum of the rows' hashes over the columns that the file has, in the warehouse's types.

    Numbers count to nine decimals: libraries divide with another last bit.
    """
    from benchmarks.publish_pipelines import MONTH
    from taxi_assets.warehouse.schema import TABLES as SCHEMA

    derived = {*KEY, *FEATURES, *CLEAN, "reason"}
    names = {*canonical_names(month_path(source, MONTH)).values(), *derived}
    casts = {c.name: f"{c.name}::{c.type}" for c in SCHEMA[table].columns if c.name in names}
    doubles = {c.name for c in SCHEMA[table].columns if c.type == "DOUBLE"}
    values = ", ".join(f"round({cast}, 9)" if name in doubles else cast for name, cast in casts.items())
    query = f"SELECT count(*), sum(hash({values})::HUGEINT) FROM {relation}"
    return tuple(connection.execute(query).fetchall()[0])


def _output(source: Path, peer: str, month: Month) -> Path:
    folder = source / peer / str(month)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
