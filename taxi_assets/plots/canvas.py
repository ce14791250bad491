"""Size, colours and fonts shared by all plots. Uses matplotlib's object interface, not pyplot."""

import textwrap
from collections.abc import Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

# Distinguishable with red-green colour blindness; text is always in ink.
INK, MODEL_COLOUR, MUTED, BAND, ACCENT = "#22303c", "#1b6ca8", "#a9b4bd", "#e3e8ec", "#d1495b"
VERDICT_COLOURS = {"stable": "#2a9d8f", "watch": "#e9a93b", "drifted": "#c8412f"}

_DOTS_PER_INCH = 110
_WIDTH = 7.6  # inches: 836 dots, which the Dagster UI shows without scaling
_TITLE_LETTERS = 80


def titled_figure(title: str, height: float) -> Figure:
    """Creates an empty figure with a title; `height` is in inches, without the title."""
    lines = _wrap(title)
    figure = Figure((_WIDTH, height + 0.22 * len(lines)), dpi=_DOTS_PER_INCH, layout="constrained")
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def _wrap(title: str) -> list[str]:
    """Wraps the title into the fewest lines, of about equal length."""
    needed = len(textwrap.wrap(title, _TITLE_LETTERS))
    widths = range(len(title) // needed, _TITLE_LETTERS + 1)
    return next(lines for width in widths if len(lines := textwrap.wrap(title, width)) == needed)


def bar_chart(
    title: str,
    bars: Mapping[str, float],
    colours: Sequence[str],
    xlabel: str,
    texts: Sequence[str] = (),
    meanings: Mapping[str, str] = MappingProxyType({}),
) -> tuple[Figure, Axes]:
    """Creates a figure of horizontal bars, the first on top.

    Args:
        title: The finding.
        bars: Length of each bar by its name.
        colours: Colour of each bar.
        xlabel: Label of the axis of lengths.
        texts: Text at the end of each bar.
        meanings: Meaning of each colour, for `legend`.
    """
    figure = titled_figure(title, 1.3 + 0.34 * max(len(bars), 1))
    axes = figure.subplots()
    drawn = axes.barh([readable(name) for name in bars], list(bars.values()), color=list(colours))
    if texts:
        label_bars(axes, drawn, texts)
    for colour in dict.fromkeys(colours):
        if colour in meanings:
            axes.plot([], [], "s", color=colour, label=meanings[colour])
    axes.invert_yaxis()
    style(axes, xlabel, grid="x")
    if not bars:
        axes.set_axis_off()
    return figure, axes


def legend(figure: Figure) -> None:
    """Adds a legend below the axes, where it covers nothing."""
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9, labelcolor=INK)


def label_bars(axes: Axes, bars: BarContainer, texts: Sequence[str]) -> None:
    """Writes each bar's text at its end, with room for it."""
    axes.bar_label(bars, texts, padding=4, fontsize=9, color=INK)
    axes.margins(x=0.14)


def style(axes: Axes, xlabel: str, ylabel: str = "", grid: Literal["x", "y"] | None = "y") -> None:
    """Styles the axes: no frame, a faint grid, labels in ink."""
    axes.set_xlabel(xlabel, color=INK, fontsize=9)
    axes.set_ylabel(ylabel, color=INK, fontsize=9)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.spines[:].set_visible(False)
    if grid:
        axes.grid(axis=grid, color=BAND)
        axes.set_axisbelow(True)


def readable(name: str) -> str:
    """Replaces underscores by spaces."""
    return name.replace("_", " ")


def png(figure: Figure) -> bytes:
    """Renders the figure as PNG with its title as metadata; equal figures give equal bytes."""
    buffer = BytesIO()
    title = figure.get_suptitle().replace("\n", " ")
    figure.savefig(buffer, format="png", metadata={"Title": title, "Software": None})
    return buffer.getvalue()
