"""The maintenance command."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, load_home_settings, say, write_json

__all__ = ["maintain"]


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    to_json: Json = None,
) -> None:
    """Merge small files; remove old snapshots that no model uses, old models and unused files."""
    from taxi_assets.registry import model_versions
    from taxi_assets.serving.retention import remove_old_models
    from taxi_assets.warehouse import maintenance
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    retention = timedelta(days=settings.snapshot_retention_days)
    protected_snapshots = model_versions.referenced_snapshots(settings)
    done = maintenance.maintain(Warehouse(settings), protected_snapshots, retention, datetime.now(UTC), dry_run)
    facts = {**done.as_json(), **remove_old_models(settings, dry_run).as_json()}
    if to_json != "-":
        _show(facts)
    write_json({"is_dry_run": dry_run, **facts}, to_json)


def _show(facts: Mapping[str, Any]) -> None:
    for what, named in facts.items():
        listed = [f"{table} ({files} files)" for table, files in named.items()] if isinstance(named, dict) else named
        say(f"{what.replace('_', ' '):18} {len(listed):>6}")
        for each in listed:
            say(f"    {each}")
