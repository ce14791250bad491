"""Digests of the warehouse's tables, to compare two homes or a home at two times."""

import hashlib

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

RUN_DEPENDENT_COLUMNS = {"run_id", "snapshot", "request"}


def table_digests(warehouse: Warehouse) -> dict[str, str]:
    """A digest of each table's rows in any order, without run ids, snapshots and times of the rows."""
    with warehouse.reading() as connection:
        rows = {
            name: connection.execute(f"SELECT t::VARCHAR FROM ({stable_columns_query(name)}) AS t").fetchall()
            for name in TABLES
        }
    return {name: hashlib.sha256(repr(sorted(found)).encode()).hexdigest() for name, found in rows.items()}


def stable_columns_query(table: str) -> str:
    """The query of the columns that are equal after two runs on equal files."""
    names = [
        column.name
        for column in TABLES[table].columns
        # The machine's clock is written in UTC, times of trips are New York's.
        if column.name not in RUN_DEPENDENT_COLUMNS and "UTC" not in column.description
    ]
    return f"SELECT {', '.join(names)} FROM {table}"
