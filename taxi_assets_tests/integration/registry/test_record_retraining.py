"""Retraining decisions from drawn figures, in a real warehouse and a real MLflow registry."""

from datetime import datetime
from typing import Any

import pytest
from planted_months import plant_drift, plant_evaluation, plant_file, plant_performance
from promotion_harness import MARCH, PromotionHarness

from taxi_assets.cli.status_report import status_summary
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.drift.drift_verdict import DriftVerdict
from taxi_assets.monitoring.record_retraining import TrainingRequest, record_retraining
from taxi_assets.months import Month

JUNE = MARCH.plus(3)


def decide(harness: PromotionHarness, month: Month, mode: str, request: TrainingRequest | None = None) -> Any:
    settings = harness.settings.model_copy(update={"retrain": mode})
    return record_retraining(settings, harness.warehouse, month, request, "a run")


def ingest(harness: PromotionHarness, month: Month, verdict: DriftVerdict, error_growth: float | None = 0.0) -> None:
    """Plants a month: its file, its drift, and the errors of version 1."""
    plant_file(harness, month)
    plant_drift(harness, month, verdict)
    plant_performance(harness, month, 1, error_growth)


@pytest.fixture
def trained(promotion: PromotionHarness) -> PromotionHarness:
    """March trained version 1."""
    promotion.register(MARCH)
    plant_evaluation(promotion, MARCH, 1)
    return promotion


def test_each_mode_decides_and_keeps_its_facts(trained: PromotionHarness) -> None:
    plant_drift(trained, MARCH.plus(1), "retrain")
    ingest(trained, MARCH.plus(2), "retrain", 0.05)
    monthly, never, drift = (decide(trained, MARCH.plus(2), mode) for mode in ("monthly", "never", "drift"))
    assert [row["is_retraining"] for row in (monthly, never, drift)] == [True, False, True]
    assert drift["reason"] == "the month and the one before drifted, and the champion's error has grown by 5.0%"
    assert drift["error_growth"] == pytest.approx(0.05)
    facts = {
        name: drift[name]
        for name in ("mode", "verdict", "earlier_verdict", "model_version", "last_training", "trainings", "run_id")
    }
    assert facts == {
        "mode": "drift",
        "verdict": "retrain",
        "earlier_verdict": "retrain",
        "model_version": 1,
        "last_training": MARCH.first_day,
        "trainings": 1,
        "run_id": "a run",
    }
    assert trained.rows("retraining_decisions") == [monthly, never, drift]


def test_an_equal_decision_adds_no_row(trained: PromotionHarness) -> None:
    ingest(trained, JUNE, "stable")
    first = decide(trained, JUNE, "never")
    assert decide(trained, JUNE, "never") == first
    assert decide(trained, JUNE, "drift")["reason"] == "the last training is 3 months old"
    assert len(trained.rows("retraining_decisions")) == 2


def test_a_person_trains_in_the_cooldown(trained: PromotionHarness) -> None:
    april = MARCH.plus(1)
    ingest(trained, april, "retrain", 0.5)
    assert decide(trained, april, "drift")["reason"] == "the last training is 1 months old: it cools down"
    row = decide(trained, april, "drift", TrainingRequest("ann", "A new bridge."))
    assert (row["is_retraining"], row["decided_by"], row["reason"]) == (True, "ann", "ann asks for it: A new bridge.")


def test_a_trained_month_stays_trained(trained: PromotionHarness) -> None:
    ingest(trained, JUNE, "stable")
    before = decide(trained, JUNE, "drift")
    version = trained.register(JUNE).version
    plant_drift(trained, JUNE, "fix data")
    assert decide(trained, JUNE, "drift") == before
    plant_file(trained, JUNE)
    row = decide(trained, JUNE, "never")
    assert (row["is_retraining"], row["reason"]) == (True, f"version {version} was trained for it")


def test_drift_of_replaced_files_is_not_used(trained: PromotionHarness) -> None:
    ingest(trained, JUNE, "stable")
    plant_file(trained, JUNE)
    with pytest.raises(TaxiError, match="the drift of 2023-06 was not measured: materialise drift_report"):
        decide(trained, JUNE, "drift")
    assert not trained.rows("retraining_decisions")
    assert decide(trained, JUNE, "never")["verdict"] is None


def test_the_newest_row_is_the_last_one_also_after_the_clock_was_set_back(trained: PromotionHarness) -> None:
    decide(trained, JUNE, "never")
    ahead = datetime(2999, 1, 1)
    with trained.warehouse.publishing("a clock ahead") as connection:
        connection.execute("UPDATE retraining_decisions SET decided_at = ?", [ahead])
    row = decide(trained, JUNE, "monthly")
    decide(trained, MARCH.plus(1), "never")
    assert row["decided_at"] > ahead
    assert status_summary(trained.settings)["retraining"] == row
    assert trained.rows("retraining_decisions")[-2] == row


def test_an_unknown_growth_of_the_error_does_not_keep_a_drifted_month_from_training(trained: PromotionHarness) -> None:
    plant_drift(trained, JUNE.plus(-2), "retrain")
    ingest(trained, JUNE.plus(-1), "retrain", None)
    row = decide(trained, JUNE.plus(-1), "drift")
    assert row["reason"] == "the month and the one before drifted, and the champion's error is unknown"
