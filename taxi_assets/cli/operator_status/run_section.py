"""The last runs in Dagster."""

from datetime import UTC, datetime

from taxi_assets.cli.operator_status.status_section import Figure, Section, State, Table
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_SHOWN_RUNS = 8
_STATES: dict[str, State] = {"SUCCESS": "ok", "FAILURE": "bad", "CANCELED": "watch", "INTERRUPTED": "bad"}


def run_section(settings: Settings, _warehouse: Warehouse) -> Section:
    """The last runs with their month, status and time; the first figure is the newest."""
    from taxi_assets.defs.instance import INTERRUPTED, INTERRUPTED_REMEDY, last_runs

    rows = [_row(settings, each) for each in last_runs(settings, _SHOWN_RUNS)]
    if not rows:
        return Section("runs", [Figure("last run", "none yet")])
    newest = rows[0]
    shown = " ".join(each.value for each in newest if each.value)
    remedy = f": {INTERRUPTED_REMEDY}" if newest[2].value == INTERRUPTED else ""
    summary = Figure("last run", shown + remedy, newest[2].state, newest[0].url)
    return Section("runs", [summary], Table(("job", "month", "status", "began (UTC)"), rows))


def _row(settings: Settings, run: dict[str, object]) -> list[Figure]:
    status, started = str(run["status"]), run["started"]
    began = datetime.fromtimestamp(float(str(started)), UTC).strftime("%Y-%m-%d %H:%M") if started else ""
    url = settings.dagster_run_url(str(run["run_id"]))
    month = Figure("month", str(run["month"] or ""))
    return [
        Figure("job", str(run["job"]), url=url),
        month,
        Figure("status", status, _STATES.get(status, "ok")),
        Figure("began", began),
    ]
