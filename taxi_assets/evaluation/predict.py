"""Predicts trips with a fitted model under a condition; evaluation and promotion share it."""

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
    """Predicted minutes and 90 % interval of each trip, shape (n,) each; None without intervals."""

    minutes: Floats
    low: Floats | None = None
    high: Floats | None = None

    def subset(self, chosen: NDArray[np.bool_]) -> "Predictions":
        """The predictions of the chosen trips."""
        low, high = (each if each is None else each[chosen] for each in (self.low, self.high))
        return Predictions(self.minutes[chosen], low, high)


def available_inputs(condition: Condition, model: Any, trips: pd.DataFrame) -> pd.DataFrame:
    """The trips with the columns available under the condition; recent traffic uses all of `trips`."""
    if condition is not WITH_RECENT_TRAFFIC:
        # A request has neither a vendor nor recent traffic.
        return trips.drop(columns=["vendor_id", *RECENT_TRAFFIC_COLUMNS], errors="ignore")
    return model.add_recent_traffic(trips) if hasattr(model, "add_recent_traffic") else trips


def predict_from_inputs(model: Any, inputs: pd.DataFrame) -> Predictions:
    """Predicts trips from the result of `available_inputs`."""
    if hasattr(model, "predict_interval"):
        prediction = model.predict_interval(inputs)
        return Predictions(prediction.minutes, prediction.low, prediction.high)
    return Predictions(np.asarray(model.predict(inputs), np.float64))


def predict(model: Any, trips: pd.DataFrame, condition: Condition) -> Predictions:
    """Predicts the trips under the condition."""
    return predict_from_inputs(model, available_inputs(condition, model, trips))
