"""Commands on origins: rebuild a version, show its lineage, trace a prediction or a file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taxi_assets.cli.terminal import Json, load_home_settings, say, write_json
from taxi_assets.errors import TaxiError

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


def trace(
    request_id: Annotated[str | None, typer.Argument(metavar="REQUEST_ID", help="The id in an answer.")] = None,
    file: Annotated[
        str | None, typer.Option(metavar="SHA", help="SHA-256 of a file, or its first digits: list what it affects.")
    ] = None,
    to_json: Json = None,
) -> None:
    """Trace a prediction to its model, training months, files and checks; or a file to its predictions."""
    from taxi_assets.monitoring.trace_prediction import trace_file, trace_prediction
    from taxi_assets.warehouse.connection import Warehouse

    if (request_id is None) == (file is None):
        raise TaxiError("name one prediction or one file: `taxi trace REQUEST_ID` or `taxi trace --file SHA`")
    settings = load_home_settings()
    warehouse = Warehouse(settings)
    facts = trace_file(settings, warehouse, file) if file else trace_prediction(settings, warehouse, str(request_id))
    if to_json != "-":
        (_print_affected if file else _print_trace)(facts)
    write_json(facts, to_json)


def _print_trace(facts: dict[str, Any]) -> None:
    made, version, features = facts["prediction"], facts["version"], facts["features"]
    interval = f"{made['low_minutes']:.1f} to {made['high_minutes']:.1f}"
    say(f"prediction  {made['duration_minutes']:.1f} minutes ({interval}), {made['variant']}, {made['answered_at']}")
    say(f"ride        {made['service']} {made['pickup_zone_id']} to {made['dropoff_zone_id']}, {made['pickup_at']}")
    say(f"input       hash {made['features']}")
    say(f"version     {version['version']}, code {version['git_commit']}")
    say(f"runs        Dagster {version['dagster_run_id']}, MLflow {version['mlflow_run_id']}")
    say(f"trained on  {features['window']}, snapshot {features['snapshot']}, digest {features['digest']}")
    if not facts["snapshot_kept"]:
        say("            this snapshot is no longer kept: the files are those of today")
    print_months(facts["months"])


def _print_affected(facts: dict[str, Any]) -> None:
    file = facts["file"]
    say(f"{file['file']}  {file['state']}, sha256 {file['sha256']}")
    for row in facts["versions"]:
        say(f"    version {row['version']}: {row['predictions']:,} predictions")
    say(f"    {facts['predictions']:,} predictions are affected" + (", the first are:" if facts["first"] else ""))
    for made in facts["first"]:
        say(f"    {made['request_id']}  {made['duration_minutes']:.1f} minutes, {made['answered_at']}")


def _print_lineage(facts: dict[str, Any]) -> None:
    print_months(facts["months"])
    for name, lines in _version_lines(facts):
        for number, line in enumerate(lines):
            say(f"{'' if number else name:<12}{line}")


def print_months(months: list[dict[str, Any]]) -> None:
    """Print each month's file with its SHA-256 and its check results."""
    for row in months:
        say(f"{row['service']} {row['month']}  {row['file'] or 'not in the warehouse'}")
        checks = [_checked(table, result) for table, result in row["checks"].items()]
        for comparison in (f"sha256 {row['sha256']}", *checks) if row["sha256"] else checks:
            say(f"    {comparison}")


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
