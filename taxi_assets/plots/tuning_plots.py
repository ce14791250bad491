"""Pictures of a search for parameters: what each trial came to."""

import pandas as pd

from taxi_assets.plots.canvas import INK, MODEL, OTHER, STRONG, figure_of, png, style

__all__ = ["draw_trials"]


def draw_trials(trials: pd.DataFrame) -> bytes:
    """The RMSE of each trial in turn, the best so far, and where the search began.

    Args:
        trials: Columns `trial`, `state`, `rmse`; the first row is what the search began from.
    """
    whole = trials[trials["state"] == "complete"]
    figure = figure_of(_title(trials, whole), 3.4)
    axes = figure.subplots()
    axes.plot(whole["trial"], whole["rmse"], "o", color=MODEL, markersize=5, label="a trial")
    axes.plot(whole["trial"], whole["rmse"].cummin(), color=STRONG, linewidth=1.8, label="the best so far")
    short = trials[trials["state"] != "complete"]
    for trial in short["trial"]:
        axes.axvline(trial, color=OTHER, linewidth=0.8, linestyle=":")
    if len(whole):
        axes.axhline(whole["rmse"].iloc[0], color=INK, linewidth=1, linestyle="--", label="where it began")
        axes.legend(loc="upper right", frameon=False, fontsize=9, labelcolor=INK)
    style(axes, "trial, dotted where it was cut short", "RMSE on later months, minutes")
    return png(figure)


def _title(trials: pd.DataFrame, whole: pd.DataFrame) -> str:
    if whole.empty:
        return f"None of {len(trials)} trials was finished"
    best, first = whole["rmse"].min(), whole["rmse"].iloc[0]
    return f"{len(trials)} trials: the best has an RMSE of {best:.3f} minutes, {first - best:.3f} below where it began"
