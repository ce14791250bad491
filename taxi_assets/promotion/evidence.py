"""Evidence for a decision: the candidates, their scores on the same trips, and the valid comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taxi_assets.evaluation.metrics import Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.training.conditions import WITHOUT_RECENT_TRAFFIC, Condition
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE, EvaluationScope


@dataclass(frozen=True)
class Candidate:
    """A model version that takes part in a decision.

    Attributes:
        version: Its number.
        score: Its errors on the scored trips; None for a champion that did not predict them.
        trained_through: The last month of its training data.
        trips_seen: Number of scored trips that are also in its training data.
        services: The services it serves.
        is_servable: True if it can be exported for serving.
        rolled_back: Why it was rolled back on live traffic; empty if it was not.
    """

    version: str
    score: Score | None
    trained_through: Month
    trips_seen: int = 0
    services: tuple[str, ...] = ()
    is_servable: bool = True
    rolled_back: str = ""


@dataclass(frozen=True)
class Evidence:
    """The figures of a decision, all of them on the same trips of `scored_month`.

    Attributes:
        challenger: The version to decide on.
        champion: The current champion, if there is one.
        baselines: Scores of the baselines by name.
        baseline_intervals: Differences of RMSE between the challenger and each baseline, by name.
        comparison: The comparison with the champion. None if there is no champion, it is the challenger itself, or
            one of them may have seen the trips.
        scored_month: The month of the trips.
        days: Number of days the trips fall on.
        snapshot: The warehouse snapshot the figures were read from.
        guarded: Scores of the challenger (`MODEL`) and the baselines in the other scopes, which can veto but not
            decide, by scope.
        scope: Scope of the deciding RMSE.
        condition: Condition of the deciding RMSE.
    """

    challenger: Candidate
    champion: Candidate | None
    baselines: Mapping[str, Score]
    baseline_intervals: Mapping[str, Interval]
    comparison: PairedComparison | None
    scored_month: Month
    days: int
    snapshot: int
    guarded: Mapping[str, Mapping[str, Score]] = field(default_factory=dict)
    scope: EvaluationScope = PRIMARY_SCOPE
    condition: Condition = WITHOUT_RECENT_TRAFFIC

    @property
    def incumbent(self) -> Candidate | None:
        """The champion; None if the challenger is the champion already."""
        same = self.champion is not None and self.champion.version == self.challenger.version
        return None if same else self.champion

    @property
    def valid_score(self) -> Score | None:
        """The challenger's errors; None if it may have seen the trips."""
        return None if _may_have_seen(self.challenger, self.scored_month) else self.challenger.score

    @property
    def valid_comparison(self) -> PairedComparison | None:
        """The comparison with the champion; None if it is invalid."""
        return self.comparison if self.incumbent and self.is_unseen and not self.mismatched_trip_counts else None

    @property
    def is_unseen(self) -> bool:
        """True if neither the challenger nor the incumbent may have seen the trips."""
        return not any(_may_have_seen(each, self.scored_month) for each in (self.challenger, self.incumbent) if each)

    @property
    def mismatched_trip_counts(self) -> dict[str, int]:
        """Trip counts, by name, of models scored on another number of trips than the challenger."""
        trips = {f"the baseline {name}": each.trips for name, each in self.baselines.items()}
        incumbent = self.incumbent
        # A champion that serves fewer services is compared on those only, so its count differs rightly.
        if incumbent and incumbent.score and set(incumbent.services) >= set(self.challenger.services):
            trips[f"champion {incumbent.version}"] = incumbent.score.trips
        return {name: count for name, count in trips.items() if count != self.trips}

    @property
    def trips(self) -> int:
        """Number of trips the challenger was scored on."""
        return self.challenger.score.trips if self.challenger.score else 0


def _may_have_seen(candidate: Candidate, scored_month: Month) -> bool:
    return candidate.trained_through >= scored_month or bool(candidate.trips_seen)
