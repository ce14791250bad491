"""Random months, failures, kills, new files, wishes and approvals keep the rules of the loop."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as drawn
from hypothesis import strategies as st
from planted_months import plant_file
from promotion_harness import PromotionHarness, State
from retraining_loop import FAILURES, FEBRUARY, DrawnMonth, RetrainingLoop

from taxi_assets.monitoring import record_retraining
from taxi_assets.monitoring.retraining import RETRAINING_POLICY, RetrainingDecision
from taxi_assets.months import Month
from taxi_assets.promotion import record_decision

months = st.builds(
    DrawnMonth,
    verdict=st.sampled_from(["stable", "watch", "retrain", "retrain", "retrain", "fix data"]),
    error_growth=st.sampled_from([None, -0.1, 0.01, 0.05, 0.3]),
    is_better=st.booleans(),
    mode=st.sampled_from(["drift", "drift", "drift", "drift", "monthly", "never"]),
    promotion=st.sampled_from(["auto", "auto", "approve"]),
    wish=st.sampled_from([False] * 7 + [True]),
    failures=st.lists(st.sampled_from(FAILURES), max_size=2),
    approval=st.sampled_from([None, "approved", "rejected"]),
    gap=st.sampled_from([1, 1, 1, 2, 3]),
)
sequences = st.tuples(
    st.integers(0, 2),
    st.lists(st.tuples(st.sampled_from(["live", "live", "republish"]), months), min_size=1, max_size=3),
)
# A failing sequence is printed as drawn, without a search for a shorter one.
options: dict[str, Any] = {"phases": [Phase.generate], "suppress_health_check": list(HealthCheck), "deadline": None}
MONTHLY = DrawnMonth("retrain", 0.0, True, "monthly", "auto", False, (), None, 1)


@dataclass
class Beginnings:
    """States in which sequences begin, and counts of what happened in them."""

    harness: PromotionHarness
    states: list[tuple[State, Month]]
    counts: Counter[str]

    def live(self, drawn: tuple[int, list[tuple[str, DrawnMonth]]]) -> None:
        """Lives one sequence."""
        beginning, steps = drawn
        state, month = self.states[beginning % len(self.states)]
        self.harness.restore(state)
        loop = RetrainingLoop(self.harness, month=month)
        for kind, each in steps:
            if kind == "live" or not loop.drawn:
                loop.live(each)
            else:
                loop.republish(each)
        self.counts.update([*loop.counts.elements(), "sequence"])


@pytest.fixture(scope="module")
def begun(promotion_states: tuple[PromotionHarness, State, State]) -> Beginnings:
    """January and February are ingested; in the second state March is, too, and trained a model."""
    harness, empty, _ = promotion_states
    harness.restore(empty)
    for number in (1, 2):
        plant_file(harness, Month(2023, number))
    nothing = harness.copy()
    loop = RetrainingLoop(harness)
    loop.live(MONTHLY)
    return Beginnings(harness, [(nothing, FEBRUARY), (harness.copy(), loop.month)], Counter())


@pytest.fixture(scope="module")
def with_spent_budget(begun: Beginnings) -> Beginnings:
    """Also a state after trainings in six months, the most that the policy allows in twelve."""
    state, month = begun.states[-1]
    begun.harness.restore(state)
    loop = RetrainingLoop(begun.harness, month=month)
    for _ in range(RETRAINING_POLICY.max_trainings - 1):
        loop.live(MONTHLY)
    return replace(begun, states=[*begun.states, (begun.harness.copy(), loop.month)])


@seed(1)
@given(sequences)
@drawn(max_examples=1, **options)
def test_a_few_sequences_keep_the_rules(begun: Beginnings, steps: tuple[int, list[tuple[str, DrawnMonth]]]) -> None:
    begun.live(steps)


def always(*_: object) -> RetrainingDecision:
    return RetrainingDecision(retrain=True, reason="always")


WRITE_ROW = record_decision._write_row


def write_as_refused(connection: Any, row: dict[str, Any]) -> None:
    WRITE_ROW(connection, row | {"is_promoted": False})


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [(record_retraining, "decide_retraining", always), (record_decision, "_write_row", write_as_refused)],
    ids=["a training in the cool-down", "a promotion without its row"],
)
def test_a_broken_rule_is_found(
    begun: Beginnings, module: Any, name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(AssertionError):
        begun.live((0, [("live", MONTHLY), ("live", replace(MONTHLY, mode="drift"))]))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("part", range(20))
def test_a_thousand_sequences_keep_the_rules(with_spent_budget: Beginnings, part: int) -> None:
    with_spent_budget.counts.clear()

    @seed(part)
    @given(sequences)
    @drawn(max_examples=50, **options)
    def live(steps: tuple[int, list[tuple[str, DrawnMonth]]]) -> None:
        with_spent_budget.live(steps)

    live()
    counts = with_spent_budget.counts
    assert counts["sequence"] == 50
    happened = ("trains", "trains nothing", "whole run")  # 50 sequences may lack an approval or a promotion
    assert all(counts[each] for each in happened), counts
    assert sum(counts[name] for name in counts if name.startswith("failed at")) > 20, counts
