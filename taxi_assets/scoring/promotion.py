"""Whether a challenger becomes the champion: figures in, a decision with its reasons out.

Each guard looks at one thing and says what speaks against; a challenger nothing speaks against is promoted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from taxi_assets.months import Month
from taxi_assets.scoring.evaluation import Score

__all__ = ["Candidate", "Decision", "Evidence", "decide"]


@dataclass(frozen=True)
class Candidate:
    """A version of the model, its score on the scored month's rides, and the last month it learned from."""

    version: str
    score: Score
    trained_through: Month


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on: all scores are of the same rides of `scored_month`."""

    challenger: Candidate
    champion: Candidate | None
    baselines: Mapping[str, Score]
    scored_month: Month

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


Guard = Callable[[Evidence], Iterator[str]]


def decide(
    challenger: Candidate, champion: Candidate | None, baselines: Mapping[str, Score], scored_month: Month
) -> Decision:
    """Promote a challenger that beats every baseline and is no worse than the champion, on unseen rides.

    Args:
        challenger: The version that would be champion.
        champion: The champion now, scored on the same rides; None where there is none.
        baselines: Scores of the baselines on the same rides, by name.
        scored_month: The month of these rides.
    """
    evidence = Evidence(challenger, champion, baselines, scored_month)
    against = tuple(reason for guard in _GUARDS for reason in guard(evidence))
    return Decision(not against, against or tuple(_reasons_for(evidence)))


def _rides_are_the_same(evidence: Evidence) -> Iterator[str]:
    rides = evidence.challenger.score.rides
    others = {f"the baseline {name}": each.rides for name, each in evidence.baselines.items()}
    if evidence.rival:
        others[f"champion {evidence.rival.version}"] = evidence.rival.score.rides
    for name, count in others.items():
        if count != rides:
            yield f"The challenger was scored on {rides:,} rides, {name} on {count:,}: they do not compare."


def _rides_are_unseen(evidence: Evidence) -> Iterator[str]:
    candidates = {"challenger": evidence.challenger, "champion": evidence.rival}
    for name, candidate in candidates.items():
        if candidate and candidate.trained_through >= evidence.scored_month:
            yield (
                f"The {name} {candidate.version} learned from months up to {candidate.trained_through}: "
                f"it may have seen the rides of {evidence.scored_month}, so nothing is compared on them."
            )


def _baselines_are_beaten(evidence: Evidence) -> Iterator[str]:
    ours = evidence.challenger.score.rmse
    if not evidence.baselines:
        yield "No baseline was scored: without one nothing says that the challenger is worth having."
    for name, theirs in evidence.baselines.items():
        if not ours < theirs.rmse:
            yield f"The challenger's RMSE of {ours:.3f} minutes is not below the {theirs.rmse:.3f} of {name}."


def _champion_is_no_better(evidence: Evidence) -> Iterator[str]:
    rival = evidence.rival
    # The score of a model that may have seen the rides is no evidence; `_rides_are_unseen` has refused it.
    if rival is None or any(_rides_are_unseen(evidence)):
        return
    ours, theirs = evidence.challenger.score.rmse, rival.score.rmse
    if not ours <= theirs:
        yield f"Champion {rival.version} is better: its RMSE is {theirs:.3f} minutes, not {ours:.3f}."


_GUARDS: tuple[Guard, ...] = (
    _rides_are_the_same,
    _rides_are_unseen,
    _baselines_are_beaten,
    _champion_is_no_better,
)


def _reasons_for(evidence: Evidence) -> Iterator[str]:
    ours = evidence.challenger.score
    best = min(evidence.baselines, key=lambda name: evidence.baselines[name].rmse)
    yield (
        f"On {ours.rides:,} unseen rides of {evidence.scored_month} its RMSE is {ours.rmse:.3f} minutes; "
        f"the best baseline, {best}, has {evidence.baselines[best].rmse:.3f}."
    )
    if evidence.champion is None:
        yield "There was no champion."
    elif evidence.rival is None:
        yield f"Version {evidence.challenger.version} is the champion already."
    else:
        rival = evidence.rival
        yield f"Champion {rival.version} has an RMSE of {rival.score.rmse:.3f} minutes on the same rides."
