"""Predictions under a condition, which sets the inputs. Compare scores only under one condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from taxi_assets.features.recent_traffic import RECENT_TRAFFIC_COLUMNS
from taxi_assets.training.predictions import Prediction


@dataclass(frozen=True)
class Condition:
    """The inputs a prediction may use; `settings.served_condition` names the endpoint's condition."""

    name: str
    description: str


WITHOUT_RECENT_TRAFFIC = Condition(
    "without_recent_traffic", "uses zones, time and passengers, as in a request to POST /predict"
)
WITH_RECENT_TRAFFIC = Condition(
    "with_recent_traffic", "also uses trips that ended before the pickup, as from a live feed"
)
CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {each.name: each for each in (WITHOUT_RECENT_TRAFFIC, WITH_RECENT_TRAFFIC)}
)


def served_first(served: str) -> tuple[Condition, ...]:
    """Every condition, the served one first."""
    return CONDITIONS[served], *(each for name, each in CONDITIONS.items() if name != served)


def available_inputs(condition: Condition, model: Any, trips: pd.DataFrame) -> pd.DataFrame:
    """The trips with the columns available under the condition; recent traffic uses all of `trips`."""
    if condition is not WITH_RECENT_TRAFFIC:
        # A vendor is used with its last trips only.
        return trips.drop(columns=["vendor_id", *RECENT_TRAFFIC_COLUMNS], errors="ignore")
    return model.add_recent_traffic(trips) if hasattr(model, "add_recent_traffic") else trips


def predict_from_inputs(model: Any, inputs: pd.DataFrame) -> Prediction:
    """Predicts trips from the result of `available_inputs`; only some models give intervals."""
    if hasattr(model, "predict_interval"):
        prediction: Prediction = model.predict_interval(inputs)
        return prediction
    return Prediction(np.asarray(model.predict(inputs), np.float64))


def predict(model: Any, trips: pd.DataFrame, condition: Condition) -> Prediction:
    """Predicts the trips under the condition."""
    return predict_from_inputs(model, available_inputs(condition, model, trips))
