"""Plots of errors on live traffic: a control chart by day, and estimates against what was measured."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from taxi_assets.evaluation.performance_slices import OVERALL
from taxi_assets.monitoring.live_performance import CHAMPION, MIN_DAY_RIDES
from taxi_assets.plots.canvas import ACCENT, BAND, INK, MODEL_COLOUR, MUTED, legend, png, style, titled_figure

_MAX_DAYS = 92


def draw_live_errors(table: pd.DataFrame) -> bytes:
    """Draws the champion's RMSE by day with its control limits, the estimates and the flagged days.

    Args:
        table: Rows of `live_performance`, in the order of the days.
    """
    own = _champion_days(table)
    own = own[own["day"] > own["day"].max() - pd.Timedelta(days=_MAX_DAYS)]
    measured, flagged = own[own["rides"] > 0], own[own["is_flagged"].eq(True)]
    figure = titled_figure(_errors_title(own, flagged), 3.6)
    axes = figure.subplots()
    for _, days in own[own["control_high"].notna()].groupby("model_version"):
        axes.fill_between(
            days["day"], days["control_low"], days["control_high"], color=BAND, step="mid", label="limits"
        )
    axes.plot(own["day"], own["expected_rmse"], "--", color=INK, linewidth=1.2, label="estimate from intervals")
    axes.errorbar(
        measured["day"],
        measured["rmse"],
        2 * measured["rmse_standard_error"],
        fmt="o",
        color=MODEL_COLOUR,
        markersize=4,
        linewidth=1,
        label="measured, with twice its standard error",
    )
    axes.plot(
        flagged["day"],
        flagged["rmse"],
        "o",
        color=ACCENT,
        markersize=8,
        fillstyle="none",
        label="flagged, alone or with the days before",
    )
    _mark_versions(axes, own)
    style(axes, "day of the pickups in New York", "RMSE, minutes")
    _legend_once(axes)
    legend(figure)
    return png(figure)


def draw_estimates(table: pd.DataFrame) -> bytes:
    """Draws each day's estimate against the RMSE that feedback showed later.

    Args:
        table: Rows of `live_performance`, in the order of the days.
    """
    own = table[(table["slice"] == OVERALL) & (table["rides"] >= MIN_DAY_RIDES) & table["expected_rmse"].notna()]
    figure = titled_figure(_estimates_title(own), 3.6)
    axes = figure.subplots()
    if own.empty:
        axes.set_axis_off()
        return png(figure)
    for label, rows, colour in (
        ("champion", own[own["variant"] == CHAMPION], MODEL_COLOUR),
        ("other variants", own[own["variant"] != CHAMPION], MUTED),
    ):
        if rows.empty:
            continue
        bars = 2 * rows["rmse_standard_error"]
        axes.errorbar(
            rows["expected_rmse"], rows["rmse"], bars, fmt="o", color=colour, markersize=4, linewidth=1, label=label
        )
    ends = [min(own["expected_rmse"].min(), own["rmse"].min()), max(own["expected_rmse"].max(), own["rmse"].max())]
    axes.plot(ends, ends, color=ACCENT, linewidth=1.2, label="measured = estimate")
    style(axes, "estimate of the RMSE from earlier days and the day's intervals, minutes", "measured RMSE, minutes")
    legend(figure)
    return png(figure)


def _champion_days(table: pd.DataFrame) -> pd.DataFrame:
    """The champion's overall rows; on a day of two versions that with more predictions."""
    own = table[(table["slice"] == OVERALL) & (table["variant"] == CHAMPION)]
    return own.loc[own.groupby("day")["predictions"].idxmax()].sort_values("day")


def _errors_title(own: pd.DataFrame, flagged: pd.DataFrame) -> str:
    measured = own[own["rides"] > 0]
    if measured.empty:
        estimate = own["expected_rmse"].iloc[-1] if len(own) else np.nan
        known = "no estimate either" if np.isnan(estimate) else f"an estimate of {estimate:.2f} minutes"
        return f"No ride of the champion has feedback: its RMSE has no measurement, but {known}"
    newest, charted = measured.iloc[-1], int(own["is_flagged"].notna().sum())
    days = f"{len(flagged)} of {charted} days flagged" if charted else "too few rides for limits"
    return f"On {newest['day']:%Y-%m-%d} the champion's RMSE is {newest['rmse']:.2f} minutes; {days}"


def _estimates_title(own: pd.DataFrame) -> str:
    if own.empty:
        return f"No day has an estimate and {MIN_DAY_RIDES} rides with feedback"
    ratio = own["expected_rmse"] / own["rmse"]
    off = float(np.median(np.abs(ratio - 1)))
    mean = ratio.mean() - 1
    return (
        f"On {len(own)} days the estimate of the RMSE is off by {off:.0%} in the median and by {mean:+.0%} on average"
    )


def _mark_versions(axes: Axes, own: pd.DataFrame) -> None:
    changed = own[own["model_version"] != own["model_version"].shift()]
    for day, version in zip(changed["day"], changed["model_version"], strict=True):
        axes.axvline(day - pd.Timedelta(hours=12), color=MUTED, linestyle=":", linewidth=1.2)
        axes.annotate(
            f" version {version}",
            (day - pd.Timedelta(hours=12), 1),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            va="top",
        )


def _legend_once(axes: Axes) -> None:
    """Leaves one legend entry of each label."""
    seen: set[str] = set()
    for artist in axes.get_children():
        label = str(artist.get_label())
        if label in seen and not label.startswith("_"):
            artist.set_label("_")
        seen.add(label)
