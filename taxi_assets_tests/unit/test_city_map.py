"""The map of the rider's page: small, complete, without gaps between neighbours."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sample_lake import Source

from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.serving.packaging.city_map import city_map
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES

MAX_BYTES = 150_000


def frame(shapes: list[Any], names: list[str] | None = None) -> pd.DataFrame:
    ids = np.arange(1, len(shapes) + 1)
    wkb = [None if shape is None else shapely.to_wkb(shape) for shape in shapes]
    return pd.DataFrame(
        {"zone_id": ids, "zone": names or [f"Zone {n}" for n in ids], "borough": "Queens", "shape_wkb": wkb}
    )


def polygons(path: str) -> shapely.Geometry:
    """The rings of an SVG path, as one shape."""
    rings = []
    for start, steps in re.findall(r"M(-?\d+ -?\d+)l([-\d ]+)z", path):
        corners = np.cumsum([[*map(int, start.split())], *np.array(steps.split(), int).reshape(-1, 2)], axis=0)
        rings.append(shapely.make_valid(shapely.Polygon(corners)))
    return shapely.union_all(rings)


@pytest.fixture(scope="module")
def zones(source: Source) -> pd.DataFrame:
    return pd.DataFrame(read_zones(*(source.folder / name for name in ZONE_FILE_NAMES)))


def test_the_whole_city_is_small_and_every_zone_keeps_its_place(zones: pd.DataFrame) -> None:
    text = city_map(zones)
    assert len(text.encode()) <= MAX_BYTES
    drawn = json.loads(text)
    assert [each["id"] for each in drawn["zones"]] == zones["zone_id"].tolist()
    assert [each["name"] for each in drawn["zones"]] == zones["zone"].tolist()
    shaped = zones.dropna(subset=["shape_wkb"])
    assert {each["id"] for each in drawn["zones"] if each["path"]} == set(shaped["zone_id"])
    paths = {each["id"]: each["path"] for each in drawn["zones"]}
    bounds = shapely.total_bounds(shapely.from_wkb([bytes(each) for each in shaped["shape_wkb"]]))
    for zone_id, wkb in zip(shaped["zone_id"], shaped["shape_wkb"], strict=True):
        shape = shapely.from_wkb(bytes(wkb))
        found, expected = polygons(paths[zone_id]).centroid, shape.centroid
        assert found.x * 50 + bounds[0] == pytest.approx(expected.x, abs=1_000)  # feet
        assert bounds[3] - found.y * 50 == pytest.approx(expected.y, abs=1_000)


def test_neighbours_keep_a_common_edge() -> None:
    wiggle = [(10_000 + 30 * (n % 2), n * 500) for n in range(21)]
    west = shapely.Polygon([(0, 0), *wiggle, (0, 10_000)])
    east = shapely.Polygon([(20_000, 0), *wiggle, (20_000, 10_000)])
    drawn = [polygons(each["path"]) for each in json.loads(city_map(frame([west, east])))["zones"]]
    assert drawn[0].intersection(drawn[1]).area == pytest.approx(0, abs=1)
    assert shapely.union_all(drawn).area == pytest.approx(400 * 200, rel=0.01)


def test_a_zone_without_a_shape_has_no_path() -> None:
    drawn = json.loads(city_map(frame([shapely.box(0, 0, 5_000, 5_000), None])))
    assert [each["path"] is None for each in drawn["zones"]] == [False, True]


def test_zones_without_any_shape_are_an_empty_map() -> None:
    drawn = json.loads(city_map(frame([None, None])))
    assert (drawn["width"], drawn["height"], len(drawn["zones"])) == (0, 0, 2)


@given(st.text(max_size=40))
def test_any_name_comes_back_as_it_was(name: str) -> None:
    assert json.loads(city_map(frame([None], [name])))["zones"][0]["name"] == name
