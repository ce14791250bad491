"""The report of `taxi run`: figures of the warehouse, MLflow and the Bento, as JSON and as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from duckdb import DuckDBPyConnection
from rich.console import Console
from rich.table import Table

from taxi_assets.evaluation.score_summary import decision_line, score_facts, score_lines
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import REASONS
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

Facts = dict[str, Any]


def run_summary(
    settings: Settings, months: Sequence[Month], prediction: Mapping[str, Any], seconds: Mapping[str, float]
) -> Facts:
    """The facts of `taxi run --json`."""
    from taxi_assets.promotion.decision import read_decision
    from taxi_assets.serving.packaging import bento_build
    from taxi_assets.tlc.tlc_source import source_label

    model = _model(settings, months[-1])
    with Warehouse(settings).reading() as connection:
        facts: Facts = {
            "source": source_label(settings.tlc_source),
            "synthetic": settings.active_data_kind == "synthetic",
            "months": [str(month) for month in months],
            "services": list(settings.services),
            "rows": _rows(connection, settings.services, months),
            "score": score_facts(connection, months[-1], model["version"], settings.served_condition),
            "decision": read_decision(connection, model["version"], months[-1]),
            "drift": _drift(connection, months[-1]),
            "refused": _refused(connection, settings.services, months),
        }
    bento = bento_build.latest(settings)
    return facts | {
        "model": model,
        "bento": bento.tag if bento else None,
        "prediction": dict(prediction),
        "seconds": dict(seconds),
    }


def print_run(console: Console, facts: Facts, settings: Settings) -> None:
    """Print the summary of `taxi run`."""
    label = " [yellow](synthetic months)[/]" if facts["synthetic"] else ""
    table = Table(title=f"Taxi durations, {facts['months'][0]} to {facts['months'][-1]}{label}", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(facts, settings):
        table.add_row(name, text)
    console.print(table)


def _lines(facts: Facts, settings: Settings) -> list[tuple[str, str]]:
    rows, score, model, prediction = facts["rows"], facts["score"], facts["model"], facts["prediction"]
    rejected = [f"{count:,} {REASONS[reason].split(':')[0]}" for reason, count in rows["rejected"].items()]
    return [
        ("source", facts["source"]),
        ("rows in", f"{rows['raw']:,}"),
        ("kept", f"{rows['clean']:,}"),
        ("rejected", "\n".join(rejected) or "none"),
        *score_lines(score),
        ("drift", facts["drift"]["verdict"]),
        *(("not used", sentence) for sentence in facts["refused"]),
        (
            "model version",
            f"{model['name']} {model['version']} ({model['alias'] or 'not champion'}): {model['why']}",
        ),
        ("decided by", decision_line(facts["decision"])),
        ("Bento", str(facts["bento"])),
        *([("checks", _checks_line(facts["checks"]))] if "checks" in facts else []),
        ("one ride", _ride_line(prediction)),
        ("time", f"{sum(facts['seconds'].values()):.0f} s"),
        (
            "where to look",
            f"make up, then {settings.url(settings.bento_port)} (a rider's page), "
            f"{settings.url(settings.data_docs_port)}/status (the platform's state), "
            f"{settings.url(settings.dagster_port)} (Dagster), {settings.url(settings.mlflow_port)} (MLflow), "
            f"{settings.url(settings.data_docs_port)} (Data Docs)",
        ),
    ]


def _checks_line(checks: Facts) -> str:
    passed = f"{checks['passed']} passed"
    return "\n".join([passed, *(f"not passed: {name}" for name in checks["not_passed"])])


def _ride_line(prediction: Facts) -> str:
    if not prediction:
        return "not predicted: there is no champion before the approval"
    return f"zone 74 to 75 on the 1st at 8:30: {prediction['duration_minutes']:.1f} minutes{_interval(prediction)}"


def _interval(prediction: Facts) -> str:
    """The interval of a prediction; empty if the model gives none."""
    if not prediction.get("interval_90"):
        return ""
    low, high = prediction["interval_90"]
    return f" (nine in ten: {low:.1f} to {high:.1f})"


def _rows(connection: DuckDBPyConnection, services: Sequence[str], months: Sequence[Month]) -> Facts:
    chosen = {"services": list(services), "months": [month.first_day for month in months]}
    where = "WHERE service IN (SELECT unnest($services)) AND month IN (SELECT unnest($months))"
    raw = connection.execute(f"SELECT count(*) FROM raw_trips {where}", chosen).fetchall()[0][0]
    clean = connection.execute(f"SELECT count(*) FROM clean_trips {where}", chosen).fetchall()[0][0]
    query = f"SELECT reason, count(*) AS trips FROM rejections {where} GROUP BY reason ORDER BY trips DESC, reason"
    return {"raw": raw, "clean": clean, "rejected": dict(connection.execute(query, chosen).fetchall())}


def _refused(connection: DuckDBPyConnection, services: Sequence[str], months: Sequence[Month]) -> list[str]:
    """A sentence for each refused file whose month stays in the warehouse from another file."""
    from taxi_assets.ingestion.ingest import newer_refusals
    from taxi_assets.ingestion.source_files import read_source_files

    records = read_source_files(connection)
    return [text for service in services for month in months for text in newer_refusals(records, service, month)]


def _drift(connection: DuckDBPyConnection, month: Month) -> Facts:
    chosen = {"month": month.first_day}
    query = "SELECT feature, psi FROM drift_reports WHERE month = $month ORDER BY p_value / weight"
    psi = dict(connection.execute(query, chosen).fetchall())
    query = "SELECT verdict, facts FROM drift_verdicts WHERE month = $month"
    verdict, facts = next(iter(connection.execute(query, chosen).fetchall()), (None, []))
    return {"month": str(month), "verdict": verdict, "facts": facts, "psi": psi}


def _model(settings: Settings, month: Month) -> Facts:
    from taxi_assets.promotion.approval import approval_commands
    from taxi_assets.registry import model_versions

    version, champion = model_versions.get_month_version(settings, month), model_versions.champion(settings)
    if version is None:
        absent = dict.fromkeys(("version", "alias", "run_id"))
        return {"name": model_versions.model_name(settings), **absent, "why": "no model was trained"}
    is_champion = champion is not None and champion.version == version.version
    why = version.tags.get("promotion_reason" if is_champion else "refusal", "")
    if version.tags.get("decision") == "waiting":
        why = f"better, and waits for approval: {approval_commands(version.version)}"
    return {
        "name": version.name,
        "version": version.version,
        "alias": model_versions.CHAMPION if is_champion else None,
        "run_id": version.run_id,
        "why": why or "no decision was taken: materialise champion_model",
    }
