"""`taxi approve` and `taxi reject` decide on a waiting version, or end with one line and exit code 1."""

import json
import sys

import pytest
from promotion_harness import PromotionHarness

from taxi_assets import cli

WORDS = ("--by", "ann", "--why", "Seen.")


def taxi(
    harness: PromotionHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    """Runs a command in the harness's home; returns its exit code and its output."""
    monkeypatch.setenv("TAXI_HOME", str(harness.settings.home))
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_a_version_is_approved_once(
    waiting: PromotionHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = taxi(waiting, monkeypatch, capsys, "approve", "2", *WORDS)
    assert (code, waiting.champion) == (0, 2)
    assert "version 2 is approved by ann (" in text
    assert "UTC: Seen.); compared with champion 1 on 2023-04\n`make up` packages and deploys it" in text
    again = taxi(waiting, monkeypatch, capsys, "approve", "2", "--by", "bob", "--why", "Also seen.")
    assert again[0] == 0
    assert "version 2 is approved already by ann (" in again[1]
    code, text = taxi(waiting, monkeypatch, capsys, "reject", "2", *WORDS)
    assert code == 1
    assert "error: version 2 was approved by ann at " in text


@pytest.mark.slow
def test_a_version_is_rejected_with_json(
    waiting: PromotionHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = taxi(waiting, monkeypatch, capsys, "reject", "2", "--month", "2023-04", *WORDS, "--json", "-")
    facts = json.loads(text.partition("warning:")[0])  # of the evidence pack: this version has no training data
    assert (code, waiting.champion) == (0, 1)
    assert (facts["decision"], facts["decided_by"], facts["month"]) == ("rejected", "ann", "2023-04")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("approve", "9", *WORDS), 1, "there is no version 9"),
        (("approve", "2", "--by", "ann"), 2, "Missing option '--why'"),
        (("reject", "2", "--month", "2023-13", *WORDS), 1, "'2023-13' is not a month"),
        (("approve", "2", "--by", " ", "--why", "Seen."), 1, "--by is ' ': write a line of text"),
    ],
)
def test_a_wrong_call_changes_nothing(
    waiting: PromotionHarness,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    found, text = taxi(waiting, monkeypatch, capsys, *arguments)
    assert found == code
    assert sentence in text
    assert waiting.row(2)["state"] == "waiting"
