"""The command that shows which version was champion at a time, and why."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from taxi_assets.cli.lineage_commands import print_months
from taxi_assets.cli.terminal import Json, load_home_settings, say, warn, write_json

Facts = dict[str, Any]
Lines = Iterator[tuple[str, str]]
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Date or time, UTC, such as 2024-05-01T12:30; unset, now.")
]


def audit(at: At = None, to_json: Json = None) -> None:
    """Show the champion at a time: since when, on what evidence, approved by whom, trained on which files."""
    from taxi_assets.defs.check_results import check_result_reader
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.monitoring.audit import audit as collect
    from taxi_assets.monitoring.audit import parse_time
    from taxi_assets.warehouse.connection import Warehouse

    settings = load_home_settings()
    time = parse_time(at) if at else None
    with open_instance(settings) as instance:
        facts = collect(settings, Warehouse(settings), check_result_reader(instance), time)
    if to_json != "-":
        print_audit(facts)
    write_json(facts, to_json)


def print_audit(facts: Facts) -> None:
    """Print `taxi audit`; disagreements go to stderr."""
    say(f"at          {facts['at']:%F %H:%M:%S} UTC")
    for name, text in (*_champion_lines(facts), *_serving_lines(facts), *_training_lines(facts["training"])):
        say(f"{name:<12}{text}")
    if facts["training"]:
        print_months(facts["training"]["months"])
    for sentence in facts["disagreements"]:
        warn(sentence)


def _champion_lines(facts: Facts) -> Lines:
    champion, evidence, approval = facts["champion"], facts["evidence"], facts["approval"]
    if champion is None:
        yield "champion", "none yet"
        return
    until = f" until {facts['until']:%F %H:%M:%S}" if facts["until"] else ""
    replaced = f"in place of version {champion['replaced_version']}" if champion["replaced_version"] else "the first"
    yield (
        "champion",
        f"version {champion['model_version']}, since {champion['changed_at']:%F %H:%M:%S}{until}; {replaced}",
    )
    yield "changed", f"{champion['change'].replace('_', ' ')} by {champion['decided_by']}"
    if evidence:
        yield from _evidence_lines(evidence)
    else:
        yield "evidence", f"no row in promotions; the reason was: {champion['why']}"
    if approval:
        yield "approved", f"by {approval['decided_by']} at {approval['decided_at']:%F %H:%M:%S} UTC: {approval['why']}"
    if facts["evidence_pack"]:
        yield "documents", facts["evidence_pack"]


def _evidence_lines(evidence: Facts) -> Lines:
    run = f", Dagster run {evidence['run_id']}" if evidence["run_id"] else ""
    about = f"decided by {evidence['decided_by']}{run}, snapshot {evidence['snapshot']}"
    yield "evidence", f"{evidence['month']:%Y-%m}, {about}"
    yield from (("", reason) for reason in evidence["reasons"] or ())
    if evidence["difference_minutes"] is not None:
        low, high = evidence["difference_low"], evidence["difference_high"]
        yield (
            "",
            f"difference of RMSE {evidence['difference_minutes']:+.3f} minutes, between {low:+.3f} and {high:+.3f}",
        )


def _serving_lines(facts: Facts) -> Lines:
    routing = facts["routing"]
    if routing:
        shares = "".join(f", version {each['version']} {each['share']:.1%}" for each in routing["challengers"])
        since = f"since {routing['since']:%F %H:%M:%S} by {routing['by']}"
        yield "routing", f"version {routing['champion']}{shares}, {since}"
    else:
        yield "routing", "none was set yet, or its revision was removed"
    answered = [(each["model_version"], each["rides"], each["variant"]) for each in facts["answered"]]
    rides = ", ".join(f"version {version} {count:,} rides ({variant})" for version, count, variant in answered)
    yield "answered", f"on that day, UTC: {rides or 'no logged ride'}"


def _training_lines(training: Facts | None) -> Lines:
    if training is None:
        return
    features, version = training["features"], training["version"]
    yield "trained on", f"{features['window']}, snapshot {features['snapshot']}, digest {features['digest']}"
    yield "code", str(version["git_commit"])
    yield "runs", f"Dagster {version['dagster_run_id']}, MLflow {version['mlflow_run_id']}"
    if training["superseded_files"]:
        yield "superseded", f"trained on files that were replaced since: {', '.join(training['superseded_files'])}"
