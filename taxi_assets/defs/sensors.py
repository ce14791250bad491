"""What starts runs by itself: files that land, and the tidying after processes that died."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.defs.ingestion.arrivals import listing_digest, quarantine_event
from taxi_assets.defs.jobs import ingest_months, month
from taxi_assets.defs.mlflow_resource import match_mlflow_runs
from taxi_assets.defs.run_processes import close_dead
from taxi_assets.errors import TaxiError
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.lake.ledger import Record

__all__ = ["SENSORS", "landing_sensor"]

MOST_REQUESTS_A_TICK = 24
MOST_ATTEMPTS = 3  # of a file whose runs fail for another reason than the file, such as a full disk

_ARRIVAL_TAG = "taxi/arrival"


@dg.sensor(
    jobs=[ingest_months, month],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes whole files out of the landing folder and starts the run of each one's month.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """Files that wait start a run each: training only for the newest, once others are in.

    What is requested is told by the table `arrivals` and the runs there are, by nothing kept here. The cursor only
    tells whether the list of files has been shown as it is.
    """
    from taxi_assets.receiving import looks, receive, waiting

    close_dead(context.instance)
    match_mlflow_runs(settings, context.instance, only_running=True)
    if waiting.is_run_at_work(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is at work: what has landed is its to publish")
    if waiting.is_publishing(settings):
        return dg.SensorResult(skip_reason="a month is being published: the landing folder is looked at after it")
    try:
        receive.look(warehouse, looks.PATIENT)
    except TaxiError as error:
        return dg.SensorResult(skip_reason=str(error))
    requests, told = _requests(context.instance, warehouse)
    records = receive.records_of(warehouse)
    digest = listing_digest(records)
    told += [f"{r.file_name}: {'; '.join(r.reasons)}" for r in records if r.state == "waiting" and r.reasons]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(told) or f"no new file in {settings.landing}",
        asset_events=[quarantine_event(records)] if records and digest != context.cursor else [],
        cursor=digest,
    )


def _requests(instance: dg.DagsterInstance, warehouse: Warehouse) -> tuple[list[dg.RunRequest], list[str]]:
    """The runs to ask for, oldest month first; and sentences on files for which none is asked."""
    from taxi_assets.receiving import waiting

    work = waiting.find_work(warehouse)
    trains = waiting.can_train(warehouse, work.waiting)
    requests: list[dg.RunRequest] = []
    told: list[str] = []
    for record in (*work.waiting, *work.without_features):
        runs = instance.get_runs(dg.RunsFilter(tags={_ARRIVAL_TAG: _tag(record)}))
        if not all(run.is_finished for run in runs) or _is_running(instance, record):
            continue
        if len(runs) >= MOST_ATTEMPTS:
            told.append(f"{record.named()}: {len(runs)} runs failed; see them, then `taxi arrivals retry`")
        elif len(requests) < MOST_REQUESTS_A_TICK:
            requests.append(_request(record, len(runs), is_last=record == trains))
    return requests, told


def _request(record: "Record", attempt: int, is_last: bool) -> dg.RunRequest:
    return dg.RunRequest(
        # The checksum makes a republished month a new request, the number of the request a retried one.
        run_key=f"{record.service}-{record.month}-{record.sha256}-{record.request}.{attempt}",
        job_name=month.name if is_last else ingest_months.name,
        partition_key=str(record.month),
        tags={
            "taxi/file": record.file_name,
            _ARRIVAL_TAG: _tag(record),
            "dagster/priority": "-1" if is_last else "0",
        },
    )


def _tag(record: "Record") -> str:
    return f"{str(record.sha256)[:32]}-{record.request}"


def _is_running(instance: dg.DagsterInstance, record: "Record") -> bool:
    """The run that ingested it goes on, to its features perhaps."""
    run = instance.get_run_by_id(record.run_id) if record.run_id else None
    return run is not None and not run.is_finished


SENSORS: Sequence[dg.SensorDefinition] = (landing_sensor,)
