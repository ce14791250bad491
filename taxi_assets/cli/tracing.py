"""Commands that look back from a version: rebuild it, or tell where it came from."""

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from taxi_assets.cli.terminal import Json, console, settings_of_home, write_json

__all__ = ["lineage", "reproduce"]

Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version in MLflow's registry.")]


def reproduce(version: Number, to_json: Json = None) -> None:
    """Rebuild a version from its snapshot and compare: data and every metric equal, or exit code 1."""
    from dataclasses import asdict

    from taxi_assets.lake.warehouse import Warehouse
    from taxi_assets.tracing.reproduce import reproduce as rebuild

    settings = settings_of_home()
    found = rebuild(settings, Warehouse(settings), version)
    if to_json != "-":
        table = Table(Column("", overflow="fold"), "recorded", "rebuilt", "", title=f"version {version}")
        for finding in found.findings:
            told = "same" if finding.is_same else "[red]differs[/]"
            table.add_row(finding.what, _short(finding.recorded), _short(finding.rebuilt), told)
        console.print(table)
        for note in found.notes:
            console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"version {version} is {'reproduced' if found.is_same else 'NOT reproduced'}")
    write_json({**asdict(found), "is_same": found.is_same}, to_json)
    raise typer.Exit(0 if found.is_same else 1)


def lineage(version: Number, to_json: Json = None) -> None:
    """Where a version came from and went: files, checks, features, training, decision, Bentos."""
    from taxi_assets.defs.check_results import reader
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.lake.warehouse import Warehouse
    from taxi_assets.mlflow_store import registry
    from taxi_assets.tracing.lineage import trace

    settings = settings_of_home()
    registry.require(settings, version)  # before an instance is made where there is none
    with open_instance(settings) as instance:
        facts = trace(settings, Warehouse(settings), version, reader(instance))
    if to_json != "-":
        _print_lineage(facts)
    write_json(facts, to_json)


def _print_lineage(facts: dict[str, Any]) -> None:
    months = Table("month", "file", "sha256", "checks", title="files and checks")
    for row in facts["months"]:
        checks = [_checked(table, found) for table, found in row["checks"].items()]
        sha256 = str(row["sha256"] or "")[:16]
        months.add_row(f"{row['service']} {row['month']}", row["file"] or "not held", sha256, "\n".join(checks))
    console.print(months)
    features, version, decision = facts["features"], facts["version"], facts["decision"]
    rest = Table(show_header=False)
    rest.add_row("features", f"{features['window']}, snapshot {features['snapshot']}, digest {features['digest'][:16]}")
    rest.add_row("version", f"{version['version']}{' (champion)' if version['is_champion'] else ''}")
    if facts["superseded_files"]:
        rest.add_row("superseded", "learned from files replaced since:\n" + "\n".join(facts["superseded_files"]))
    rest.add_row("code", str(version["git_commit"]))
    rest.add_row("runs", f"Dagster {version['dagster_run_id']}\nMLflow {version['mlflow_run_id']}")
    rest.add_row("decision", " ".join(decision["reasons"]) if decision else "none was taken")
    rest.add_row("Bentos", "\n".join(facts["bentos"]) or "none was built")
    console.print(rest)


def _checked(table: str, found: dict[str, Any]) -> str:
    if found["run_id"] is None:
        return f"{table}: not known"
    troubles = [*found["failed"], *(f"{name} (warning)" for name in found["warned"])]
    return f"{table}: {found['passed']} passed{', not ' + ', '.join(troubles) if troubles else ''}"


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:16]}…"
