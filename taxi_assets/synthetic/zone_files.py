"""Writes the zones of the synthetic city as TLC's two files: a lookup table and a shapefile."""

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import shapefile

from taxi_assets.files import write_atomically
from taxi_assets.synthetic.city import (
    AIRPORTS,
    BOROUGHS,
    ZONES,
    City,
    Floats,
    area,
    build_city,
    to_degrees,
    to_feet,
)

# TLC gives these outlines another zone's id and name: islands, and half a neighbourhood.
_FILED_UNDER = {57: 56, 104: 103, 105: 103}
_YELLOW_ZONES = 55  # in Manhattan, where only yellow taxis may be hailed
_PROJECTION = (
    'PROJCS["NAD_1983_StatePlane_New_York_Long_Island_FIPS_3104_Feet",GEOGCS["GCS_North_American_1983",'
    'DATUM["D_North_American_1983",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],'
    'PARAMETER["False_Easting",984250.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-74.0],'
    'PARAMETER["Standard_Parallel_1",40.66666666666666],PARAMETER["Standard_Parallel_2",41.03333333333333],'
    'PARAMETER["Latitude_Of_Origin",40.16666666666666],UNIT["Foot_US",0.3048006096012192]]'
)


def write_zones(out: Path, seed: int) -> None:
    """Writes `taxi_zone_lookup.csv` and `taxi_zones.zip` (outlines in EPSG:2263) of a seed's city.

    The same seed gives the same bytes. As in TLC's shapefile, OBJECTID is an outline's zone. LocationID is the same,
    except for three outlines with the id and name of another zone.

    Raises:
        TaxiError: the seed is negative.
    """
    city = build_city(seed)
    out.mkdir(parents=True, exist_ok=True)
    shapes = io.BytesIO()
    with zipfile.ZipFile(shapes, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _shapefile(city).items():
            # A fixed date, so that one seed gives the same bytes.
            archive.writestr(zipfile.ZipInfo(f"taxi_zones.{name}", (2015, 9, 21, 14, 3, 0)), content)
    write_atomically(out / "taxi_zone_lookup.csv", _lookup(city))
    write_atomically(out / "taxi_zones.zip", shapes.getvalue())


def _lookup(city: City) -> str:
    text = io.StringIO()
    rows = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    rows.writerow(("LocationID", "Borough", "Zone", "service_zone"))
    names, service_zones = _names(city), _service_zones(city)
    for zone in range(1, ZONES + 1):
        rows.writerow((zone, str(city.borough[zone]), names[zone], service_zones[zone]))
    rows.writerow((264, "Unknown", "N/A", "N/A"))
    rows.writerow((265, "N/A", "Outside of NYC", "N/A"))
    return text.getvalue()


def _names(city: City) -> dict[int, str]:
    """Invented names: the borough and a number; outlines with another zone's id get its name."""
    names = {}
    for borough in BOROUGHS:
        for number, zone in enumerate(np.flatnonzero(city.borough == borough), 1):
            names[int(zone)] = f"{borough} Airport {zone}" if zone in AIRPORTS else f"{borough} {number:02d}"
    return names | {zone: names[other] for zone, other in _FILED_UNDER.items()}


def _service_zones(city: City) -> dict[int, str]:
    zones = dict.fromkeys(range(1, ZONES + 1), "Boro Zone") | dict.fromkeys(AIRPORTS, "Airports")
    manhattan = np.flatnonzero(city.borough == "Manhattan")
    inner = manhattan[np.argsort(city.distance_from_centre_miles()[manhattan])][:_YELLOW_ZONES]
    return zones | dict.fromkeys(inner.tolist(), "Yellow Zone") | {1: "EWR"}


def _shapefile(city: City) -> dict[str, bytes]:
    """The members of the archive, by suffix."""
    parts = {suffix: io.BytesIO() for suffix in ("dbf", "shp", "shx")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        writer.field("OBJECTID", "N", 9)
        writer.field("Shape_Leng", "F", 19, 11)
        writer.field("Shape_Area", "F", 19, 11)
        writer.field("zone", "C", 254)
        writer.field("LocationID", "N", 4)
        writer.field("borough", "C", 254)
        names = _names(city)
        for zone in range(1, ZONES + 1):
            outline = np.vstack([city.corners[zone][::-1], city.corners[zone][-1:]])  # clockwise, closed
            writer.poly([to_feet(outline).tolist()])
            filed = _FILED_UNDER.get(zone, zone)
            measures = _length(to_degrees(outline)), float(area(to_degrees(outline)))
            writer.record(zone, *measures, names[zone], filed, str(city.borough[zone]))
    members = {"prj": _PROJECTION.encode()} | {suffix: bytes(part.getbuffer()) for suffix, part in parts.items()}
    members["dbf"] = members["dbf"][:1] + bytes((115, 9, 21)) + members["dbf"][4:]  # the date, else that of writing
    return members


def _length(outline: Floats) -> float:
    return float(np.hypot(*np.diff(outline, axis=0).T).sum())
