"""Plots of months: drift and rejected rows."""

from collections.abc import Mapping

from taxi_assets.monitoring.drift.daily_counts import TARGET
from taxi_assets.monitoring.drift.measure_drift import DriftReport
from taxi_assets.plots.canvas import INK, MODEL_COLOUR, VERDICT_COLOURS, bar_chart, legend, png, readable

_DRIFT_WORDS = {
    "stable": "is similar to",
    "watch": "may differ from",
    "retrain": "differs from",
    "fix data": "is recorded otherwise than",
}


def draw_drift(report: DriftReport) -> bytes:
    """Draws each feature's distance as a share of its limit, coloured by verdict."""
    features = report.features
    bars = {
        each.name + (" (target)" if each.name == TARGET else ""): (each.psi / each.limit) ** 0.5 for each in features
    }
    colours, texts = [VERDICT_COLOURS[each.verdict] for each in features], [f"PSI {each.psi:.4f}" for each in features]
    label = "distance from the training months, divided by the feature's limit"
    figure, axes = bar_chart(_drift_title(report), bars, colours, label, texts, {VERDICT_COLOURS[v]: v for v in _MEANT})
    months = report.false_alarm_months
    axes.axvline(1, color=INK, linestyle="--", linewidth=1.2, label=f"an alarm without drift once in {months} months")
    axes.set_xlim(0, 1.25 * max(1, *bars.values()))
    legend(figure)
    return png(figure)


_MEANT = ("stable", "watch", "drifted")


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
