"""Updates the links in MLflow's tags when the servers' addresses change."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from taxi_assets.registry.database import EXPERIMENT, client
from taxi_assets.registry.model_versions import MODEL_NAME
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["update_links", "updated_link_tags"]

_NOTE = "mlflow.note.content"


def updated_link_tags(settings: Settings, tags: Mapping[str, str]) -> dict[str, str]:
    """New values of the tags with a link to an address other than the settings'."""
    dagster, mlflow = settings.url(settings.dagster_port), settings.url(settings.mlflow_port)
    wanted = {}
    for name in tags.keys() & {"dagster_url", _NOTE}:
        wanted[name] = re.sub(r"https?://[^/\s()]+(?=/runs/)", dagster, tags[name])
    if "mlflow_url" in tags:
        wanted["mlflow_url"] = re.sub(r"^https?://[^/\s]+(?=/#/)", mlflow, tags["mlflow_url"])
    return {name: value for name, value in wanted.items() if value != tags[name]}


def update_links(settings: Settings) -> int:
    """Update the links of every run and version; return the number of changed runs and versions."""
    api = client(settings)
    changed = 0
    for run in _runs(api):
        tags = updated_link_tags(settings, run.data.tags)
        for name, value in tags.items():
            api.set_tag(run.info.run_id, name, value)
        changed += bool(tags)
    for version in api.search_model_versions(f"name = '{MODEL_NAME}'", max_results=10_000):
        tags = updated_link_tags(settings, version.tags)
        for name, value in tags.items():
            api.set_model_version_tag(MODEL_NAME, version.version, name, value)
        changed += bool(tags)
    return changed


def _runs(api: "MlflowClient") -> "Iterator[Run]":
    """Every run of the platform's experiment that is not deleted."""
    experiment = api.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return
    token, has_more = None, True
    while has_more:
        page = api.search_runs([experiment.experiment_id], max_results=1000, page_token=token)
        yield from page
        token = page.token
        has_more = bool(token)
