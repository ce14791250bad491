"""Interval coverage: counted by borough and part of the day, required where there are enough trips."""

import numpy as np
import pandas as pd
import pytest

from taxi_assets.evaluation.coverage import Coverage, measure_coverage
from taxi_assets.training.intervals import BANDS
from taxi_assets.training.predictions import Prediction

BOROUGHS = pd.DataFrame({"zone_id": [1, 2], "borough": ["Here", "There"]})


def test_interval_ends_count_as_inside() -> None:
    trips = pd.DataFrame(
        {
            "pickup_zone_id": [1, 1, 1, 2],
            "minute_of_day": [30, 60, 720, 30],
            "duration_minutes": [5.0, 15.1, 15.0, 4.9],
        }
    )
    predictions = Prediction(np.full(4, 10.0), np.array([5.0, 12.0, 5.0, 5.0]), np.full(4, 15.0))
    found = measure_coverage(predictions, trips, BOROUGHS)
    rows = {(row.pickup_borough, row.hour_band): (row.trips, row.inside) for row in found.cells.itertuples()}
    assert rows == {("Here", BANDS[0]): (2, 1), ("Here", BANDS[2]): (1, 1), ("There", BANDS[0]): (1, 0)}
    assert found.share == 0.5
    widths = {(row.pickup_borough, row.hour_band): row.interval_rms_minutes for row in found.cells.itertuples()}
    assert widths == pytest.approx(
        {("Here", BANDS[0]): np.sqrt((100 + 9) / 2), ("Here", BANDS[2]): 10, ("There", BANDS[0]): 10}
    )


def test_a_model_without_intervals_has_no_coverage() -> None:
    found = measure_coverage(Prediction(np.zeros(0)), pd.DataFrame(), BOROUGHS)
    assert found.cells.empty
    assert found.is_within_tolerance


def cells(*counts: tuple[int, int]) -> Coverage:
    return Coverage(
        pd.DataFrame([("Here", str(part), *count) for part, count in enumerate(counts)]).set_axis(
            ["pickup_borough", "hour_band", "trips", "inside"], axis=1
        )
    )


@pytest.mark.parametrize(
    ("counts", "is_within_tolerance"),
    [
        ([(1000, 900)], True),
        ([(1000, 860)], False),  # too few inside
        ([(1000, 940)], False),  # wider than needed
        ([(9000, 8100), (500, 424)], False),  # too few in one borough
        ([(9000, 8100), (499, 300)], True),  # too few trips in one borough to decide
        ([(100, 90)], True),
    ],
)
def test_every_large_cell_needs_nine_in_ten(counts: list[tuple[int, int]], is_within_tolerance: bool) -> None:
    assert cells(*counts).is_within_tolerance is is_within_tolerance


def test_the_span_covers_cells_with_enough_trips() -> None:
    assert cells((1000, 900), (1000, 870), (10, 1)).cell_range == (0.87, 0.9)
    assert cells((10, 5)).cell_range == (0.5, 0.5)
