"""What a decision on the champion rests on: the candidates, their scores on the same trips, what may be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taxi_assets.evaluation.conditions import WITHOUT_RECENT_TRAFFIC, Condition
from taxi_assets.evaluation.metrics import Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE, EvaluationScope

__all__ = ["Candidate", "Evidence", "GuardrailScores"]


@dataclass(frozen=True)
class Candidate:
    """A version of the model.

    Attributes:
        version: Its number.
        score: Its errors on the scored trips; None for a champion that was not asked about them.
        trained_through: The last month it learned from.
        trips_seen: How many of the scored trips are among those it learned from.
        services: The services it answers for.
        is_servable: It can be exported for the service.
    """

    version: str
    score: Score | None
    trained_through: Month
    trips_seen: int = 0
    services: tuple[str, ...] = ()
    is_servable: bool = True


@dataclass(frozen=True)
class GuardrailScores:
    """Scores under a scope that is guarded and does not decide: the challenger's and the baselines'."""

    challenger: Score
    baselines: Mapping[str, Score]


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on: all of it is of the same trips of `scored_month`.

    `baseline_intervals` are the differences of RMSE to the baselines of the same names; `comparison` is with the
    champion, None where there is none, it is the challenger itself, or either may have seen the trips. `scope` and
    `condition` say of which trips and of which predictions the deciding RMSE is; `guarded` is by other scopes.
    """

    challenger: Candidate
    champion: Candidate | None
    baselines: Mapping[str, Score]
    baseline_intervals: Mapping[str, Interval]
    comparison: PairedComparison | None
    scored_month: Month
    days: int
    guarded: Mapping[str, GuardrailScores] = field(default_factory=dict)
    scope: EvaluationScope = PRIMARY_SCOPE
    condition: Condition = WITHOUT_RECENT_TRAFFIC

    @property
    def incumbent(self) -> Candidate | None:
        """The champion, unless the challenger is that very version."""
        same = self.champion is not None and self.champion.version == self.challenger.version
        return None if same else self.champion

    @property
    def valid_score(self) -> Score | None:
        """The challenger's errors; None where it may have seen the trips, on which its errors say nothing."""
        return None if _may_have_seen(self.challenger, self.scored_month) else self.challenger.score

    @property
    def valid_comparison(self) -> PairedComparison | None:
        """The comparison with the champion; None where nothing may be compared: no figure of it is then shown."""
        return self.comparison if self.incumbent and self.is_unseen and not self.mismatched_trip_counts else None

    @property
    def is_unseen(self) -> bool:
        """Neither the challenger nor the champion it is compared with may have seen the trips."""
        return not any(_may_have_seen(each, self.scored_month) for each in (self.challenger, self.incumbent) if each)

    @property
    def mismatched_trip_counts(self) -> dict[str, int]:
        """Who was scored on another number of trips than the challenger, by name: these are not compared."""
        trips = {f"the baseline {name}": each.trips for name, each in self.baselines.items()}
        incumbent = self.incumbent
        # A champion that knows fewer services is compared on theirs.
        if incumbent and incumbent.score and set(incumbent.services) >= set(self.challenger.services):
            trips[f"champion {incumbent.version}"] = incumbent.score.trips
        return {name: count for name, count in trips.items() if count != self.trips}

    @property
    def trips(self) -> int:
        """How many trips the challenger was scored on."""
        return self.challenger.score.trips if self.challenger.score else 0


def _may_have_seen(candidate: Candidate, scored_month: Month) -> bool:
    return candidate.trained_through >= scored_month or bool(candidate.trips_seen)
