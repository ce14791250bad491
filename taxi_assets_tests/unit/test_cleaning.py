"""Every rule of cleaning has a reason for people, and the SQL tries them in the order they are told in."""

import re

import pytest

from taxi_assets.cleaning import REASONS, THRESHOLDS
from taxi_assets.warehouse import sql


def test_the_sql_knows_the_reasons_and_no_others_in_their_order() -> None:
    assert re.findall(r"THEN '(\w+)'", sql("rejected_trips")) == list(REASONS)


def test_the_sql_takes_every_threshold_and_holds_none_itself() -> None:
    text = sql("rejected_trips")
    assert set(re.findall(r"\$(\w+)", text)) == {*THRESHOLDS, "service", "month"}
    case = text[text.index("CASE") : text.index("END AS reason")]
    assert not re.findall(r"[<>] *-?\d{2,}|AND \d", case)


@pytest.mark.parametrize(
    ("reason", "threshold", "told"),
    [
        ("duration_too_short", "shortest_minutes", {1: "under a minute"}),
        ("duration_too_long", "longest_minutes", {180: "over three hours"}),
        ("speed_impossible", "fastest_mph", {80: "80 mph"}),
    ],
)
def test_a_reason_tells_its_threshold(reason: str, threshold: str, told: dict[float, str]) -> None:
    assert told[THRESHOLDS[threshold]] in REASONS[reason]


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_a_name_and_a_sentence_for_people(reason: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason)
    assert re.fullmatch(r"[^\n.]{10,}", REASONS[reason])


def test_rules_do_not_change_while_the_platform_runs() -> None:
    with pytest.raises(TypeError):
        THRESHOLDS["longest_minutes"] = 240  # type: ignore[index]
    with pytest.raises(TypeError):
        REASONS["too_dear"] = "a fare nobody pays"  # type: ignore[index]
