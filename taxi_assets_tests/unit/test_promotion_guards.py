"""Each guard of the promotion: cases that pass, cases that are refused, and the reason stated."""

from dataclasses import replace

import pytest
from promotion_evidence import (
    BASELINES,
    BETTER,
    CHALLENGER,
    CHAMPION,
    EVIDENCE,
    MARCH,
    PROMOTION_POLICY,
    SURELY,
    compared,
    scored,
    slices,
)

from taxi_assets.evaluation.metrics import MODEL, Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.decision import Decision, decide


def decided(**evidence: object) -> Decision:
    return decide(replace(EVIDENCE, **evidence), PROMOTION_POLICY)  # type: ignore[arg-type]


def refused(*reasons: str, **evidence: object) -> bool:
    return decided(**evidence) == Decision(False, reasons)


def test_a_better_challenger_is_promoted_with_the_figures() -> None:
    assert decided() == Decision(
        True,
        (
            "On 2,000 unseen trips of 1-60 minutes of 2023-03, predicted without recent traffic, its RMSE is 5.100 "
            "minutes; the best baseline, zone_pair_median, has 6.200.",
            "Champion 1 has 5.200 on the same trips: the difference is -0.100 minutes, with 95 % confidence between "
            "-0.150 and -0.060.",
            "The worst guarded slice is 'Borough 0': better by 2.0%.",
        ),
    )


def test_the_first_challenger_needs_no_champion() -> None:
    decision = decided(champion=None, comparison=None)
    assert decision.promote
    assert decision.reasons[-1] == "There was no champion."


def test_the_champion_is_not_promoted_again() -> None:
    decision = decided(champion=CHALLENGER, comparison=None)
    assert decision.promote
    assert decision.reasons[-1] == "Version 2 is the champion already."


def test_a_version_that_was_rolled_back_is_not_promoted_again() -> None:
    bad = replace(CHALLENGER, rolled_back="it is worse than version 1 on 900 rides")
    expected = "Version 2 was rolled back on live traffic: it is worse than version 1 on 900 rides."
    assert refused(expected, challenger=bad)


@pytest.mark.parametrize("difference", [0.0, 0.001, 2.0])
def test_a_challenger_that_is_no_better_is_refused(difference: float) -> None:
    reason = f"Champion 1 is no worse: its RMSE is 5.200 minutes, the challenger's {5.2 + difference:.3f}."
    assert refused(reason, comparison=compared(Interval(difference, difference - 0.1, difference + 0.1)))


@pytest.mark.parametrize("high", [0.0, 0.03])
def test_a_challenger_that_may_be_better_by_chance_is_refused(high: float) -> None:
    assert refused(
        "That the challenger's RMSE of 5.100 minutes is below champion 1's 5.200 may be chance: "
        f"the difference is -0.100 minutes, with 95 % confidence between -0.300 and {high:+.3f}.",
        comparison=compared(Interval(-0.1, -0.3, high)),
    )


@pytest.mark.parametrize("high", [-0.001, -0.05])
def test_an_uplift_too_small_to_matter_is_refused(high: float) -> None:
    assert refused(
        "The challenger's gain on champion 1 may be too small to matter: the difference is -0.060 minutes, "
        f"with 95 % confidence between -0.070 and {high:+.3f}; the whole interval should be below -0.05.",
        comparison=compared(Interval(-0.06, -0.07, high)),
    )


def test_an_uplift_at_one_boroughs_cost_is_refused() -> None:
    assert refused(
        "On 600 trips of pickup_borough 'Borough 1' the RMSE grows by 2.1%, from 5.000 to 5.105 minutes: "
        "more than 2% is too much.",
        comparison=compared(BETTER, -0.2, 0.021, 0.02),
    )


def test_a_slice_of_too_few_trips_is_not_guarded() -> None:
    few = replace(compared(), slices=slices(0.5, is_guarded=False))
    assert decided(comparison=few).promote


def test_a_champion_without_a_comparison_is_not_replaced() -> None:
    assert refused("No trips were compared with champion 1: it is unknown which model is better.", comparison=None)


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
        "the difference is -1.100 minutes, with 95 % confidence between -2.300 and +0.100.",
        baseline_intervals=SURELY | {"zone_pair_median": Interval(-1.1, -2.3, 0.1)},
    )


def test_every_reason_is_stated() -> None:
    worst = replace(CHALLENGER, score=scored(8))
    assert len(decided(challenger=worst, comparison=compared(Interval(2.8, 2, 3), 0.5)).reasons) == 4


def test_nothing_is_promoted_without_a_baseline() -> None:
    assert refused("No baseline was scored: the challenger has nothing to beat.", baselines={})


@pytest.mark.parametrize("through", [MARCH, Month(2023, 4)])
def test_a_champion_that_may_have_seen_the_trips_is_not_compared(through: Month) -> None:
    assert refused(
        f"The champion 1 was trained on months up to {through} and may have seen the trips of 2023-03: "
        "its errors on them are not compared.",
        champion=replace(CHAMPION, trained_through=through),
        comparison=compared(Interval(3, 2, 4), 0.5),
    )


def test_a_challenger_that_may_have_seen_the_trips_is_refused() -> None:
    decision = decided(challenger=replace(CHALLENGER, trained_through=MARCH))
    assert not decision.promote
    assert decision.reasons[0].startswith("The challenger 2 was trained on months up to 2023-03")


@pytest.mark.parametrize("who", ["challenger", "champion"])
def test_training_trips_in_other_months_files_are_found(who: str) -> None:
    seen = replace(CHALLENGER if who == "challenger" else CHAMPION, trips_seen=3)
    assert refused(
        f"The {who} {seen.version} was trained on 3 of the trips of 2023-03, from files of other months: "
        "its errors on them are not compared.",
        **{who: seen},
    )


@pytest.mark.parametrize(("trips", "days"), [(999, 31), (2_000, 13), (200, 31)])
def test_too_few_trips_or_days_are_no_evidence(trips: int, days: int) -> None:
    few = {name: scored(each.rmse, trips) for name, each in BASELINES.items()}
    assert refused(
        f"{trips:,} trips on {days} days are too few for a significant difference: at least 1,000 on 14 are needed.",
        challenger=replace(CHALLENGER, score=scored(5.1, trips)),
        champion=replace(CHAMPION, score=scored(5.2, trips)),
        baselines=few,
        days=days,
    )


def test_a_version_that_cannot_be_served_is_not_promoted() -> None:
    assert refused(
        "Version 2 cannot be exported for serving: it is for comparison only.",
        challenger=replace(CHALLENGER, is_servable=False),
    )


def test_a_challenger_must_have_all_services_of_the_champion() -> None:
    assert refused(
        "The challenger does not serve fhvhv, yellow, which the champion serves.",
        challenger=replace(CHALLENGER, services=("green",)),
        champion=replace(CHAMPION, services=("yellow", "green", "fhvhv")),
    )
    more = replace(CHALLENGER, services=("yellow", "green"))
    fewer = replace(CHAMPION, services=("green",), score=scored(5.2, trips=1_200))
    assert decided(challenger=more, champion=fewer).promote


@pytest.mark.parametrize(
    ("evidence", "other"),
    [
        ({"champion": replace(CHAMPION, score=scored(9, trips=999))}, "champion 1"),
        ({"baselines": BASELINES | {"zone_pair_median": scored(9, trips=999)}}, "the baseline zone_pair_median"),
    ],
)
def test_scores_of_other_trips_are_not_compared(evidence: dict[str, object], other: str) -> None:
    reason = f"The challenger was scored on 2,000 trips, {other} on 999: they are not compared."
    assert refused(reason, **evidence)


# The other scope, and the bias


def guardrail_scores(ours: float, theirs: float, bias: float = 0.0) -> dict[str, tuple[Score, Score]]:
    return {"all": (replace(scored(ours), bias=bias), scored(theirs))}


def test_a_model_worse_than_a_baseline_in_the_other_scope_is_refused() -> None:
    guarded = {"all": {MODEL: scored(8.1), "zone_pair_median": scored(8.0), "one_hot_linear_regression": scored(9.0)}}
    for champion in (CHAMPION, None):
        assert refused(
            "On trips of 1-180 minutes the challenger's RMSE of 8.100 minutes is not below the 8.000 of "
            "zone_pair_median.",
            guarded=guarded,
            champion=champion,
            comparison=compared() if champion else None,
        )


def test_a_first_version_must_surely_beat_its_baselines() -> None:
    lockdown = replace(CHALLENGER, score=Score(30_000, 7.314, 5.4, 3.45))
    baselines = {"zone_pair_median": scored(7.062, 30_000), "zone_pair_hour_median": scored(7.105, 30_000)}
    against = dict.fromkeys(baselines, Interval(0.2, 0.1, 0.3))
    first = decided(
        challenger=lockdown, champion=None, comparison=None, baselines=baselines, baseline_intervals=against
    )
    assert first == Decision(
        False,
        (
            "The challenger's RMSE of 7.314 minutes is not below the 7.062 of zone_pair_median.",
            "The challenger's RMSE of 7.314 minutes is not below the 7.105 of zone_pair_hour_median.",
            "On trips of 1-60 minutes the challenger's predictions are +3.45 minutes off on average: "
            "more than 1.5 is too much.",
        ),
    )


@pytest.mark.parametrize(("bias", "is_promoted"), [(1.5, True), (-1.5, True), (1.51, False), (-2.0, False)])
def test_a_large_bias_is_refused(bias: float, is_promoted: bool) -> None:
    own = replace(scored(5.1), bias=bias)
    assert decided(challenger=replace(CHALLENGER, score=own)).promote is is_promoted
    guarded = {"all": {MODEL: own, "zone_pair_median": scored(8.0)}}
    assert decided(guarded=guarded).promote is is_promoted


def test_a_bias_below_the_champions_is_accepted() -> None:
    own, theirs = replace(scored(5.1), bias=2.0), replace(scored(5.2), bias=2.5)
    better = {"challenger": replace(CHALLENGER, score=own), "champion": replace(CHAMPION, score=theirs)}
    assert decided(**better).promote
    assert not decided(**better | {"champion": None, "comparison": None}).promote


@pytest.mark.parametrize(("ours", "is_promoted"), [(6.9, True), (7.14, True), (7.15, False)])
def test_the_other_scope_must_not_worsen_much(ours: float, is_promoted: bool) -> None:
    decision = decided(comparison=replace(compared(), guardrail_scores=guardrail_scores(ours, 7.0)))
    assert decision.promote is is_promoted
    if not is_promoted:
        reason = (
            "On trips of 1-180 minutes the RMSE grows by 2.1%, from 7.000 to 7.150 minutes: more than 2% is too much."
        )
        assert decision.reasons == (reason,)
