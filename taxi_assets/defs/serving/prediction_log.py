"""The endpoint's ingested logs, their daily summary and their sensor. All are computed in `serving`."""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.jobs import ingest_predictions
from taxi_assets.defs.serving.assets import duration_bento
from taxi_assets.defs.start_status import SENSOR_STATUS
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.serving.prediction_log.ingest_log import IngestedLog
    from taxi_assets.serving.prediction_log.log_tables import LogTable

_RETRY_SECONDS = 600  # after a failed run, so that a lasting fault does not fill the list of runs


def _log_checks(asset: str, ids_check: str) -> list[dg.AssetCheckSpec]:
    """The checks of an ingested log; `ids_check` is the name of the first."""
    return [
        check_spec(ids_check, asset, "No record of the ingested segments is in the warehouse twice", is_monthly=False),
        check_spec(
            "log_lines_are_whole",
            asset,
            "Every line of the ingested segments is a record; a killed process or machine may leave others",
            "warning",
            is_monthly=False,
        ),
        check_spec(
            "segments_are_sealed_in_time",
            asset,
            "No running endpoint has an open segment twice as old as the age at which it seals them",
            "warning",
            is_monthly=False,
        ),
    ]


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("prediction_log"),
    kinds={"duckdb", "python"},
    deps=[duration_bento],
    metadata=column_schema("predictions"),
    check_specs=_log_checks("prediction_log", "request_ids_are_unique"),
)
@fail_in_words
def prediction_log(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult:
    """The endpoint's predictions: every sealed segment of its log, ingested exactly once."""
    from taxi_assets.serving.prediction_log.log_tables import PREDICTION_LOG

    return _ingest(context, warehouse, PREDICTION_LOG, "request_ids_are_unique")


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("feedback_log"),
    kinds={"duckdb", "python"},
    deps=[duration_bento],
    metadata=column_schema("feedback"),
    check_specs=_log_checks("feedback_log", "feedback_ids_are_unique"),
)
@fail_in_words
def feedback_log(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult:
    """Actual durations sent to `POST /feedback`: every sealed segment of their log, ingested exactly once."""
    from taxi_assets.serving.prediction_log.log_tables import FEEDBACK_LOG

    return _ingest(context, warehouse, FEEDBACK_LOG, "feedback_ids_are_unique")


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("daily_serving_summary"),
    kinds={"duckdb", "sql"},
    deps=[prediction_log, feedback_log],
    metadata=column_schema("daily_serving_summaries"),
    check_specs=[
        check_spec(
            "every_prediction_is_summarised",
            "daily_serving_summary",
            "The days' numbers of predictions add up to the rows of `predictions`",
            is_monthly=False,
        )
    ],
)
@fail_in_words
def daily_serving_summary(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Predictions, errors where known, interval widths and latencies by day, variant and version."""
    from taxi_assets.serving.prediction_log.daily_summary import newest_days, summarise_days, unsummarised

    days = summarise_days(warehouse, context.run.run_id)
    rows, missing = newest_days(warehouse), unsummarised(warehouse)
    return dg.MaterializeResult(
        metadata={
            "summarised_days": ", ".join(map(str, days)) or "none has new predictions or feedback",
            **({"newest_days": table_metadata({**row, "day": str(row["day"])} for row in rows)} if rows else {}),
        },
        check_results=[dg.AssetCheckResult(passed=missing == 0, metadata={"predictions_missing": missing})],
    )


@dg.sensor(
    job=ingest_predictions,
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
    description="Ingests the endpoint's logs once a segment is sealed: after ten minutes, or at once while a new "
    "champion is watched.",
)
def prediction_log_sensor(
    context: dg.SensorEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.RunRequest | dg.SkipReason:
    """Requests a run for sealed segments that are not in the warehouse; has no cursor."""
    from taxi_assets.serving.prediction_log.ingest_log import waiting_segments
    from taxi_assets.serving.prediction_log.log_tables import LOG_TABLES

    watched = _seal_if_watched(warehouse.settings)
    if reason := _reason_to_wait(context.instance):
        return dg.SkipReason(reason)
    waiting = sum(len(waiting_segments(warehouse, log)) for log in LOG_TABLES)
    if waiting:
        return dg.RunRequest(tags={"taxi/segments": str(waiting)})
    done = f"every sealed segment in {warehouse.settings.serving_state} is in the warehouse"
    return dg.SkipReason("; ".join([done, *watched]))


def _seal_if_watched(settings: Settings) -> list[str]:
    """While a champion is watched, have its newest records sealed for the next tick; return that."""
    from taxi_assets.monitoring.champion_watch import find_watched
    from taxi_assets.serving.deployments.serving_state import ServingState
    from taxi_assets.serving.prediction_log.log_tables import LOG_TABLES
    from taxi_assets.serving.prediction_log.segments import request_seal

    try:
        if find_watched(ServingState(settings.serving_state)) is None:
            return []
    except TaxiError as error:  # a damaged routing must not stop the ingestion
        return [str(error)]
    for log in LOG_TABLES:
        request_seal(log.folder(settings))
    return ["a new champion is watched: its newest records are sealed for the next tick"]


def _reason_to_wait(instance: dg.DagsterInstance) -> str | None:
    """The reason to request no run: one is in progress, or the newest one has just failed."""
    newest = instance.get_run_records(dg.RunsFilter(job_name=ingest_predictions.name), limit=1)
    for record in newest:
        if not record.dagster_run.is_finished:
            return f"the run {record.dagster_run.run_id} is in progress"
        ended = record.end_time or record.create_timestamp.timestamp()
        if record.dagster_run.is_failure and time.time() - ended < _RETRY_SECONDS:
            return f"the run {record.dagster_run.run_id} failed: see it; the next one starts ten minutes after it"
    return None


def _ingest(
    context: dg.AssetExecutionContext, warehouse: Warehouse, log: "LogTable", ids_check: str
) -> dg.MaterializeResult:
    from taxi_assets.serving.prediction_log.ingest_log import ingest_log

    ingested = ingest_log(warehouse, log, context.run.run_id)
    context.log.info(f"{ingested.records:,} records of {len(ingested.segments)} log segments")
    return dg.MaterializeResult(metadata=_metadata(ingested, log), check_results=_check_results(ingested, ids_check))


def _metadata(ingested: "IngestedLog", log: "LogTable") -> dict[str, Any]:
    span = (ingested.first_record_at, ingested.last_record_at)
    first, last = (f"{each:%Y-%m-%d %H:%M:%S} UTC" if each else "none" for each in span)
    counts = [dict(zip((*log.counted_by, "records"), row, strict=True)) for row in ingested.counts]
    return {
        "records": ingested.records,
        "segments": len(ingested.segments),
        "first_record_at": first,
        "last_record_at": last,
        "torn_lines": ingested.torn_lines,
        "removed_segments": len(ingested.removed),
        **({f"by_{log.counted_by[0]}": table_metadata(counts)} if counts else {}),
    }


def _check_results(ingested: "IngestedLog", ids_check: str) -> list[dg.AssetCheckResult]:
    overdue = ", ".join(ingested.overdue)
    return [
        dg.AssetCheckResult(
            check_name=ids_check, passed=ingested.duplicates == 0, metadata={"duplicates": ingested.duplicates}
        ),
        dg.AssetCheckResult(
            check_name="log_lines_are_whole",
            passed=ingested.torn_lines == 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"torn_lines": ingested.torn_lines},
        ),
        dg.AssetCheckResult(
            check_name="segments_are_sealed_in_time",
            passed=not overdue,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"overdue_segments": overdue or "none"},
        ),
    ]
