"""The warehouse's tables: one definition, valid in DuckDB, described, and used by every part."""

import re

import duckdb
import pytest

from taxi_assets.features.feature_names import ROW_FEATURES
from taxi_assets.quality.suites import SUITES
from taxi_assets.tlc.columns import RAW_COLUMNS
from taxi_assets.warehouse.schema import TABLES, Column, Table

EACH = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
UNITS = ("miles", "minutes", "usd", "at", "id")


def names(table: str) -> list[str]:
    return [column.name for column in TABLES[table].columns]


@EACH
def test_a_table_is_created_with_its_columns(table: Table) -> None:
    with duckdb.connect() as connection:
        connection.execute(table.ddl())
        connection.execute(table.ddl())  # does nothing if the table exists
        made = connection.execute(f"DESCRIBE {table.name}").fetchall()
    assert [(name, kind) for name, kind, *_ in made] == [(c.name, c.type) for c in table.columns]


def test_a_type_unknown_to_duckdb_is_refused() -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match="DISTANCE"):
        connection.execute(Table("trips", (Column("miles", "DISTANCE", "How far"),)).ddl())


@EACH
def test_column_names_are_unique_and_in_snake_case(table: Table) -> None:
    column_names = [column.name for column in table.columns]
    assert len(set(column_names)) == len(column_names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in (table.name, *column_names))


@EACH
def test_columns_have_descriptions(table: Table) -> None:
    for column in table.columns:
        assert re.fullmatch(r"[^\n]{7,}[^.\n]", column.description), column


@EACH
def test_column_names_state_units_and_kinds(table: Table) -> None:
    kinds = {"at": "TIMESTAMP", "usd": "DOUBLE", "miles": "DOUBLE", "minutes": "DOUBLE"}
    for column in table.columns:
        assert column.type == kinds.get(column.name.split("_")[-1], column.type), column
        assert (column.type == "BOOLEAN") == column.name.startswith(("is_", "has_")), column


def test_the_same_column_has_the_same_type_everywhere() -> None:
    types: dict[str, set[str]] = {}
    for table in TABLES.values():
        for column in table.columns:
            types.setdefault(column.name, set()).add(column.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


def test_trip_tables_have_the_row_number_of_the_file() -> None:
    for table in ("raw_trips", "rejected_trips", "clean_trips", "trip_features"):
        assert names(table)[:3] == ["service", "month", "source_row"]


def test_raw_trips_have_the_contracts_columns() -> None:
    contract = [(column.name, column.type) for column in RAW_COLUMNS]
    assert [(c.name, c.type) for c in TABLES["raw_trips"].columns[3:-2]] == contract
    assert names("rejected_trips") == [*names("raw_trips"), "duration_minutes", "reason"]


def test_every_feature_has_its_column_and_every_suite_its_table() -> None:
    assert set(ROW_FEATURES) <= set(names("trip_features"))
    assert set(SUITES) <= set(TABLES)


def test_features_contain_no_post_trip_field_but_the_duration() -> None:
    request_fields = {"pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count"}
    key = {"service", "month", "source_row"}
    assert set(names("trip_features")) - set(ROW_FEATURES) - request_fields - key == {"duration_minutes"}


def test_an_unknown_table_is_refused() -> None:
    assert list(TABLES) == [table.name for table in TABLES.values()]
    with pytest.raises(KeyError):
        TABLES["trips"]
