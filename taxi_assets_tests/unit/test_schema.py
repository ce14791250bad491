"""The lake's tables: one definition that DuckDB takes, people understand, and every part agrees with."""

import re

import duckdb
import pytest

from taxi_assets.features.trip_features import ROW_FEATURES
from taxi_assets.quality.suites import SUITES
from taxi_assets.tlc.contract import RAW_COLUMNS
from taxi_assets.warehouse.schema import TABLES, Column, Table

EACH = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
UNITS = ("miles", "minutes", "usd", "at", "id")


def names(table: str) -> list[str]:
    return [column.name for column in TABLES[table].columns]


@EACH
def test_a_table_can_be_made_and_has_the_columns_it_says(table: Table) -> None:
    with duckdb.connect() as connection:
        connection.execute(table.ddl())
        connection.execute(table.ddl())  # where it is already, nothing happens
        made = connection.execute(f"DESCRIBE {table.name}").fetchall()
    assert [(name, kind) for name, kind, *_ in made] == [(c.name, c.type) for c in table.columns]


def test_a_column_duckdb_does_not_know_is_refused() -> None:
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match="DISTANCE"):
        connection.execute(Table("trips", (Column("miles", "DISTANCE", "How far"),)).ddl())


@EACH
def test_columns_are_named_once_and_as_all_others(table: Table) -> None:
    held = [column.name for column in table.columns]
    assert len(set(held)) == len(held)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in (table.name, *held))


@EACH
def test_columns_are_described_for_people(table: Table) -> None:
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


@EACH
def test_monthly_tables_are_kept_by_service_and_month(table: Table) -> None:
    if table.monthly:
        assert [column.name for column in table.columns[:2]] == ["service", "month"]


def test_tables_of_trips_tell_the_row_of_the_file() -> None:
    for table in ("raw_trips", "rejected_trips", "clean_trips", "trip_features"):
        assert names(table)[:3] == ["service", "month", "source_row"]


def test_the_contracts_columns_are_the_raw_trips() -> None:
    contract = [(column.name, column.type) for column in RAW_COLUMNS]
    assert [(c.name, c.type) for c in TABLES["raw_trips"].columns[3:-2]] == contract
    assert names("rejected_trips") == [*names("raw_trips"), "duration_minutes", "reason"]


def test_every_feature_has_its_column_and_every_suite_its_table() -> None:
    assert set(ROW_FEATURES) <= set(names("trip_features"))
    assert set(SUITES) <= set(TABLES)


def test_features_hold_nothing_of_the_rides_end_but_its_duration() -> None:
    ride = {"pickup_at", "pickup_zone_id", "dropoff_zone_id", "passenger_count"}
    key = {"service", "month", "source_row"}
    assert set(names("trip_features")) - set(ROW_FEATURES) - ride - key == {"duration_minutes"}


def test_an_unknown_table_is_none() -> None:
    assert list(TABLES) == [table.name for table in TABLES.values()]
    with pytest.raises(KeyError):
        TABLES["trips"]
