"""Pictures of a run, as PNG bytes: each title states in figures what its picture shows. Nothing is judged here."""

from taxi_assets.plots.error_plots import (
    draw_calibration,
    draw_floor,
    draw_hourly_errors,
    draw_importances,
    draw_predictions,
    draw_residuals,
    draw_scores,
    draw_slice,
)
from taxi_assets.plots.evaluation_plots import draw_evaluation
from taxi_assets.plots.month_plots import draw_drift, draw_monthly_rows, draw_rejections
from taxi_assets.plots.promotion_plots import draw_bootstrap, draw_slices_compared
from taxi_assets.plots.tuning_plots import draw_trials
from taxi_assets.plots.zone_maps import draw_zone_residuals

__all__ = [
    "draw_bootstrap",
    "draw_calibration",
    "draw_drift",
    "draw_evaluation",
    "draw_floor",
    "draw_hourly_errors",
    "draw_importances",
    "draw_monthly_rows",
    "draw_predictions",
    "draw_rejections",
    "draw_residuals",
    "draw_scores",
    "draw_slice",
    "draw_slices_compared",
    "draw_trials",
    "draw_zone_residuals",
]
