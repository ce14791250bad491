"""`taxi audit`: times, disagreements of registry, tables and routing, printed lines."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from taxi_assets.cli.audit_command import print_audit
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.audit import disagreements, parse_time

AT = datetime(2024, 5, 1, 12, 30)
CHANGE = {
    "changed_at": datetime(2024, 4, 2),
    "model_version": 5,
    "replaced_version": 3,
    "change": "approved",
    "month": date(2024, 3, 1),
    "decided_by": "ann",
    "why": "Better at night.",
    "run_id": None,
}
EVIDENCE = {
    "month": date(2024, 3, 1),
    "decided_by": "asset champion_model",
    "run_id": "0f3c",
    "snapshot": 12,
    "reasons": ["Its RMSE is 5.100 minutes."],
    "difference_minutes": -0.1,
    "difference_low": -0.15,
    "difference_high": -0.05,
}
ROUTING = {"champion": 5, "challengers": [{"version": 6, "share": 0.1}], "since": AT, "by": "asset deployment"}
FACTS: dict[str, Any] = {
    "at": AT,
    "champion": CHANGE,
    "until": datetime(2024, 6, 1),
    "evidence": EVIDENCE,
    "approval": {"decided_by": "ann", "decided_at": datetime(2024, 4, 2), "why": "Better at night."},
    "answered": [{"model_version": 5, "variant": "champion", "rides": 1_234}],
    "routing": ROUTING,
    "training": None,
    "evidence_pack": "evidence/2024-03-v5",
    "registry_champion": 5,
    "disagreements": ["They disagree."],
}
TRAINED: dict[str, Any] = {**FACTS, "training": {"months": []}}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2024-05-01", datetime(2024, 5, 1)),
        ("2024-05-01T12:30", AT),
        (" 2024-05-01T14:30+02:00 ", AT),
        ("2024-05-01T12:30Z", AT),
    ],
)
def test_a_time_is_utc(text: str, time: datetime) -> None:
    assert parse_time(text) == time


def test_a_wrong_or_future_time_is_an_error() -> None:
    with pytest.raises(TaxiError, match="--at is 'May': write a date or a time such as 2024-05-01T12:30"):
        parse_time("May")
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with pytest.raises(TaxiError, match="which is in the future"):
        parse_time(later)


def test_stores_that_agree_have_no_disagreement() -> None:
    assert disagreements(TRAINED) == []
    nothing = dict.fromkeys(("champion", "evidence", "training", "routing", "registry_champion"))
    assert disagreements(nothing) == []


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"registry_champion": 3, "routing": None}, "MLflow's alias names version 3, the tables name version 5"),
        ({"registry_champion": None}, "MLflow's alias names no version, the tables name version 5"),
        ({"training": None}, "version 5 is not in MLflow's registry any more"),
        ({"evidence": None}, "version 5 has no row in promotions"),
        ({"routing": {**ROUTING, "champion": 3}}, "the routing's champion is version 3, set by asset deployment"),
    ],
)
def test_each_disagreement_is_named(other: dict[str, Any], sentence: str) -> None:
    (found,) = disagreements({**TRAINED, **other})
    assert found.startswith(sentence)


def test_an_audit_prints_who_when_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_audit(FACTS)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "at          2024-05-01 12:30:00 UTC",
        "champion    version 5, since 2024-04-02 00:00:00 until 2024-06-01 00:00:00; in place of version 3",
        "changed     approved by ann",
        "evidence    2024-03, decided by asset champion_model, Dagster run 0f3c, snapshot 12",
        "            Its RMSE is 5.100 minutes.",
        "            difference of RMSE -0.100 minutes, between -0.150 and -0.050",
        "approved    by ann at 2024-04-02 00:00:00 UTC: Better at night.",
        "documents   evidence/2024-03-v5",
        "routing     version 5, version 6 10.0%, since 2024-05-01 12:30:00 by asset deployment",
        "answered    on that day, UTC: version 5 1,234 rides (champion)",
    ]
    assert printed.err == "warning: They disagree.\n"


def test_an_audit_before_the_first_champion_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = dict.fromkeys(("champion", "evidence", "approval", "training", "routing", "evidence_pack"))
    print_audit({**FACTS, **nothing, "answered": [], "disagreements": []})
    assert "champion    none yet\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["9999-12-31T23:59-05:00", "0001-01-01T00:00+05:00"])
def test_a_time_whose_offset_leads_out_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(TaxiError, match="write a date or a time such as"):
        parse_time(text)
