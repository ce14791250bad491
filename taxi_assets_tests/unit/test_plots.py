"""Plots of trips made here: each is a small PNG whose title states its findings."""

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shapely import box

from taxi_assets import plots
from taxi_assets.evaluation.metrics import Score
from taxi_assets.monitoring.champion_performance import MonthPerformance
from taxi_assets.monitoring.drift.daily_counts import TARGET
from taxi_assets.monitoring.drift.measure_drift import DriftReport, FeatureDrift
from taxi_assets.monitoring.variant_comparison import VariantComparison
from taxi_assets.months import Month
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
from taxi_assets.plots.month_plots import draw_drift, draw_rejections
from taxi_assets.plots.performance_plots import draw_months, draw_pair_frequency
from taxi_assets.plots.promotion_plots import draw_bootstrap, draw_slices_compared
from taxi_assets.plots.replay_plot import draw_replay
from taxi_assets.plots.tuning_plots import draw_trials
from taxi_assets.plots.variant_plot import draw_variants
from taxi_assets.plots.zone_maps import draw_zone_residuals
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.training.evaluation_scope import TRIPS_1_TO_60_MINUTES

RANDOM = np.random.default_rng(0)
RIDES = 60_000
ACTUAL = 1 + RANDOM.gamma(3, 5, RIDES)
PREDICTED = ACTUAL + RANDOM.normal(0.5, 4, RIDES)
TRIPS = pd.DataFrame({"hour_of_week": RANDOM.integers(0, 168, RIDES), "duration_minutes": ACTUAL})
SCORES = {
    "duration_model": Score(RIDES, 5.0, 3.4, 0.1),
    "zone_pair_median": Score(RIDES, 6.25, 3.8, -0.4),
    "one_hot_linear_regression": Score(RIDES, 7.36, 5.05, 0.6),
}
SLICES = pd.DataFrame(
    [
        ("pickup_borough", "Queens", 5_000, 6.0, 4.2, 0.1),
        ("pickup_borough", "Manhattan", 9_000, 4.4, 3.1, 0.1),
        ("pickup_borough", "Staten Island", 1, 20.0, 20.0, -20.0),
        ("weekday", "Monday", 10, 5.0, 4.0, 0.0),
    ],
    columns=["slice", "value", "trips", "rmse", "mae", "bias"],
)


def moved(name: str, psi: float, verdict: str) -> FeatureDrift:
    return FeatureDrift(name, "input", psi, 0.04, 0.01, 1.0, verdict, 15.1, 14.4)  # type: ignore[arg-type]


REPORT = DriftReport(
    month=date(2023, 3, 1),
    reference_months=(date(2023, 1, 1), date(2023, 2, 1)),
    reference_trips=130_000,
    month_trips=70_000,
    false_alarm_months=24,
    verdict="retrain",
    facts=("one", "two", "three"),
    features=(moved("passenger_count", 0.07, "drifted"), moved(TARGET, 0.03, "watch"), moved("service", 0.0, "stable")),
)

COMPARED = PairedComparison(
    trips=RIDES,
    days=31,
    challenger_rmse=5.0,
    champion_rmse=5.05,
    champion_mae=3.4,
    champion_bias=0.1,
    interval=Interval(-0.05, -0.08, -0.02),
    bootstrap_differences=RANDOM.normal(-0.05, 0.015, 4_000),
    slices=pd.DataFrame(
        [
            ("pickup_borough", "Queens", 5_000, 6.0, 0.18, 0.1, 0.3, 0.03, True),
            ("hour_band", "night 0-6", 90, 6.0, 0.6, 0.1, 0.9, 0.1, False),
            ("airport_trip", "no airport", 50_000, 5.0, -0.1, -0.2, -0.05, -0.02, True),
        ],
        columns=["slice", "value", "trips", "champion_rmse", "difference", "low", "high", "worsening", "is_guarded"],
    ),
)
MATCHED_PAIRS = pd.DataFrame({"model": ["noise_floor", "duration_model"], "trips": 9_000, "rmse": [3.4, 3.74]})
ZONES = pd.DataFrame(
    {
        "zone_id": [1, 2, 3, 4],
        "zone": ["Newark Airport", "Astoria", "Bronx Park", "Unknown"],
        "shape_wkb": [*(box(5_000 * x, 0, 5_000 * x + 4_000, 4_000).wkb for x in range(3)), None],
    }
)
ZONE_ERRORS = pd.DataFrame({"zone_id": [1, 2, 3], "trips": [30, 40, 5], "bias": [0.5, -1.5, 99.0]})
PERFORMANCE = pd.DataFrame(
    [("0", 210, 9.1, 174), ("10-99", 9_000, 7.0, 7_920), ("1,000+", 30_000, 4.1, 27_150)],
    columns=["value", "trips", "rmse", "inside"],
).assign(slice="pair_frequency", scope="1_to_60_minutes")
TRIALS = pd.DataFrame(
    {
        "trial": range(4),
        "state": ["complete", "pruned", "complete", "complete"],
        "rmse": [5.2, np.nan, 5.3, 5.0],
    }
)


def replayed(policy: str, rmse: float) -> dict[str, Any]:
    quiet = {"month": "2023-02", "rmse": rmse, "retrained": False, "promoted": False, "is_alarm": True}
    busy = {"month": "2023-03", "rmse": rmse, "retrained": True, "promoted": True, "is_alarm": False}
    return {"policy": policy, "mean_rmse": rmse, "retrains": 1, "seconds": 90.0, "months": [quiet, busy]}


PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "scores": (
        lambda: draw_scores(SCORES, "duration_model", "2023-03", TRIPS_1_TO_60_MINUTES),
        "2023-03: the model is off by 3.40 minutes on average; its RMSE of 5.00 is 20% below the best baseline's",
    ),
    "worse scores": (
        lambda: draw_scores(SCORES, "one_hot_linear_regression", "2023-03", TRIPS_1_TO_60_MINUTES),
        "2023-03: the model is off by 5.05 minutes on average; its RMSE of 7.36 is 47% above the best baseline's",
    ),
    "hourly errors": (
        lambda: draw_hourly_errors(
            TRIPS, ACTUAL + 1 + 2.0 * (TRIPS["hour_of_week"] == 25) - 0.5 * (TRIPS["hour_of_week"] == 167)
        ),
        "The mean absolute error is highest on Tuesday at 1:00 (3.0 minutes) and lowest on Sunday at 23:00 (0.5)",
    ),
    "hourly errors of few trips": (
        lambda: draw_hourly_errors(TRIPS.head(300), PREDICTED[:300]),
        "No hour of the week has 100 trips: too few for errors by hour",
    ),
    "predictions": (
        lambda: draw_predictions(np.full(100, 10.0), np.full(100, 12.5)),
        "Half of the errors are below 2.5 minutes, nine of ten below 2.5",
    ),
    "residuals": (
        lambda: draw_residuals(np.arange(101.0), np.full(101, 49.0)),
        "Nine of ten errors lie between -46.0 and +44.0 minutes; on average predictions are 1.00 minutes too short",
    ),
    "slice": (
        lambda: draw_slice(SLICES, "pickup_borough"),
        "By pickup borough, the mean absolute error is highest for 'Queens' (4.2 minutes) "
        "and lowest for 'Manhattan' (3.1)",
    ),
    "slice of one value": (
        lambda: draw_slice(SLICES.head(1), "pickup_borough"),
        "By pickup borough, the mean absolute error is highest for 'Queens' (4.2 minutes)",
    ),
    "slice of few trips": (
        lambda: draw_slice(SLICES, "weekday"),
        "No weekday has 100 trips: too few to compare errors",
    ),
    "importances": (
        lambda: draw_importances({f"feature_{number}": number / 10 for number in range(30)}),
        "'feature 29' matters most: shuffling it raises the RMSE by 2.90 minutes",
    ),
    "bootstrap": (
        lambda: draw_bootstrap(COMPARED),
        "On 60,000 trips the challenger's RMSE is 0.050 minutes below the champion's, a significant difference",
    ),
    "bootstrap of chance": (
        lambda: draw_bootstrap(replace(COMPARED, interval=Interval(0.01, -0.02, 0.04))),
        "On 60,000 trips the challenger's RMSE is 0.010 minutes above the champion's, which may be chance",
    ),
    "bootstrap of few days": (
        lambda: draw_bootstrap(replace(COMPARED, days=13)),
        "On 60,000 trips on 13 days the challenger's RMSE is 0.050 minutes below the champion's: "
        "too few for a significant difference",
    ),
    "slices compared": (
        lambda: draw_slices_compared(COMPARED),
        "Among guarded slices the RMSE grows most for pickup borough 'Queens': by 3.0%",
    ),
    "slices compared that improve": (
        lambda: draw_slices_compared(replace(COMPARED, slices=COMPARED.slices.tail(1))),
        "The RMSE grows in no guarded slice; it falls least for airport trip 'no airport': by 2.0%",
    ),
    "slices compared of few trips": (
        lambda: draw_slices_compared(replace(COMPARED, slices=COMPARED.slices.assign(is_guarded=False))),
        "No slice has 500 trips: none is guarded",
    ),
    "calibration": (
        lambda: draw_calibration(SLICES[SLICES["slice"] == "pickup_borough"].assign(bias=[0.1, -0.4, 9.0])),
        "The bias is largest for predictions of Manhattan: -0.40 minutes on average",
    ),
    "calibration of few trips": (
        lambda: draw_calibration(SLICES.tail(1)),
        "No band of predictions has 30 trips: too few for a calibration",
    ),
    "noise floor": (
        lambda: draw_noise_floor(MATCHED_PAIRS, "duration_model", "noise_floor"),
        "On 9,000 trips with a match the model's RMSE is 1.100 times the noise floor of models of zones and time",
    ),
    "zone residuals": (
        lambda: draw_zone_residuals(ZONE_ERRORS, ZONES),
        "Of 2 zones with 30 pickups, Astoria has the largest bias: predictions are 1.5 minutes too short on average",
    ),
    "zone residuals of few trips": (
        lambda: draw_zone_residuals(ZONE_ERRORS.assign(trips=29), ZONES),
        "No zone has 30 pickups: too few for a map of errors",
    ),
    "trials": (
        lambda: draw_trials(TRIALS),
        "4 trials: the best has an RMSE of 5.000 minutes, 0.200 below the first",
    ),
    "no trials": (lambda: draw_trials(TRIALS.assign(state="pruned")), "None of 4 trials was finished"),
    "drift": (
        lambda: draw_drift(REPORT),
        "2023-03 differs from its 2 training months: trips take 14.4 minutes on average, in training 15.1",
    ),
    "replay": (
        lambda: draw_replay([replayed("never", 5.2), replayed("drift", 5.0)]),
        "Over 2 months the mean RMSE is 5.200 with 1 retrainings (never), 5.000 with 1 retrainings (drift)",
    ),
    "rejections": (
        lambda: draw_rejections({"duplicate": 30, "duration_too_short": 70, "zone_unknown": 0}, 2_000),
        "100 of 2,000 rows (5.0%) are rejected, most of them as 'duration too short'",
    ),
    "variants": (
        lambda: draw_variants([variant(-3.0), variant(0.0, "shadow 14")]),
        "Challenger 13 is better; 1 of 2 variants undecided yet",
    ),
    "pair frequency": (
        lambda: draw_pair_frequency(PERFORMANCE, Month(2024, 5)),
        "2024-05: the champion's RMSE is 9.1 minutes on pairs of zones with 0 training trips, 4.1 on those with 1,000+",
    ),
    "months": (
        lambda: draw_months(
            [MonthPerformance(Month(2023, n), 1 + n // 6, 9_000, 5.2, 3.1, 0.1, 0.89, 15.0) for n in range(1, 13)]
        ),
        "On 2023-12 the RMSE of champion 3 is 5.20 minutes, with 89.0% of the trips inside their 90 % interval",
    ),
    "no rejections": (lambda: draw_rejections({}, 0), "0 of 0 rows (0.0%) are rejected"),
}


def variant(difference: float, name: str = "challenger 13") -> VariantComparison:
    """A comparison of a variant on 2,000 rides; one with a difference is decided."""
    half_width = np.where(np.arange(2_000) < 200, np.inf, 2.0)
    return VariantComparison(name, 13, (12,), True, 2_000, 2_000, 5.0, 5.1, np.full(2_000, difference), half_width)


@pytest.mark.parametrize(("draw", "title"), PICTURES.values(), ids=PICTURES)
def test_a_plot_is_small_and_states_its_findings(draw: Callable[[], bytes], title: str) -> None:
    png = draw()
    image = Image.open(BytesIO(png))
    assert image.format == "PNG"
    assert image.width == 836
    assert 150 < image.height < 900
    assert len(png) < 100_000
    assert image.text["Title"] == title


def test_plots_of_a_whole_month_are_small() -> None:
    for png in (
        draw_predictions(ACTUAL, PREDICTED),
        draw_residuals(ACTUAL, PREDICTED),
        draw_hourly_errors(TRIPS, PREDICTED),
    ):
        assert len(png) < 100_000


def test_the_same_figures_make_the_same_bytes() -> None:
    assert draw_drift(REPORT) == draw_drift(REPORT)


def test_every_plot_is_tested() -> None:
    modules = [import_module(f"{plots.__name__}.{each.name}") for each in pkgutil.iter_modules(plots.__path__)]
    drawn = {name for module in modules for name in vars(module) if name.startswith("draw_")}
    shown = {f"draw_{name.replace(' ', '_')}" for name in PICTURES}
    own = {"draw_evaluation", "draw_backtest", "draw_live_errors", "draw_estimates"}
    assert drawn - own <= shown  # these have tests of their own
