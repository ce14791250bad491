"""TLC's columns, by service and era, and the canonical names, types and units the platform knows them by.

A file's era is told by its columns, never by its date: TLC republishes old months in new shapes. Names are matched
without regard to capitals, which TLC has changed more than once. Source: TLC's data dictionaries of each service.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from taxi_assets.errors import TaxiError

__all__ = ["RAW_COLUMNS", "SERVICES", "ColumnMapping", "RawColumn", "map_columns"]

SERVICES: dict[str, str] = {
    "green": "street-hail livery outside the Manhattan core",
    "yellow": "medallion taxis",
    "fhvhv": "high-volume for-hire vehicles: Uber, Lyft, Via, Juno",
}


@dataclass(frozen=True)
class RawColumn:
    """One canonical column: its DuckDB type, every name TLC has published it under, and whether a trip needs it."""

    name: str
    type: str
    published_as: tuple[str, ...]
    description: str
    needed: bool = False


RAW_COLUMNS: tuple[RawColumn, ...] = (
    RawColumn("vendor_id", "SMALLINT", ("vendorid",), "Provider of the trip's record"),
    RawColumn(
        "pickup_at",
        "TIMESTAMP",
        ("lpep_pickup_datetime", "tpep_pickup_datetime", "pickup_datetime", "trip_pickup_datetime"),
        "Start of the ride, New York local time",
        needed=True,
    ),
    RawColumn(
        "dropoff_at",
        "TIMESTAMP",
        ("lpep_dropoff_datetime", "tpep_dropoff_datetime", "dropoff_datetime", "trip_dropoff_datetime"),
        "End of the ride, New York local time",
        needed=True,
    ),
    RawColumn("pickup_zone_id", "SMALLINT", ("pulocationid",), "TLC zone of the start, 1-265", needed=True),
    RawColumn("dropoff_zone_id", "SMALLINT", ("dolocationid",), "TLC zone of the end, 1-265", needed=True),
    RawColumn("passenger_count", "SMALLINT", ("passenger_count",), "Passengers, as the driver typed it"),
    RawColumn("trip_distance_miles", "DOUBLE", ("trip_distance", "trip_miles"), "Metered distance, miles"),
    RawColumn("rate_code_id", "SMALLINT", ("ratecodeid", "rate_code"), "Tariff in force at the end"),
    RawColumn("store_and_forward_flag", "VARCHAR", ("store_and_fwd_flag",), "Y where sent later"),
    RawColumn("payment_type_id", "SMALLINT", ("payment_type",), "How the rider paid"),
    RawColumn("trip_type_id", "SMALLINT", ("trip_type",), "1 street hail, 2 dispatch"),
    RawColumn("fare_usd", "DOUBLE", ("fare_amount", "fare_amt", "base_passenger_fare"), "Fare, US dollars"),
    RawColumn("extra_usd", "DOUBLE", ("extra", "surcharge"), "Rush-hour and overnight extras, US dollars"),
    RawColumn("mta_tax_usd", "DOUBLE", ("mta_tax",), "MTA tax, US dollars"),
    RawColumn("tip_usd", "DOUBLE", ("tip_amount", "tip_amt", "tips"), "Tip, US dollars"),
    RawColumn("tolls_usd", "DOUBLE", ("tolls_amount", "tolls_amt", "tolls"), "Tolls, US dollars"),
    RawColumn("ehail_fee_usd", "DOUBLE", ("ehail_fee",), "E-hail fee, US dollars"),
    RawColumn("improvement_surcharge_usd", "DOUBLE", ("improvement_surcharge",), "Surcharge, US dollars"),
    RawColumn("congestion_surcharge_usd", "DOUBLE", ("congestion_surcharge",), "State's surcharge, US dollars"),
    RawColumn("airport_fee_usd", "DOUBLE", ("airport_fee",), "Airport pickup fee, US dollars"),
    RawColumn("cbd_congestion_fee_usd", "DOUBLE", ("cbd_congestion_fee",), "Manhattan congestion pricing, 2025 on"),
    RawColumn("total_usd", "DOUBLE", ("total_amount", "total_amt"), "Charged in all, US dollars"),
)

_COORDINATES = frozenset({"start_lon", "pickup_longitude"})


@dataclass(frozen=True)
class ColumnMapping:
    """How one file's columns become canonical ones: `known` is canonical → published name; `unknown` keep theirs."""

    known: Mapping[str, str]
    unknown: tuple[str, ...]

    def select_list(self) -> str:
        """SQL expressions, one a line, in the order of `RAW_COLUMNS`, and the unknown columns as one JSON value."""
        parts = [_cast(column, self.known.get(column.name)) for column in RAW_COLUMNS]
        pairs = ", ".join(f"{_text(name)}, {_identifier(name)}" for name in self.unknown)
        parts.append(f"json_object({pairs}) AS other_columns" if pairs else "NULL::JSON AS other_columns")
        return ",\n".join(parts)


def map_columns(published: tuple[str, ...]) -> ColumnMapping:
    """Match a file's column names with the contract.

    Raises:
        TaxiError: a column every trip needs is missing, or two columns claim the same meaning.
    """
    canonical = {name: column.name for column in RAW_COLUMNS for name in column.published_as}
    known: dict[str, str] = {}
    unknown: list[str] = []
    for name in published:
        column = canonical.get(name.lower())
        if column is None:
            unknown.append(name)
        elif column in known:
            raise TaxiError(f"columns '{known[column]}' and '{name}' both mean {column}: keep one of them")
        else:
            known[column] = name
    _require_needed(known, published)
    return ColumnMapping(known, tuple(unknown))


def _require_needed(known: Mapping[str, str], published: tuple[str, ...]) -> None:
    missing = [column for column in RAW_COLUMNS if column.needed and column.name not in known]
    if not missing:
        return
    if _COORDINATES & {name.lower() for name in published}:
        raise TaxiError("it has coordinates where zone ids are needed: use TLC's republished parquet of that month")
    names = ", ".join(f"{column.name} (TLC's {' or '.join(column.published_as)})" for column in missing)
    raise TaxiError(f"it has no column for {names}: check that it is a trip file of TLC")


def _cast(column: RawColumn, published: str | None) -> str:
    # A row whose value does not fit becomes NULL there and is rejected by name when trips are cleaned: no row is lost.
    value = "NULL" if published is None else _identifier(published)
    return f"TRY_CAST({value} AS {column.type}) AS {column.name}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
