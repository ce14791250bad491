"""Predicts trips of a month with a fitted model, in the same way wherever the model is judged."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.conditions import WITH_RECENT_TRAFFIC, Condition
from taxi_assets.features.recent_traffic import RECENT_TRAFFIC_COLUMNS

__all__ = ["Predictions", "available_inputs", "predict", "predict_from_inputs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Minutes of each trip, shape (n,), and the ends of its 90 % interval; None where the model gives no intervals."""

    minutes: Floats
    low: Floats | None = None
    high: Floats | None = None

    def subset(self, chosen: NDArray[np.bool_]) -> "Predictions":
        """Those of some of the trips."""
        low, high = (each if each is None else each[chosen] for each in (self.low, self.high))
        return Predictions(self.minutes[chosen], low, high)


def available_inputs(condition: Condition, model: Any, trips: pd.DataFrame) -> pd.DataFrame:
    """The trips with the columns the model may see under the condition; with recent traffic, told by all of `trips`."""
    if condition is not WITH_RECENT_TRAFFIC:
        # A request names no vendor, and nothing of the streets.
        return trips.drop(columns=["vendor_id", *RECENT_TRAFFIC_COLUMNS], errors="ignore")
    return model.add_recent_traffic(trips) if hasattr(model, "add_recent_traffic") else trips


def predict_from_inputs(model: Any, inputs: pd.DataFrame) -> Predictions:
    """Predictions for trips as `available_inputs` returns them."""
    if hasattr(model, "predict_interval"):
        prediction = model.predict_interval(inputs)
        return Predictions(prediction.minutes, prediction.low, prediction.high)
    return Predictions(np.asarray(model.predict(inputs), np.float64))


def predict(model: Any, trips: pd.DataFrame, condition: Condition) -> Predictions:
    """Predictions for the trips under the condition."""
    return predict_from_inputs(model, available_inputs(condition, model, trips))
