"""Coverage of the prediction intervals by pickup borough and part of the day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_assets.training.intervals import BANDS, COVERAGE, bands
from taxi_assets.training.predictions import Prediction

_MIN_TRIPS = 500  # for a borough and part of the day: with fewer, its share is noise
TOLERANCE, _CELL_TOLERANCE = 0.03, 0.05  # for one month, which varies more than two years


@dataclass(frozen=True)
class Coverage:
    """Counts of trips and trips inside their interval.

    `cells` has the columns `pickup_borough`, `hour_band`, `trips`, `inside`, and `interval_rms_minutes`, the root mean
    square width of the intervals. It is empty for a model without intervals.
    """

    cells: pd.DataFrame

    @property
    def share(self) -> float:
        """Share of all trips that ended inside their interval."""
        return float(self.cells["inside"].sum() / max(1, self.cells["trips"].sum()))

    @property
    def cell_range(self) -> tuple[float, float]:
        """The lowest and highest share among cells of 500 trips; `share` twice if there is no such cell."""
        cells = self.cells[self.cells["trips"] >= _MIN_TRIPS]
        shares = cells["inside"] / cells["trips"]
        return (float(shares.min()), float(shares.max())) if len(cells) else (self.share, self.share)

    @property
    def is_within_tolerance(self) -> bool:
        """True if coverage is near 90 % in total and in each cell, or if the model has no intervals."""
        if not len(self.cells):
            return True
        worst = max(abs(share - COVERAGE) for share in self.cell_range)
        return abs(self.share - COVERAGE) <= TOLERANCE and worst <= _CELL_TOLERANCE


def measure_coverage(predictions: Prediction, trips: pd.DataFrame, boroughs: pd.DataFrame) -> Coverage:
    """Counts the trips that ended inside their interval.

    Args:
        predictions: Predictions of the trips; without intervals the result is empty.
        trips: Columns `pickup_zone_id`, `minute_of_day`, `duration_minutes`.
        boroughs: Columns `zone_id` and `borough`.
    """
    columns = ["pickup_borough", "hour_band", "trips", "inside", "interval_rms_minutes"]
    if predictions.low is None or predictions.high is None:
        return Coverage(pd.DataFrame(columns=columns))
    actual = trips["duration_minutes"].to_numpy(np.float64)
    names = trips["pickup_zone_id"].map(boroughs.set_index("zone_id")["borough"])
    parts = np.array(BANDS)[bands(trips["minute_of_day"].to_numpy(np.int64))]
    inside = (actual >= predictions.low) & (actual <= predictions.high)
    counted = pd.DataFrame({"pickup_borough": names.to_numpy(), "hour_band": parts, "trips": 1, "inside": inside})
    counted["squared_width"] = (predictions.high - predictions.low) ** 2
    summed = counted.groupby(["pickup_borough", "hour_band"], as_index=False)[
        ["trips", "inside", "squared_width"]
    ].sum()
    cells = summed.assign(interval_rms_minutes=np.sqrt(summed["squared_width"] / summed["trips"]))
    return Coverage(cells[columns])
