"""Pictures of a promotion: how sure the challenger's gain is, and who gains or pays. Differences in minutes of RMSE."""

from taxi_assets.plots.canvas import INK, MODEL, OTHER, SPAN, STRONG, figure_of, png, style, words
from taxi_assets.promotion.paired_comparison import Comparison
from taxi_assets.promotion.policy import GATE

__all__ = ["draw_bootstrap", "draw_slices_compared"]


def draw_bootstrap(comparison: Comparison) -> bytes:
    """The difference of RMSE in every resample, its interval, and the bound the interval must stay below."""
    interval = comparison.interval
    figure = figure_of(_title(comparison), 3.4)
    axes = figure.subplots()
    axes.hist(comparison.drawn, bins=60, color=MODEL)
    axes.axvspan(interval.low, interval.high, color=SPAN, zorder=0, label=f"{GATE.confidence:.0%} of the resamples")
    axes.axvline(interval.difference, color=INK, linewidth=1.5, label="as measured")
    axes.axvline(
        -GATE.margin_minutes, color=STRONG, linewidth=1.5, linestyle="--", label="the interval must end left of this"
    )
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK)
    style(axes, f"challenger's RMSE minus the champion's, minutes; {comparison.days} days drawn", "resamples")
    return png(figure)


def _title(comparison: Comparison) -> str:
    interval = comparison.interval
    told = f"{abs(interval.difference):.3f} minutes {'below' if interval.difference < 0 else 'above'} the champion's"
    if comparison.rides < GATE.least_rides or comparison.days < GATE.least_days:
        return f"On {comparison.rides:,} rides the challenger's RMSE is {told}: too few to tell luck from merit"
    sure = "surely below" if interval.high < 0 else "surely above" if interval.low > 0 else "which may be chance"
    return f"On {comparison.rides:,} rides the challenger's RMSE is {told}, {sure}"


def draw_slices_compared(comparison: Comparison) -> bytes:
    """The change of RMSE in each slice, as a share of the champion's; grey where there are too few rides to guard."""
    rows = comparison.slices
    guarded = comparison.guarded
    title = f"No slice has {GATE.slice_rides} rides: none is guarded"
    if not guarded.empty:
        worst = guarded.iloc[0]
        title = (
            f"At worst the RMSE changes by {worst['worsening']:+.1%}, for {words(worst['slice'])} '{worst['value']}'"
        )
    figure = figure_of(title, 1.2 + 0.3 * len(rows))
    axes = figure.subplots()
    names = [f"{row.value}  ({row.rides:,} rides)" for row in rows.itertuples()]
    colours = [
        OTHER if not row.is_guarded else STRONG if row.worsening > GATE.slice_worsening else MODEL
        for row in rows.itertuples()
    ]
    low, high = (100 * (rows[end] / rows["champion_rmse"]) for end in ("low", "high"))
    positions = range(len(rows))
    axes.barh(positions, 100 * rows["worsening"], color=colours)
    axes.hlines(positions, low, high, color=INK, linewidth=1)
    axes.set_yticks(positions, names)
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(100 * GATE.slice_worsening, color=STRONG, linewidth=1.2, linestyle="--")
    axes.invert_yaxis()
    style(axes, "change of the RMSE against the champion's, per cent; below zero is better", grid="x")
    return png(figure)
