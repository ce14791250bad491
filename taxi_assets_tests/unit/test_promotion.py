"""Each guard of the promotion with what it lets pass and what it holds up, and the sentence it says."""

from dataclasses import replace

import pytest

from taxi_assets.months import Month
from taxi_assets.scoring.evaluation import Score
from taxi_assets.scoring.promotion import Candidate, Decision, decide

MARCH, FEBRUARY = Month(2023, 3), Month(2023, 2)


def scored(rmse: float, rides: int = 1_000) -> Score:
    return Score(rides, rmse, rmse * 0.7, 0.0)


BASELINES = {"zone_pair_median": scored(6.2), "one_hot_linear_regression": scored(7.4)}
CHALLENGER = Candidate("2", scored(5.1), FEBRUARY)
CHAMPION = Candidate("1", scored(5.2), Month(2023, 1))


def decided(
    challenger: Candidate = CHALLENGER,
    champion: Candidate | None = CHAMPION,
    baselines: dict[str, Score] = BASELINES,
) -> Decision:
    return decide(challenger, champion, baselines, MARCH)


def refused(*reasons: str, **evidence: object) -> bool:
    return decided(**evidence) == Decision(False, reasons)  # type: ignore[arg-type]


def test_a_better_challenger_is_promoted_with_the_figures() -> None:
    assert decided() == Decision(
        True,
        (
            "On 1,000 unseen rides of 2023-03 its RMSE is 5.100 minutes; "
            "the best baseline, zone_pair_median, has 6.200.",
            "Champion 1 has an RMSE of 5.200 minutes on the same rides.",
        ),
    )


def test_the_first_challenger_needs_no_champion() -> None:
    decision = decided(champion=None)
    assert decision.promote
    assert decision.reasons[-1] == "There was no champion."


def test_a_champion_stays_champion() -> None:
    decision = decided(champion=CHALLENGER)
    assert decision.promote
    assert decision.reasons[-1] == "Version 2 is the champion already."


def test_an_equal_challenger_is_promoted() -> None:
    assert decided(champion=replace(CHAMPION, score=CHALLENGER.score)).promote


def test_a_worse_challenger_is_refused() -> None:
    better = replace(CHAMPION, score=scored(5.0999))
    assert refused("Champion 1 is better: its RMSE is 5.100 minutes, not 5.100.", champion=better)


@pytest.mark.parametrize("rmse", [6.2, 6.3, float("nan")])
def test_every_baseline_must_be_beaten(rmse: float) -> None:
    decision = decided(challenger=replace(CHALLENGER, score=scored(rmse)), champion=None)
    assert not decision.promote
    assert decision.reasons[0] == (
        f"The challenger's RMSE of {rmse:.3f} minutes is not below the 6.200 of zone_pair_median."
    )


def test_every_reason_is_said() -> None:
    worst = replace(CHALLENGER, score=scored(8))
    assert len(decided(challenger=worst).reasons) == 3


def test_without_a_baseline_nothing_is_promoted() -> None:
    assert refused(
        "No baseline was scored: without one nothing says that the challenger is worth having.", baselines={}
    )


@pytest.mark.parametrize("through", [MARCH, Month(2023, 4)])
def test_nothing_is_compared_with_a_champion_that_may_have_seen_the_rides(through: Month) -> None:
    seen = replace(CHAMPION, score=scored(1.0), trained_through=through)
    assert refused(
        f"The champion 1 learned from months up to {through}: it may have seen the rides of 2023-03, "
        "so nothing is compared on them.",
        champion=seen,
    )


def test_a_challenger_that_may_have_seen_the_rides_is_refused() -> None:
    decision = decided(challenger=replace(CHALLENGER, trained_through=MARCH))
    assert not decision.promote
    assert decision.reasons[0].startswith("The challenger 2 learned from months up to 2023-03")


@pytest.mark.parametrize(
    ("evidence", "other"),
    [
        ({"champion": replace(CHAMPION, score=scored(9, rides=999))}, "champion 1"),
        ({"baselines": BASELINES | {"zone_pair_median": scored(9, rides=999)}}, "the baseline zone_pair_median"),
    ],
)
def test_scores_of_other_rides_do_not_compare(evidence: dict[str, object], other: str) -> None:
    reason = f"The challenger was scored on 1,000 rides, {other} on 999: they do not compare."
    assert refused(reason, **evidence)
