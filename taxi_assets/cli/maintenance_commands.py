"""The maintenance command."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, load_home_settings, say, write_json


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; change nothing.")] = False,
    to_json: Json = None,
) -> None:
    """Merge small files; remove old snapshots that no model uses, old models and unused files."""
    from taxi_assets.serving.packaging.retention import run_maintenance
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    facts = run_maintenance(settings, Warehouse(settings), dry_run)
    if to_json != "-":
        _show(facts)
    write_json({"is_dry_run": dry_run, **facts}, to_json)


def _show(facts: Mapping[str, Any]) -> None:
    for what, named in facts.items():
        listed = [f"{table} ({files} files)" for table, files in named.items()] if isinstance(named, dict) else named
        say(f"{what.replace('_', ' '):18} {len(listed):>6}")
        for each in listed:
            say(f"    {each}")
