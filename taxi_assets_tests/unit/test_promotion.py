"""Each guard of the promotion with what it lets pass and what it holds up, and the sentence it says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from taxi_assets.months import Month
from taxi_assets.scoring.bootstrap import Interval
from taxi_assets.scoring.comparison import Comparison
from taxi_assets.scoring.evaluation import Score
from taxi_assets.scoring.gate import Gate
from taxi_assets.scoring.promotion import Candidate, Decision, Evidence, decide

MARCH, FEBRUARY = Month(2023, 3), Month(2023, 2)
GATE = Gate(margin_minutes=0.05, least_rides=1_000, least_days=14, slice_worsening=0.02)


def scored(rmse: float, rides: int = 2_000) -> Score:
    return Score(rides, rmse, rmse * 0.7, 0.0)


def slices(*worsening: float, is_guarded: bool = True) -> pd.DataFrame:
    rows = [
        {
            "slice": "pickup_borough",
            "value": f"Borough {number}",
            "rides": 600,
            "challenger_rmse": 5 * (1 + worse),
            "champion_rmse": 5.0,
            "worsening": worse,
            "is_guarded": is_guarded,
        }
        for number, worse in enumerate(worsening)
    ]
    return pd.DataFrame(rows)


BETTER = Interval(-0.1, -0.15, -0.06)


def compared(interval: Interval = BETTER, *worsening: float) -> Comparison:
    ours = 5.2 + interval.difference
    return Comparison(2_000, 31, ours, 5.2, 3.4, 0.1, interval, np.zeros(1), slices(*worsening or (-0.02,)))


BASELINES = {"zone_pair_median": scored(6.2), "one_hot_linear_regression": scored(7.4)}
SURELY = dict.fromkeys(BASELINES, Interval(-1, -1.2, -0.8))
CHALLENGER = Candidate("2", scored(5.1), FEBRUARY)
CHAMPION = Candidate("1", scored(5.2), Month(2023, 1))
EVIDENCE = Evidence(CHALLENGER, CHAMPION, BASELINES, SURELY, compared(), MARCH, 31)


def decided(**evidence: object) -> Decision:
    return decide(replace(EVIDENCE, **evidence), GATE)  # type: ignore[arg-type]


def refused(*reasons: str, **evidence: object) -> bool:
    return decided(**evidence) == Decision(False, reasons)


def test_a_better_challenger_is_promoted_with_the_figures() -> None:
    assert decided() == Decision(
        True,
        (
            "On 2,000 unseen rides of 2023-03 its RMSE is 5.100 minutes; "
            "the best baseline, zone_pair_median, has 6.200.",
            "Champion 1 has 5.200 on the same rides: the difference is -0.100 minutes, between -0.150 and -0.060.",
            "In no guarded slice it is much worse: at most -2.0%, for 'Borough 0'.",
        ),
    )


def test_the_first_challenger_needs_no_champion() -> None:
    decision = decided(champion=None, comparison=None)
    assert decision.promote
    assert decision.reasons[-1] == "There was no champion."


def test_a_champion_stays_champion() -> None:
    decision = decided(champion=CHALLENGER, comparison=None)
    assert decision.promote
    assert decision.reasons[-1] == "Version 2 is the champion already."


@pytest.mark.parametrize("difference", [0.0, 0.001, 2.0])
def test_a_challenger_no_better_is_refused(difference: float) -> None:
    told = f"Champion 1 is no worse: its RMSE is 5.200 minutes, the challenger's {5.2 + difference:.3f}."
    assert refused(told, comparison=compared(Interval(difference, difference - 0.1, difference + 0.1)))


@pytest.mark.parametrize("high", [0.0, 0.03])
def test_a_challenger_that_may_be_better_by_chance_is_refused(high: float) -> None:
    assert refused(
        "That the challenger's RMSE of 5.100 minutes is below champion 1's 5.200 may be chance: "
        f"the difference is -0.100 minutes, between -0.300 and {high:+.3f}.",
        comparison=compared(Interval(-0.1, -0.3, high)),
    )


@pytest.mark.parametrize("high", [-0.001, -0.05])
def test_a_gain_too_small_to_matter_is_refused(high: float) -> None:
    assert refused(
        "The challenger's gain on champion 1 may be too small to matter: the difference is -0.060 minutes, "
        f"between -0.070 and {high:+.3f}, and all of it should be below -0.05.",
        comparison=compared(Interval(-0.06, -0.07, high)),
    )


def test_a_gain_at_a_boroughs_cost_is_refused() -> None:
    assert refused(
        "On 600 rides of pickup_borough 'Borough 1' the RMSE grows by 2.1%, from 5.000 to 5.105 minutes: "
        "more than 2% is too much.",
        comparison=compared(BETTER, -0.2, 0.021, 0.02),
    )


def test_a_slice_of_too_few_rides_is_told_by_chance() -> None:
    few = replace(compared(), slices=slices(0.5, is_guarded=False))
    assert decided(comparison=few).promote


def test_a_champion_nothing_was_compared_with_is_not_replaced() -> None:
    assert refused("Nothing was compared with champion 1: without that nobody knows which is better.", comparison=None)


@pytest.mark.parametrize("rmse", [6.2, 6.3, float("nan")])
def test_every_baseline_must_be_beaten(rmse: float) -> None:
    decision = decided(challenger=replace(CHALLENGER, score=scored(rmse)), champion=None, comparison=None)
    assert not decision.promote
    assert decision.reasons[0] == (
        f"The challenger's RMSE of {rmse:.3f} minutes is not below the 6.200 of zone_pair_median."
    )


def test_a_baseline_beaten_by_chance_is_not_beaten() -> None:
    assert refused(
        "That the challenger's RMSE of 5.100 minutes is below the 6.200 of zone_pair_median may be chance: "
        "the difference is -1.100 minutes, between -2.300 and +0.100.",
        against_baselines=SURELY | {"zone_pair_median": Interval(-1.1, -2.3, 0.1)},
    )


def test_every_reason_is_said() -> None:
    worst = replace(CHALLENGER, score=scored(8))
    assert len(decided(challenger=worst, comparison=compared(Interval(2.8, 2, 3), 0.5)).reasons) == 4


def test_without_a_baseline_nothing_is_promoted() -> None:
    assert refused(
        "No baseline was scored: without one nothing says that the challenger is worth having.", baselines={}
    )


@pytest.mark.parametrize("through", [MARCH, Month(2023, 4)])
def test_nothing_is_compared_with_a_champion_that_may_have_seen_the_rides(through: Month) -> None:
    assert refused(
        f"The champion 1 learned from months up to {through}: it may have seen the rides of 2023-03, "
        "so nothing is compared on them.",
        champion=replace(CHAMPION, trained_through=through),
        comparison=compared(Interval(3, 2, 4), 0.5),
    )


def test_a_challenger_that_may_have_seen_the_rides_is_refused() -> None:
    decision = decided(challenger=replace(CHALLENGER, trained_through=MARCH))
    assert not decision.promote
    assert decision.reasons[0].startswith("The challenger 2 learned from months up to 2023-03")


@pytest.mark.parametrize("who", ["challenger", "champion"])
def test_rides_that_came_in_an_earlier_months_file_too_are_found(who: str) -> None:
    seen = replace(CHALLENGER if who == "challenger" else CHAMPION, rides_seen=3)
    assert refused(
        f"The {who} {seen.version} learned from 3 of the rides it is scored on, though of other months' files: "
        "so nothing is compared on those of 2023-03.",
        **{who: seen},
    )


@pytest.mark.parametrize(("rides", "days"), [(999, 31), (2_000, 13), (200, 31)])
def test_luck_on_few_rides_or_days_is_no_merit(rides: int, days: int) -> None:
    few = {name: scored(each.rmse, rides) for name, each in BASELINES.items()}
    assert refused(
        f"{rides:,} rides on {days} days are too few to tell luck from merit: it takes 1,000 on 14.",
        challenger=replace(CHALLENGER, score=scored(5.1, rides)),
        champion=replace(CHAMPION, score=scored(5.2, rides)),
        baselines=few,
        days=days,
    )


def test_what_cannot_be_served_does_not_become_champion() -> None:
    assert refused(
        "Version 2 cannot be exported for the service: it is there to compare with.",
        challenger=replace(CHALLENGER, is_servable=False),
    )


def test_a_challenger_must_know_the_services_of_the_champion() -> None:
    assert refused(
        "The challenger does not know fhvhv, yellow, which the champion answers for.",
        challenger=replace(CHALLENGER, services=("green",)),
        champion=replace(CHAMPION, services=("yellow", "green", "fhvhv")),
    )
    more = replace(CHALLENGER, services=("yellow", "green"))
    fewer = replace(CHAMPION, services=("green",), score=scored(5.2, rides=1_200))
    assert decided(challenger=more, champion=fewer).promote


@pytest.mark.parametrize(
    ("evidence", "other"),
    [
        ({"champion": replace(CHAMPION, score=scored(9, rides=999))}, "champion 1"),
        ({"baselines": BASELINES | {"zone_pair_median": scored(9, rides=999)}}, "the baseline zone_pair_median"),
    ],
)
def test_scores_of_other_rides_do_not_compare(evidence: dict[str, object], other: str) -> None:
    reason = f"The challenger was scored on 2,000 rides, {other} on 999: they do not compare."
    assert refused(reason, **evidence)
