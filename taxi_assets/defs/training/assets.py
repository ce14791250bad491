"""From features to a champion: train, evaluate, decide. How a model learns or is judged is not said here."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.ingestion.assets import raw_trips, taxi_zones, trip_features
from taxi_assets.defs.partitions import MONTHS, earlier_months
from taxi_assets.defs.reporting import column_schema, comparison_shown, picture, score_table
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.scoring.judging import Evaluation

_MONTHLY: dict[str, Any] = {
    "partitions_def": MONTHS,
    "group_name": "training",
    "owners": ["team:ml"],
    "code_version": "1",
}


class TrainingConfig(dg.Config):
    """What is varied from training to training."""

    months: list[str] | None = None
    """Months to learn from, such as 2023-01; unset, those held of the `window_months` before the one to be scored."""
    window_months: int = 24
    """How far back the window reaches, in calendar months; the back-test has the same."""
    row_months: int = 24
    """The trees learn from rides of the last so many months of the window, the history from all."""
    use_now: bool = True
    """Let rides that have just ended tell of the streets now."""
    use_passengers: bool = True
    """Look at how many ride, where that is known."""
    learning_rate: float = 0.1
    max_iter: int = 130
    max_leaf_nodes: int = 63
    min_samples_leaf: int = 200
    l2_regularization: float = 5.0
    random_state: int = 0
    estimator: str = "boosted_trees"
    """Or `random_forest`, a challenger of another kind, which is compared and never served."""


def parameters(config: TrainingConfig) -> dict[str, Any]:
    """What the estimator is built with: all of the config but the window."""
    return config.model_dump(exclude={"months", "window_months"})


@dg.asset(
    **_MONTHLY,
    kinds={"scikitlearn", "mlflow", "python"},
    deps=[dg.AssetDep(trip_features, partition_mapping=earlier_months()), taxi_zones],
    metadata=column_schema("trip_features"),
    check_specs=[dg.AssetCheckSpec("no_feature_is_known_only_after_the_ride", asset="duration_model")],
)
def duration_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult:
    """Gradient-boosted trees over the history of zones and hours, learned from the months before the partition's.

    Registered in MLflow as `taxi-duration`. The same rides, parameters and code make no second version.
    """
    from taxi_assets.learning import training
    from taxi_assets.mlflow_store import registry, tracking
    from taxi_assets.monitoring.superseded import mark_superseded
    from taxi_assets.rides import encoding, leakage

    month, wanted = Month.parse(context.partition_key), [Month.parse(text) for text in config.months or []]
    window = training.window_before(settings, warehouse, month, wanted, config.window_months)
    trained = training.train(settings, warehouse, mlflow, month, window, parameters(config))
    mark_superseded(settings, warehouse)
    version, leaks = trained.version, leakage.leaking(encoding.MATRIX_COLUMNS)
    return dg.MaterializeResult(
        metadata={
            "version": version.version,
            "is_new": trained.is_new,
            "is_synthetic": settings.data_kind == "synthetic",
            "window": version.tags["window"],
            "dagster/row_count": len(trained.data.trips),
            "data_snapshot": trained.data.snapshot,
            "data_digest": trained.data.digest,
            "mlflow_run": dg.MetadataValue.url(tracking.run_url(settings, version.run_id)),
            "mlflow_version": dg.MetadataValue.url(registry.version_url(settings, version.version)),
        },
        check_results=[dg.AssetCheckResult(passed=not leaks, metadata={"leaks": ", ".join(leaks) or "none"})],
    )


@dg.asset(
    **_MONTHLY,
    kinds={"duckdb", "mlflow", "python"},
    deps=[duration_model, raw_trips],
    metadata=column_schema("evaluations"),
    check_specs=[
        dg.AssetCheckSpec("the_model_beats_every_baseline", asset="model_evaluation"),
        dg.AssetCheckSpec("no_scored_ride_was_learned_from", asset="model_evaluation"),
        dg.AssetCheckSpec("every_ride_of_the_convention_is_scored", asset="model_evaluation"),
        dg.AssetCheckSpec("nine_rides_in_ten_end_inside_their_interval", asset="model_evaluation"),
    ],
)
def model_evaluation(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult:
    """The version this month's training came to on its rides, none of which it saw, beside the baselines.

    Scored on every raw trip whose duration the convention admits (1-60 minutes, the course's; 1-180, all rides),
    cleaned of nothing else.
    """
    from taxi_assets.learning.training_data import read_zones
    from taxi_assets.scoring import findings, judging

    evaluation = judging.evaluate(settings, warehouse, Month.parse(context.partition_key))
    rows = findings.keep_evaluation(warehouse, evaluation, context.run.run_id)
    pictures = findings.log_evaluation(settings, mlflow, evaluation, read_zones(warehouse, shapes=True))
    return dg.MaterializeResult(
        metadata={
            "version": evaluation.version.version,
            "condition": evaluation.condition.name,
            "dagster/row_count": rows,
            "scores": score_table(evaluation),
            "minutes_gained_on_a_ride": evaluation.worth.minutes,
            "share_of_rides_better_off": evaluation.worth.share_better_off,
            **{name: picture(png, name) for name, png in pictures.items()},
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
            check_name="no_scored_ride_was_learned_from",
            passed=evaluation.is_unseen,
            metadata={"trained_on": evaluation.version.tags["months"]},
        ),
        dg.AssetCheckResult(
            check_name="every_ride_of_the_convention_is_scored",
            passed=evaluation.left_out == 0,
            metadata={"rides_left_out": evaluation.left_out},
        ),
        dg.AssetCheckResult(
            check_name="nine_rides_in_ten_end_inside_their_interval",
            passed=evaluation.coverage.is_kept,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "share_inside": evaluation.coverage.share,
                "lowest_share": evaluation.coverage.span[0],
                "highest_share": evaluation.coverage.span[1],
            },
        ),
    ]


@dg.asset(
    **_MONTHLY,
    kinds={"mlflow", "duckdb"},
    deps=[model_evaluation],
    metadata=column_schema("promotions"),
    check_specs=[dg.AssetCheckSpec("there_is_a_champion", asset="champion_model")],
)
def champion_model(
    context: dg.AssetExecutionContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.MaterializeResult:
    """The version MLflow's alias `champion` names: the challenger where the evidence is for it, else the one before.

    Both are scored on the same unseen rides, under the served condition. The challenger must be surely better, by a
    bootstrap over days, and no borough, airport or time of day may pay for it.
    """
    from taxi_assets.mlflow_store import registry
    from taxi_assets.scoring.champion import choose_champion

    month = Month.parse(context.partition_key)
    outcome = choose_champion(settings, warehouse, month, "asset champion_model", context.run.run_id)
    champion = registry.champion(settings)
    link = registry.version_url(settings, champion.version) if champion else None
    return dg.MaterializeResult(
        metadata={
            "is_promoted": outcome.decision.promote,
            "measure": outcome.measure,
            "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in outcome.decision.reasons)),
            "champion": champion.version if champion else "none",
            **({"mlflow_version": dg.MetadataValue.url(link)} if link else {}),
            **(comparison_shown(outcome.comparison) if outcome.comparison else {}),
        },
        check_results=[dg.AssetCheckResult(passed=champion is not None, metadata={"of_month": str(month)})],
    )
