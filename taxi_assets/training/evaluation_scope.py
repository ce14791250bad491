"""Ranges of duration for training and evaluation. Figures compare within one scope only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.quality.cleaning_rules import THRESHOLDS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluationScope:
    """A range of durations, both ends included."""

    name: str
    shortest_minutes: float
    longest_minutes: float
    description: str

    @property
    def label(self) -> str:
        """Name of its trips for use in a sentence."""
        return f"trips of {self.shortest_minutes:g}-{self.longest_minutes:g} minutes"

    def contains(self, minutes: Floats) -> NDArray[np.bool_]:
        """True for durations in scope, shape (n,)."""
        return np.asarray((minutes >= self.shortest_minutes) & (minutes <= self.longest_minutes))

    def in_scope(self, trips: pd.DataFrame) -> pd.DataFrame:
        """The trips whose `duration_minutes` is in scope."""
        return trips[self.contains(trips["duration_minutes"].to_numpy(np.float64))].reset_index(drop=True)


TRIPS_1_TO_60_MINUTES = EvaluationScope(
    "1_to_60_minutes", 1, 60, "trips of 1-60 minutes, as in the MLOps Zoomcamp, to compare with others' figures"
)
TRIPS_1_TO_180_MINUTES = EvaluationScope(
    "all",
    THRESHOLDS["shortest_minutes"],
    THRESHOLDS["longest_minutes"],
    "trips of 1-180 minutes, every plausible one",
)
EVALUATION_SCOPES: Mapping[str, EvaluationScope] = MappingProxyType(
    {each.name: each for each in (TRIPS_1_TO_60_MINUTES, TRIPS_1_TO_180_MINUTES)}
)
# Reports show it first, and promotion compares models on it; guards check the other scopes.
PRIMARY_SCOPE = TRIPS_1_TO_60_MINUTES
