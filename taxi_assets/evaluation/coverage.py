"""How many trips ended inside the interval they were given, by borough of the pickup and part of the day."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_assets.evaluation.predict import Predictions
from taxi_assets.training.intervals import BANDS, COVERAGE, bands

__all__ = ["Coverage", "measure_coverage"]

_MIN_TRIPS = 500  # of a borough and part of the day, for its share to say something
_TOLERANCE, _CELL_TOLERANCE = 0.03, 0.05  # one month wanders further than two years do


@dataclass(frozen=True)
class Coverage:
    """Rows of `pickup_borough`, `hour_band`, `trips`, `inside`; none where the model gives no intervals."""

    cells: pd.DataFrame

    @property
    def share(self) -> float:
        """Of all trips, how many ended inside."""
        return float(self.cells["inside"].sum() / max(1, self.cells["trips"].sum()))

    @property
    def cell_range(self) -> tuple[float, float]:
        """The lowest and highest share where there are trips enough; that of all trips where there are nowhere."""
        cells = self.cells[self.cells["trips"] >= _MIN_TRIPS]
        shares = cells["inside"] / cells["trips"]
        return (float(shares.min()), float(shares.max())) if len(cells) else (self.share, self.share)

    @property
    def is_within_tolerance(self) -> bool:
        """Nine trips in ten ended inside, or nearly so, everywhere; a model without intervals promises nothing."""
        if not len(self.cells):
            return True
        worst = max(abs(share - COVERAGE) for share in self.cell_range)
        return abs(self.share - COVERAGE) <= _TOLERANCE and worst <= _CELL_TOLERANCE


def measure_coverage(predictions: Predictions, trips: pd.DataFrame, boroughs: pd.DataFrame) -> Coverage:
    """Count the trips that ended inside.

    Args:
        predictions: Of the trips; without intervals, nothing is counted.
        trips: Columns `pickup_zone_id`, `minute_of_day`, `duration_minutes`.
        boroughs: Columns `zone_id` and `borough`.
    """
    columns = ["pickup_borough", "hour_band", "trips", "inside"]
    if predictions.low is None or predictions.high is None:
        return Coverage(pd.DataFrame(columns=columns))
    actual = trips["duration_minutes"].to_numpy(np.float64)
    names = trips["pickup_zone_id"].map(boroughs.set_index("zone_id")["borough"])
    parts = np.array(BANDS)[bands(trips["minute_of_day"].to_numpy(np.int64))]
    inside = (actual >= predictions.low) & (actual <= predictions.high)
    counted = pd.DataFrame({"pickup_borough": names.to_numpy(), "hour_band": parts, "trips": 1, "inside": inside})
    cells = counted.groupby(["pickup_borough", "hour_band"], as_index=False)[["trips", "inside"]].sum()
    return Coverage(cells[columns])
