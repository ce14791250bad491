"""The ingested prediction log, its daily summary and their schedule. Both are computed in `serving`."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.jobs import ingest_predictions
from taxi_assets.defs.serving.assets import duration_bento
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.serving.prediction_log.ingest_log import IngestedLog


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("prediction_log"),
    kinds={"duckdb", "python"},
    deps=[duration_bento],
    metadata=column_schema("predictions"),
    check_specs=[
        check_spec(
            "request_ids_are_unique",
            "prediction_log",
            "No prediction of the ingested segments is in the warehouse twice",
            is_monthly=False,
        ),
        check_spec(
            "log_lines_are_whole",
            "prediction_log",
            "Every line of the ingested segments is a record; a killed process or machine may leave others",
            "warning",
            is_monthly=False,
        ),
        check_spec(
            "segments_are_sealed_in_time",
            "prediction_log",
            "No running endpoint has an open segment twice as old as the age at which it seals them",
            "warning",
            is_monthly=False,
        ),
    ],
)
@fail_in_words
def prediction_log(context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult:
    """The endpoint's predictions: every sealed segment of its log, ingested exactly once."""
    from taxi_assets.serving.prediction_log.ingest_log import ingest_log

    ingested = ingest_log(warehouse, context.run.run_id)
    context.log.info(f"{ingested.predictions:,} predictions of {len(ingested.segments)} log segments")
    return dg.MaterializeResult(metadata=_metadata(ingested), check_results=_check_results(ingested))


@dg.asset(
    group_name="serving",
    owners=["team:ml"],
    code_version=code_version("daily_serving_summary"),
    kinds={"duckdb", "sql"},
    deps=[prediction_log],
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


@dg.schedule(
    job=ingest_predictions,
    cron_schedule="*/10 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every ten minutes, if the prediction log has a sealed segment that is not in the warehouse.",
)
def prediction_log_schedule(warehouse: dg.ResourceParam[Warehouse]) -> dg.RunRequest | dg.SkipReason:
    from taxi_assets.serving.prediction_log.ingest_log import waiting_segments

    waiting = waiting_segments(warehouse)
    if not waiting:
        return dg.SkipReason(f"every sealed segment in {warehouse.settings.prediction_log} is in the warehouse")
    return dg.RunRequest(tags={"taxi/segments": str(len(waiting))})


def _metadata(ingested: "IngestedLog") -> dict[str, Any]:
    span = (ingested.first_answered_at, ingested.last_answered_at)
    first, last = (f"{each:%Y-%m-%d %H:%M:%S} UTC" if each else "none" for each in span)
    versions = [
        {"variant": variant, "model_version": version, "predictions": count}
        for variant, version, count in ingested.versions
    ]
    return {
        "predictions": ingested.predictions,
        "segments": len(ingested.segments),
        "first_answered_at": first,
        "last_answered_at": last,
        "torn_lines": ingested.torn_lines,
        "removed_segments": len(ingested.removed),
        **({"by_variant": table_metadata(versions)} if versions else {}),
    }


def _check_results(ingested: "IngestedLog") -> list[dg.AssetCheckResult]:
    overdue = ", ".join(ingested.overdue)
    return [
        dg.AssetCheckResult(
            check_name="request_ids_are_unique",
            passed=ingested.duplicates == 0,
            metadata={"duplicates": ingested.duplicates},
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
