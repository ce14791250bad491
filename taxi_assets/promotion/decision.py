"""Turns evidence into a promotion decision with its reasons.

The deciding metric is the RMSE on trips of the primary scope, predicted under the served condition. A challenger
without objections is promoted. guards.py has the guards, policy.py their thresholds.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxi_assets.months import Month
from taxi_assets.promotion.evidence import Evidence
from taxi_assets.promotion.guards import GUARDS, format_interval, scope_label
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.promotion.policy import PromotionPolicy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class Decision:
    """A promotion or a refusal, with reasons as sentences."""

    promote: bool
    reasons: tuple[str, ...]


def decide(evidence: Evidence, policy: PromotionPolicy) -> Decision:
    """Promotes a challenger that passes every guard; else refuses it with the guards' objections."""
    objections = tuple(reason for guard in GUARDS for reason in guard(evidence, policy))
    return Decision(not objections, objections or tuple(_reasons_for(evidence)))


def read_decision(
    connection: "DuckDBPyConnection", version: int | None, month: Month | None = None
) -> dict[str, Any] | None:
    """Reads the row of `promotions` of a version on a month, by default its latest; None if there is none."""
    found = connection.execute(
        "SELECT * FROM promotions WHERE model_version = $version AND month = coalesce($month, month) "
        "ORDER BY decided_at DESC NULLS LAST LIMIT 1",
        {"version": version, "month": month.first_day if month else None},
    )
    row, names = found.fetchone(), [column[0] for column in found.description]
    if row is None:
        return None
    decision = dict(zip(names, row, strict=True))
    return decision | {"comparison": json.loads(decision["comparison"] or "null")}


def newest_decision(connection: "DuckDBPyConnection") -> dict[str, Any] | None:
    """The last decision: month as text, version, state and reasons; None if there is none."""
    found = connection.execute(
        "SELECT strftime(month, '%Y-%m') AS month, model_version AS version, state, is_promoted, reasons "
        "FROM promotions ORDER BY decided_at DESC NULLS LAST LIMIT 1"
    )
    row, names = found.fetchone(), [column[0] for column in found.description]
    if row is None:
        return None
    decision = dict(zip(names, row, strict=True))
    return decision | {"state": decision_state(decision), "reasons": decision["reasons"] or []}


def decision_sentence(decision: Mapping[str, Any]) -> str:
    """A decision of `newest_decision` in words."""
    about = f"version {decision['version']} on {decision['month']} was {decision['state']}"
    return f"{about}: {' '.join(decision['reasons'])}"


def decision_state(row: Mapping[str, Any]) -> str:
    """The state of a row of `promotions`; older releases wrote none."""
    return str(row["state"] or ("promoted" if row["is_promoted"] else "refused"))


def decision_row(evidence: Evidence, decision: Decision) -> dict[str, object]:
    """The decision as a row of `promotions`; figures are missing where nothing is compared."""
    valid_score, comparison = evidence.valid_score, evidence.valid_comparison
    row: dict[str, object] = {
        "champion_version": int(evidence.incumbent.version) if evidence.incumbent else None,
        "is_promoted": decision.promote,
        "reasons": list(decision.reasons),
        "scope": evidence.scope.name,
        "condition": evidence.condition.name,
        "trips": comparison.trips if comparison else evidence.trips,
        "days": comparison.days if comparison else evidence.days,
        "snapshot": evidence.snapshot,
        "rmse": comparison.challenger_rmse if comparison else valid_score.rmse if valid_score else None,
        "bias": valid_score.bias if valid_score else None,
    }
    return row | (_compared_figures(comparison) if comparison else {})


def _compared_figures(comparison: PairedComparison) -> dict[str, object]:
    row: dict[str, object] = {
        "champion_rmse": comparison.champion_rmse,
        "difference_minutes": comparison.interval.difference,
        "difference_low": comparison.interval.low,
        "difference_high": comparison.interval.high,
    }
    for worst in comparison.guarded.head(1).to_dict("records"):
        row |= {
            "worst_slice": f"{worst['slice']}: {worst['value']}",
            "worst_slice_worsening": float(worst["worsening"]),
        }
    return row


def _reasons_for(evidence: Evidence) -> Iterator[str]:
    ours = evidence.challenger.score
    if ours is None:  # a guard has already refused a challenger without a score
        return
    best = min(evidence.baselines, key=lambda name: evidence.baselines[name].rmse)
    yield (
        f"On {ours.trips:,} unseen {scope_label(evidence.scope.name)} of {evidence.scored_month}, predicted "
        f"{evidence.condition.name.replace('_', ' ')}, its RMSE is {ours.rmse:.3f} minutes; "
        f"the best baseline, {best}, has {evidence.baselines[best].rmse:.3f}."
    )
    comparison = evidence.valid_comparison
    if evidence.champion is None:
        yield "There was no champion."
    elif evidence.incumbent is None or comparison is None:
        yield f"Version {evidence.challenger.version} is the champion already."
    else:
        span = format_interval(comparison.interval)
        yield f"Champion {evidence.incumbent.version} has {comparison.champion_rmse:.3f} on the same trips: {span}."
        yield from _worst_slice(comparison)


def _worst_slice(comparison: PairedComparison) -> Iterator[str]:
    if not comparison.guarded.empty:
        worst = comparison.guarded.iloc[0]
        change = worst["worsening"]
        sense = f"worse by {change:.1%}" if change > 0 else f"better by {-change:.1%}"
        yield f"The worst guarded slice is '{worst['value']}': {sense}."
