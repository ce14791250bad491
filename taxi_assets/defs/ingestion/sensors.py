"""The landing sensor: ingests landed files, requests runs and closes runs of dead processes."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from taxi_assets.defs.ingestion.source_files import listing_digest, quarantine_event
from taxi_assets.defs.jobs import ingest_months, train_month
from taxi_assets.defs.mlflow_resource import sync_mlflow_runs
from taxi_assets.defs.monitoring.checks import (
    MAX_ATTEMPTS,
    finished_check_event,
    not_in_progress,
    unfinished_month_requests,
)
from taxi_assets.defs.run_processes import close_dead_runs
from taxi_assets.defs.start_status import SENSOR_STATUS
from taxi_assets.errors import describe_error
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.ingestion.source_files import SourceFile
    from taxi_assets.monitoring.unfinished_months import UnfinishedMonth

MAX_REQUESTS_PER_TICK = 24

_SOURCE_FILE_TAG = ".dagster/taxi_source_file"  # Dagster's UI hides tags with this prefix


@dg.sensor(
    jobs=[ingest_months, train_month],
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
    description="Takes complete files from the landing folder and starts a run for each file's month.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """Requests a run for each waiting file; trains only the newest month, after the others are ingested.

    When no file waits, it requests the missing assets of the newest month. Requests depend only on the tables, the
    registry and existing runs. The cursor only records which listing was last shown.
    """
    from taxi_assets.ingestion import file_stability, scan_landing

    messages: list[str] = []
    requests: list[dg.RunRequest] = []
    events: list[dg.AssetCheckEvaluation] = []
    files, _, months = (context.cursor or "").partition(" ")
    # Each step is guarded: a fault in one file or step does not stop the requests of other files.
    with _report_failure(messages, "closing dead runs"):
        close_dead_runs(context.instance)
    with _report_failure(messages, "syncing MLflow's runs"):
        sync_mlflow_runs(settings, context.instance, only_running=True)
    if busy := _busy_reason(settings):
        return dg.SensorResult(skip_reason="; ".join([*messages, busy]))
    with _report_failure(messages, "scanning the landing folder"):
        changed = scan_landing.scan_landing(warehouse, file_stability.WAIT_UNTIL_STABLE)
        quarantined = [row for row in changed if row.state == "quarantined"]
        messages += [f"{row.file_name} is quarantined: {'; '.join(row.reasons)}" for row in quarantined]
    with _report_failure(messages, "requesting runs"):
        requests = _requests(context.instance, warehouse, messages)
    with _report_failure(messages, "showing the files"):
        records = scan_landing.list_source_files(warehouse)
        messages += [f"{r.file_name}: {'; '.join(r.reasons)}" for r in records if r.state in ("arriving", "unaccepted")]
        events += [quarantine_event(records)] if records and listing_digest(records) != files else []
        files = listing_digest(records)
    with _report_failure(messages, "finishing months"):
        found = _unfinished(settings, warehouse)
        if not requests:  # a file's run may also finish its month
            requests = unfinished_month_requests(context.instance, found, messages)
        left = not_in_progress(context.instance, found)
        events += [finished_check_event(left)] if _digest(left) != months else []
        months = _digest(left)
    messages = messages or ([] if requests else [f"no new file in {settings.landing}"])
    return _result(context, requests, messages, events, f"{files} {months}")


def _unfinished(settings: Settings, warehouse: Warehouse) -> tuple["UnfinishedMonth", ...]:
    """Months with missing assets; also tags the versions trained on superseded files."""
    from taxi_assets.monitoring.superseded_versions import tag_superseded
    from taxi_assets.monitoring.unfinished_months import unfinished_months

    tag_superseded(settings, warehouse)
    return unfinished_months(settings, warehouse)


def _digest(found: Sequence["UnfinishedMonth"]) -> str:
    """A digest that changes when there is anything new to show; empty if every month is finished."""
    sentences = "; ".join(each.sentence() for each in found)
    return hashlib.sha256(sentences.encode()).hexdigest()[:16] if found else ""


def _busy_reason(settings: Settings) -> str | None:
    from taxi_assets.ingestion import pending

    if pending.is_run_active(settings):
        return "a `taxi run` is working in this home: it publishes the landed files"
    if pending.is_publish_locked(settings):
        return "a month is being published: the landing folder is scanned after it"
    return None


def _result(
    context: dg.SensorEvaluationContext,
    requests: list[dg.RunRequest],
    messages: list[str],
    events: list[dg.AssetCheckEvaluation],
    cursor: str,
) -> dg.SensorResult:
    """The tick's result; if it requests runs, its messages go to the log, as Dagster shows none."""
    for sentence in messages if requests else ():
        context.log.warning(sentence)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(messages),
        asset_events=events,
        cursor=cursor,
    )


@contextmanager
def _report_failure(messages: list[str], what: str) -> Iterator[None]:
    """Add a fault to the tick's messages and let the tick go on."""
    try:
        yield
    except Exception as error:
        messages.append(f"{what} failed ({describe_error(error)})")


def _requests(instance: dg.DagsterInstance, warehouse: Warehouse, messages: list[str]) -> list[dg.RunRequest]:
    """The runs to request, oldest month first; adds a message for each file without a request."""
    from taxi_assets.ingestion import pending

    waiting = pending.find_pending(warehouse)
    trains = None
    with _report_failure(messages, "choosing the month to train for"):
        trains = pending.newest_trainable(warehouse, waiting)
    requests: list[dg.RunRequest] = []
    for record in waiting:
        if record == trains and warehouse.settings.max_concurrent_runs > 1 and (requests or _is_ingesting(instance)):
            continue  # it trains on the others, which would be ingested beside it
        with _report_failure(messages, f"{record.label}: requesting its run"):
            request = _request_of(instance, record, messages, is_last=record == trains)
            if request and len(requests) < MAX_REQUESTS_PER_TICK:
                requests.append(request)
    return requests


def _is_ingesting(instance: dg.DagsterInstance) -> bool:
    return instance.get_runs_count(dg.RunsFilter(job_name=ingest_months.name, statuses=NOT_FINISHED_STATUSES)) > 0


def _request_of(
    instance: dg.DagsterInstance, record: "SourceFile", messages: list[str], is_last: bool
) -> dg.RunRequest | None:
    """The run to request; None if one is in progress or too many have failed."""
    runs = instance.get_runs(dg.RunsFilter(tags={_SOURCE_FILE_TAG: _tag(record)}))
    if not all(map(_is_over, runs)) or _is_running(instance, record):
        return None
    if len(runs) >= MAX_ATTEMPTS:
        again = f"taxi files retry {str(record.sha256)[:16]}"
        messages.append(f"{record.label}: {len(runs)} runs failed; see them, then `{again}`")
        return None
    Month.parse(str(record.month))  # an unknown partition would fail the tick and all its requests
    return _request(record, len(runs), is_last)


def _request(record: "SourceFile", attempt: int, is_last: bool) -> dg.RunRequest:
    return dg.RunRequest(
        # The checksum makes a republished month a new request; the attempt's number does so for a retry.
        run_key=f"{record.service}-{record.month}-{record.sha256}-{record.request}.{attempt}",
        job_name=train_month.name if is_last else ingest_months.name,
        partition_key=str(record.month),
        tags={
            "taxi/file": record.file_name,
            _SOURCE_FILE_TAG: _tag(record),
            "dagster/priority": "-1" if is_last else "0",
        },
    )


def _is_over(run: dg.DagsterRun) -> bool:
    """True if the run is finished, and Dagster does not retry it."""
    will_retry = run.tags.get(WILL_RETRY_TAG) == "true" and AUTO_RETRY_RUN_ID_TAG not in run.tags
    return run.is_finished and not will_retry


def _tag(record: "SourceFile") -> str:
    return f"{str(record.sha256)[:32]}-{record.request}"


def _is_running(instance: dg.DagsterInstance, record: "SourceFile") -> bool:
    """True while the run that ingested the file is in progress, for example on its features."""
    run = instance.get_run_by_id(record.run_id) if record.run_id else None
    return run is not None and not run.is_finished
