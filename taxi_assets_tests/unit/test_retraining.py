"""The retraining policy: what calls for a training, and what forbids one."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.monitoring.drift.drift_verdict import DriftVerdict
from taxi_assets.monitoring.retraining import RETRAINING_POLICY, RetrainingPolicy, decide_retraining
from taxi_assets.months import Month

JANUARY = Month(2023, 1)
VERDICTS: tuple[DriftVerdict, ...] = ("stable", "watch", "retrain", "fix data")


def after(months: int, verdict: DriftVerdict = "stable", growth: float | None = None, *earlier: Month) -> bool:
    """The decision so many months after a training in January."""
    return decide_retraining("drift", JANUARY.plus(months), [*earlier, JANUARY], [verdict, verdict], growth).retrain


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("mode", ["never", "monthly", "drift"])
def test_without_a_model_one_is_trained(mode: str, verdict: DriftVerdict) -> None:
    assert decide_retraining(mode, JANUARY, [], [None, verdict], None).retrain  # type: ignore[arg-type]


def test_never_and_monthly_need_no_facts() -> None:
    assert not decide_retraining("never", JANUARY.plus(20), [JANUARY], ["retrain", "retrain"], 0.5).retrain
    assert decide_retraining("monthly", JANUARY.plus(1), [JANUARY], ["stable", "fix data"], -0.5).retrain


def test_drift_and_error_must_agree() -> None:
    assert after(2, "retrain", 0.03)
    assert after(2, "retrain")  # the error is unknown
    assert not after(2, "retrain", 0.01)
    assert not after(2, "watch", 0.5)


@pytest.mark.parametrize("earlier", [None, "stable", "watch", "fix data"])
def test_a_drift_that_just_began_is_in_no_month_to_train_on(earlier: DriftVerdict | None) -> None:
    decision = decide_retraining("drift", JANUARY.plus(2), [JANUARY], [earlier, "retrain"], 0.3)
    assert (decision.retrain, "the one before did not" in decision.reason) == (False, True)
    assert decide_retraining("drift", JANUARY.plus(3), [JANUARY], [earlier, "retrain", "retrain"], 0.3).retrain


def test_an_old_model_is_replaced_without_drift() -> None:
    assert [after(months) for months in (1, 2, 3, 4)] == [False, False, True, True]
    assert after(3, "retrain", 0.0)


def test_nothing_is_trained_in_the_cooldown_or_on_data_that_need_a_look() -> None:
    assert not after(1, "retrain", 0.5)
    assert not any(after(months, "fix data", 0.5) for months in range(1, 9))


def test_the_budget_ends_trainings_until_the_oldest_is_a_year_old() -> None:
    earlier = [JANUARY.plus(-2 * number) for number in range(RETRAINING_POLICY.max_trainings - 1, 0, -1)]
    assert not after(1, "retrain", 0.5, *earlier)
    assert after(2, "retrain", 0.5, *earlier)  # the oldest is twelve months old
    assert not after(2, "retrain", 0.5, JANUARY.plus(-9), *earlier)


POLICIES = st.builds(
    RetrainingPolicy,
    cooldown_months=st.integers(1, 6),
    max_trainings=st.integers(1, 8),
    max_age_months=st.integers(1, 12),
    min_error_growth=st.floats(0, 0.2),
)
MONTHS = st.lists(
    st.tuples(st.sampled_from(VERDICTS), st.none() | st.floats(-0.5, 0.5), st.integers(1, 3)), min_size=1, max_size=60
)


@settings(max_examples=200)
@given(POLICIES, MONTHS)
def test_no_sequence_of_months_breaks_cooldown_or_budget(
    policy: RetrainingPolicy, months: list[tuple[DriftVerdict, float | None, int]]
) -> None:
    trainings = [JANUARY]
    month = JANUARY
    verdicts: list[DriftVerdict] = ["stable"]
    for verdict, growth, step in months:  # months may be missing
        month = month.plus(step)
        verdicts.append(verdict)
        decision = decide_retraining("drift", month, trainings, verdicts, growth, policy)
        assert decision.reason
        if decision.retrain:
            assert verdict != "fix data"
            trainings.append(month)
    assert all(later >= earlier.plus(policy.cooldown_months) for earlier, later in pairwise(trainings))
    for last in trainings:
        recent = [each for each in trainings if last.plus(-12) < each <= last]
        assert len(recent) <= max(policy.max_trainings, 1)
