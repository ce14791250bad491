"""In approve mode a better version waits; a person's decision holds if the evidence still does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from promotion_harness import APRIL, MARCH, MAY, PromotionHarness, killed_at

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.promotion.approval import Verdict, waiting_decisions
from taxi_assets.promotion.stale_evidence import StaleEvidence
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.registry.model_files import DIGEST_TAG
from taxi_assets.warehouse.fault_points import PROMOTION_FAULT_POINTS

WAITING = 2


def waiting_versions(promotion: PromotionHarness) -> list[int]:
    with promotion.warehouse.reading() as connection:
        return [row["model_version"] for row in waiting_decisions(promotion.settings, connection)]


def test_the_first_version_waits_too(promotion: PromotionHarness) -> None:
    version = promotion.register(MARCH).version
    assert promotion.decide(version, MARCH) == "waiting"
    assert promotion.champion is None
    assert waiting_versions(promotion) == [version]
    promotion.judge(version, "approved")
    assert promotion.champion == version
    (change,) = promotion.rows("champion_changes")
    assert (change["change"], change["replaced_version"], change["decided_by"]) == ("approved", None, "ann")


def test_a_waiting_version_leaves_the_champion(waiting: PromotionHarness) -> None:
    assert waiting.champion == 1
    row, tags = waiting.row(WAITING), waiting.tags(WAITING)
    assert (row["state"], row["is_promoted"], row["champion_version"]) == ("waiting", False, 1)
    assert row["difference_high"] < 0
    assert (tags["decision"], tags["decision_is_promoted"]) == ("waiting", "False")
    assert "refusal" not in tags
    description = client(waiting.settings).get_model_version(model_versions.MODEL_NAME, str(WAITING)).description
    assert "Waits for approval, scored on 2023-04" in description


@pytest.mark.slow
def test_a_worse_version_is_refused_in_approve_mode(waiting: PromotionHarness) -> None:
    worse = waiting.register(APRIL).version
    assert waiting.decide(worse, APRIL, is_better=False) == "refused"
    assert "refusal" in waiting.tags(worse)
    with pytest.raises(TaxiError, match=f"version {worse} does not wait .* it was refused: Champion 1 is no worse"):
        waiting.judge(worse, "approved")


def test_an_approval_is_kept_with_who_when_and_why(waiting: PromotionHarness) -> None:
    approved = waiting.judge(WAITING, "approved", by=" ann ", why="Better at night.")
    assert waiting.champion == WAITING
    assert (approved["decided_by"], approved["why"], approved["champion_version"]) == ("ann", "Better at night.", 1)
    assert isinstance(approved["decided_at"], datetime)
    assert waiting.rows("approvals") == [approved | {"month": APRIL.first_day}]
    row, tags = waiting.row(WAITING), waiting.tags(WAITING)
    assert (row["state"], row["is_promoted"], row["decided_by"]) == ("approved", True, "the test")
    assert (tags["decision"], tags["approval_decided_by"], tags["approval_why"]) == (
        "approved",
        "ann",
        "Better at night.",
    )
    assert [change["model_version"] for change in waiting.rows("champion_changes")] == [1, WAITING]
    assert waiting_versions(waiting) == []


@pytest.mark.slow
def test_a_rejected_version_stays_rejected_on_the_same_evidence(waiting: PromotionHarness) -> None:
    waiting.judge(WAITING, "rejected", why="Not before the holidays.")
    assert (waiting.champion, waiting.row(WAITING)["state"]) == (1, "rejected")
    assert waiting.tags(WAITING)["refusal"] == "Rejected by ann: Not before the holidays."
    for mode in ("approve", "auto"):
        assert waiting.decide(WAITING, APRIL, mode) == "rejected"
    assert waiting.champion == 1
    other = waiting.register(MARCH).version
    waiting.decide(other, MARCH, "auto")
    assert waiting.decide(WAITING, APRIL) == "waiting"  # the champion is another


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("approved", "rejected"), ("rejected", "approved")])
def test_the_same_decision_again_returns_the_first_and_another_is_refused(
    waiting: PromotionHarness, first: Verdict, second: Verdict
) -> None:
    decided = waiting.judge(WAITING, first, by="ann")
    before = {table: waiting.rows(table) for table in ("promotions", "approvals", "champion_changes")}
    again = waiting.judge(WAITING, first, by="bob")
    assert (again["decided_by"], again["decided_at"]) == ("ann", decided["decided_at"])
    with pytest.raises(TaxiError, match=f"version {WAITING} was {first} by ann at "):
        waiting.judge(WAITING, second)
    assert {table: waiting.rows(table) for table in before} == before


@pytest.mark.slow
def test_a_replaced_champion_does_not_come_back_by_a_repeated_approval(waiting: PromotionHarness) -> None:
    waiting.judge(WAITING, "approved")
    third = waiting.register(MAY).version
    waiting.decide(third, MAY, "auto")
    with pytest.raises(StaleEvidence, match=f"version {WAITING} was approved by ann .*, and version {third} replaced"):
        waiting.judge(WAITING, "approved")
    assert waiting.champion == third


# Evidence that no longer holds


def change_champion(promotion: PromotionHarness) -> None:
    promotion.decide(promotion.register(MARCH).version, MARCH, "auto")


def decide_again(promotion: PromotionHarness) -> None:
    promotion.decide(promotion.register(APRIL).version, APRIL)


def damage_model(promotion: PromotionHarness) -> None:
    model_versions.tag_decision(promotion.settings, WAITING, {DIGEST_TAG: "0"})


def source_file(promotion: PromotionHarness, month: Month, snapshot: int, sha256: str) -> None:
    with promotion.warehouse.publishing("a file") as connection:
        connection.execute("DELETE FROM source_files WHERE month = ?", [month.first_day])
        connection.execute(
            "INSERT INTO source_files (service, month, state, snapshot, sha256) VALUES ('green', ?, 'ingested', ?, ?)",
            [month.first_day, snapshot, sha256],
        )


def publish_scored_month_again(promotion: PromotionHarness) -> None:
    source_file(promotion, APRIL, promotion.warehouse.snapshot() + 1, "b")


def replace_training_file(promotion: PromotionHarness) -> None:
    source_file(promotion, Month(2023, 1), 0, "a")
    model_versions.tag_decision(promotion.settings, WAITING, {"data_snapshot": str(promotion.warehouse.snapshot())})
    source_file(promotion, Month(2023, 1), 0, "b")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            change_champion,
            "it was compared with champion 1, now it is champion 3: materialise champion_model of 2023-",
        ),
        pytest.param(
            decide_again, "version 3 was decided on for 2023-04 after it: decide on that one", marks=pytest.mark.slow
        ),
        pytest.param(
            damage_model,
            "its model is missing or damaged: materialise duration_model, model_evaluation and champion",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            publish_scored_month_again,
            "2023-04 was published again since: materialise model_evaluation and champion",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            replace_training_file,
            r"trained on files that were replaced since, green 2023-01 \(a, now b\): materialise",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_version_with_stale_evidence_is_not_approved(
    waiting: PromotionHarness, change: Callable[[PromotionHarness], None], sentence: str
) -> None:
    change(waiting)
    before = waiting.champion
    with pytest.raises(StaleEvidence, match=f"version {WAITING} cannot be approved, .*{sentence}"):
        waiting.judge(WAITING, "approved")
    assert (waiting.champion, waiting.row(WAITING)["state"]) == (before, "waiting")
    waiting.judge(WAITING, "rejected")
    assert waiting.champion == before


@pytest.mark.slow
def test_evidence_of_another_condition_is_stale(waiting: PromotionHarness) -> None:
    served = waiting.settings.model_copy(update={"served_condition": "with_recent_traffic"})
    other = PromotionHarness(served, waiting.warehouse)
    with pytest.raises(StaleEvidence, match="without recent traffic, which is not TAXI_SERVED_CONDITION"):
        other.judge(WAITING, "approved")


def test_a_decision_on_another_champion_is_not_recorded(waiting: PromotionHarness) -> None:
    evidence = waiting.evidence(waiting.register(MAY).version, MAY)
    waiting.judge(WAITING, "approved")
    before = waiting.rows("promotions")
    assert waiting.record(evidence, "auto") is None
    assert (waiting.rows("promotions"), waiting.champion) == (before, WAITING)


@pytest.mark.slow
@pytest.mark.parametrize(("by", "why"), [("", "Seen."), ("ann", "  "), ("ann\nbob", "Seen.")])
def test_a_decision_needs_a_name_and_a_reason(waiting: PromotionHarness, by: str, why: str) -> None:
    with pytest.raises(TaxiError, match="write a line of text"):
        waiting.judge(WAITING, "approved", by=by, why=why)
    assert waiting.row(WAITING)["state"] == "waiting"


@pytest.mark.slow
def test_an_unknown_version_is_an_error(waiting: PromotionHarness) -> None:
    with pytest.raises(TaxiError, match="there is no version 99: the newest are 2, 1"):
        waiting.judge(99, "approved")
    with pytest.raises(TaxiError, match=f"version {WAITING} of 2023-03 was not decided on"):
        waiting.judge(WAITING, "approved", MARCH)


# Kills and concurrent decisions


@pytest.mark.slow
@pytest.mark.parametrize("point_name", PROMOTION_FAULT_POINTS)
def test_a_killed_approval_is_finished_by_the_next_decision(waiting: PromotionHarness, point_name: str) -> None:
    with killed_at(point_name):
        waiting.judge(WAITING, "approved")
    assert waiting.row(WAITING)["state"] == "approved"
    assert waiting.tags(WAITING)["decision"] == "waiting"  # by which the sensor sees that it is unfinished
    evidence = waiting.evidence(waiting.register(MAY).version, MAY)
    # The next decision finishes the change first; on the champion before, its evidence is stale.
    assert (waiting.record(evidence) is None) == (point_name == "decision_recorded")
    assert waiting.champion == WAITING
    assert waiting.tags(WAITING)["approval_decided_by"] == "ann"
    assert waiting.judge(WAITING, "approved", by="bob")["decided_by"] == "ann"
    assert len(waiting.rows("champion_changes")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("point_name", PROMOTION_FAULT_POINTS)
def test_a_killed_approval_is_finished_by_the_same_call(waiting: PromotionHarness, point_name: str) -> None:
    with killed_at(point_name):
        waiting.judge(WAITING, "approved")
    waiting.judge(WAITING, "approved")
    assert waiting.champion == WAITING
    assert waiting.tags(WAITING)["decision"] == "approved"


@pytest.mark.slow
def test_a_champion_that_a_person_put_back_stays(waiting: PromotionHarness) -> None:
    waiting.judge(WAITING, "approved")
    model_versions.promote(waiting.settings, 1, "A person moved the alias.")
    third = waiting.register(MAY).version
    assert waiting.decide(third, MAY) == "waiting"
    assert waiting.champion == 1


@pytest.mark.slow
def test_of_two_concurrent_decisions_exactly_one_is_made(waiting: PromotionHarness) -> None:
    start = Barrier(2)

    def judge(verdict: Verdict) -> str:
        start.wait()
        try:
            return str(waiting.judge(WAITING, verdict)["decision"])
        except TaxiError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(judge, ("approved", "rejected")))
    (winner,) = [each for each in outcomes if each in ("approved", "rejected")]
    (loser,) = [each for each in outcomes if each != winner]
    assert f"version {WAITING} was {winner} by ann" in loser
    assert waiting.row(WAITING)["state"] == winner
    assert waiting.champion == (WAITING if winner == "approved" else 1)
    assert len(waiting.rows("approvals")) == 1
