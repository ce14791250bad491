"""Which trips models are trained on and scored on, by their duration. Figures compare within one scope only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.quality.cleaning_rules import THRESHOLDS

__all__ = ["ALL_RIDES", "CONVENTIONS", "COURSE", "HEADLINE", "Convention"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """Which rides are scored: those that last this long, ends included. Figures compare within one only."""

    name: str
    shortest_minutes: float
    longest_minutes: float
    description: str

    @property
    def label(self) -> str:
        """Its trips, as sentences name them."""
        return f"rides of {self.shortest_minutes:g}-{self.longest_minutes:g} minutes"

    def covers(self, minutes: Floats) -> NDArray[np.bool_]:
        """Which of these durations are scored."""
        return np.asarray((minutes >= self.shortest_minutes) & (minutes <= self.longest_minutes))

    def admitted(self, rides: pd.DataFrame) -> pd.DataFrame:
        """Those of the rides that are scored, by their `duration_minutes`."""
        return rides[self.covers(rides["duration_minutes"].to_numpy(np.float64))].reset_index(drop=True)


COURSE = Convention("course", 1, 60, "rides of 1-60 minutes, as in the MLOps Zoomcamp, to compare with others' figures")
ALL_RIDES = Convention(
    "all",
    THRESHOLDS["shortest_minutes"],
    THRESHOLDS["longest_minutes"],
    "rides of 1-180 minutes, every plausible one",
)
CONVENTIONS: Mapping[str, Convention] = MappingProxyType({each.name: each for each in (COURSE, ALL_RIDES)})
# What is printed first everywhere, and by which the champion is chosen; the others are guarded and stand beside it.
HEADLINE = COURSE
