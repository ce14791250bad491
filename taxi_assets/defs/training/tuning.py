"""The tuning asset and its config. Trials are run and scored in `training.tuning`."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.asset_metadata import fail_in_words, float_metadata, mlflow_link, report_metadata
from taxi_assets.defs.checks import check_spec, table_metadata
from taxi_assets.defs.code_versions import code_version
from taxi_assets.defs.ingestion.assets import taxi_zones
from taxi_assets.defs.partitions import MONTHS, earlier_months, partition_months
from taxi_assets.defs.training.training_config import TrainingConfig, parameters
from taxi_assets.defs.training.tuning_config import TuningConfig
from taxi_assets.months import Month, not_earlier
from taxi_assets.registry import tracking
from taxi_assets.registry.artifacts import clear_upload_errors
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.training.tuning import TuningPlan

_COLUMNS = {
    "trial": ("int", "Number of the trial; the first uses the starting parameters"),
    "state": ("string", "complete, pruned if stopped early, or fail"),
    "rmse": ("float", "Mean over the scored months, minutes"),
    "seconds": ("float", "Duration of the trial"),
}


@dg.asset(
    partitions_def=MONTHS,
    group_name="training",
    owners=["team:ml"],
    code_version=code_version("model_tuning"),
    kinds={"optuna", "mlflow", "python"},
    deps=[dg.AssetDep("trip_features", partition_mapping=earlier_months()), taxi_zones],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, kind, description) for name, (kind, description) in _COLUMNS.items()]
        )
    },
    check_specs=[
        check_spec(
            "every_trial_was_scored_on_later_months",
            "model_tuning",
            "Every month a trial was trained on is before the month it was scored on",
        )
    ],
)
@fail_in_words
def model_tuning(
    context: dg.AssetExecutionContext,
    config: TuningConfig,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
    mlflow: dg.ResourceParam[Any],
) -> dg.MaterializeResult:
    """Tuned parameters for the month's training, with one child run for each trial.

    Each trial is trained on the window's earlier months and scored on its last ones. Nothing is promoted: the best
    parameters are shown as a training config.
    """
    from taxi_assets.plots.tuning_plots import draw_trials
    from taxi_assets.training import tuning

    (month,) = partition_months(context)
    found = tuning.tune(settings, warehouse, mlflow, month, _plan(settings, warehouse, month, config))
    picture = draw_trials(found.trials)
    with clear_upload_errors(settings):
        tuning.log_tuning(mlflow, found, picture)
    late = [each for split in found.time_splits for each in not_earlier(split.train, split.validation)]
    records = found.trials.round(3).astype(object).where(found.trials.notna(), None).to_dict("records")
    best = float(found.trials["rmse"].min())
    facts = {"trials": len(found.trials), "best_rmse": f"{best:.3f}"}
    return dg.MaterializeResult(
        metadata={
            "trials": table_metadata({str(key): value for key, value in record.items()} for record in records),
            "dagster/row_count": len(found.trials),
            **report_metadata(settings, "model_tuning", month, facts, {"trials": picture}),
            "best_rmse": float_metadata(best),
            "config_of_the_best": dg.MetadataValue.json(tuning.training_run_config(found)),
            "scored_months": ", ".join(str(split.validation) for split in found.time_splits),
            "mlflow_run": mlflow_link(settings, tracking.run_url(settings, mlflow.mlflow_run_id)),
        },
        check_results=[dg.AssetCheckResult(passed=not late, metadata={"late": ", ".join(map(str, late)) or "none"})],
    )


def _plan(settings: Settings, warehouse: Warehouse, month: Month, config: TuningConfig) -> "TuningPlan":
    from taxi_assets.training.training_window import training_window
    from taxi_assets.training.tuning import TuningPlan, starting_parameters

    defaults = parameters(TrainingConfig())
    del defaults["estimator"]
    return TuningPlan(
        fixed=starting_parameters(defaults, config.start),
        months=training_window(settings, warehouse, month, [Month.parse(text) for text in config.months or []]),
        **config.model_dump(exclude={"months", "start"}),
    )
