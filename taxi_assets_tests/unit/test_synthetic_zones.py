"""The synthetic city's zones are written as TLC's two files."""

import zipfile

import pytest
import shapefile
import shapely
from shapely import geometry

from taxi_assets.synthetic import write_zones
from taxi_assets.synthetic.city import build_city


def test_zones_are_in_tlcs_two_files(tmp_path):
    write_zones(tmp_path, 7)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["taxi_zone_lookup.csv", "taxi_zones.zip"]
    lines = (tmp_path / "taxi_zone_lookup.csv").read_bytes().decode().split("\r\n")
    assert lines[0] == '"LocationID","Borough","Zone","service_zone"'
    assert lines[1] == '1,"EWR","EWR 01","EWR"'
    assert lines[264:] == ['264,"Unknown","N/A","N/A"', '265,"N/A","Outside of NYC","N/A"', ""]


def test_outlines_are_in_tlcs_shapefile(tmp_path):
    write_zones(tmp_path, 7)
    with zipfile.ZipFile(tmp_path / "taxi_zones.zip") as archive:
        assert {"taxi_zones.shp", "taxi_zones.shx", "taxi_zones.dbf", "taxi_zones.prj"} == set(archive.namelist())
        assert "Long_Island_FIPS_3104_Feet" in archive.read("taxi_zones.prj").decode()
    with shapefile.Reader(str(tmp_path / "taxi_zones.zip")) as reader:
        fields = [(field.name, field.field_type, field.size, field.decimal) for field in reader.fields[1:]]
        records, shapes = (
            reader.records(),
            [geometry.shape(shape.__geo_interface__) for shape in reader.shapes()],
        )
    assert fields == [
        ("OBJECTID", "N", 9, 0),
        ("Shape_Leng", "F", 19, 11),
        ("Shape_Area", "F", 19, 11),
        ("zone", "C", 254, 0),
        ("LocationID", "N", 4, 0),
        ("borough", "C", 254, 0),
    ]
    assert [record["OBJECTID"] for record in records] == list(range(1, 264))
    moved = {57: 56, 104: 103, 105: 103}
    assert [record["LocationID"] for record in records] == [moved.get(zone, zone) for zone in range(1, 264)]
    assert all(shape.is_valid for shape in shapes)
    assert shapely.union_all(shapes).area == pytest.approx(sum(shape.area for shape in shapes))  # none overlap
    city = build_city(7)
    apart = shapes[73].centroid.distance(shapes[74].centroid) / 5280
    assert apart == pytest.approx(city.distance_miles()[74, 75])


def test_the_same_seed_gives_the_same_zone_files(tmp_path):
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_zones(tmp_path / folder, seed)
    for name in ("taxi_zone_lookup.csv", "taxi_zones.zip"):
        first, again, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == again
        assert first != other
