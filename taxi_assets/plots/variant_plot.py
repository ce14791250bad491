"""Plot of variants on live traffic: how the difference of errors and its interval developed."""

from collections.abc import Sequence

import numpy as np

from taxi_assets.monitoring.variant_comparison import VariantComparison
from taxi_assets.plots.canvas import ACCENT, BAND, INK, MODEL_COLOUR, png, style, titled_figure

_MAX_POINTS = 2_000


def draw_variants(comparisons: Sequence[VariantComparison]) -> bytes:
    """Draws each variant's mean squared error minus the champion's, with its confidence sequence."""
    figure = titled_figure(_finding(comparisons), 0.6 + 2.2 * len(comparisons))
    for axes, each in zip(np.atleast_1d(figure.subplots(len(comparisons), 1)), comparisons, strict=True):
        points = np.unique(np.geomspace(1, len(each.difference), _MAX_POINTS).astype(int)) - 1
        shown = points[np.isfinite(each.half_width[points])]
        difference, half_width = each.difference[shown], each.half_width[shown]
        axes.fill_between(shown + 1, difference - half_width, difference + half_width, color=BAND)
        axes.plot(shown + 1, difference, color=MODEL_COLOUR)
        axes.axhline(0, color=ACCENT, linewidth=1.2)
        title = f"{each.variant}, version {each.model_version}: {each.verdict}"
        axes.set_title(title, loc="left", fontsize=10, color=INK)
        style(axes, "rides with a known duration", "squared error\nminus champion's, min²")
    return png(figure)


def _finding(comparisons: Sequence[VariantComparison]) -> str:
    decided = [f"{each.variant} is {each.verdict}" for each in comparisons if each.verdict != "undecided"]
    undecided = len(comparisons) - len(decided)
    rest = f"{undecided} of {len(comparisons)} variants undecided yet" if undecided else ""
    return "; ".join([*decided, *([rest] if rest else [])]).capitalize()
