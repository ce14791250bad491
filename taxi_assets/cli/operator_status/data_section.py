"""The months in the warehouse, the next ones, and the files that are not in it."""

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime

from taxi_assets.cli.operator_status.status_section import Figure, Section, State
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_FILE_STATES: dict[str, State] = {"quarantined": "bad", "unaccepted": "watch", "waiting": "watch"}
_ENDED = ("SUCCESS", "FAILURE", "CANCELED", "INTERRUPTED")
_RUNS = 20  # more are never in progress at once


def data_section(settings: Settings, warehouse: Warehouse) -> Section:
    """Months ingested and expected, files that wait or are in quarantine, months with missing assets."""
    from taxi_assets.ingestion.source_files import read_source_files
    from taxi_assets.ingestion.unresolved_files import without_resolved
    from taxi_assets.monitoring.overdue_months import next_months
    from taxi_assets.monitoring.unfinished_months import unfinished_months

    dagster = settings.url(settings.dagster_port)
    with warehouse.reading() as connection:
        records, following = read_source_files(connection), next_months(connection)
    months = defaultdict[str, list[str]](list)
    for each in records:
        if each.state == "ingested":
            months[str(each.service)].append(str(each.month))
    today = datetime.now(UTC).date()
    page = f"{dagster}/assets/raw_trips?view=partitions"
    figures = [
        Figure(f"{service} months", f"{len(found)}: {min(found)} to {max(found)}", url=page)
        for service, found in sorted(months.items())
    ] or [Figure("months", "none yet: `make run` ingests the first", "watch")]
    figures += [
        Figure("next month", each.sentence(today), "bad" if each.is_overdue(today) else "ok", page)
        for each in following
    ]
    checks = f"{dagster}/assets/raw_trips?view=checks"
    listed = without_resolved(records)
    for state, shown in _FILE_STATES.items():
        names = [each.file_name for each in listed if each.state == state]
        figures.append(Figure(f"files {state}", ", ".join(names) or "none", shown if names else "ok", checks))
    in_work = _months_in_work(settings)
    for unfinished in unfinished_months(settings, warehouse):
        if str(unfinished.month) in in_work:
            figures.append(Figure("in work", f"{unfinished.month}: a run has begun", "ok", f"{dagster}/runs"))
        else:
            figures.append(Figure("unfinished", unfinished.sentence(), "watch", f"{dagster}/automation"))
    return Section("data", figures)


def _months_in_work(settings: Settings) -> set[object]:
    """The months of the runs in progress; none if Dagster cannot be read, which the section `runs` says."""
    from taxi_assets.defs.instance import last_runs

    with suppress(Exception):
        return {run["month"] for run in last_runs(settings, _RUNS) if run["status"] not in _ENDED}
    return set()
