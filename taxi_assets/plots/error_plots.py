"""Plots of a model's errors in minutes. An error is predicted minus actual; arrays have shape (n,)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from taxi_assets.evaluation.metrics import SLICES, Score
from taxi_assets.plots.canvas import (
    ACCENT,
    BAND,
    INK,
    MODEL_COLOUR,
    MUTED,
    bar_chart,
    label_bars,
    legend,
    png,
    readable,
    style,
    titled_figure,
)
from taxi_assets.training.evaluation_scope import EvaluationScope

Floats = NDArray[np.float64]

_MIN_TRIPS = 30  # the mean of fewer is mostly noise
_MIN_TRIPS_FOR_TITLE = 100  # a title names the extreme of many means, which needs more; fewer are grey or blank
_MAX_BARS = 15
_HEAT = "YlGnBu"
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def draw_scores(scores: Mapping[str, Score], model: str, month: str, scope: EvaluationScope) -> bytes:
    """Draws RMSE and MAE of the model named `model` and of the baselines, the other names in `scores`."""
    ours = scores[model]
    best = min((name for name in scores if name != model), key=lambda name: scores[name].rmse)
    title = (
        f"{month}: the model is off by {ours.mae:.2f} minutes on average; its RMSE of {ours.rmse:.2f} is "
        f"{_compared(ours.rmse, scores[best].rmse)} the best baseline's"
    )
    figure = titled_figure(title, 0.9 + 0.5 * len(scores))
    names = sorted(scores, key=lambda name: scores[name].rmse, reverse=True)
    colours = [MODEL_COLOUR if name == model else MUTED for name in names]
    for axes, measure in zip(figure.subplots(1, 2, sharey=True), ("rmse", "mae"), strict=True):
        values = [getattr(scores[name], measure) for name in names]
        bars = axes.barh([readable(name) for name in names], values, color=colours)
        label_bars(axes, bars, [f"{value:.2f}" for value in values])
        style(axes, f"{measure.upper()}, minutes", grid="x")
    figure.supxlabel(f"{ours.trips:,} {scope.description}", fontsize=8, color=INK)
    return png(figure)


def _compared(ours: float, theirs: float) -> str:
    return f"{abs(1 - ours / theirs):.0%} {'below' if ours < theirs else 'above'}"


def draw_hourly_errors(trips: pd.DataFrame, predicted: Floats) -> bytes:
    """Draws the mean absolute error by hour of the week; hours with few trips stay blank.

    Args:
        trips: Columns `hour_of_week`, `duration_minutes`.
        predicted: Minutes of each trip.
    """
    errors = np.abs(predicted - trips["duration_minutes"].to_numpy(np.float64))
    hours = trips["hour_of_week"].to_numpy(np.int64)
    trip_counts = np.bincount(hours, minlength=168)
    mae = np.bincount(hours, errors, 168) / np.maximum(trip_counts, 1)
    figure = titled_figure(_hourly_title(mae, trip_counts), 3.3)
    axes = figure.subplots()
    shown = np.ma.masked_where(trip_counts < _MIN_TRIPS_FOR_TITLE, mae).reshape(7, 24)
    image = axes.imshow(shown, cmap=_HEAT, aspect="auto")
    figure.colorbar(image, ax=axes, label="mean absolute error, minutes", pad=0.02)
    axes.set_yticks(range(7), _DAYS)
    axes.set_xticks(range(0, 24, 2), [f"{hour}:00" for hour in range(0, 24, 2)])
    style(axes, f"hour of the pickup; blank where there are fewer than {_MIN_TRIPS_FOR_TITLE} trips", grid=None)
    return png(figure)


def _hourly_title(mae: Floats, trip_counts: NDArray[np.int64]) -> str:
    reliable = np.flatnonzero(trip_counts >= _MIN_TRIPS_FOR_TITLE)
    if not len(reliable):
        return f"No hour of the week has {_MIN_TRIPS_FOR_TITLE} trips: too few for errors by hour"
    worst, best = reliable[mae[reliable].argmax()], reliable[mae[reliable].argmin()]
    return (
        f"The mean absolute error is highest on {_DAYS[worst // 24]} at {worst % 24}:00 ({mae[worst]:.1f} minutes) and "
        f"lowest on {_DAYS[best // 24]} at {best % 24}:00 ({mae[best]:.1f})"
    )


def draw_predictions(actual: Floats, predicted: Floats) -> bytes:
    """Draws a density plot of actual against predicted minutes, with the median of the actual ones."""
    half, most = np.quantile(np.abs(predicted - actual), [0.5, 0.9])
    title = f"Half of the errors are below {half:.1f} minutes, nine of ten below {most:.1f}"
    figure = titled_figure(title, 5.6)
    axes = figure.subplots()
    longest = max(float(np.quantile([actual, predicted], 0.998)), 1.0)
    edges = np.linspace(0, longest, 61)
    trips, _, _ = np.histogram2d(actual, predicted, [edges, edges])
    scale = LogNorm(1, max(trips.max(), 10))
    image = axes.pcolormesh(edges, edges, np.ma.masked_equal(trips, 0), cmap=_HEAT, norm=scale)
    figure.colorbar(image, ax=axes, label="trips", pad=0.02, format="{x:,.0f}")
    axes.plot([0, longest], [0, longest], color=INK, linewidth=1, linestyle="--", label="actual = predicted")
    axes.plot(*_medians(predicted, actual, edges), color=ACCENT, linewidth=2, label="median of the trips")
    legend(figure)
    style(axes, "predicted, minutes", "actual, minutes", grid=None)
    return png(figure)


def _medians(predicted: Floats, actual: Floats, edges: Floats) -> tuple[Floats, Floats]:
    groups = pd.Series(actual).groupby(np.searchsorted(edges, predicted, side="right") - 1)
    medians = groups.median()[groups.size() >= _MIN_TRIPS]
    medians = medians[(medians.index >= 0) & (medians.index < len(edges) - 1)]
    return edges[medians.index] + edges[1] / 2, medians.to_numpy(np.float64)


def draw_residuals(actual: Floats, predicted: Floats) -> bytes:
    """Draws a histogram of errors, with the span of nine in ten."""
    errors = predicted - actual
    low, high = np.quantile(errors, [0.05, 0.95])
    bias = float(np.mean(errors))
    title = (
        f"Nine of ten errors lie between {low:+.1f} and {high:+.1f} minutes; on average predictions are "
        f"{abs(bias):.2f} minutes too {'long' if bias > 0 else 'short'}"
    )
    figure = titled_figure(title, 3.6)
    axes = figure.subplots()
    limit = max(float(np.quantile(np.abs(errors), 0.995)), 1.0)
    axes.hist(errors, bins=np.linspace(-limit, limit, 81).tolist(), color=MODEL_COLOUR)
    axes.axvspan(low, high, color=BAND, zorder=0, label="nine of ten trips")
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_xlim(-limit, limit)
    legend(figure)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    style(axes, "predicted minus actual, minutes", "trips")
    return png(figure)


def draw_slice(slices: pd.DataFrame, name: str) -> bytes:
    """Draws mean absolute error and RMSE by the values of one slice; values with few trips are grey.

    Args:
        slices: Result of `metrics.score_slices`.
        name: A name of `metrics.SLICES`.
    """
    rows = slices[slices["slice"] == name]
    colours = [MODEL_COLOUR if trips >= _MIN_TRIPS_FOR_TITLE else MUTED for trips in rows["trips"]]
    meanings = {MODEL_COLOUR: "MAE", MUTED: f"MAE of fewer than {_MIN_TRIPS_FOR_TITLE} trips"}
    bars, xlabel = dict(zip(_with_trips(rows), rows["mae"], strict=True)), f"minutes, by {SLICES[name]}"
    figure, axes = bar_chart(_slice_title(rows, readable(name)), bars, colours, xlabel, meanings=meanings)
    for place, mae in enumerate(rows["mae"]):
        axes.text(mae / 2, place, f"{mae:.2f}", ha="center", va="center", color="white", fontsize=9)
    axes.plot(rows["rmse"], range(len(rows)), "o", color=INK, markersize=5, label="RMSE")
    legend(figure)
    return png(figure)


def _with_trips(rows: pd.DataFrame) -> list[str]:
    return [f"{value}  ({trips:,} trips)" for value, trips in zip(rows["value"], rows["trips"], strict=True)]


def _slice_title(rows: pd.DataFrame, name: str) -> str:
    reliable = rows[rows["trips"] >= _MIN_TRIPS_FOR_TITLE]
    if reliable.empty:
        return f"No {name} has {_MIN_TRIPS_FOR_TITLE} trips: too few to compare errors"
    best, worst = reliable.loc[reliable["mae"].idxmin()], reliable.loc[reliable["mae"].idxmax()]
    title = f"By {name}, the mean absolute error is highest for '{worst['value']}' ({worst['mae']:.1f} minutes)"
    return title + (f" and lowest for '{best['value']}' ({best['mae']:.1f})" if len(reliable) > 1 else "")


def draw_calibration(bands: pd.DataFrame) -> bytes:
    """Draws the mean error by band of predicted minutes; a calibrated model has all bars near zero.

    Bands of few trips are left out: their means would flatten the others.

    Args:
        bands: Result of `metrics.score_slices` for `diagnostics.calibration_bands`.
    """
    rows = bands[bands["trips"] >= _MIN_TRIPS]
    title = f"No band of predictions has {_MIN_TRIPS} trips: too few for a calibration"
    if len(rows):
        worst = rows.loc[rows["bias"].abs().idxmax()]
        title = f"The bias is largest for predictions of {worst['value']}: {worst['bias']:+.2f} minutes on average"
    figure, axes = bar_chart(
        title,
        dict(zip(_with_trips(rows), rows["bias"], strict=True)),
        [MODEL_COLOUR] * len(rows),
        f"mean of predicted minus actual, minutes; bands of fewer than {_MIN_TRIPS} trips are left out",
        [f"{bias:+.2f}" for bias in rows["bias"]],
    )
    axes.axvline(0, color=INK, linewidth=1)
    return png(figure)


def draw_noise_floor(matched_pairs: pd.DataFrame, model: str, floor: str) -> bytes:
    """Draws the RMSE of the model and the baselines on trips with a match, beside the noise floor.

    Args:
        matched_pairs: Result of `diagnostics.score_matched_pairs` for one scope: columns `model`, `trips`, `rmse`.
        model: The model's name in that column.
        floor: The noise floor's name in that column.
    """
    rmse = {str(name): float(value) for name, value in matched_pairs.set_index("model")["rmse"].sort_values().items()}
    title = (
        f"On {int(matched_pairs['trips'].iloc[0]):,} trips with a match the model's RMSE is "
        f"{rmse[model] / rmse[floor]:.3f} times the noise floor of models of zones and time"
    )
    colours = [MODEL_COLOUR if name == model else ACCENT if name == floor else MUTED for name in rmse]
    meanings = {MODEL_COLOUR: "the model", ACCENT: "the noise floor", MUTED: "a baseline"}
    texts = [f"{value:.2f}" for value in rmse.values()]
    figure, _ = bar_chart(title, rmse, colours, "RMSE on the same trips, minutes", texts, meanings)
    legend(figure)
    return png(figure)


def draw_importances(importances: Mapping[str, float]) -> bytes:
    """Draws the permutation importances: growth of the RMSE in minutes by shuffled column."""
    names = sorted(importances, key=lambda name: importances[name], reverse=True)[:_MAX_BARS]
    bars = {name: importances[name] for name in names}
    title = f"'{readable(names[0])}' matters most: shuffling it raises the RMSE by {bars[names[0]]:.2f} minutes"
    texts = [f"{value:.2f}" for value in bars.values()]
    colours = [MODEL_COLOUR] * len(bars)
    return png(bar_chart(title, bars, colours, "growth of the RMSE with the column shuffled, minutes", texts)[0])
