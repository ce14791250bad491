"""Converts trips to an era's table: TLC's column names, order and types."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from taxi_assets.synthetic.city import ZONES, City, to_degrees
from taxi_assets.synthetic.eras import Column, Era
from taxi_assets.synthetic.for_hire import BASES
from taxi_assets.synthetic.trips import Trips

_BASES = tuple(f"B{2500 + 13 * number:05d}" for number in range(BASES))
# Fields published as words: the field with their numbers, the first number, the words.
_WORDS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "store_flag": ("store_flag", 0, ("N", "Y")),
    "vendor_name": ("vendor_id", 1, ("CMT", "VTS")),
    "payment_word": ("payment_type", 1, ("Credit", "CASH", "No Charge", "Dispute")),
    "payment_short": ("payment_type", 1, ("CRD", "CSH", "NOC", "DIS")),
    "license": ("license", 0, ("HV0003", "HV0004", "HV0005")),
    "dispatching_base": ("dispatching_base", 0, _BASES),
    "originating_base": ("originating_base", 0, _BASES),
    "affiliated_base": ("affiliated_base", 0, _BASES),
    "no_flag": ("no_flag", 0, ("N",)),
    "access_flag": ("access_flag", 0, ("N", "Y", " ")),
    "wheelchair_flag": ("wheelchair_flag", 0, ("N", "Y")),
}


def to_table(trips: Trips, era: Era) -> pa.Table:
    """The trips in the format of the era."""
    return pa.Table.from_arrays([_array(trips, column) for column in era.columns], schema=era.schema)


def add_coordinates(trips: Trips, city: City, rng: np.random.Generator) -> None:
    """Adds random longitudes and latitudes within both zones; 0 without a zone."""
    for end in ("pickup", "dropoff"):
        zone = trips.values[f"{end}_zone"]
        is_known = zone <= ZONES
        corners = city.corners[np.where(is_known, zone, 0)]
        across, up = rng.random((2, len(zone), 1))
        south = corners[:, 0] * (1 - across) + corners[:, 1] * across
        north = corners[:, 3] * (1 - across) + corners[:, 2] * across
        place = np.where(is_known[:, None], to_degrees(south * (1 - up) + north * up), 0.0)
        trips.values[f"{end}_longitude"], trips.values[f"{end}_latitude"] = np.round(place, 6).T


def _array(trips: Trips, column: Column) -> pa.Array:
    if column.field == "nothing" or pa.types.is_null(column.type):
        return pa.nulls(len(trips), column.type)
    source, first, words = _WORDS.get(column.field, (column.field, 0, ()))
    values, missing = trips.values[source], trips.missing.get(source)
    if words:
        numbers = pa.array(np.maximum(values - first, 0).astype(np.int32), mask=missing)
        return pa.DictionaryArray.from_arrays(numbers, pa.array(words)).cast(column.type)
    if column.field.endswith("_at"):
        return _times(values, missing, column.type)
    return pa.array(values, mask=missing).cast(column.type)


def _times(seconds: NDArray[Any], missing: NDArray[np.bool_] | None, kind: pa.DataType) -> pa.Array:
    times = pa.array(seconds, type=pa.int64(), mask=missing).cast(pa.timestamp("s"))
    if pa.types.is_string(kind):
        return pc.strftime(times, format="%Y-%m-%d %H:%M:%S")
    return times.cast(kind)
