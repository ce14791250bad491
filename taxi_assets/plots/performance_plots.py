"""Plots of the champion's errors on months that it has not seen."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from taxi_assets.evaluation.performance_slices import FREQUENCY_BANDS, PAIR_FREQUENCY
from taxi_assets.monitoring.champion_performance import MonthPerformance
from taxi_assets.months import Month
from taxi_assets.plots.canvas import ACCENT, BAND, INK, MODEL_COLOUR, MUTED, legend, png, style, titled_figure
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.training.intervals import COVERAGE

_MAX_LABELS = 9


def draw_pair_frequency(rows: pd.DataFrame, month: Month) -> bytes:
    """Draws RMSE, interval coverage and share of trips by how often the pair occurred in training.

    Args:
        rows: Rows of `champion_performance`.
        month: Their month.
    """
    own = rows[(rows["slice"] == PAIR_FREQUENCY) & (rows["scope"] == PRIMARY_SCOPE.name)].set_index("value")
    own = own.loc[[band for band in FREQUENCY_BANDS if band in own.index]]
    figure = titled_figure(_frequency_title(own, month), 2.9)
    panels = [
        ("RMSE, minutes", own["rmse"], "{:.2f}"),
        ("share of the trips", own["trips"] / own["trips"].sum(), "{:.1%}"),
    ]
    if "inside" in own and own["inside"].notna().all():
        panels.insert(1, ("trips inside their interval", own["inside"] / own["trips"], "{:.0%}"))
    for axes, (label, values, text) in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        bars = axes.barh(list(own.index), values, color=MUTED if label.startswith("share") else MODEL_COLOUR)
        axes.bar_label(bars, [text.format(value) for value in values], padding=4, fontsize=9, color=INK)
        axes.margins(x=0.28)
        style(axes, label, "training trips of the pair" if axes.get_subplotspec().is_first_col() else "", grid="x")
        axes.set_xticklabels([])
    return png(figure)


def _frequency_title(own: pd.DataFrame, month: Month) -> str:
    rarest, most_frequent = own.iloc[0], own.iloc[-1]
    return (
        f"{month}: the champion's RMSE is {rarest['rmse']:.1f} minutes on pairs of zones with {own.index[0]} training "
        f"trips, {most_frequent['rmse']:.1f} on those with {own.index[-1]}"
    )


def draw_months(months: Sequence[MonthPerformance]) -> bytes:
    """Draws the champion's RMSE and interval coverage by month, and marks each change of the version."""
    newest = months[-1]
    figure = titled_figure(_months_title(newest), 4.2)
    error, covered = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    names, positions = [str(each.month) for each in months], np.arange(len(months))
    error.plot(positions, [each.rmse for each in months], "o-", color=MODEL_COLOUR)
    _mark_versions(error, months)
    shares = [np.nan if each.coverage is None else each.coverage for each in months]
    covered.axhspan(COVERAGE - 0.03, COVERAGE + 0.03, color=BAND, label="87 to 93 %")
    covered.axhline(COVERAGE, color=ACCENT, linewidth=1)
    covered.plot(positions, shares, "o-", color=MODEL_COLOUR)
    covered.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    covered.margins(y=0.3)
    step = -(-len(months) // _MAX_LABELS)
    covered.set_xticks(positions[::step], names[::step])
    covered.set_xlim(-0.6, len(months) - 0.4)
    error.margins(y=0.25)
    style(error, "", "RMSE, minutes")
    style(covered, "month, which the version was not trained on", "inside their\ninterval")
    legend(figure)
    return png(figure)


def _mark_versions(axes: Axes, months: Sequence[MonthPerformance]) -> None:
    """Marks each change of the version; numbers that would overlap are left out."""
    versions = [each.version for each in months]
    changes = [place for place in range(len(months)) if place == 0 or versions[place] != versions[place - 1]]
    labelled = -np.inf
    for place in changes:
        axes.axvline(place - 0.5, color=MUTED, linestyle=":", linewidth=1.2)
        if place - labelled >= len(months) / _MAX_LABELS:
            where = (place - 0.45, 1)
            axes.annotate(f"version {versions[place]}", where, xycoords=("data", "axes fraction"), fontsize=8, va="top")
            labelled = place


def _months_title(newest: MonthPerformance) -> str:
    covered = "" if newest.coverage is None else f", with {newest.coverage:.1%} of the trips inside their 90 % interval"
    return f"On {newest.month} the RMSE of champion {newest.version} is {newest.rmse:.2f} minutes{covered}"
