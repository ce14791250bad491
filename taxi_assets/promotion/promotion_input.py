"""What a decision on the champion rests on: the candidates, their scores on the same rides, what may be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taxi_assets.evaluation.conditions import WITHOUT_RECENT_TRAFFIC, Condition
from taxi_assets.evaluation.metrics import Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.paired_comparison import Comparison
from taxi_assets.training.evaluation_scope import HEADLINE, Convention

__all__ = ["Candidate", "Evidence", "Guarded"]


@dataclass(frozen=True)
class Candidate:
    """A version of the model.

    Attributes:
        version: Its number.
        score: Its errors on the scored rides; None for a champion that was not asked about them.
        trained_through: The last month it learned from.
        rides_seen: How many of the scored rides are among those it learned from.
        services: The services it answers for.
        is_servable: It can be exported for the service.
    """

    version: str
    score: Score | None
    trained_through: Month
    rides_seen: int = 0
    services: tuple[str, ...] = ()
    is_servable: bool = True


@dataclass(frozen=True)
class Guarded:
    """Scores under a convention that is guarded and does not decide: the challenger's and the baselines'."""

    challenger: Score
    baselines: Mapping[str, Score]


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on: all of it is of the same rides of `scored_month`.

    `against_baselines` are the differences of RMSE to the baselines of the same names; `comparison` is with the
    champion, None where there is none, it is the challenger itself, or either may have seen the rides. `convention` and
    `condition` say of which rides and of which predictions the deciding RMSE is; `guarded` is by other conventions.
    """

    challenger: Candidate
    champion: Candidate | None
    baselines: Mapping[str, Score]
    against_baselines: Mapping[str, Interval]
    comparison: Comparison | None
    scored_month: Month
    days: int
    guarded: Mapping[str, Guarded] = field(default_factory=dict)
    convention: Convention = HEADLINE
    condition: Condition = WITHOUT_RECENT_TRAFFIC

    @property
    def rival(self) -> Candidate | None:
        """The champion, unless the challenger is that very version."""
        same = self.champion is not None and self.champion.version == self.challenger.version
        return None if same else self.champion

    @property
    def own(self) -> Score | None:
        """The challenger's errors; None where it may have seen the rides, on which its errors say nothing."""
        return None if _may_have_seen(self.challenger, self.scored_month) else self.challenger.score

    @property
    def compared(self) -> Comparison | None:
        """The comparison with the champion; None where nothing may be compared: no figure of it is then shown."""
        return self.comparison if self.rival and self.is_unseen and not self.others_rides else None

    @property
    def is_unseen(self) -> bool:
        """Neither the challenger nor the champion it is compared with may have seen the rides."""
        return not any(_may_have_seen(each, self.scored_month) for each in (self.challenger, self.rival) if each)

    @property
    def others_rides(self) -> dict[str, int]:
        """Who was scored on another number of rides than the challenger, by name: these are not compared."""
        rides = {f"the baseline {name}": each.rides for name, each in self.baselines.items()}
        rival = self.rival
        # A champion that knows fewer services is compared on theirs.
        if rival and rival.score and set(rival.services) >= set(self.challenger.services):
            rides[f"champion {rival.version}"] = rival.score.rides
        return {name: count for name, count in rides.items() if count != self.rides}

    @property
    def rides(self) -> int:
        """How many rides the challenger was scored on."""
        return self.challenger.score.rides if self.challenger.score else 0


def _may_have_seen(candidate: Candidate, scored_month: Month) -> bool:
    return candidate.trained_through >= scored_month or bool(candidate.rides_seen)
