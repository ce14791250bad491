"""Plot of a replay: errors by month, trainings, promotions and alarms of each policy."""

from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.plots.canvas import ACCENT, INK, MODEL_COLOUR, MUTED, legend, png, style, titled_figure

_COLOURS = {"never": MUTED, "monthly": INK, "drift": MODEL_COLOUR}
_MARKS = (
    ("retrained", "o", "none", "trained"),
    ("promoted", "o", "full", "promoted"),
    ("is_alarm", "x", "full", "alarm"),
)


def draw_replay(policies: Sequence[Mapping[str, Any]]) -> bytes:
    """Draws the RMSE by month of each policy, and below a row for each with what it did."""
    figure = titled_figure(_title(policies), 3.4 + 0.3 * len(policies))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(6, len(policies) + 1))
    names = [row["month"] for row in policies[0]["months"]]
    for place, policy in enumerate(policies):
        colour, rows = _COLOURS[policy["policy"]], policy["months"]
        errors = [row.get("rmse", float("nan")) for row in rows]
        above.plot(names, errors, color=colour, marker=".", label=f"{policy['policy']}: {policy['mean_rmse']:.3f}")
        below.text(
            1.01, place, _compute(policy), transform=below.get_yaxis_transform(), va="center", fontsize=8, color=INK
        )
        for fact, marker, fill, meaning in _MARKS:
            happened = [name for name, row in zip(names, rows, strict=True) if row[fact]]
            mark = ACCENT if fact == "is_alarm" else colour
            label = meaning if place == 0 else None
            below.plot(happened, [place] * len(happened), marker, fillstyle=fill, color=mark, label=label)
    style(above, "", "RMSE, minutes")
    below.set_yticks(range(len(policies)), [policy["policy"] for policy in policies])
    below.set_ylim(len(policies) - 0.5, -0.5)
    step = -(-len(names) // 24)
    below.set_xticks(range(0, len(names), step), names[::step], rotation=60)
    style(below, "", grid=None)
    legend(figure)
    return png(figure)


def _compute(policy: Mapping[str, Any]) -> str:
    return f"{policy['retrains']} retrainings\n{policy['seconds'] / 60:.1f} min"


def _title(policies: Sequence[Mapping[str, Any]]) -> str:
    months = len(policies[0]["months"])
    errors = ", ".join(
        f"{policy['mean_rmse']:.3f} with {policy['retrains']} retrainings ({policy['policy']})" for policy in policies
    )
    return f"Over {months} months the mean RMSE is {errors}"
