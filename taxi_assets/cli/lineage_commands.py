"""Commands on a version's origin: rebuild it, or show its lineage."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, load_home_settings, say, write_json

if TYPE_CHECKING:
    from taxi_assets.monitoring.reproduce import ComparedValue

Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version in MLflow's registry.")]


def reproduce(version: Number, to_json: Json = None) -> None:
    """Rebuild a version from its snapshot and compare it; exit code 1 if data or any metric differs."""
    from dataclasses import asdict

    from taxi_assets.monitoring.reproduce import reproduce as rebuild
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    result = rebuild(settings, Warehouse(settings), version)
    if to_json != "-":
        _print_compared(result.compared_values)
        for note in result.notes:
            say(f"note: {note}")
        say(f"version {version} is {'reproduced' if result.is_same else 'NOT reproduced'}")
    write_json({**asdict(result), "is_same": result.is_same}, to_json)
    raise typer.Exit(0 if result.is_same else 1)


def _print_compared(compared_values: "Sequence[ComparedValue]") -> None:
    for value in compared_values:
        rebuilt = "same" if value.is_same else f"rebuilt {value.rebuilt}: it differs"
        say(f"{value.name}  {value.recorded}, {rebuilt}")


def lineage(version: Number, to_json: Json = None) -> None:
    """Show a version's lineage: files, checks, features, training, promotion decision, Bentos."""
    from taxi_assets.defs.check_results import check_result_reader
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.monitoring.lineage import trace_lineage
    from taxi_assets.registry import model_versions
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    model_versions.require(settings, version)  # fail before a Dagster instance is created
    with open_instance(settings) as instance:
        facts = trace_lineage(settings, Warehouse(settings), version, check_result_reader(instance))
    if to_json != "-":
        _print_lineage(facts)
    write_json(facts, to_json)


def _print_lineage(facts: dict[str, Any]) -> None:
    for row in facts["months"]:
        say(f"{row['service']} {row['month']}  {row['file'] or 'not in the warehouse'}")
        checks = [_checked(table, result) for table, result in row["checks"].items()]
        for comparison in (f"sha256 {row['sha256']}", *checks) if row["sha256"] else checks:
            say(f"    {comparison}")
    for name, lines in _version_lines(facts):
        for number, line in enumerate(lines):
            say(f"{'' if number else name:<12}{line}")


def _version_lines(facts: dict[str, Any]) -> list[tuple[str, list[str]]]:
    features, version, decision = facts["features"], facts["version"], facts["decision"]
    replaced = ["trained on superseded files:", *facts["superseded_files"]] if facts["superseded_files"] else []
    return [
        ("features", [f"{features['window']}, snapshot {features['snapshot']}", f"digest {features['digest']}"]),
        ("version", [f"{version['version']}{' (champion)' if version['is_champion'] else ''}"]),
        ("superseded", replaced),
        ("code", [str(version["git_commit"])]),
        ("runs", [f"Dagster {version['dagster_run_id']}", f"MLflow {version['mlflow_run_id']}"]),
        ("decision", [" ".join(decision["reasons"]) if decision else "none yet"]),
        ("Bentos", facts["bentos"] or ["none"]),
    ]


def _checked(table: str, result: dict[str, Any]) -> str:
    if result["run_id"] is None:
        return f"{table}: no checks recorded"
    troubles = [*result["failed"], *(f"{name} (warning)" for name in result["warned"])]
    return f"{table}: {result['passed']} passed{', not ' + ', '.join(troubles) if troubles else ''}"
