"""Updates the links in MLflow's tags when the servers' addresses change."""

import re
from collections.abc import Mapping

from taxi_assets.registry.database import client
from taxi_assets.registry.model_versions import MODEL_NAME
from taxi_assets.registry.tracking import search_runs
from taxi_assets.settings import Settings

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
    for run in search_runs(api):
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
