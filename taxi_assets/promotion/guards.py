"""The guards of the promotion: each looks at one thing and says, in sentences, what speaks against a challenger."""

from collections.abc import Callable, Iterator

from taxi_assets.evaluation.metrics import Score
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.policy import Gate
from taxi_assets.promotion.promotion_input import Evidence
from taxi_assets.training.evaluation_scope import CONVENTIONS

__all__ = ["GUARDS", "rides_of", "span_of"]

Guard = Callable[[Evidence, Gate], Iterator[str]]


def _rides_are_the_same(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    for name, count in evidence.others_rides.items():
        yield f"The challenger was scored on {evidence.rides:,} rides, {name} on {count:,}: they are not compared."


def _rides_are_unseen(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    month = evidence.scored_month
    for name, candidate in (("challenger", evidence.challenger), ("champion", evidence.rival)):
        if candidate and candidate.trained_through >= month:
            yield (
                f"The {name} {candidate.version} learned from months up to {candidate.trained_through} and may have "
                f"seen the rides of {month}: its errors on them are not compared."
            )
        elif candidate and candidate.rides_seen:
            yield (
                f"The {name} {candidate.version} learned from {candidate.rides_seen:,} of the rides of {month}, though "
                "of other months' files: its errors on them are not compared."
            )


def _rides_are_enough(evidence: Evidence, gate: Gate) -> Iterator[str]:
    rides, days = evidence.rides, evidence.days
    if rides < gate.least_rides or days < gate.least_days:
        yield (
            f"{rides:,} rides on {days} days are too few to tell luck from merit: "
            f"it takes {gate.least_rides:,} on {gate.least_days}."
        )


def _version_can_be_served(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    if not evidence.challenger.is_servable:
        yield f"Version {evidence.challenger.version} cannot be exported for the service: it is there to compare with."
    lost = set(evidence.rival.services) - set(evidence.challenger.services) if evidence.rival else set()
    if lost:
        yield f"The challenger does not know {', '.join(sorted(lost))}, which the champion answers for."


def _baselines_are_beaten(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    if not evidence.baselines:
        yield "No baseline was scored: without one nothing says that the challenger is worth having."
    if evidence.own is None or evidence.others_rides:
        return
    ours = evidence.own.rmse
    for name, theirs in evidence.baselines.items():
        interval = evidence.against_baselines[name]
        if not ours < theirs.rmse:
            yield f"The challenger's RMSE of {ours:.3f} minutes is not below the {theirs.rmse:.3f} of {name}."
        elif not interval.high < 0:
            yield (
                f"That the challenger's RMSE of {ours:.3f} minutes is below the {theirs.rmse:.3f} of {name} "
                f"may be chance: {span_of(interval)}."
            )


def _baselines_are_beaten_beside(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    for convention, guarded in evidence.guarded.items() if evidence.own else ():
        ours = guarded.challenger.rmse
        for name, theirs in guarded.baselines.items():
            if not ours < theirs.rmse:
                yield (
                    f"On {rides_of(convention)} the challenger's RMSE of {ours:.3f} minutes is not below the "
                    f"{theirs.rmse:.3f} of {name}."
                )


def _bias_is_small(evidence: Evidence, gate: Gate) -> Iterator[str]:
    if evidence.own is None:
        return
    scores = {evidence.convention.name: evidence.own}
    scores |= {name: each.challenger for name, each in evidence.guarded.items()}
    theirs = _champions_scores(evidence)
    for convention, ours in scores.items():
        rival = theirs.get(convention)
        if not abs(ours.bias) <= gate.most_bias_minutes and not (rival and abs(ours.bias) < abs(rival.bias)):
            yield (
                f"On {rides_of(convention)} the challenger's predictions are {ours.bias:+.2f} minutes off on average: "
                f"more than {gate.most_bias_minutes:g} is too much."
            )


def _champions_scores(evidence: Evidence) -> dict[str, Score]:
    """The champion's scores by convention, where it was compared."""
    comparison, rival = evidence.compared, evidence.rival
    if comparison is None or rival is None or rival.score is None:
        return {}
    return {evidence.convention.name: rival.score, **{name: each[1] for name, each in comparison.beside.items()}}


def _champion_is_beaten(evidence: Evidence, gate: Gate) -> Iterator[str]:
    rival, comparison = evidence.rival, evidence.compared
    if rival is None:
        return
    if comparison is None:
        if not any(_rides_are_unseen(evidence, gate)) and not evidence.others_rides:
            yield f"Nothing was compared with champion {rival.version}: without that nobody knows which is better."
        return
    ours, theirs, interval = comparison.challenger_rmse, comparison.champion_rmse, comparison.interval
    if not ours < theirs:
        yield f"Champion {rival.version} is no worse: its RMSE is {theirs:.3f} minutes, the challenger's {ours:.3f}."
    elif not interval.high < 0:
        yield (
            f"That the challenger's RMSE of {ours:.3f} minutes is below champion {rival.version}'s {theirs:.3f} "
            f"may be chance: {span_of(interval)}."
        )
    elif not interval.high < -gate.margin_minutes:
        yield (
            f"The challenger's gain on champion {rival.version} may be too small to matter: {span_of(interval)}, "
            f"and all of it should be below -{gate.margin_minutes:g}."
        )


def _no_other_convention_worsens(evidence: Evidence, gate: Gate) -> Iterator[str]:
    comparison = evidence.compared
    for convention, (ours, theirs) in (comparison.beside if comparison else {}).items():
        if not ours.rmse <= theirs.rmse * (1 + gate.slice_worsening):
            yield (
                f"On {rides_of(convention)} the RMSE grows by {ours.rmse / theirs.rmse - 1:.1%}, from "
                f"{theirs.rmse:.3f} to {ours.rmse:.3f} minutes: more than {gate.slice_worsening:.0%} is too much."
            )


def _no_slice_worsens(evidence: Evidence, gate: Gate) -> Iterator[str]:
    comparison = evidence.compared
    if comparison is None:
        return
    for row in comparison.guarded.to_dict("records"):
        if not row["worsening"] <= gate.slice_worsening:
            yield (
                f"On {row['rides']:,} rides of {row['slice']} '{row['value']}' the RMSE grows by "
                f"{row['worsening']:.1%}, from {row['champion_rmse']:.3f} to {row['challenger_rmse']:.3f} minutes: "
                f"more than {gate.slice_worsening:.0%} is too much."
            )


GUARDS: tuple[Guard, ...] = (
    _rides_are_the_same,
    _rides_are_unseen,
    _rides_are_enough,
    _version_can_be_served,
    _baselines_are_beaten,
    _baselines_are_beaten_beside,
    _bias_is_small,
    _champion_is_beaten,
    _no_other_convention_worsens,
    _no_slice_worsens,
)


def rides_of(convention: str) -> str:
    return CONVENTIONS[convention].label


def span_of(interval: Interval) -> str:
    ends = f"{interval.low:+.3f} and {interval.high:+.3f}"
    return f"the difference is {interval.difference:+.3f} minutes, with 95 % confidence between {ends}"
