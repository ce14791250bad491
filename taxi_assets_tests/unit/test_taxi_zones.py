"""TLC's zones: every row of the lookup table, with coordinates from the shapefile."""

import io
import zipfile
from pathlib import Path

import pytest
import shapefile
from shapely import wkb

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.taxi_zones import read_zones

LOOKUP, SHAPES = "taxi_zone_lookup.csv", "taxi_zones.zip"
MILE = 5280
HEADER = '"LocationID","Borough","Zone","service_zone"\n'
SQUARE = [[0, 0], [0, MILE], [MILE, MILE], [MILE, 0], [0, 0]]
BOW_TIE = [[0, 0], [MILE, MILE], [MILE, 0], [0, MILE], [0, 0]]  # its outline crosses itself


def write_shapes(path: Path, *outlines: tuple[int, int, list[list[int]]]) -> None:
    """A zipped shapefile of outlines given as OBJECTID, LocationID and corners."""
    parts = {suffix: io.BytesIO() for suffix in ("dbf", "shp", "shx")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        writer.field("OBJECTID", "N", 9)
        writer.field("LocationID", "N", 4)
        for object_id, location_id, corners in outlines:
            writer.poly([corners])
            writer.record(object_id, location_id)
    with zipfile.ZipFile(path, "w") as archive:
        for suffix, part in parts.items():
            archive.writestr(f"taxi_zones.{suffix}", part.getbuffer())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of two zones, of which TLC draws one."""
    (tmp_path / LOOKUP).write_text(f'{HEADER}4,"Manhattan","Alphabet City","Yellow Zone"\n264,"Unknown","N/A","N/A"\n')
    write_shapes(tmp_path / SHAPES, (4, 4, SQUARE))
    return tmp_path


def read(folder: Path) -> dict[int, dict[str, object]]:
    return {int(str(zone["zone_id"])): zone for zone in read_zones(folder / LOOKUP, folder / SHAPES)}


def test_a_zone_has_its_names_and_its_coordinates_in_miles(folder: Path) -> None:
    zone = read(folder)[4]
    names = (zone["zone"], zone["borough"], zone["service_zone"], zone["is_airport"])
    assert names == ("Alphabet City", "Manhattan", "Yellow Zone", False)
    assert (zone["x_miles"], zone["y_miles"], zone["area_square_miles"]) == pytest.approx((0.5, 0.5, 1))
    assert wkb.loads(zone["shape_wkb"]).area == pytest.approx(MILE**2)


def test_a_zone_without_a_shape_has_no_coordinates(folder: Path) -> None:
    zone = read(folder)[264]
    places = ("x_miles", "y_miles", "area_square_miles", "shape_wkb")
    assert [zone[name] for name in places] == [None, None, None, None]


def test_a_self_crossing_outline_has_coordinates(folder: Path) -> None:
    write_shapes(folder / SHAPES, (4, 4, BOW_TIE))
    zone = read(folder)[4]
    assert zone["area_square_miles"] == pytest.approx(0.5)
    assert wkb.loads(zone["shape_wkb"]).is_valid


def test_a_lookup_table_with_a_byte_order_mark_is_read(folder: Path) -> None:
    (folder / LOOKUP).write_text((folder / LOOKUP).read_text(), encoding="utf-8-sig")
    assert set(read(folder)) == {4, 264}


def test_the_outline_is_found_by_location_id(folder: Path) -> None:
    (folder / LOOKUP).write_text(f"{HEADER}103,Manhattan,Islands,Z\n104,Manhattan,Islands,Z\n")
    write_shapes(folder / SHAPES, (103, 103, SQUARE), (104, 103, [[x + MILE, y] for x, y in SQUARE]))
    assert [read(folder)[zone]["x_miles"] for zone in (103, 104)] == pytest.approx([0.5, 1.5])


def test_every_tlc_zone_is_read(source) -> None:
    zones = {zone["zone_id"]: zone for zone in read_zones(*source.zone_files)}
    assert set(zones) == set(range(1, 266))
    assert {zone for zone in zones if zones[zone]["is_airport"]} == {1, 132, 138}
    assert {zone for zone in zones if zones[zone]["x_miles"] is None} == {264, 265}
    assert zones[265]["borough"] == "Outside of NYC"
    assert zones[264]["borough"] == "Unknown"
    areas = [zones[zone]["area_square_miles"] for zone in range(1, 264)]
    assert 0 < min(areas) < max(areas) < 30
    assert 100 < sum(areas) < 600  # the city is about 300 square miles
    assert all(wkb.loads(zones[zone]["shape_wkb"]).is_valid for zone in range(1, 264))


def test_the_real_zones_lie_where_new_york_is(source) -> None:
    zones = {zone["zone_id"]: zone for zone in read_zones(*source.zone_files)}
    if source.kind == "real":
        jfk, laguardia = ((zones[zone]["x_miles"], zones[zone]["y_miles"]) for zone in (132, 138))
        apart = ((jfk[0] - laguardia[0]) ** 2 + (jfk[1] - laguardia[1]) ** 2) ** 0.5
        assert 9 < apart < 11
        assert zones[132]["zone"] == "JFK Airport"
    x = [zones[zone]["x_miles"] for zone in range(1, 264)]
    assert 15 < max(x) - min(x) < 40


# Files that are not TLC's


@pytest.mark.parametrize("broken", [LOOKUP, SHAPES])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe\0", b"PK\3\4 cut off"])
def test_a_file_that_is_not_tlcs_is_refused(folder: Path, broken: str, content: bytes) -> None:
    (folder / broken).write_bytes(content)
    with pytest.raises(TaxiError, match=f"{broken.replace('.', '[.]')}.* is not .*: fetch"):
        read(folder)


@pytest.mark.parametrize("missing", [LOOKUP, SHAPES])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(TaxiError, match=f"there is no {missing} in .*: fetch TLC's two zone files"):
        read(folder)


@pytest.mark.parametrize("line", ["x,Manhattan,Alphabet City,Yellow Zone\n", "4\n", ",,,\n"])
def test_an_invalid_line_is_refused(folder: Path, line: str) -> None:
    (folder / LOOKUP).write_text(HEADER + line)
    with pytest.raises(TaxiError, match=r"taxi_zone_lookup[.]csv or taxi_zones[.]zip is not TLC's .*: fetch both"):
        read(folder)


def test_a_zip_without_shapes_is_refused(folder: Path) -> None:
    with zipfile.ZipFile(folder / SHAPES, "w") as archive:
        archive.writestr("readme.txt", "no shapes here")
    with pytest.raises(TaxiError, match=r"taxi_zones[.]zip is not a zipped shapefile: fetch TLC's"):
        read(folder)


def test_shapes_without_location_ids_are_refused(folder: Path) -> None:
    parts = {suffix: io.BytesIO() for suffix in ("dbf", "shp", "shx")}
    with shapefile.Writer(**parts, shapeType=shapefile.POLYGON) as writer:
        writer.field("name", "C", 9)
        writer.poly([SQUARE])
        writer.record("a square")
    with zipfile.ZipFile(folder / SHAPES, "w") as archive:
        for suffix, part in parts.items():
            archive.writestr(f"taxi_zones.{suffix}", part.getbuffer())
    with pytest.raises(TaxiError, match="is not TLC's"):
        read(folder)
