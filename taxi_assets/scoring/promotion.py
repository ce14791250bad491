"""Whether a challenger becomes the champion: evidence in, a decision with its reasons out.

Each guard looks at one thing and says what speaks against; a challenger nothing speaks against is promoted. The
thresholds are in gate.py.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from taxi_assets.months import Month
from taxi_assets.scoring.bootstrap import Interval
from taxi_assets.scoring.comparison import Comparison
from taxi_assets.scoring.evaluation import Score
from taxi_assets.scoring.gate import GATE, Gate

__all__ = ["Candidate", "Decision", "Evidence", "decide"]


@dataclass(frozen=True)
class Candidate:
    """A version of the model.

    Attributes:
        version: Its number.
        score: Its errors on the scored rides.
        trained_through: The last month it learned from.
        rides_seen: How many of the scored rides are among those it learned from.
        services: The services it answers for.
        is_servable: It can be exported for the service.
    """

    version: str
    score: Score
    trained_through: Month
    rides_seen: int = 0
    services: tuple[str, ...] = ()
    is_servable: bool = True


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on: all of it is of the same rides of `scored_month`.

    `against_baselines` are the differences of RMSE to the baselines of the same names; `comparison` is with the
    champion, None where there is none or it is the challenger itself.
    """

    challenger: Candidate
    champion: Candidate | None
    baselines: Mapping[str, Score]
    against_baselines: Mapping[str, Interval]
    comparison: Comparison | None
    scored_month: Month
    days: int

    @property
    def rival(self) -> Candidate | None:
        """The champion, unless the challenger is that very version."""
        same = self.champion is not None and self.champion.version == self.challenger.version
        return None if same else self.champion


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why or why not, in sentences."""

    promote: bool
    reasons: tuple[str, ...]


Guard = Callable[[Evidence, Gate], Iterator[str]]


def decide(evidence: Evidence, gate: Gate = GATE) -> Decision:
    """Promote a challenger that is surely better than every baseline and the champion, at nobody's cost."""
    against = tuple(reason for guard in _GUARDS for reason in guard(evidence, gate))
    return Decision(not against, against or tuple(_reasons_for(evidence)))


def _rides_are_the_same(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    rides = evidence.challenger.score.rides
    others = {f"the baseline {name}": each.rides for name, each in evidence.baselines.items()}
    # A champion that knows fewer services is compared on theirs.
    if evidence.rival and set(evidence.rival.services) >= set(evidence.challenger.services):
        others[f"champion {evidence.rival.version}"] = evidence.rival.score.rides
    for name, count in others.items():
        if count != rides:
            yield f"The challenger was scored on {rides:,} rides, {name} on {count:,}: they do not compare."


def _rides_are_unseen(evidence: Evidence, _gate: Gate) -> Iterator[str]:
    candidates = {"challenger": evidence.challenger, "champion": evidence.rival}
    for name, candidate in candidates.items():
        if candidate and candidate.trained_through >= evidence.scored_month:
            yield (
                f"The {name} {candidate.version} learned from months up to {candidate.trained_through}: "
                f"it may have seen the rides of {evidence.scored_month}, so nothing is compared on them."
            )
        elif candidate and candidate.rides_seen:
            yield (
                f"The {name} {candidate.version} learned from {candidate.rides_seen:,} of the rides it is scored on, "
                f"though of other months' files: so nothing is compared on those of {evidence.scored_month}."
            )


def _rides_are_enough(evidence: Evidence, gate: Gate) -> Iterator[str]:
    rides, days = evidence.challenger.score.rides, evidence.days
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
    ours = evidence.challenger.score.rmse
    if not evidence.baselines:
        yield "No baseline was scored: without one nothing says that the challenger is worth having."
    for name, theirs in evidence.baselines.items():
        interval = evidence.against_baselines[name]
        if not ours < theirs.rmse:
            yield f"The challenger's RMSE of {ours:.3f} minutes is not below the {theirs.rmse:.3f} of {name}."
        elif not interval.high < 0:
            yield (
                f"That the challenger's RMSE of {ours:.3f} minutes is below the {theirs.rmse:.3f} of {name} "
                f"may be chance: {_span(interval)}."
            )


def _champion_is_beaten(evidence: Evidence, gate: Gate) -> Iterator[str]:
    rival, comparison = evidence.rival, evidence.comparison
    if rival is None or any(_rides_are_unseen(evidence, gate)):
        return
    if comparison is None:
        yield f"Nothing was compared with champion {rival.version}: without that nobody knows which is better."
        return
    ours, theirs, interval = comparison.challenger_rmse, comparison.champion_rmse, comparison.interval
    if not ours < theirs:
        yield f"Champion {rival.version} is no worse: its RMSE is {theirs:.3f} minutes, the challenger's {ours:.3f}."
    elif not interval.high < 0:
        yield (
            f"That the challenger's RMSE of {ours:.3f} minutes is below champion {rival.version}'s {theirs:.3f} "
            f"may be chance: {_span(interval)}."
        )
    elif not interval.high < -gate.margin_minutes:
        yield (
            f"The challenger's gain on champion {rival.version} may be too small to matter: {_span(interval)}, "
            f"and all of it should be below -{gate.margin_minutes:g}."
        )


def _no_slice_worsens(evidence: Evidence, gate: Gate) -> Iterator[str]:
    comparison = evidence.comparison
    # The score of a model that may have seen the rides is no evidence; `_rides_are_unseen` has refused it.
    if comparison is None or any(_rides_are_unseen(evidence, gate)):
        return
    for row in comparison.guarded.to_dict("records"):
        if not row["worsening"] <= gate.slice_worsening:
            yield (
                f"On {row['rides']:,} rides of {row['slice']} '{row['value']}' the RMSE grows by "
                f"{row['worsening']:.1%}, from {row['champion_rmse']:.3f} to {row['challenger_rmse']:.3f} minutes: "
                f"more than {gate.slice_worsening:.0%} is too much."
            )


_GUARDS: tuple[Guard, ...] = (
    _rides_are_the_same,
    _rides_are_unseen,
    _rides_are_enough,
    _version_can_be_served,
    _baselines_are_beaten,
    _champion_is_beaten,
    _no_slice_worsens,
)


def _span(interval: Interval) -> str:
    return f"the difference is {interval.difference:+.3f} minutes, between {interval.low:+.3f} and {interval.high:+.3f}"


def _reasons_for(evidence: Evidence) -> Iterator[str]:
    ours = evidence.challenger.score
    best = min(evidence.baselines, key=lambda name: evidence.baselines[name].rmse)
    yield (
        f"On {ours.rides:,} unseen rides of {evidence.scored_month} its RMSE is {ours.rmse:.3f} minutes; "
        f"the best baseline, {best}, has {evidence.baselines[best].rmse:.3f}."
    )
    if evidence.champion is None:
        yield "There was no champion."
    elif evidence.rival is None or evidence.comparison is None:
        yield f"Version {evidence.challenger.version} is the champion already."
    else:
        theirs = evidence.comparison.champion_rmse
        span = _span(evidence.comparison.interval)
        yield f"Champion {evidence.rival.version} has {theirs:.3f} on the same rides: {span}."
        yield from _worst_slice(evidence.comparison)


def _worst_slice(comparison: Comparison) -> Iterator[str]:
    if not comparison.guarded.empty:
        worst = comparison.guarded.iloc[0]
        yield f"In no guarded slice it is much worse: at most {worst['worsening']:+.1%}, for '{worst['value']}'."
