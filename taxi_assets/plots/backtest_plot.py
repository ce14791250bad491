"""Plot of a back-test: errors of the model and the baselines by month."""

from collections.abc import Mapping
from typing import Any

from taxi_assets.plots.canvas import ACCENT, INK, MODEL_COLOUR, MUTED, legend, png, readable, style, titled_figure

_COLOURS = {"zone_pair_median": MUTED, "one_hot_linear_regression": INK}


def draw_backtest(facts: Mapping[str, Any]) -> bytes:
    """Draws RMSE by month (other conditions dotted) and the coverage of the intervals."""
    months = facts["months"]
    names = [month["month"] for month in months]
    mean = facts["mean"]
    figure = titled_figure(
        f"Over {len(months)} months, each scored by a model of earlier months, the RMSE is {mean['rmse']:.2f} "
        f"minutes and {mean['coverage_90']:.0%} of the trips end inside their interval",
        4.6,
    )
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name, colour in _COLOURS.items():
        above.plot(names, [month["baselines"][name]["rmse"] for month in months], color=colour, label=readable(name))
    label = f"the model {readable(facts['condition'])}"
    above.plot(names, [month["model"]["rmse"] for month in months], color=MODEL_COLOUR, marker="o", label=label)
    for name in facts["mean_other_conditions"]:
        rmse = [month["other_conditions"][name]["rmse"] for month in months]
        above.plot(names, rmse, color=MODEL_COLOUR, linestyle=":", label=f"the model {readable(name)}")
    above.set_ylim(0)
    legend(figure)
    style(above, "", "RMSE, minutes")
    below.bar(names, [100 * month["model"]["coverage_90"] for month in months], color=MODEL_COLOUR)
    below.axhline(90, color=ACCENT, linewidth=1.2)
    below.set_ylim(80, 100)
    step = -(-len(names) // 24)
    below.set_xticks(range(0, len(names), step), names[::step], rotation=60)
    style(below, "", "inside, %")
    return png(figure)
