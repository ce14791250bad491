"""Reads TLC's taxi zones: names from the lookup table, shapes from the shapefile."""

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from taxi_assets.errors import TaxiError

_AIRPORTS = frozenset({1, 132, 138})  # Newark, JFK, LaGuardia
_FEET_PER_MILE = 5280

ZoneRow = dict[str, object]


def read_zones(lookup: Path, shapes: Path) -> list[ZoneRow]:
    """The rows of `taxi_zones`, one for each zone of the lookup table.

    Args:
        lookup: TLC's `taxi_zone_lookup.csv`.
        shapes: TLC's `taxi_zones.zip`, a shapefile in EPSG:2263 (feet).

    Raises:
        TaxiError: a file is missing or is not TLC's.
    """
    for path in (lookup, shapes):
        if not path.is_file():
            raise TaxiError(f"there is no {path.name} in {path.parent}: fetch TLC's two zone files")
    try:
        geometries = dict(_read_shapes(shapes))
        with lookup.open(encoding="utf-8-sig", newline="") as file:
            zones = [_zone(record, geometries.get(int(record["LocationID"]))) for record in csv.DictReader(file)]
    except (OSError, LookupError, ValueError) as error:
        raise TaxiError(f"{lookup.name} or {shapes.name} is not TLC's ({error!r}): fetch both again") from error
    if not zones:
        raise TaxiError(f"{lookup.name} is not TLC's (it names no zone): fetch it again")
    return zones


def _read_shapes(shapes: Path) -> Iterator[tuple[int, ZoneRow]]:
    import shapefile
    from shapely import geometry, make_valid

    try:
        reader = shapefile.Reader(str(shapes))
    except (shapefile.ShapefileException, zipfile.BadZipFile) as error:
        raise TaxiError(f"{shapes.name} is not a zipped shapefile: fetch TLC's taxi_zones.zip again") from error
    with reader:
        for item in reader.iterShapeRecords():
            shape = make_valid(geometry.shape(item.shape.__geo_interface__))
            # OBJECTID, not LocationID: TLC files three islands under 103 and both halves of Corona under 56.
            yield (
                int(item.record["OBJECTID"]),
                {
                    "x_miles": shape.centroid.x / _FEET_PER_MILE,
                    "y_miles": shape.centroid.y / _FEET_PER_MILE,
                    "area_square_miles": shape.area / _FEET_PER_MILE**2,
                    "shape_wkb": shape.wkb,
                },
            )


def _zone(record: dict[str, str], geometry: ZoneRow | None) -> ZoneRow:
    if None in record.values():
        raise ValueError(f"the line of zone {record['LocationID']} is cut off")
    zone_id = int(record["LocationID"])
    return {
        "zone_id": zone_id,
        "zone": record["Zone"],
        "borough": "Outside of NYC" if zone_id == 265 else record["Borough"],
        "service_zone": record["service_zone"],
        "is_airport": zone_id in _AIRPORTS,
        **(geometry or {"x_miles": None, "y_miles": None, "area_square_miles": None, "shape_wkb": None}),
    }
