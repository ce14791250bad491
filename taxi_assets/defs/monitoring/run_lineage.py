"""The sensor of OpenLineage: sends an event for each start and end of a run, in order.

It reads Dagster's event log from a cursor for each kind of change. The cursor passes a change when its event is
accepted, so nothing is lost while the endpoint is down, and a run never waits for it. A run status sensor of Dagster
passes a change also after an error.
"""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster._core.event_api import EventLogCursor
from dagster._core.storage.tags import PARTITION_NAME_TAG

from taxi_assets.defs.runs import failure_message
from taxi_assets.defs.start_status import SENSOR_STATUS
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.openlineage_events import Change, RunChange, Written
from taxi_assets.months import Month, month_range
from taxi_assets.settings import Settings

_BATCH = 50  # changes of each kind that are read at once
_SECONDS = 30.0  # of a tick; Dagster ends one after 60
_KINDS: Mapping[dg.DagsterEventType, Change] = {
    dg.DagsterEventType.RUN_START: "START",
    dg.DagsterEventType.RUN_SUCCESS: "COMPLETE",
    dg.DagsterEventType.RUN_FAILURE: "FAIL",
    dg.DagsterEventType.RUN_CANCELED: "ABORT",
}
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PLANNED, _DONE = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_MATERIALIZATION


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
    description="Sends OpenLineage events of each run's start and end to TAXI_OPENLINEAGE_URL. It starts no run.",
)
def openlineage_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Send the changes after the cursor; stop at the first that is not accepted."""
    from taxi_assets.monitoring.openlineage_client import lineage_client
    from taxi_assets.monitoring.openlineage_events import build_event

    cursors: dict[str, str] = json.loads(context.cursor or "{}")
    sent, started = 0, time.monotonic()
    parents = asset_parents(context.repository_def)
    try:
        with lineage_client(settings) as send:
            for kind, record in _changes(context.instance, cursors):
                for change in run_changes(context.instance, kind, record, parents):
                    send(build_event(settings, change))
                    sent += 1
                cursors[kind] = EventLogCursor.from_storage_id(record.storage_id).to_string()
                context.update_cursor(json.dumps(cursors))
                if time.monotonic() - started > _SECONDS:
                    break
    except TaxiError as error:
        context.log.warning(f"{sent} events sent, then: {error}")
        return dg.SkipReason(f"{sent} events sent; the next one is tried again: {error}")
    return dg.SkipReason(f"{sent} events sent")


def asset_parents(repository: dg.RepositoryDefinition | None) -> dict[str, set[str]]:
    """The assets that each asset reads."""
    if repository is None:
        return {}
    graph = repository.asset_graph
    keys = graph.get_all_asset_keys()
    return {key.to_user_string(): {each.to_user_string() for each in graph.get(key).parent_keys} for key in keys}


def _changes(instance: dg.DagsterInstance, cursors: Mapping[str, str]) -> Iterator[tuple[Change, dg.EventLogRecord]]:
    """Changes after the cursors, oldest first."""
    found: list[tuple[float, Change, dg.EventLogRecord]] = []
    horizon = float("inf")  # later changes wait: one of a kind that was not read to its end may come before them
    for event_type, kind in _KINDS.items():
        cursor = cursors.get(kind) or EventLogCursor.from_storage_id(0).to_string()
        result = instance.fetch_run_status_changes(event_type, limit=_BATCH, cursor=cursor, ascending=True)
        found += [(record.timestamp, kind, record) for record in result.records]
        if result.has_more:
            horizon = min(horizon, result.records[-1].timestamp)
    for at, kind, record in sorted(found, key=lambda each: each[0]):
        if at <= horizon:
            yield kind, record


def run_changes(
    instance: dg.DagsterInstance, kind: Change, record: dg.EventLogRecord, parents: Mapping[str, set[str]]
) -> Iterator[RunChange]:
    """The change of a run's state, after a start if it never started; none of a deleted run."""
    run_record = instance.get_run_record_by_id(record.run_id)
    if run_record is None:
        return
    run = run_record.dagster_run
    planned, done, files = _assets(instance, run.run_id)
    reads = set().union(*(parents.get(asset, set()) for asset in {*planned, *done}))
    common: dict[str, Any] = {"at": record.timestamp, "run_id": run.run_id, "job": run.job_name}
    common |= {"months": _months(run.tags), "inputs": tuple(sorted(reads - {*planned, *done}))}
    if kind == "START" or run_record.start_time is None:
        yield RunChange("START", **common, outputs=tuple(Written(asset) for asset in sorted(planned)))
    if kind != "START":
        error = failure_message(instance, run.run_id) if kind == "FAIL" else None
        yield RunChange(kind, **common, outputs=tuple(done[name] for name in sorted(done)), files=files, error=error)


def _assets(instance: dg.DagsterInstance, run_id: str) -> tuple[set[str], dict[str, Written], dict[str, str]]:
    """Planned assets of a run, those that it materialised, and the SHA-256 of its source files by service."""
    planned: set[str] = set()
    done: dict[str, Written] = {}
    files: dict[str, str] = {}
    for entry in instance.all_logs(run_id, of_type={_PLANNED, _DONE}):
        event = entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        name = event.asset_key.to_user_string()
        if event.event_type == _PLANNED:
            planned.add(name)
            continue
        metadata = event.materialization.metadata
        rows, before = metadata.get("dagster/partition_row_count"), done.get(name, Written(name))
        total = before.rows if rows is None else (before.rows or 0) + int(str(rows.value))
        done[name] = Written(name, total, (event.materialization.tags or {}).get("dagster/data_version"))
        if name == "raw_trips" and (table := metadata.get("files")):
            files |= {str(each.data["service"]): str(each.data["sha256"]) for each in _records(table)}
    return planned, done, files


def _records(table: dg.MetadataValue) -> list[dg.TableRecord]:
    return list(table.records) if isinstance(table, dg.TableMetadataValue) else []


def _months(tags: Mapping[str, str]) -> tuple[Month, ...]:
    """The months of a run; none if its tags name something else, which must not hold back later runs."""
    try:
        if _RANGE[0] in tags:
            return month_range(Month.parse(tags[_RANGE[0]]), Month.parse(tags[_RANGE[1]]))
        return (Month.parse(tags[PARTITION_NAME_TAG]),) if tags.get(PARTITION_NAME_TAG) else ()
    except (TaxiError, KeyError):
        return ()
