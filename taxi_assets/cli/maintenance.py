"""Commands that tidy up."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_assets.cli.terminal import Json, console, settings_of, write_json

if TYPE_CHECKING:
    from taxi_assets.lake.maintenance import Maintenance

__all__ = ["maintain"]


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    to_json: Json = None,
) -> None:
    """Merge the lake's small files, expire old snapshots no model learned from, delete files nothing needs."""
    from taxi_assets.lake import maintenance
    from taxi_assets.lake.warehouse import Warehouse
    from taxi_assets.mlflow_store import registry

    settings = settings_of()
    keep = timedelta(days=settings.keep_snapshots_days)
    trained_on = registry.trained_snapshots(settings)
    done = maintenance.maintain(Warehouse(settings), trained_on, keep, datetime.now(UTC), dry_run)
    if to_json != "-":
        _show(done)
    write_json({"is_dry_run": dry_run, **done.as_json()}, to_json)


def _show(done: "Maintenance") -> None:
    for what, named in done.as_json().items():
        listed = [f"{table} ({files} files)" for table, files in named.items()] if isinstance(named, dict) else named
        console.print(f"{what.replace('_', ' '):18} {len(listed):>6}", highlight=False)
        for each in listed:
            console.print(f"    {each}", soft_wrap=True, highlight=False, markup=False)
