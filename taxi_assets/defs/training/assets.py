"""Assets from features to a champion. The logic is in `training`, `evaluation` and `promotion`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.asset_metadata import (
    column_schema,
    comparison_metadata,
    fail_in_words,
    float_metadata,
    mlflow_link,
    report_metadata,
    score_table,
)
from taxi_assets.defs.checks import check_spec
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.ingestion.assets import taxi_zones
from taxi_assets.defs.monitoring.evidence_pack import evidence_metadata
from taxi_assets.defs.partitions import MONTHS, earlier_months
from taxi_assets.defs.training.promotion_config import PromotionConfig
from taxi_assets.defs.training.retraining import retraining
from taxi_assets.defs.training.training_config import TrainingConfig, parameters
from taxi_assets.features.feature_names import MODEL_INPUTS
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc.services import SERVICES
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.schema import TABLES

if TYPE_CHECKING:
    from taxi_assets.evaluation.evaluate import Evaluation
    from taxi_assets.promotion.champion import PromotionOutcome

_MONTHLY: dict[str, Any] = {
    "partitions_def": MONTHS,
    "group_name": "training",
    "owners": ["team:ml"],
}


_INPUTS = {column.name: column for column in TABLES["trip_features"].columns}
# The model's inputs and prediction. The model is stored in MLflow and is no table.
_MODEL_COLUMNS = {
    "dagster/column_schema": dg.TableSchema(
        columns=[
            dg.TableColumn("service_id", "SMALLINT", f"TLC's service by number: {', '.join(SERVICES)}"),
            *(
                dg.TableColumn(name, _INPUTS[name].type, _INPUTS[name].description)
                for name in (*MODEL_INPUTS, "passenger_count")
                if name in _INPUTS
            ),
            dg.TableColumn("predicted_minutes", "DOUBLE", "The prediction: minutes from pickup to drop-off"),
        ]
    ),
    "dagster/uri": "models:/taxi-duration",
}


@dg.asset(
    **_MONTHLY,
    code_version=code_version("duration_model"),
    kinds={"scikitlearn", "mlflow", "python"},
    deps=[dg.AssetDep("trip_features", partition_mapping=earlier_months()), taxi_zones, retraining],
    metadata=_MODEL_COLUMNS,
    check_specs=[
        check_spec(
            "no_feature_is_known_only_after_the_ride",
            "duration_model",
            "No column of the training matrix is known only after the trip, such as the fare",
        )
    ],
)
@fail_in_words
def duration_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult:
    """Gradient-boosted trees over target encodings of zones and hours, trained on the months before.

    Registered in MLflow as `taxi-duration`. The same trips, parameters and code give the same version again.
    """
    from taxi_assets.features import encoding, leakage_rules
    from taxi_assets.monitoring.superseded_versions import tag_superseded
    from taxi_assets.registry import model_versions, tracking
    from taxi_assets.training import train
    from taxi_assets.training.training_window import training_window

    month, wanted = Month.parse(context.partition_key), [Month.parse(text) for text in config.months or []]
    window = training_window(settings, warehouse, month, wanted, config.window_months)
    trained = train.train(settings, warehouse, mlflow, month, window, parameters(config))
    tag_superseded(settings, warehouse)
    version, leaks = trained.version, leakage_rules.leaking_names(encoding.MATRIX_COLUMNS)
    return dg.MaterializeResult(
        metadata={
            "version": version.version,
            "is_new_version": trained.is_new,
            "is_synthetic": settings.active_data_kind == "synthetic",
            "window": version.tags["window"],
            "dagster/row_count": trained.data.row_count,
            "data_snapshot": trained.data.snapshot,
            "data_digest": trained.data.digest,
            "mlflow_run": mlflow_link(settings, tracking.run_url(settings, version.run_id)),
            "mlflow_version": mlflow_link(settings, model_versions.version_url(settings, version.version)),
        },
        check_results=[dg.AssetCheckResult(passed=not leaks, metadata={"leaks": ", ".join(leaks) or "none"})],
    )


@dg.asset(
    **_MONTHLY,
    code_version=code_version("model_evaluation"),
    kinds={"duckdb", "mlflow", "python"},
    deps=[duration_model, "raw_trips"],
    metadata=column_schema("evaluations"),
    check_specs=[
        check_spec(
            "the_model_beats_every_baseline",
            "model_evaluation",
            "The model's RMSE is below that of every baseline, over the same trips",
            "warning",
        ),
        check_spec(
            "no_scored_trip_was_trained_on",
            "model_evaluation",
            "The scored month is not among the months the model was trained on",
        ),
        check_spec(
            "every_trip_in_scope_is_scored",
            "model_evaluation",
            "Every raw trip picked up in the month whose duration is in scope has a prediction of every model",
        ),
        check_spec(
            "nine_trips_in_ten_end_inside_their_interval",
            "model_evaluation",
            "87 to 93 % of all trips end inside their 90 % interval; 85 to 95 % in each borough and part of the day "
            "with at least 500 trips",
            "warning",
        ),
    ],
)
@fail_in_words
def model_evaluation(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult:
    """Scores of the month's model version and of the baselines on the month's unseen trips.

    Scores every raw trip picked up in the month whose duration is in scope (1-60 or 1-180 minutes), without other
    cleaning. The same model, trips and code give the stored evaluation again.
    """
    from taxi_assets.evaluation import record_evaluation
    from taxi_assets.plots.drawn_evaluation import evaluate_and_draw

    drawn = evaluate_and_draw(settings, warehouse, Month.parse(context.partition_key))
    evaluation, pictures = drawn.evaluation, drawn.pictures
    rows = record_evaluation.record_evaluation(warehouse, evaluation, context.run.run_id)
    record_evaluation.log_evaluation(settings, mlflow, evaluation, pictures)
    headline_metrics = record_evaluation.headline_metrics(evaluation)
    facts = {
        "version": evaluation.version.version,
        **{name: f"{value:.3f}" for name, value in headline_metrics.items()},
    }
    return dg.MaterializeResult(
        metadata={
            **report_metadata(settings, "model_evaluation", evaluation.month, facts, pictures),
            "version": evaluation.version.version,
            "predicted": evaluation.condition.name.replace("_", " "),
            "dagster/row_count": rows,
            **{name: float_metadata(value) for name, value in headline_metrics.items()},
            "scores": score_table(evaluation),
            "minutes_nearer_per_trip": float_metadata(evaluation.uplift_over_baseline.minutes),
            "share_of_trips_nearer": float_metadata(evaluation.uplift_over_baseline.share_nearer),
        },
        check_results=_evaluation_checks(evaluation),
    )


def _evaluation_checks(evaluation: "Evaluation") -> list[dg.AssetCheckResult]:
    return [
        dg.AssetCheckResult(
            check_name="the_model_beats_every_baseline",
            passed=evaluation.beats_baselines,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"scores": score_table(evaluation)},
        ),
        dg.AssetCheckResult(
            check_name="no_scored_trip_was_trained_on",
            passed=evaluation.is_unseen,
            metadata={"trained_on": evaluation.version.tags["months"]},
        ),
        dg.AssetCheckResult(
            check_name="every_trip_in_scope_is_scored",
            passed=evaluation.unscored_trips == 0,
            metadata={"unscored_trips": evaluation.unscored_trips},
        ),
        dg.AssetCheckResult(
            check_name="nine_trips_in_ten_end_inside_their_interval",
            passed=evaluation.coverage.is_within_tolerance,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "share_inside": float_metadata(evaluation.coverage.share),
                "lowest_share": float_metadata(evaluation.coverage.cell_range[0]),
                "highest_share": float_metadata(evaluation.coverage.cell_range[1]),
            },
        ),
    ]


@dg.asset(
    **_MONTHLY,
    code_version=code_version("champion_model"),
    kinds={"mlflow", "duckdb"},
    deps=[model_evaluation],
    metadata=column_schema("promotions"),
    check_specs=[
        check_spec("there_is_a_champion", "champion_model", "A version of the model has the alias `champion` in MLflow")
    ],
)
@fail_in_words
def champion_model(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """The version with MLflow's alias `champion`: the challenger if it is better, otherwise the incumbent.

    Both are scored on the same unseen trips, under the served condition. The challenger must be better with
    confidence, by a bootstrap over days, and not worse for any borough, airport or time of day. With
    `TAXI_PROMOTION=approve`, or the same in the resource `settings` of a run, such a challenger waits for a person.
    """
    from taxi_assets.promotion.approval import approval_commands
    from taxi_assets.promotion.champion import decide_champion
    from taxi_assets.promotion.policy import PROMOTION_POLICY
    from taxi_assets.registry import model_versions

    month = Month.parse(context.partition_key)
    policy = replace(PROMOTION_POLICY, **config.model_dump())
    outcome = decide_champion(settings, warehouse, month, "asset champion_model", context.run.run_id, policy)
    champion = model_versions.champion(settings)
    page = model_versions.version_url(settings, champion.version) if champion else None
    return dg.MaterializeResult(
        metadata={
            **_comparison_report(settings, month, outcome),
            **evidence_metadata(settings, warehouse, month),
            "decision": _decided(outcome),
            **({"what_next": approval_commands(outcome.version)} if outcome.state == "waiting" else {}),
            "measure": outcome.metric,
            "reasons": " ".join(outcome.decision.reasons),
            "champion": champion.version if champion else "none",
            **({"mlflow_version": mlflow_link(settings, page)} if page else {}),
            **(comparison_metadata(outcome.comparison) if outcome.comparison else {}),
        },
        check_results=[_champion_check(month, outcome, champion is not None)],
    )


def _champion_check(month: Month, outcome: "PromotionOutcome", is_there: bool) -> dg.AssetCheckResult:
    """The first version that waits for approval is no error: what follows is left out."""
    is_waiting = outcome.state == "waiting"
    return dg.AssetCheckResult(
        passed=is_there,
        severity=dg.AssetCheckSeverity.WARN if is_waiting else dg.AssetCheckSeverity.ERROR,
        description=f"version {outcome.version} waits for approval" if is_waiting and not is_there else None,
        metadata={"of_month": str(month)},
    )


def _comparison_report(settings: Settings, month: Month, outcome: "PromotionOutcome") -> dict[str, dg.MetadataValue]:
    """The report page of a decision: the model against the baselines and, if compared, the champion."""
    from taxi_assets.evaluation.metrics import MODEL
    from taxi_assets.plots.error_plots import draw_scores
    from taxi_assets.plots.promotion_plots import draw_bootstrap, draw_slices_compared
    from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE

    pictures = {}
    if len(outcome.scores) > 1:
        pictures["model_against_baselines"] = draw_scores(outcome.scores, MODEL, str(month), PRIMARY_SCOPE)
    if outcome.comparison:
        pictures["difference_of_rmse_resampled_by_day"] = draw_bootstrap(outcome.comparison)
        pictures["change_of_rmse_by_slice"] = draw_slices_compared(outcome.comparison)
    facts = {"decision": _decided(outcome), "reasons": " ".join(outcome.decision.reasons)}
    return report_metadata(settings, "champion_model", month, facts, pictures)


def _decided(outcome: "PromotionOutcome") -> str:
    states = {"refused": "not promoted", "waiting": "waiting for approval"}
    return states.get(outcome.state, outcome.state)
