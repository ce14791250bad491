"""Plot of a tuning: RMSE by trial."""

import pandas as pd

from taxi_assets.plots.canvas import ACCENT, INK, MODEL_COLOUR, MUTED, legend, png, style, titled_figure


def draw_trials(trials: pd.DataFrame) -> bytes:
    """Draws the RMSE of each trial, the best so far, and the first trial's.

    Args:
        trials: Columns `trial`, `state`, `rmse`; the first row has the initial parameters.
    """
    complete = trials[trials["state"] == "complete"]
    figure = titled_figure(_title(trials, complete), 3.4)
    axes = figure.subplots()
    axes.plot(complete["trial"], complete["rmse"], "o", color=MODEL_COLOUR, markersize=5, label="a trial")
    axes.plot(complete["trial"], complete["rmse"].cummin(), color=ACCENT, linewidth=1.8, label="the best so far")
    short = trials[trials["state"] != "complete"]
    for trial in short["trial"]:
        axes.axvline(trial, color=MUTED, linewidth=0.8, linestyle=":")
    if len(complete):
        axes.axhline(complete["rmse"].iloc[0], color=INK, linewidth=1, linestyle="--", label="the first trial")
        legend(figure)
    style(axes, "trial (dotted: stopped early)", "RMSE on later months, minutes")
    return png(figure)


def _title(trials: pd.DataFrame, complete: pd.DataFrame) -> str:
    if complete.empty:
        return f"None of {len(trials)} trials was finished"
    best, first = complete["rmse"].min(), complete["rmse"].iloc[0]
    return f"{len(trials)} trials: the best has an RMSE of {best:.3f} minutes, {first - best:.3f} below the first"
