"""Promotion guards: each checks one condition and yields objections to the challenger as sentences."""

from collections.abc import Callable, Iterator

from taxi_assets.evaluation.metrics import MODEL, Score
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.evidence import Evidence
from taxi_assets.promotion.policy import PromotionPolicy
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES

Guard = Callable[[Evidence, PromotionPolicy], Iterator[str]]


def _trip_counts_match(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    for name, count in evidence.mismatched_trip_counts.items():
        yield f"The challenger was scored on {evidence.trips:,} trips, {name} on {count:,}: they are not compared."


def _trips_are_unseen(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    month = evidence.scored_month
    for name, candidate in (("challenger", evidence.challenger), ("champion", evidence.incumbent)):
        if candidate and candidate.trained_through >= month:
            yield (
                f"The {name} {candidate.version} was trained on months up to {candidate.trained_through} and may have "
                f"seen the trips of {month}: its errors on them are not compared."
            )
        elif candidate and candidate.trips_seen:
            yield (
                f"The {name} {candidate.version} was trained on {candidate.trips_seen:,} of the trips of {month}, "
                "from files of other months: its errors on them are not compared."
            )


def _trips_are_enough(evidence: Evidence, policy: PromotionPolicy) -> Iterator[str]:
    trips, days = evidence.trips, evidence.days
    if trips < policy.min_trips or days < policy.min_days:
        yield (
            f"{trips:,} trips on {days} days are too few for a significant difference: "
            f"at least {policy.min_trips:,} on {policy.min_days} are needed."
        )


def _version_can_be_served(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    if not evidence.challenger.is_servable:
        yield f"Version {evidence.challenger.version} cannot be exported for serving: it is for comparison only."
    lost = set(evidence.incumbent.services) - set(evidence.challenger.services) if evidence.incumbent else set()
    if lost:
        yield f"The challenger does not serve {', '.join(sorted(lost))}, which the champion serves."


def _version_was_not_rolled_back(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    challenger = evidence.challenger
    if challenger.rolled_back:
        yield f"Version {challenger.version} was rolled back on live traffic: {challenger.rolled_back}."


def _baselines_are_beaten(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    if not evidence.baselines:
        yield "No baseline was scored: the challenger has nothing to beat."
    if evidence.valid_score is None or evidence.mismatched_trip_counts:
        return
    ours = evidence.valid_score.rmse
    for name, theirs in evidence.baselines.items():
        interval = evidence.baseline_intervals[name]
        if not ours < theirs.rmse:
            yield f"The challenger's RMSE of {ours:.3f} minutes is not below the {theirs.rmse:.3f} of {name}."
        elif not interval.high < 0:
            yield (
                f"That the challenger's RMSE of {ours:.3f} minutes is below the {theirs.rmse:.3f} of {name} "
                f"may be chance: {format_interval(interval)}."
            )


def _baselines_are_beaten_in_other_scopes(evidence: Evidence, _policy: PromotionPolicy) -> Iterator[str]:
    for scope, scores in evidence.guarded.items() if evidence.valid_score else ():
        ours = scores[MODEL].rmse
        for name, theirs in scores.items():
            if name != MODEL and not ours < theirs.rmse:
                yield (
                    f"On {scope_label(scope)} the challenger's RMSE of {ours:.3f} minutes is not below the "
                    f"{theirs.rmse:.3f} of {name}."
                )


def _bias_is_small(evidence: Evidence, policy: PromotionPolicy) -> Iterator[str]:
    if evidence.valid_score is None:
        return
    scores = {evidence.scope.name: evidence.valid_score}
    scores |= {name: each[MODEL] for name, each in evidence.guarded.items()}
    theirs = _champion_scores(evidence)
    for scope, ours in scores.items():
        incumbent = theirs.get(scope)
        if not abs(ours.bias) <= policy.max_bias_minutes and not (incumbent and abs(ours.bias) < abs(incumbent.bias)):
            yield (
                f"On {scope_label(scope)} the challenger's predictions are {ours.bias:+.2f} minutes off on average: "
                f"more than {policy.max_bias_minutes:g} is too much."
            )


def _champion_scores(evidence: Evidence) -> dict[str, Score]:
    """The champion's scores by scope; empty where it was not compared."""
    comparison, incumbent = evidence.valid_comparison, evidence.incumbent
    if comparison is None or incumbent is None or incumbent.score is None:
        return {}
    return {
        evidence.scope.name: incumbent.score,
        **{name: each[1] for name, each in comparison.guardrail_scores.items()},
    }


def _champion_is_beaten(evidence: Evidence, policy: PromotionPolicy) -> Iterator[str]:
    incumbent, comparison = evidence.incumbent, evidence.valid_comparison
    if incumbent is None:
        return
    if comparison is None:
        if not any(_trips_are_unseen(evidence, policy)) and not evidence.mismatched_trip_counts:
            yield f"No trips were compared with champion {incumbent.version}: it is unknown which model is better."
        return
    ours, theirs, interval = comparison.challenger_rmse, comparison.champion_rmse, comparison.interval
    if not ours < theirs:
        yield (
            f"Champion {incumbent.version} is no worse: its RMSE is {theirs:.3f} minutes, the challenger's {ours:.3f}."
        )
    elif not interval.high < 0:
        yield (
            f"That the challenger's RMSE of {ours:.3f} minutes is below champion {incumbent.version}'s {theirs:.3f} "
            f"may be chance: {format_interval(interval)}."
        )
    elif not interval.high < -policy.margin_minutes:
        yield (
            f"The challenger's gain on champion {incumbent.version} may be too small to matter: "
            f"{format_interval(interval)}; the whole interval should be below -{policy.margin_minutes:g}."
        )


def _no_other_scope_worsens(evidence: Evidence, policy: PromotionPolicy) -> Iterator[str]:
    comparison = evidence.valid_comparison
    for scope, (ours, theirs) in (comparison.guardrail_scores if comparison else {}).items():
        if not ours.rmse <= theirs.rmse * (1 + policy.max_slice_worsening):
            yield (
                f"On {scope_label(scope)} the RMSE grows by {ours.rmse / theirs.rmse - 1:.1%}, from "
                f"{theirs.rmse:.3f} to {ours.rmse:.3f} minutes: more than {policy.max_slice_worsening:.0%} is too much."
            )


def _no_slice_worsens(evidence: Evidence, policy: PromotionPolicy) -> Iterator[str]:
    comparison = evidence.valid_comparison
    if comparison is None:
        return
    for row in comparison.guarded.to_dict("records"):
        if not row["worsening"] <= policy.max_slice_worsening:
            yield (
                f"On {row['trips']:,} trips of {row['slice']} '{row['value']}' the RMSE grows by "
                f"{row['worsening']:.1%}, from {row['champion_rmse']:.3f} to {row['challenger_rmse']:.3f} minutes: "
                f"more than {policy.max_slice_worsening:.0%} is too much."
            )


GUARDS: tuple[Guard, ...] = (
    _trip_counts_match,
    _trips_are_unseen,
    _trips_are_enough,
    _version_can_be_served,
    _version_was_not_rolled_back,
    _baselines_are_beaten,
    _baselines_are_beaten_in_other_scopes,
    _bias_is_small,
    _champion_is_beaten,
    _no_other_scope_worsens,
    _no_slice_worsens,
)


def scope_label(scope: str) -> str:
    return EVALUATION_SCOPES[scope].label


def format_interval(interval: Interval) -> str:
    ends = f"{interval.low:+.3f} and {interval.high:+.3f}"
    return f"the difference is {interval.difference:+.3f} minutes, with 95 % confidence between {ends}"
