"""Identifies a file's service, era and canonical columns from its column names.

The file's date is ignored, since TLC republishes old months in new formats.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from taxi_assets.errors import TaxiError
from taxi_assets.tlc.columns import RAW_COLUMNS
from taxi_assets.tlc.services import REFUSED_SERVICES, SERVICES

# Columns that only one service has had, lower case. A file with none of them can be of any service.
_SERVICE_COLUMNS: dict[str, frozenset[str]] = {
    "green": frozenset({"lpep_pickup_datetime", "lpep_dropoff_datetime"}),
    "yellow": frozenset(
        {"tpep_pickup_datetime", "tpep_dropoff_datetime", "trip_pickup_datetime", "trip_dropoff_datetime", "vendor_id"}
    ),
    "fhvhv": frozenset({"hvfhs_license_num"}),
    "fhv": frozenset({"dispatching_base_num", "dispatching_base_number", "pickup_date"}),
}


@dataclass(frozen=True)
class ColumnMapping:
    """Maps canonical to published names in `known`; `unknown` columns keep their names.

    `needs_zones` lists the trip's ends, `pickup` or `dropoff`, that have coordinates and no zone id.
    """

    known: Mapping[str, str]
    unknown: tuple[str, ...]
    needs_zones: tuple[str, ...] = ()


def map_columns(published: Sequence[str]) -> ColumnMapping:
    """Matches a file's column names with the contract, ignoring case and surrounding blanks.

    Raises:
        TaxiError: a required column is missing, or two columns map to the same canonical one.
    """
    canonical = {name: column.name for column in RAW_COLUMNS for name in column.published_as}
    known: dict[str, str] = {}
    unknown: list[str] = []
    for name in published:
        column = canonical.get(name.strip().lower())
        if column is None:
            unknown.append(name)
        elif column in known:
            raise TaxiError(f"columns '{known[column]}' and '{name}' both mean {column}: keep one of them")
        else:
            known[column] = name
    by_coordinates = tuple(end for end in ("pickup", "dropoff") if _has_only_coordinates(end, known))
    available = {*known, *(f"{end}_zone_id" for end in by_coordinates)}
    missing = [column for column in RAW_COLUMNS if column.required and column.name not in available]
    if missing:
        names = ", ".join(f"{column.name} (TLC's {' or '.join(column.published_as)})" for column in missing)
        raise TaxiError(f"it has no column for {names}: check that it is a trip file of TLC")
    return ColumnMapping(known, tuple(unknown), by_coordinates)


def possible_services(columns: Sequence[str]) -> frozenset[str]:
    """Services whose files can have these columns.

    Usually one; all services if no column is specific; none if the file has no trips. Includes `fhv`, which the
    platform refuses (`REFUSED_SERVICES`).
    """
    names = {name.strip().lower() for name in columns}
    marked = {service for service, marks in _SERVICE_COLUMNS.items() if marks & names}
    if "fhvhv" in marked:
        marked -= {"fhv"}  # both name the dispatching base
    starts = next(column for column in RAW_COLUMNS if column.name == "pickup_at").published_as
    return frozenset(marked or (SERVICES if names & set(starts) else ()))


def schema_era(columns: Sequence[str], types: Sequence[str]) -> str:
    """Names the era of a file by its content.

    `A`, `B` and `C` are today's parquet formats; any other era is named after its first year or month.

    Args:
        columns: published names, in the file's order.
        types: their Arrow types (`int64`, `null`, `large_string`); all `string` for text.

    Returns:
        Such as `2009`, `2013-08`, `A` or `2019-csv`; `unknown` if the columns fit no service, a refused one or several.
    """
    services = possible_services(columns)
    service = min(services, default="")
    if len(services) != 1 or service not in _ERA_OF:
        return "unknown"
    kinds = dict(zip((name.strip().lower() for name in columns), types, strict=True))
    era = _ERA_OF[service](kinds)
    if set(types) != {"string"}:
        return era
    # In text, A and B have the same ids; green's A was published as text from 2019 on.
    return {"A": "2019" if service == "green" else "A"}.get(era, era) + "-csv"


def check_service(columns: Sequence[str], service: str, remedy: str = "name it after its service") -> None:
    """Rejects a file whose columns belong to another service than its name says.

    Raises:
        TaxiError: the columns belong to another service, which the message names before the `remedy`.
    """
    found = possible_services(columns)
    # If no service is possible, `map_columns` reports the missing columns.
    if not found or (service in found and service in SERVICES):
        return
    if found <= set(REFUSED_SERVICES):
        raise TaxiError(f"its columns are those of {REFUSED_SERVICES[min(found)]}")
    raise TaxiError(f"its columns are those of {' and '.join(sorted(found))}, not of {service}: {remedy}")


def _has_only_coordinates(end: str, known: Mapping[str, str]) -> bool:
    return f"{end}_zone_id" not in known and {f"{end}_longitude", f"{end}_latitude"} <= set(known)


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


def _fhvhv_era(kinds: Mapping[str, str]) -> str:
    return _newest_era(kinds) if "trip_miles" in kinds else "2019-02"


_ERA_OF: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "green": _green_era,
    "yellow": _yellow_era,
    "fhvhv": _fhvhv_era,
}
