"""Logs metrics on runs, also on ended ones."""

from collections.abc import Mapping

from taxi_assets.registry.database import client
from taxi_assets.settings import Settings

__all__ = ["log_metrics"]


def log_metrics(settings: Settings, run_id: str, values: Mapping[str, float]) -> None:
    """Log metrics on a run, also on an ended one."""
    api = client(settings)
    for key, value in values.items():
        api.log_metric(run_id, key, value)
