"""Predicts trips of a month with a fitted model, in the same way wherever the model is judged."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taxi_assets.evaluation.conditions import WITH_RECENT_TRAFFIC, Condition
from taxi_assets.features.recent_traffic import NOW_INPUTS

__all__ = ["Predictions", "known_under", "predict", "predict_known"]

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


def known_under(condition: Condition, model: Any, trips: pd.DataFrame) -> pd.DataFrame:
    """The trips with the columns the model may see under the condition; with recent traffic, told by all of `trips`."""
    if condition is not WITH_RECENT_TRAFFIC:
        # A request names no vendor, and nothing of the streets.
        return trips.drop(columns=["vendor_id", *NOW_INPUTS], errors="ignore")
    return model.tell_now(trips) if hasattr(model, "tell_now") else trips


def predict_known(model: Any, known: pd.DataFrame) -> Predictions:
    """Predictions for trips as `known_under` returns them."""
    if hasattr(model, "answer"):
        told = model.answer(known)
        return Predictions(told.minutes, told.low, told.high)
    return Predictions(np.asarray(model.predict(known), np.float64))


def predict(model: Any, trips: pd.DataFrame, condition: Condition) -> Predictions:
    """Predictions for the trips under the condition."""
    return predict_known(model, known_under(condition, model, trips))
