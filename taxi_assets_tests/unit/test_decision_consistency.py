"""For any evidence, a decision's reasons agree with its stored figures."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from promotion_evidence import BASELINES, FEBRUARY, MARCH, PROMOTION_POLICY, compared, scored

from taxi_assets.evaluation.metrics import MODEL, Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.decision import decide, decision_row
from taxi_assets.promotion.evidence import Candidate, Evidence

errors = st.floats(2, 12)
trips = st.sampled_from([200, 2_000])
spans = st.tuples(st.integers(-2_000, 2_000), st.floats(0, 1), st.floats(0, 1))
candidates = st.builds(
    lambda version, rmse, trips, bias, through, seen: Candidate(
        version, Score(trips, rmse, rmse * 0.7, bias), through, seen
    ),
    st.sampled_from(["1", "2"]),
    errors,
    trips,
    st.floats(-4, 4),
    st.sampled_from([Month(2023, 1), FEBRUARY, MARCH]),
    st.sampled_from([0, 0, 3]),
)


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    """Evidence of any kind, also figures of inadmissible comparisons, which the product never gathers."""
    challenger, champion = replace(draw(candidates), version="2"), draw(st.none() | candidates)
    thousandths, below, above = draw(spans)
    difference = thousandths / 1_000
    worse = draw(st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=3))
    comparison = draw(
        st.none() | st.just(compared(Interval(difference, difference - below, difference + above), *worse))
    )
    baselines = {name: scored(draw(errors), draw(trips)) for name in draw(st.sets(st.sampled_from([*BASELINES])))}
    against = {name: Interval(-1, -2, draw(st.floats(-1, 1))) for name in baselines}
    guarded = {"all": {MODEL: scored(draw(errors)), "zone_pair_median": scored(draw(errors))}}
    return Evidence(
        challenger, champion, baselines, against, comparison, MARCH, draw(st.sampled_from([5, 31])), 7, guarded
    )


COMPARED = ("champion_rmse", "difference_minutes", "difference_low", "difference_high", "worst_slice")


@given(evidences())
def test_a_decision_has_figures_exactly_where_a_comparison_is_admissible(evidence: Evidence) -> None:
    decision = decide(evidence, PROMOTION_POLICY)
    row, reasons_text = decision_row(evidence, decision), " ".join(decision.reasons)
    assert decision.reasons
    forbidden = "are not compared" in reasons_text
    if forbidden or "No trips were compared" in reasons_text or evidence.incumbent is None:
        assert not {*COMPARED} & set(row)
    assert not forbidden or not decision.promote
    if row["rmse"] is None:
        assert "challenger" in reasons_text
        assert "RMSE of" not in reasons_text
        assert "off on average" not in reasons_text


@given(evidences())
def test_a_reason_about_the_champion_agrees_with_the_stored_figures(evidence: Evidence) -> None:
    decision = decide(evidence, PROMOTION_POLICY)
    row, reasons_text = decision_row(evidence, decision), " ".join(decision.reasons)
    if "difference_minutes" not in row or evidence.incumbent is None:
        assert "is no worse" not in reasons_text
        assert "gain on champion" not in reasons_text
        return
    assert ("is no worse" in reasons_text) is (row["difference_minutes"] >= 0)
    if decision.promote:
        assert row["difference_high"] < -PROMOTION_POLICY.margin_minutes
        assert row["worst_slice_worsening"] <= PROMOTION_POLICY.max_slice_worsening
        assert f"{row['champion_rmse']:.3f} on the same trips" in reasons_text
    span = f"is {row['difference_minutes']:+.3f} minutes, with 95 % confidence between {row['difference_low']:+.3f} and"
    assert (span in reasons_text) is (
        row["difference_minutes"] < 0 and ("champion 1" in reasons_text or decision.promote)
    )
