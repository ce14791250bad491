"""Plots of one evaluation, in the order of its report page."""

import pandas as pd

from taxi_assets.evaluation.diagnostics import NOISE_FLOOR
from taxi_assets.evaluation.evaluate import CALIBRATION, Evaluation
from taxi_assets.evaluation.metrics import MODEL, SLICES
from taxi_assets.evaluation.record_evaluation import matched_pair_scores
from taxi_assets.plots.error_plots import (
    draw_calibration,
    draw_hourly_errors,
    draw_importances,
    draw_noise_floor,
    draw_predictions,
    draw_residuals,
    draw_scores,
    draw_slice,
)
from taxi_assets.plots.zone_maps import draw_zone_residuals
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE


def draw_evaluation(evaluation: Evaluation, zones: pd.DataFrame) -> dict[str, bytes]:
    """Draws every plot of an evaluation.

    Args:
        evaluation: The evaluation.
        zones: Columns `zone_id`, `zone`, `shape_wkb` of `taxi_zones`.

    Returns:
        PNG by name, in the order to show.
    """
    trips, scope = evaluation.trips, PRIMARY_SCOPE
    actual, predicted = trips["duration_minutes"].to_numpy(), trips[MODEL].to_numpy()
    slices, growth = evaluation.slices, evaluation.importance.set_index("feature")["rmse_growth_minutes"]
    pictures = {
        "model_against_baselines": draw_scores(evaluation.scores[scope.name], MODEL, str(evaluation.month), scope),
        "predicted_and_actual_minutes": draw_predictions(actual, predicted),
        "calibration": draw_calibration(slices[slices["slice"] == CALIBRATION]),
        "residuals": draw_residuals(actual, predicted),
        "residuals_by_zone": draw_zone_residuals(evaluation.zones, zones),
        "errors_by_hour": draw_hourly_errors(trips, predicted),
        **{f"errors_by_{name.removeprefix('pickup_')}": draw_slice(slices, name) for name in SLICES},
        "importance": draw_importances({str(name): float(value) for name, value in growth.items()}),
    }
    matched_pairs = matched_pair_scores(evaluation, scope.name)
    return pictures | (
        {"noise_floor": draw_noise_floor(matched_pairs, MODEL, NOISE_FLOOR)} if len(matched_pairs) else {}
    )
