"""The monthly loop from drift to champion on planted figures, with real policy, tables and registry.

It runs what the sensor would request, in the order of the assets. Drift, errors and evidence are written by the test.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import registered_models
from planted_months import plant_drift, plant_evaluation, plant_file, plant_performance
from promotion_harness import PromotionHarness, killed_at

from taxi_assets.monitoring.champion_performance import champion_before
from taxi_assets.monitoring.drift.drift_verdict import DriftVerdict
from taxi_assets.monitoring.record_retraining import BY_POLICY, TrainingRequest, record_retraining, trained_months
from taxi_assets.monitoring.retraining import RETRAINING_POLICY
from taxi_assets.monitoring.unfinished_months import RELEASE, unfinished_months
from taxi_assets.months import Month
from taxi_assets.promotion import champion as promotion
from taxi_assets.registry import model_versions
from taxi_assets.settings import RetrainingMode, Settings
from taxi_assets.warehouse.fault_points import PROMOTION_FAULT_POINTS

FEBRUARY = Month(2023, 2)  # is ingested before the first month of a life
STEPS = ("drift_report", "champion_performance", "retraining", "duration_model", "model_evaluation", "champion_model")
# A step that fails before it wrote anything, or a process that is killed after it; and kills inside of steps.
FAILURES = (
    *((step, when) for step in STEPS for when in ("before", "after")),
    ("duration_model", "registered"),
    *(("champion_model", point) for point in PROMOTION_FAULT_POINTS),
)


@dataclass(frozen=True)
class DrawnMonth:
    """The drawn events of a month.

    Attributes:
        verdict: Drift verdict.
        error_growth: Growth of the champion's error; None if it is unknown.
        is_better: A challenger of this month beats the champion.
        mode: `TAXI_RETRAIN` in this month.
        promotion: `TAXI_PROMOTION` in this month.
        wish: A person asks for a training.
        failures: Step and kind of each failing run, in this order.
        approval: A person's decision on a version that waits at the end.
        gap: Months since the month before; more than one if months are missing.
    """

    verdict: DriftVerdict
    error_growth: float | None
    is_better: bool
    mode: RetrainingMode
    promotion: Any
    wish: bool
    failures: Sequence[tuple[str, str]]
    approval: Any
    gap: int


@dataclass
class RetrainingLoop:
    """One life of the platform; every step checks what must hold."""

    harness: PromotionHarness
    drawn: DrawnMonth | None = None
    month: Month = FEBRUARY
    counts: Counter[str] = field(default_factory=Counter)

    def live(self, drawn: DrawnMonth) -> None:
        """Lives through a new month until it is finished."""
        self.drawn, self.month = drawn, self.month.plus(drawn.gap)
        self.finish()

    def republish(self, drawn: DrawnMonth) -> None:
        """The month's file is replaced, and the month is finished again."""
        self.drawn = drawn
        self.finish()

    def finish(self) -> None:
        """Runs what the sensor requests, once more after each failure."""
        assert self.drawn
        plant_file(self.harness, self.month)
        for failure in (*self.drawn.failures, ("", "")):
            lacking = self.lacking()
            if not lacking:
                break
            is_whole = self.run(lacking, failure)
            self.check(is_whole=is_whole)
        else:
            assert self.lacking() == ()
        if self.drawn.approval:
            self.judge(self.drawn.approval)

    @property
    def settings(self) -> Settings:
        assert self.drawn
        return self.harness.settings.model_copy(update={"retrain": self.drawn.mode, "promotion": self.drawn.promotion})

    def lacking(self) -> tuple[str, ...]:
        """The assets that the sensor requests, without the release: there is no Bento here."""
        found = unfinished_months(self.settings, self.harness.warehouse)
        return tuple(asset for each in found for asset in each.missing_assets if asset not in RELEASE)

    def run(self, assets: Sequence[str], failure: tuple[str, str]) -> bool:
        """One run of the assets; True if it did not fail."""
        for asset in assets:
            kind = failure[1] if failure[0] == asset else ""
            if kind != "before":
                made = "killed"
                with killed_at(kind if kind in PROMOTION_FAULT_POINTS else None):
                    made = self.step(asset, kind)
                if made == "skipped":
                    break
            if kind:
                self.count(f"failed at {asset} {kind}")
                return False
        self.count("whole run")
        return True

    def step(self, asset: str, kind: str) -> str:
        """Makes one asset; `skipped` if the assets after it are."""
        if asset == "retraining":
            return "made" if self.decide() else "skipped"
        if asset == "duration_model":
            self.train(is_killed=kind == "registered")
        elif asset == "model_evaluation":
            self.evaluate()
        elif asset == "champion_model":
            self.promote()
        else:
            (self.drift if asset == "drift_report" else self.measure)()
        return "made"

    def drift(self) -> None:
        assert self.drawn
        plant_drift(self.harness, self.month, self.drawn.verdict)

    def measure(self) -> None:
        assert self.drawn
        version = champion_before(self.settings, self.harness.warehouse, self.month)
        if version:
            plant_performance(self.harness, self.month, version.version, self.drawn.error_growth)

    def decide(self) -> bool:
        """The real decision; it must keep cool-down and budget, whatever was drawn."""
        assert self.drawn
        request = TrainingRequest("ann", "A wish.") if self.drawn.wish else None
        own = model_versions.get_month_version(self.settings, self.month)
        row = record_retraining(self.settings, self.harness.warehouse, self.month, request)
        self.count("trains" if row["is_retraining"] else "trains nothing")
        if "use up the budget" in row["reason"]:
            self.count("budget is used up")
        trainings, policy = trained_months(self.settings, before=self.month), RETRAINING_POLICY
        if row["is_retraining"] and row["mode"] == "drift" and row["decided_by"] == BY_POLICY and trainings and not own:
            assert trainings[-1].plus(policy.cooldown_months) <= self.month
            assert sum(each > self.month.plus(-12) for each in trainings) < policy.max_trainings
            assert row["verdict"] != "fix data"
            self.count("trains by drift policy")
        return bool(row["is_retraining"])

    def train(self, *, is_killed: bool) -> None:
        last = [row for row in self.harness.rows("retraining_decisions") if row["month"] == self.month.first_day][-1]
        assert last["is_retraining"]
        tags = {"scored_month": str(self.month), "data_snapshot": str(self.harness.warehouse.snapshot())}
        tags |= {"window": "2023-01..2023-02", "months": "2023-01,2023-02", "services": "green"}
        version = registered_models.register(self.settings, f"loop {self.month}", **tags)
        if not is_killed:
            model_versions.set_month_version(self.settings, version, self.month)

    def evaluate(self) -> None:
        version = model_versions.get_month_version(self.settings, self.month)
        assert version
        snapshot = self.harness.warehouse.snapshot()
        plant_evaluation(self.harness, self.month, version.version)
        model_versions.tag_decision(self.settings, version.version, {"evaluation_snapshot": str(snapshot)})

    def promote(self) -> None:
        """The real decision, on evidence that the test wrote."""
        drawn = self.drawn
        assert drawn

        def evidence(_: Settings, __: object, month: Month, challenger: Any, *rest: object) -> Any:
            return self.harness.evidence(challenger.version, month, is_better=drawn.is_better)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(promotion, "build_evidence", evidence)
            outcome = promotion.decide_champion(self.settings, self.harness.warehouse, self.month, "the test")
        self.count(outcome.state)

    def judge(self, verdict: Any) -> None:
        """A person decides on the month's version, if it waits."""
        version = model_versions.get_month_version(self.settings, self.month)
        if version and version.tags.get("decision") == "waiting":
            self.harness.judge(version.version, verdict, self.month)
            self.count(verdict)
            self.check(is_whole=True)
            assert self.lacking() == ()

    def check(self, *, is_whole: bool = False) -> None:
        """One champion, with a gate row behind each change, and a decision behind each training."""
        changes, gate = self.harness.rows("champion_changes"), self.harness.rows("promotions")
        champions = [None, *(row["model_version"] for row in changes)]
        assert [row["replaced_version"] for row in changes] == champions[:-1]
        # A killed process may leave the alias behind, until the next run.
        assert self.harness.champion in (champions[-1:] if is_whole else champions[-2:])
        for row in changes:
            assert any(
                (each["month"], each["model_version"], each["is_promoted"])
                == (row["month"], row["model_version"], True)
                and each["decided_at"] <= row["changed_at"]
                for each in gate
            )
        decided = {row["month"] for row in self.harness.rows("retraining_decisions") if row["is_retraining"]}
        months = [version.tags["scored_month"] for version in model_versions.versions(self.settings)]
        assert len(set(months)) == len(months)
        assert {Month.parse(text).first_day for text in months} <= decided

    def count(self, what: str) -> None:
        self.counts[what] += 1
