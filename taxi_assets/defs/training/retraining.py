"""The decision to train a model for a month. It is made in `monitoring`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from taxi_assets.defs.asset_metadata import column_schema, fail_in_words, float_metadata
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.monitoring.assets import drift_report
from taxi_assets.defs.monitoring.performance import champion_performance
from taxi_assets.defs.partitions import MONTHS
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


class RetrainingConfig(dg.Config):
    """A person's wish to train, whatever `TAXI_RETRAIN` says."""

    retrain: bool = False
    """Train a model for the month."""
    by: str = "a person in Dagster"
    """Your name, kept with the decision."""
    why: str = ""
    """Your reason, kept with the decision."""


@dg.asset(
    partitions_def=MONTHS,
    group_name="training",
    owners=["team:ml"],
    code_version=code_version("retraining"),
    kinds={"duckdb", "mlflow"},
    deps=[drift_report, champion_performance],
    output_required=False,
    metadata=column_schema("retraining_decisions"),
    check_specs=[
        check_spec(
            "no_old_model_stays_untrained",
            "retraining",
            "The last training is at most three months old, or the month trains a model",
            "warning",
        )
    ],
)
def retraining(
    context: dg.AssetExecutionContext,
    config: RetrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """The decision whether the month trains a model.

    Its facts are the month's drift, the champion's error and earlier trainings. `TAXI_RETRAIN` is monthly, drift or
    never. If the month does not train, the assets after this one are skipped, and the champion stays. `retrain: true`
    in the launchpad trains anyway.
    """
    decided = _decide(context, config, settings, warehouse)
    check = _check(decided)
    context.log.info(f"{decided['month']:%Y-%m} {_answer(decided)}: {decided['reason']}")
    if decided["is_retraining"]:
        yield dg.MaterializeResult(metadata=_metadata(decided), check_results=[check])
        return
    # Without its output Dagster skips the assets after it; this event shows the decision nevertheless.
    asset, month = context.asset_key, context.partition_key
    context.log_event(dg.AssetMaterialization(asset, partition=month, metadata=_metadata(decided)))
    yield check


@fail_in_words
def _decide(
    context: dg.AssetExecutionContext, config: RetrainingConfig, settings: Settings, warehouse: Warehouse
) -> dict[str, Any]:
    from taxi_assets.monitoring.record_retraining import TrainingRequest, record_retraining

    request = TrainingRequest(config.by, config.why) if config.retrain else None
    return record_retraining(settings, warehouse, Month.parse(context.partition_key), request, context.run.run_id)


def _check(decided: dict[str, Any]) -> dg.AssetCheckResult:
    from taxi_assets.monitoring.retraining import RETRAINING_POLICY, months_between

    last, month = decided["last_training"], decided["month"]
    age = months_between(Month(last.year, last.month), Month(month.year, month.month)) if last else None
    return dg.AssetCheckResult(
        passed=decided["is_retraining"] or (age is not None and age <= RETRAINING_POLICY.max_age_months),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"reason": decided["reason"], **({} if age is None else {"age_months": age})},
    )


def _metadata(decided: dict[str, Any]) -> dict[str, Any]:
    growth, last = decided["error_growth"], decided["last_training"]
    return {
        "decision": _answer(decided),
        "reason": decided["reason"],
        "mode": decided["mode"],
        "drift_verdict": decided["verdict"] or "not measured",
        "champion": decided["model_version"] or "not measured",
        **({} if growth is None else {"error_growth": float_metadata(growth)}),
        "last_training": f"{last:%Y-%m}" if last else "none",
        "trainings_of_a_year": decided["trainings"],
        "decided_by": decided["decided_by"],
    }


def _answer(decided: dict[str, Any]) -> str:
    return "trains a model" if decided["is_retraining"] else "trains no model"
