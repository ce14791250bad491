"""A file's columns are matched with the contract in any era and under any spelling."""

import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_headers import COMPANY, GREEN, WITH_ZONES, WITHOUT_ZONES, YELLOW

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.casting import CanonicalTrips, select_list
from taxi_assets.ingestion.file_columns import FileColumns
from taxi_assets.synthetic import ERAS
from taxi_assets.tlc.columns import RAW_COLUMNS
from taxi_assets.tlc.contract import ColumnMapping, map_columns
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.schema import TABLES
from taxi_assets.warehouse.sql_quotes import quote_identifier

CANONICAL = [column.name for column in RAW_COLUMNS]
NEEDED = ("PULocationID", "DOLocationID", "lpep_pickup_datetime", "lpep_dropoff_datetime")
HOSTILE = 'a"; DROP TABLE raw_trips; --'


@pytest.mark.parametrize("era", WITH_ZONES)
def test_every_era_with_zones_meets_the_contract(era: str) -> None:
    header, unknown = WITH_ZONES[era]
    published = tuple(header.split())
    mapping = map_columns(published)
    assert {"pickup_at", "dropoff_at", "pickup_zone_id", "dropoff_zone_id"} <= set(mapping.known)
    assert len(mapping.unknown) == unknown
    assert sorted([*mapping.known.values(), *mapping.unknown]) == sorted(published)


@pytest.mark.parametrize("era", WITHOUT_ZONES)
def test_eras_with_coordinates_need_zones_and_nothing_else(era: str) -> None:
    mapping = map_columns(WITHOUT_ZONES[era].split())
    assert mapping.needs_zones == ("pickup", "dropoff")
    assert mapping.unknown == ()
    assert not {"pickup_zone_id", "dropoff_zone_id"} & set(mapping.known)


def test_coordinates_beside_zone_ids_change_nothing() -> None:
    assert map_columns((*GREEN.split(), "Pickup_longitude", "Pickup_latitude")).needs_zones == ()


def test_half_a_point_is_no_place() -> None:
    published = WITHOUT_ZONES["yellow from 2010-01"].replace("dropoff_latitude", "").split()
    with pytest.raises(TaxiError, match=r"no column for dropoff_zone_id \(TLC's dolocationid\): check"):
        map_columns(published)


def test_blanks_around_a_name_are_ignored() -> None:
    published = [f" {name}\t" for name in GREEN.split()]
    assert set(map_columns(published).known) == set(map_columns(GREEN.split()).known)


def test_every_service_has_a_name_for_each_required_column() -> None:
    meant = {
        "fare_usd",
        "tip_usd",
        "tolls_usd",
        "trip_distance_miles",
        "pickup_at",
        "dropoff_at",
        "airport_fee_usd",
    }
    for header in (f"{YELLOW} airport_fee", COMPANY):
        assert meant <= set(map_columns(tuple(header.split())).known)
    assert meant - {"airport_fee_usd"} <= set(map_columns(tuple(GREEN.split())).known)


@pytest.mark.parametrize(
    ("service", "era"),
    [(service, era) for service in SERVICES for era in ERAS[service] if not ERAS[service][era].has_coordinates],
)
def test_files_of_the_synthetic_city_meet_the_contract(service: str, era: str) -> None:
    assert map_columns(tuple(column.name for column in ERAS[service][era].columns)).known


@given(st.sampled_from(sorted(WITH_ZONES)), st.randoms())
def test_capitals_and_order_are_ignored(era: str, chance: object) -> None:
    plain = WITH_ZONES[era][0].lower().split()
    published = ["".join(chance.choice((c, c.upper())) for c in name) for name in plain]  # type: ignore[attr-defined]
    chance.shuffle(published)  # type: ignore[attr-defined]
    mapping = map_columns(tuple(published))
    known = map_columns(tuple(plain)).known
    assert {name: found.lower() for name, found in mapping.known.items()} == known
    assert {mapping.known[name] for name in known} | set(mapping.unknown) == set(published)


@pytest.mark.parametrize("left_out", NEEDED)
def test_a_file_without_a_required_column_is_refused_by_its_name(left_out: str) -> None:
    published = tuple(name for name in GREEN.split() if name != left_out)
    with pytest.raises(TaxiError, match=f"it has no column for .*{left_out.lower()}.*: check that it is a trip file"):
        map_columns(published)
    assert map_columns(NEEDED).known


def test_a_file_without_trips_is_refused() -> None:
    for published in ((), ("LocationID", "Borough", "Zone", "service_zone")):
        with pytest.raises(
            TaxiError, match=r"no column for pickup_at .*, dropoff_at .*, pickup_zone_id .*, dropoff_zone"
        ):
            map_columns(published)


@pytest.mark.parametrize(
    ("other", "meaning"),
    [
        ("tpep_pickup_datetime", "pickup_at"),
        ("pulocationID", "pickup_zone_id"),
        ("DOLOCATIONID", "dropoff_zone_id"),
    ],
)
def test_two_columns_of_one_meaning_are_refused(other: str, meaning: str) -> None:
    with pytest.raises(TaxiError, match=f"columns '.*' and '{other}' both mean {meaning}: keep one of them"):
        map_columns((*NEEDED, other))


def test_each_published_name_has_one_meaning() -> None:
    published = [name for column in RAW_COLUMNS for name in column.published_as]
    assert len(set(published)) == len(published)
    assert all(name == name.lower() for name in published)


# The SQL made from a mapping, on a real database


def arrow_name(value: object) -> str:
    return {str: "string", float: "double", int: "int64", type(None): "null"}[type(value)]


def select(mapping: ColumnMapping, row: dict[str, object]) -> dict[str, object]:
    """The row as the mapping's SQL reads it."""
    columns = FileColumns(tuple(row), tuple(arrow_name(value) for value in row.values()), 1)
    with duckdb.connect() as connection:
        values = ", ".join(f"${number} AS {quote_identifier(name)}" for number, name in enumerate(row, 1))
        connection.execute(f"CREATE TABLE raw_trips AS SELECT {values}", list(row.values()))
        found = connection.execute(f"SELECT {select_list(CanonicalTrips(Path(), columns, mapping))} FROM raw_trips")
        names = [column[0] for column in found.description]
        values = found.fetchall()[0]
        assert connection.execute("SELECT count(*) FROM raw_trips").fetchall() == [(1,)]
    return dict(zip(names, values, strict=True))


RIDE: dict[str, object] = {
    "PULocationID": 74.0,  # a double where TLC's column has NULLs
    "DOLocationID": 75,
    "lpep_pickup_datetime": "2023-03-01 08:30:00",
    "lpep_dropoff_datetime": "2023-03-01 08:45:30",
}


def test_columns_have_the_contracts_order_and_types() -> None:
    found = select(map_columns(tuple(RIDE)), RIDE)
    assert list(found) == [*CANONICAL, "other_columns", "unreadable"]
    assert (found["pickup_zone_id"], found["dropoff_zone_id"]) == (74, 75)
    assert str(found["dropoff_at"]) == "2023-03-01 08:45:30"
    assert found["trip_distance_miles"] is None
    assert found["other_columns"] is None


def test_columns_are_those_of_the_raw_trips_table() -> None:
    columns = [column.name for column in TABLES["raw_trips"].columns]
    assert columns == ["service", "month", "source_row", *CANONICAL, "other_columns", "unreadable"]


def test_a_value_that_does_not_fit_is_missing_and_its_row_is_kept() -> None:
    odd = RIDE | {
        "PULocationID": "Harlem",
        "DOLocationID": 1e9,
        "lpep_pickup_datetime": "soon",
        "trip_distance": "far",
    }
    found = select(map_columns(tuple(odd)), odd)
    assert [found[name] for name in ("pickup_zone_id", "dropoff_zone_id", "pickup_at")] == [None, None, None]
    assert found["trip_distance_miles"] is None
    assert found["dropoff_at"] is not None


def test_unknown_columns_are_kept_under_their_names() -> None:
    odd = RIDE | {"ride_time": 930, "Affiliated Base": "B'00\"013", "nothing": None}
    mapping = map_columns(tuple(odd))
    assert mapping.unknown == ("ride_time", "Affiliated Base", "nothing")
    kept = json.loads(str(select(mapping, odd)["other_columns"]))
    assert kept == {"ride_time": 930, "Affiliated Base": "B'00\"013", "nothing": None}


@pytest.mark.parametrize(
    "name", [HOSTILE, "a'); DROP TABLE raw_trips; --", "--", "/* ", "$service", "?", "zone\nid", "ü💥"]
)
def test_a_hostile_column_name_is_quoted(name: str) -> None:
    odd = RIDE | {name: 1}
    kept = json.loads(str(select(map_columns(tuple(odd)), odd)["other_columns"]))
    assert kept == {name: 1}


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
free = names.filter(lambda name: name.lower() not in {n for column in RAW_COLUMNS for n in column.published_as})


@settings(max_examples=40)
@given(st.lists(free, min_size=1, max_size=4, unique_by=str.casefold))
def test_a_column_of_any_name_keeps_its_value(unknown: list[str]) -> None:
    odd = RIDE | {name: number for number, name in enumerate(unknown)}
    kept = json.loads(str(select(map_columns(tuple(odd)), odd)["other_columns"]))
    assert list(kept.values()) == list(range(len(unknown)))
    assert list(kept) == unknown
