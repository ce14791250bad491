"""Plots of a promotion decision: the bootstrap of the difference of RMSE, and the change by slice."""

from taxi_assets.plots.canvas import (
    ACCENT,
    BAND,
    INK,
    MODEL_COLOUR,
    MUTED,
    bar_chart,
    legend,
    png,
    readable,
    style,
    titled_figure,
)
from taxi_assets.promotion.paired_comparison import PairedComparison


def draw_bootstrap(comparison: PairedComparison) -> bytes:
    """Draws the difference of RMSE in every resample, its interval, and the interval's upper bound."""
    interval, policy = comparison.interval, comparison.policy
    figure = titled_figure(_title(comparison), 3.4)
    axes = figure.subplots()
    axes.hist(comparison.bootstrap_differences, bins=60, color=MODEL_COLOUR)
    axes.axvspan(interval.low, interval.high, color=BAND, zorder=0, label=f"{policy.confidence:.0%} of the resamples")
    axes.axvline(interval.difference, color=INK, linewidth=1.5, label="as measured")
    axes.axvline(
        -policy.margin_minutes,
        color=ACCENT,
        linewidth=1.5,
        linestyle="--",
        label="the interval must end left of this",
    )
    legend(figure)
    style(axes, f"challenger's RMSE minus the champion's, minutes; {comparison.days} days drawn", "resamples")
    return png(figure)


def _title(comparison: PairedComparison) -> str:
    interval, policy = comparison.interval, comparison.policy
    difference_text = (
        f"{abs(interval.difference):.3f} minutes {'below' if interval.difference < 0 else 'above'} the champion's"
    )
    if comparison.trips < policy.min_trips or comparison.days < policy.min_days:
        return (
            f"On {comparison.trips:,} trips on {comparison.days} days the challenger's RMSE is {difference_text}: "
            "too few for a significant difference"
        )
    is_significant = interval.high < 0 or interval.low > 0
    verdict = "a significant difference" if is_significant else "which may be chance"
    return f"On {comparison.trips:,} trips the challenger's RMSE is {difference_text}, {verdict}"


def draw_slices_compared(comparison: PairedComparison) -> bytes:
    """Draws the change of RMSE by slice, as a share of the champion's; unguarded slices are grey."""
    rows, policy = comparison.slices, comparison.policy
    bound = policy.max_slice_worsening
    colours = [
        MUTED if not row.is_guarded else ACCENT if row.worsening > bound else MODEL_COLOUR for row in rows.itertuples()
    ]
    meanings = {
        MODEL_COLOUR: "guarded",
        ACCENT: f"grows by more than {bound:.0%}",
        MUTED: f"fewer than {policy.min_slice_trips} trips, not guarded",
    }
    bars = {f"{row.value}  ({row.trips:,} trips)": 100 * row.worsening for row in rows.itertuples()}
    xlabel = "change of the RMSE against the champion's, per cent; negative is better"
    figure, axes = bar_chart(_slices_title(comparison), bars, colours, xlabel, meanings=meanings)
    low, high = (100 * (rows[end] / rows["champion_rmse"]) for end in ("low", "high"))
    interval = f"{policy.confidence:.0%} interval"
    axes.hlines(range(len(rows)), low, high, color=INK, linewidth=1, label=interval)
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(100 * bound, color=ACCENT, linewidth=1.2, linestyle="--", label="the bound")
    legend(figure)
    return png(figure)


def _slices_title(comparison: PairedComparison) -> str:
    if comparison.guarded.empty:
        return f"No slice has {comparison.policy.min_slice_trips} trips: none is guarded"
    worst = comparison.guarded.iloc[0]
    name, change = f"{readable(worst['slice'])} '{worst['value']}'", worst["worsening"]
    if change > 0:
        return f"Among guarded slices the RMSE grows most for {name}: by {change:.1%}"
    return f"The RMSE grows in no guarded slice; it falls least for {name}: by {-change:.1%}"
