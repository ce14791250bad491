"""Commands that look back from a version: rebuild it, or tell where it came from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, say, settings_of_home, write_json

if TYPE_CHECKING:
    from taxi_assets.monitoring.reproduce import Finding

__all__ = ["lineage", "reproduce"]

Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version in MLflow's registry.")]


def reproduce(version: Number, to_json: Json = None) -> None:
    """Rebuild a version from its snapshot and compare: data and every metric equal, or exit code 1."""
    from dataclasses import asdict

    from taxi_assets.monitoring.reproduce import reproduce as rebuild
    from taxi_assets.warehouse.connection import Warehouse

    settings = settings_of_home()
    found = rebuild(settings, Warehouse(settings), version)
    if to_json != "-":
        _print_findings(found.findings)
        for note in found.notes:
            say(f"note: {note}")
        say(f"version {version} is {'reproduced' if found.is_same else 'NOT reproduced'}")
    write_json({**asdict(found), "is_same": found.is_same}, to_json)
    raise typer.Exit(0 if found.is_same else 1)


def _print_findings(findings: "Sequence[Finding]") -> None:
    for finding in findings:
        rebuilt = "same" if finding.is_same else f"rebuilt {finding.rebuilt}: it differs"
        say(f"{finding.what}  {finding.recorded}, {rebuilt}")


def lineage(version: Number, to_json: Json = None) -> None:
    """Where a version came from and went: files, checks, features, training, decision, Bentos."""
    from taxi_assets.defs.check_results import reader
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.monitoring.lineage import trace
    from taxi_assets.registry import model_versions
    from taxi_assets.warehouse.connection import Warehouse

    settings = settings_of_home()
    model_versions.require(settings, version)  # before an instance is made where there is none
    with open_instance(settings) as instance:
        facts = trace(settings, Warehouse(settings), version, reader(instance))
    if to_json != "-":
        _print_lineage(facts)
    write_json(facts, to_json)


def _print_lineage(facts: dict[str, Any]) -> None:
    for row in facts["months"]:
        say(f"{row['service']} {row['month']}  {row['file'] or 'not held'}")
        checks = [_checked(table, found) for table, found in row["checks"].items()]
        for told in (f"sha256 {row['sha256']}", *checks) if row["sha256"] else checks:
            say(f"    {told}")
    for name, lines in _version_lines(facts):
        for number, line in enumerate(lines):
            say(f"{'' if number else name:<12}{line}")


def _version_lines(facts: dict[str, Any]) -> list[tuple[str, list[str]]]:
    features, version, decision = facts["features"], facts["version"], facts["decision"]
    replaced = ["learned from files replaced since:", *facts["superseded_files"]] if facts["superseded_files"] else []
    return [
        ("features", [f"{features['window']}, snapshot {features['snapshot']}", f"digest {features['digest']}"]),
        ("version", [f"{version['version']}{' (champion)' if version['is_champion'] else ''}"]),
        ("superseded", replaced),
        ("code", [str(version["git_commit"])]),
        ("runs", [f"Dagster {version['dagster_run_id']}", f"MLflow {version['mlflow_run_id']}"]),
        ("decision", [" ".join(decision["reasons"]) if decision else "none was taken"]),
        ("Bentos", facts["bentos"] or ["none was built"]),
    ]


def _checked(table: str, found: dict[str, Any]) -> str:
    if found["run_id"] is None:
        return f"{table}: not known"
    troubles = [*found["failed"], *(f"{name} (warning)" for name in found["warned"])]
    return f"{table}: {found['passed']} passed{', not ' + ', '.join(troubles) if troubles else ''}"
