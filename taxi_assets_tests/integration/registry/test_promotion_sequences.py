"""Random decisions, approvals, rejections, kills and overlapping comparisons agree with a model."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as drawn
from hypothesis import strategies as st
from promotion_harness import APRIL, MARCH, MAY, PromotionHarness, State, killed_at

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.promotion.champion_history import champion_at
from taxi_assets.warehouse.fault_points import PROMOTION_FAULT_POINTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

MONTHS = (MARCH, APRIL)
Key = tuple[int, Month]
VERSIONS = (1, 2, 3)

keys = st.tuples(st.sampled_from(VERSIONS), st.sampled_from(MONTHS))
kills = st.sampled_from([None, None, *PROMOTION_FAULT_POINTS])
comparisons = st.tuples(st.just("decide"), keys, st.sampled_from(["auto", "approve", "approve"]), st.booleans())
verdicts = st.tuples(st.sampled_from(["approved", "approved", "rejected"]), keys)
# A comparison that begins before another step and is recorded after it.
overlaps = st.tuples(st.just("overlap"), comparisons, comparisons | verdicts)
steps = st.lists(st.tuples(comparisons | verdicts | overlaps, kills), min_size=3, max_size=9)


@dataclass
class Model:
    """The expected content of the tables and the registry."""

    champion: int | None = None
    alias: int | None = None  # behind the champion after a kill
    states: dict[Key, tuple[str, int | None]] = field(default_factory=dict)
    last_of_month: dict[Month, int] = field(default_factory=dict)
    changes: list[tuple[int, str]] = field(default_factory=list)

    def decide(self, key: Key, mode: str, is_better: bool, compared: int | None) -> str | None:
        self.alias = self.champion
        if compared != self.champion:
            return None
        state = self._state(key, mode, is_better)
        if state == "promoted" and self.champion != key[0]:
            self._become(key[0], "promoted")
        self.states[key], self.last_of_month[key[1]] = (state, compared), key[0]
        return state

    def _state(self, key: Key, mode: str, is_better: bool) -> str:
        if self.champion == key[0]:
            return "promoted"
        if not is_better and self.champion is not None:
            return "refused"
        if self.states.get(key) == ("rejected", self.champion):
            return "rejected"
        return "promoted" if mode == "auto" else "waiting"

    def judge(self, key: Key, verdict: str) -> str | None:
        """The state of the version; None if the decision is refused."""
        self.alias = self.champion
        state, compared = self.states.get(key, (None, None))
        if state == verdict:
            return verdict if verdict == "rejected" or self.champion == key[0] else None
        is_valid = verdict == "rejected" or (compared == self.champion and self.last_of_month.get(key[1]) == key[0])
        if state != "waiting" or not is_valid:
            return None
        if verdict == "approved":
            self._become(key[0], "approved")
        self.states[key] = (verdict, compared)
        return verdict

    def _become(self, version: int, change: str) -> None:
        self.champion = self.alias = version
        self.changes.append((version, change))


@dataclass
class Play:
    """The same steps in the harness and in the model."""

    harness: PromotionHarness
    model: Model = field(default_factory=Model)
    is_unfinished: bool = False

    def run(self, step: Any, point_name: str | None) -> None:
        expected = self.model.champion
        point_name = None if self.is_unfinished else point_name  # a step that finishes another is not killed, too
        with killed_at(point_name) as reached:
            self._step(step)
            point_name = None
        self.is_unfinished = point_name is not None
        if point_name == "decision_recorded" and self.model.champion != expected:
            # What a killed process left undone: the next step finishes it.
            self.model.alias = expected
        assert set(reached) <= set(PROMOTION_FAULT_POINTS)

    def _step(self, step: Any) -> None:
        kind, *values = step
        if kind == "overlap":
            (_, key, mode, is_better), other = values
            compared, evidence = self.model.alias, self.harness.evidence(*key, is_better=is_better)
            self._step(other)
            self._record(key, mode, is_better, compared, evidence)
        elif kind == "decide":
            key, mode, is_better = values
            self._record(key, mode, is_better, self.model.alias, self.harness.evidence(*key, is_better=is_better))
        else:
            self._judge(kind, *values)

    def _record(self, key: Key, mode: Any, is_better: bool, compared: int | None, evidence: Any) -> None:
        expected = self.model.decide(key, mode, is_better, compared)
        row = self.harness.record(evidence, mode)
        assert (row["state"] if row else None) == expected

    def _judge(self, verdict: Any, key: Key) -> None:
        expected = self.model.judge(key, verdict)
        try:
            found = self.harness.judge(key[0], verdict, key[1])["decision"]
        except TaxiError:
            found = None
        assert found == expected

    def check(self) -> None:
        changes, promotions = self.harness.rows("champion_changes"), self.harness.rows("promotions")
        assert self.harness.champion == self.model.alias
        assert [(row["model_version"], row["change"]) for row in changes] == self.model.changes
        states = {(row["model_version"], Month(row["month"].year, row["month"].month)): row for row in promotions}
        assert {key: row["state"] for key, row in states.items()} == {k: s for k, (s, _) in self.model.states.items()}
        approved = {(row["month"], row["model_version"], row["decided_at"]) for row in self.harness.rows("approvals")}
        for row in changes:
            gate = [each for each in promotions if each["is_promoted"] and each["decided_at"] <= row["changed_at"]]
            assert any((each["month"], each["model_version"]) == (row["month"], row["model_version"]) for each in gate)
            is_by_person = (row["month"], row["model_version"], row["changed_at"]) in approved
            assert is_by_person == (row["change"] == "approved")


@pytest.fixture(scope="module")
def registered(promotion_states: tuple[PromotionHarness, State, State]) -> tuple[PromotionHarness, State]:
    """Three versions, none decided on."""
    harness, empty, _ = promotion_states
    harness.restore(empty)
    for month in (MARCH, APRIL, MAY):
        harness.register(month)
    return harness, harness.copy()


@given(steps)
# A step takes a second: a failing sequence is printed as drawn, without a search for a shorter one.
@drawn(max_examples=15, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_sequences_agree_with_the_model(registered: tuple[PromotionHarness, State], steps: list[Any]) -> None:
    harness, state = registered
    harness.restore(state)
    play = Play(harness)
    for step, point_name in steps:
        play.run(step, point_name)
        play.check()


def test_the_champion_at_100_times_is_that_of_the_registry(registered: tuple[PromotionHarness, State]) -> None:
    harness, state = registered
    harness.restore(state)
    seen: list[tuple[Any, int | None]] = []
    for number in range(25):
        version = VERSIONS[number % 3]
        harness.decide(version, MONTHS[number % 2], "auto" if number % 3 else "approve")
        if harness.row(version, MONTHS[number % 2])["state"] == "waiting":
            harness.judge(version, "approved", MONTHS[number % 2])
        seen.append((harness.rows("champion_changes")[-1]["changed_at"], harness.champion))
    times = [(at + timedelta(microseconds=extra), version) for at, version in seen for extra in (0, 1)]
    with harness.warehouse.reading() as connection:
        for at, version in times:
            found = champion_at(connection, at)
            assert found
            assert found.model_version == version
            before = champion_at(connection, at - timedelta(microseconds=2))
            assert (before.model_version if before else None) != version or found.replaced_version == version
