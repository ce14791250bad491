"""Predictions of a registered version, kept in memory for the next step of the same run.

The champion predicts a new month twice in a run: for its performance and for the comparison with the challenger.
Only the newest predictions are kept: three arrays of a month of trips.
"""

import pandas as pd

from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import DIGEST_TAG, Version
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import Condition, predict
from taxi_assets.training.dataset import digest_trips
from taxi_assets.training.predictions import Prediction

_kept: dict[tuple[object, ...], Prediction] = {}


def predict_version(settings: Settings, version: Version, trips: pd.DataFrame, condition: Condition) -> Prediction:
    """Predicts the trips by a version, or returns its last predictions of the same trips.

    Args:
        settings: Location of MLflow.
        version: The version.
        trips: Every plausible trip of a month, since recent traffic uses all of them.
        condition: The condition of the predictions.

    Raises:
        TaxiError: The version's model is missing or damaged.
    """
    key = (settings.root, version.version, version.tags.get(DIGEST_TAG), condition.name, digest_trips(trips))
    found = _kept.get(key)
    if found is None:
        found = predict(model_versions.load_sklearn(settings, version), trips, condition)
        _kept.clear()
        _kept[key] = found
    return found
