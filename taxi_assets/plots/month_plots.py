"""Plots of months: drift and rejected rows."""

from collections.abc import Mapping

from taxi_assets.monitoring.drift import DRIFTED, TARGET, WATCH, DriftReport
from taxi_assets.plots.canvas import INK, MODEL_COLOUR, VERDICT_COLOURS, bar_chart, legend, png, readable

_DRIFT_WORDS = {"stable": "is similar to", "watch": "is drifting from", "drifted": "differs from"}


def draw_drift(report: DriftReport) -> bytes:
    """Draws the population stability index by feature, coloured by verdict, with the noise floor."""
    features = report.features
    bars = {each.name + (" (target)" if each.name == TARGET else ""): each.psi for each in features}
    colours, texts = [VERDICT_COLOURS[each.verdict] for each in features], [f"{each.psi:.3f}" for each in features]
    figure, axes = bar_chart(_drift_title(report), bars, colours, "population stability index", texts)
    chance = [each.psi_noise_floor for each in features]
    axes.plot(chance, range(len(features)), "|", color=INK, markersize=12, label="noise floor")
    for bound, verdict in ((WATCH, "watch"), (DRIFTED, "drifted")):
        colour = VERDICT_COLOURS[verdict]
        axes.axvline(bound, color=colour, linestyle="--", linewidth=1.2, label=f"{verdict} above {bound:.2f}")
    axes.set_xlim(0, max(1.2 * DRIFTED, 1.12 * max(*chance, features[0].psi)))
    legend(figure)
    return png(figure)


def _drift_title(report: DriftReport) -> str:
    target, months = report.target, len(report.reference_months)
    return (
        f"{report.month:%Y-%m} {_DRIFT_WORDS[report.verdict]} its {months} training month{'s' if months != 1 else ''}: "
        f"trips take {target.month_mean:.1f} minutes on average, in training {target.reference_mean:.1f}"
    )


def draw_rejections(rejected: Mapping[str, int], rows: int) -> bytes:
    """Draws rejected rows by reason; `rows` is the total number of rows."""
    counts = {reason: count for reason, count in rejected.items() if count}
    reasons = sorted(counts, key=lambda reason: counts[reason], reverse=True)
    total = sum(counts.values())
    title = f"{total:,} of {rows:,} rows ({total / max(rows, 1):.1%}) are rejected"
    title += f", most of them as '{readable(reasons[0])}'" if reasons else ""
    bars = {reason: counts[reason] for reason in reasons}
    texts = [f"{count:,}  ({count / rows:.2%})" for count in bars.values()]
    figure, axes = bar_chart(title, bars, [MODEL_COLOUR] * len(bars), "rows", texts)
    axes.margins(x=0.2)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return png(figure)
