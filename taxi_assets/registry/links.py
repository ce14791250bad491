"""Updates the links in MLflow's tags when the servers' addresses change."""

import re
from collections.abc import Callable, Mapping
from functools import partial

from taxi_assets.registry.database import client
from taxi_assets.registry.model_versions import versions
from taxi_assets.registry.tracking import search_runs
from taxi_assets.settings import Settings

_NOTE = "mlflow.note.content"


def update_links(settings: Settings) -> int:
    """Update the links of every run and version; return the number of changed runs and versions."""
    api = client(settings)
    changed = [_update(settings, run.data.tags, partial(api.set_tag, run.info.run_id)) for run in search_runs(api)]
    for version in versions(settings):
        set_tag = partial(api.set_model_version_tag, version.name, str(version.version))
        changed.append(_update(settings, version.tags, set_tag))
    return sum(changed)


def _update(settings: Settings, tags: Mapping[str, str], set_tag: Callable[[str, str], object]) -> bool:
    updated = _updated_tags(settings, tags)
    for name, value in updated.items():
        set_tag(name, value)
    return bool(updated)


def _updated_tags(settings: Settings, tags: Mapping[str, str]) -> dict[str, str]:
    """New values of the tags with a link to an address other than the settings'."""
    dagster, mlflow = settings.url(settings.dagster_port), settings.url(settings.mlflow_port)
    wanted = {}
    for name in tags.keys() & {"dagster_url", _NOTE}:
        wanted[name] = re.sub(r"https?://[^/\s()]+(?=/runs/)", dagster, tags[name])
    if "mlflow_url" in tags:
        wanted["mlflow_url"] = re.sub(r"^https?://[^/\s]+(?=/#/)", mlflow, tags["mlflow_url"])
    return {name: value for name, value in wanted.items() if value != tags[name]}
