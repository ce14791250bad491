"""The reports of `taxi status` and `taxi files`: facts of the warehouse and stores, as JSON or text."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import newest_snapshot

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Facts = dict[str, Any]
# States of files that are not in the warehouse.
_OPEN_STATES = ("waiting", "unaccepted", "quarantined")
_MONTH_COLUMNS = ("service", "month", "rows", "sha256")


def status_summary(settings: Settings) -> Facts:
    """The facts of `taxi status --json`."""
    from taxi_assets.defs.instance import last_run
    from taxi_assets.registry import model_versions
    from taxi_assets.serving import client
    from taxi_assets.serving.packaging import bento_build

    facts: Facts = {
        "synthetic": settings.active_data_kind == "synthetic",
        "months": [],
        "files": {state: [] for state in _OPEN_STATES},
        "snapshot": None,
        "retraining": None,
        "champion": None,
        "decision": None,
        "waiting": [],
        "bento": None,
        "served": client.get_served_version(settings.url(settings.bento_port)),
        "unfinished": [],
        "superseded_versions": {},
        "alerts": [],
        "last_run": None,
    }
    if not settings.root.is_dir():
        return facts  # reading its stores would create it
    warehouse = Warehouse(settings)
    champion, bento = model_versions.champion(settings), bento_build.latest(settings)
    return facts | {
        **_warehouse_facts(settings, warehouse),
        "files": _files(warehouse),
        "champion": champion and {name: getattr(champion, name) for name in ("name", "version", "run_id")},
        "bento": bento and bento.tag,
        "unfinished": _unfinished(settings, warehouse),
        "superseded_versions": _superseded(settings, warehouse),
        "last_run": last_run(settings),
    }


def _warehouse_facts(settings: Settings, warehouse: Warehouse) -> Facts:
    """The facts of one snapshot of the warehouse."""
    from taxi_assets.monitoring.alerts.record_alerts import open_alerts
    from taxi_assets.monitoring.record_retraining import newest_retraining
    from taxi_assets.promotion.approval import waiting_decisions
    from taxi_assets.promotion.decision import newest_decision

    with warehouse.reading() as connection:
        return {
            "months": _months(settings, connection),
            "snapshot": newest_snapshot(connection),
            "retraining": newest_retraining(connection),
            "decision": newest_decision(connection),
            "waiting": [_waiting(row) for row in waiting_decisions(settings, connection)],
            "alerts": open_alerts(connection),
        }


def _months(settings: Settings, connection: "DuckDBPyConnection") -> list[Facts]:
    """The months in the warehouse with the versions that were scored on each."""
    from taxi_assets.registry import model_versions

    models = model_versions.versions_by_month(settings)
    query = "SELECT service, strftime(month, '%Y-%m'), rows, sha256 FROM source_files WHERE state = 'ingested'"
    rows = connection.execute(f"{query} ORDER BY ALL").fetchall()
    return [dict(zip(_MONTH_COLUMNS, row, strict=True)) | {"models": models.get(row[1], [])} for row in rows]


def _waiting(row: Facts) -> Facts:
    """A version that waits for approval: its reasons and the commands that decide."""
    from taxi_assets.promotion.approval import approval_commands

    version, month = row["model_version"], f"{row['month']:%Y-%m}"
    kept = {name: row[name] for name in ("champion_version", "difference_minutes", "difference_low", "difference_high")}
    about = {"version": version, "month": month, "since": row["decided_at"], "reasons": row["reasons"], **kept}
    return about | {"next": approval_commands(version)}


def _superseded(settings: Settings, warehouse: Warehouse) -> Facts:
    """The replaced training files by version."""
    from taxi_assets.monitoring.superseded_versions import superseded_versions

    return {str(version): list(files) for version, files in superseded_versions(settings, warehouse).items()}


def _unfinished(settings: Settings, warehouse: Warehouse) -> list[Facts]:
    """Months with missing assets, and the next step for each."""
    from taxi_assets.cli.supervisor.home import is_supervised
    from taxi_assets.monitoring.unfinished_months import unfinished_months

    found = unfinished_months(settings, warehouse)
    is_up = bool(found) and is_supervised(settings.home, settings.env)
    what_next = "`make up` is finishing it: see landing_sensor in Dagster" if is_up else "`make up` finishes it"
    return [each.as_json() | {"next": what_next} for each in found]


def _files(warehouse: Warehouse) -> Facts:
    """Names of files that are not in the warehouse, by state; only unresolved ones of those in quarantine."""
    from taxi_assets.ingestion.scan_landing import list_source_files
    from taxi_assets.ingestion.unresolved_files import without_resolved

    shown = without_resolved(list_source_files(warehouse))
    return {state: [each.file_name for each in shown if each.state == state] for state in _OPEN_STATES}


def file_summaries(settings: Settings) -> list[Facts]:
    """The facts of `taxi files --json`. Changes nothing."""
    from taxi_assets.ingestion.landing_listing import list_files
    from taxi_assets.ingestion.scan_landing import list_source_files

    rows = (
        list_source_files(Warehouse(settings)) if settings.warehouse.is_dir() else []
    )  # a listing creates no warehouse
    records = list_files(settings, rows)
    return [
        asdict(r)
        | {"month": r.month and str(r.month), "reasons": _with_service_note(settings, r.state, r.service, r.reasons)}
        for r in records
    ]


def _with_service_note(settings: Settings, state: str, service: str | None, reasons: Sequence[str]) -> list[str]:
    """A file's reasons, with a note if its service is not in use and so gets no run."""
    is_unused = state == "waiting" and service not in settings.services
    return [*reasons, *([f"it gets no run: {service} is not in TAXI_SERVICES"] if is_unused else [])]


def print_files(console: Console, facts: Sequence[Facts]) -> None:
    """Print `taxi files`: a table that fits 80 columns, then the reasons of some states."""
    table = Table(title="Source files", title_justify="left")
    table.add_column("file", overflow="fold", min_width=32)
    table.add_column("state", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("sha256", no_wrap=True)
    for each in facts:
        rows = "" if each["rows"] is None else f"{each['rows']:,}"
        table.add_row(escape(each["file_name"]), each["state"], rows, (each["sha256"] or "")[:12])
    console.print(table)
    for each in facts:
        if each["reasons"]:
            name = f"{each['file_name']} {(each['sha256'] or '')[:12]}".strip()
            line = f"{name} is {each['state']}: {'; '.join(each['reasons'])}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_status(console: Console, facts: Facts) -> None:
    """Print `taxi status`."""
    console.print(_months_table(facts))
    champion, last = facts["champion"], facts["last_run"]
    console.print(f"snapshot  {'none yet' if facts['snapshot'] is None else facts['snapshot']}")
    if facts["retraining"]:
        console.print(
            f"training  {_retraining_line(facts['retraining'])}", soft_wrap=True, highlight=False, markup=False
        )
    console.print(f"champion  {champion['name']} version {champion['version']}" if champion else "champion  none yet")
    for line in _decision_lines(facts):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(f"bento     {facts['bento'] or 'none yet'}", soft_wrap=True)
    console.print(f"served    {_served_line(facts)}", soft_wrap=True)
    for state, names in facts["files"].items():
        if names:
            listed = f"{state:<11} {', '.join(names)}: see `taxi files`"
            console.print(listed, soft_wrap=True, highlight=False, markup=False)
    for month in facts["unfinished"]:
        console.print(f"unfinished  {month['sentence']}; {month['next']}", soft_wrap=True, markup=False)
    for version, files in facts["superseded_versions"].items():
        console.print(f"superseded  version {version} was trained on {', '.join(files)}", soft_wrap=True)
    for alert in facts["alerts"]:
        console.print(f"alert     {_alert_line(alert)}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"last run  {_last_run_line(last)}", soft_wrap=True, markup=False)


def _months_table(facts: Facts) -> Table:
    table = Table(title="Months in the warehouse" + (" (synthetic)" if facts["synthetic"] else ""))
    for column in ("service", "month", "rows", "sha256", "models scored on it"):
        table.add_column(
            column, justify="right" if column == "rows" else "left", no_wrap=not column.startswith("models")
        )
    for month in facts["months"]:
        models = ", ".join(map(str, month["models"])) or "none"
        table.add_row(month["service"], month["month"], f"{month['rows']:,}", month["sha256"][:16], models)
    return table


def _decision_lines(facts: Facts) -> Iterator[str]:
    """The last decision, and what waits for a person."""
    from taxi_assets.promotion.decision import decision_sentence

    if facts["decision"] and facts["decision"]["state"] != "waiting":
        yield f"decision  {decision_sentence(facts['decision'])}"
    for row in facts["waiting"]:
        reasons = " ".join(row["reasons"])
        yield f"approval  version {row['version']} of {row['month']} waits: {reasons} Decide: {row['next']}"


def _retraining_line(row: Facts) -> str:
    answer = "trains a model" if row["is_retraining"] else "trains no model"
    return f"{row['month']:%Y-%m} {answer}: {row['reason']}"


def _alert_line(alert: Facts) -> str:
    """An alert, and the error if the webhook did not accept it."""
    error = f"; not delivered: {alert['delivery_error']}" if alert["delivery_error"] else ""
    return f"{alert['kind']}: {alert['text']}{error}"


def _last_run_line(last: Facts | None) -> str:
    why = f": {last['why']}" if last and "why" in last else ""
    return f"{last['job']} {last['status']} {last['run_id']}{why}" if last else "none yet"


def _served_line(facts: Facts) -> str:
    served, champion = facts["served"], facts["champion"]
    if served is None and facts["bento"] is None:
        return "nothing: the endpoint waits for the first Bento; `make run` builds it"
    if served is None:
        return "nothing: the endpoint is not running; `make up` starts it"
    line = f"version {served['version']} ({served['bento']})"
    if champion and champion["version"] != served["version"]:
        number = champion["version"]
        line += f"; the champion is version {number}: `taxi deploy {number} --champion` serves it"
    return line
