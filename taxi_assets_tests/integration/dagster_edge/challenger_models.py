"""Challenger models for promotion tests: random, lucky, worse in one borough, or truly better."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from platform_harness import SEED, TINY, PlatformHarness
from sklearn.base import BaseEstimator, RegressorMixin

from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client
from taxi_assets.synthetic.law import expected_minutes
from taxi_assets.training.dataset import read_training_data
from taxi_assets.training.evaluation_scope import TRIPS_1_TO_180_MINUTES
from taxi_assets.training.model import DurationModel

Minutes = NDArray[np.float64]


class OracleModel(RegressorMixin, BaseEstimator):
    """Predicts with the synthetic city's formula: no model of zones and time can be better."""

    def predict(self, X: pd.DataFrame) -> Minutes:  # noqa: N803
        starts, ends = X["pickup_zone_id"].to_numpy(), X["dropoff_zone_id"].to_numpy()
        minutes = expected_minutes(SEED, starts, ends, X["pickup_at"].to_numpy(), "green")
        return np.clip(np.nan_to_num(minutes, nan=15.0), 1, 180)


class PerturbedModel(RegressorMixin, BaseEstimator):
    """Another model's predictions with noise; trips from some zones use a worse model."""

    def __init__(
        self,
        model: Any,
        worse: Any = None,
        zones: Sequence[int] = (),
        factor: float = 1.0,
        noise_seed: int | None = None,
    ) -> None:
        self.model, self.worse, self.zones, self.factor, self.noise_seed = model, worse, zones, factor, noise_seed

    def predict(self, X: pd.DataFrame) -> Minutes:  # noqa: N803
        minutes = np.asarray(self.model.predict(X))
        unfair = X["pickup_zone_id"].isin(self.zones).to_numpy()
        if unfair.any():
            minutes[unfair] = self.worse.predict(X)[unfair] * self.factor
        if self.noise_seed is None:
            return minutes
        return minutes * np.exp(np.random.default_rng(self.noise_seed).normal(0, 0.01, 266)[X["pickup_zone_id"]])


def register(
    platform: PlatformHarness, month: Month, name: str, model: Any = None, shuffle_targets: bool = False
) -> model_versions.Version:
    """Registers a model for the month, as if trained on the months before it."""
    import mlflow

    months = [earlier for earlier in (Month(2023, 1), Month(2023, 2)) if earlier < month]
    data = read_training_data(platform.warehouse, ("green",), months, TRIPS_1_TO_180_MINUTES)
    minutes = data.trips["duration_minutes"].to_numpy()
    if shuffle_targets:
        minutes = np.random.default_rng(1).permutation(minutes)
        model = DurationModel(data.zones, **TINY).fit(data.trips[list(MODEL_INPUTS)], minutes)
    tags = {
        "months": ",".join(map(str, months)),
        "window": f"{months[0]}..{months[-1]}",
        "services": "green",
        "scope": "all",
        "scored_month": str(month),
        "data_snapshot": str(data.snapshot),
        "data_digest": data.digest,
        "git_commit": "unknown",
        "synthetic": "true",
    }
    key = hashlib.sha256(f"{name} {month} {platform.settings.home}".encode()).hexdigest()
    client(platform.settings)
    mlflow.set_experiment("taxi-duration")
    with mlflow.start_run(run_name=name) as run:
        uri = tracking.log_model(model, data.trips[list(MODEL_INPUTS)].head(5))
    version = model_versions.register(platform.settings, run.info.run_id, uri, key, tags)
    model_versions.set_month_version(platform.settings, version, month)
    return version
