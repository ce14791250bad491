"""TLC's columns, by service and era, and the canonical names, types and units the platform knows them by.

A file's era is told by its columns, never by its date: TLC republishes old months in new shapes. Names are matched
without regard to capitals, which TLC has changed more than once. Source: TLC's data dictionaries of each service.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taxi_assets.errors import TaxiError

__all__ = [
    "RAW_COLUMNS",
    "REFUSED_SERVICES",
    "SERVICES",
    "ColumnMapping",
    "RawColumn",
    "map_columns",
    "schema_era",
    "service_of",
]

SERVICES: dict[str, str] = {
    "green": "street-hail livery outside the Manhattan core",
    "yellow": "medallion taxis",
    "fhvhv": "high-volume for-hire vehicles: Uber, Lyft, Via, Juno",
}
REFUSED_SERVICES: dict[str, str] = {
    "fhv": "other for-hire rides (fhv) have no distance and no fare, and a third of them no pickup zone: "
    "the platform takes green, yellow and fhvhv",
}
# Columns that only one service has had, lower case. A file with none of them can be anyone's.
_MARKS: dict[str, frozenset[str]] = {
    "green": frozenset({"lpep_pickup_datetime", "lpep_dropoff_datetime"}),
    "yellow": frozenset(
        {"tpep_pickup_datetime", "tpep_dropoff_datetime", "trip_pickup_datetime", "trip_dropoff_datetime", "vendor_id"}
    ),
    "fhvhv": frozenset({"hvfhs_license_num"}),
    "fhv": frozenset({"dispatching_base_num", "dispatching_base_number", "pickup_date", "locationid"}),
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


def service_of(columns: Sequence[str]) -> frozenset[str]:
    """The services whose file these columns can be: one as a rule, all where nothing tells, none for no trips.

    `fhv` is told too, though the platform refuses it (`REFUSED_SERVICES`).
    """
    names = _plain(columns)
    marked = {service for service, marks in _MARKS.items() if marks & names}
    if "fhvhv" in marked:
        marked -= {"fhv"}  # both name the dispatching base
    starts = next(column for column in RAW_COLUMNS if column.name == "pickup_at").published_as
    return frozenset(marked or (SERVICES if names & set(starts) else ()))


def schema_era(columns: Sequence[str], types: Sequence[str]) -> str:
    """Name the era of a file by its content: `A`, `B`, `C` are today's parquet files, others begin when named.

    Args:
        columns: published names, in the file's order.
        types: their types as Arrow calls them (`int64`, `null`, `large_string`); all `string` for text.

    Returns:
        Such as `2009`, `2013-08`, `A` or `2019-csv`; `unknown` where the columns are not one service's.
    """
    services = service_of(columns)
    if len(services) != 1:
        return "unknown"
    (service,) = services
    kinds = dict(zip((name.strip().lower() for name in columns), types, strict=True))
    era = _ERA_OF[service](kinds)
    if set(types) != {"string"}:
        return era
    # As text, the ids of A and B look the same; green's A came as text from 2019 on.
    return {"A": "2019" if service == "green" else "A"}.get(era, era) + "-csv"


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


def _plain(columns: Sequence[str]) -> set[str]:
    return {name.strip().lower() for name in columns}


def _newest_era(kinds: Mapping[str, str]) -> str:
    if "cbd_congestion_fee" in kinds:
        return "C"
    return "B" if kinds.get("pulocationid") == "int32" else "A"


def _yellow_era(kinds: Mapping[str, str]) -> str:
    if "start_lon" in kinds or "trip_pickup_datetime" in kinds:
        return "2009"
    if "pickup_longitude" in kinds:
        return "2015" if "tpep_pickup_datetime" in kinds else "2010"
    if "congestion_surcharge" not in kinds:
        return "2016-07"
    if kinds["congestion_surcharge"] == "null":
        return "2011"
    return "2019" if kinds.get("airport_fee", "null") == "null" else _newest_era(kinds)


def _green_era(kinds: Mapping[str, str]) -> str:
    if "pickup_longitude" in kinds:
        return "2015" if "improvement_surcharge" in kinds else "2013-08"
    return _newest_era(kinds) if "congestion_surcharge" in kinds else "2016-07"


def _company_era(kinds: Mapping[str, str]) -> str:
    return _newest_era(kinds) if "trip_miles" in kinds else "2019-02"


def _base_era(kinds: Mapping[str, str]) -> str:
    if "pulocationid" not in kinds:
        return "2015"
    if "sr_flag" not in kinds:
        return "2017"
    return _newest_era(kinds) if "affiliated_base_number" in kinds else "2019"


_ERA_OF: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "green": _green_era,
    "yellow": _yellow_era,
    "fhvhv": _company_era,
    "fhv": _base_era,
}


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
