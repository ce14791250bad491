"""Conditions of alerts, from the tables and the serving state: each kind, and a case without it."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from taxi_assets.ingestion.source_files import utc_now
from taxi_assets.monitoring.alerts.alert_conditions import AlertCondition, read_conditions
from taxi_assets.serving.deployments.deployment_store import write_refusal
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import roll_back, store_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.warehouse.connection import Warehouse

NOW = datetime(2023, 5, 1, 12)
YESTERDAY, LAST_YEAR = NOW - timedelta(days=1), NOW - timedelta(days=365)


def insert(warehouse: Warehouse, table: str, **row: Any) -> None:
    names = ", ".join(row)
    with warehouse.publishing("a row of a test") as connection:
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' for _ in row)})", list(row.values()))


def conditions(warehouse: Warehouse, now: datetime = NOW) -> dict[str, AlertCondition]:
    """The conditions by kind; each test has one of a kind."""
    found = read_conditions(warehouse.settings, warehouse, now)
    assert len({each.kind for each in found}) == len(found)
    return {each.kind: each for each in found}


def test_an_empty_home_has_no_condition(warehouse: Warehouse) -> None:
    assert conditions(warehouse) == {}


def test_quarantined_files_are_found(warehouse: Warehouse) -> None:
    why = ["it is no parquet"]
    for name, state, reasons in (
        ("a.parquet", "quarantined", why),
        ("b.parquet", "ingested", []),
        ("c.parquet", "quarantined", [*why, "resolved: dismissed by Ann on 2023-05-01"]),
    ):
        insert(warehouse, "source_files", path=name, file_name=name, state=state, reasons=reasons)
    assert conditions(warehouse)["file quarantined"].text == "a.parquet is in quarantine: it is no parquet"


@pytest.mark.parametrize(("now", "is_found"), [(datetime(2023, 7, 8), False), (datetime(2023, 7, 12), True)])
def test_overdue_months_are_found(warehouse: Warehouse, now: datetime, is_found: bool) -> None:
    insert(warehouse, "file_columns", service="green", month="2023-02-01")
    insert(warehouse, "file_columns", service="yellow", month="2022-01-01")  # not in use
    found = conditions(warehouse, now)
    assert ("month overdue" in found) == is_found
    if is_found:
        later = conditions(warehouse, now + timedelta(days=3))["month overdue"]
        assert later.text != found["month overdue"].text  # it counts the days
        assert later.key == found["month overdue"].key


@pytest.mark.parametrize("verdict", ["stable", "watch", "retrain", "fix data"])
def test_the_drift_verdict_of_the_newest_month_is_found(warehouse: Warehouse, verdict: str) -> None:
    insert(warehouse, "drift_verdicts", month="2023-03-01", verdict="retrain", facts=["an earlier one"])
    insert(warehouse, "drift_verdicts", month="2023-04-01", verdict=verdict, facts=["the hours", "the clock"])
    texts = [each.text for each in conditions(warehouse).values()]
    expected = f"the drift report of 2023-04 says {verdict}: the hours; the clock"
    assert texts == ([] if verdict in ("stable", "watch") else [expected])


CHARTED = {"variant": "champion", "slice": "overall", "control_low": 4.0, "control_high": 6.0}


def test_the_newest_day_outside_its_limits_is_found(warehouse: Warehouse) -> None:
    for day, rmse, ewma, is_flagged in ((1, 9.0, 3.0, True), (2, 5.0, 1.0, False), (3, 9.0, 2.0, None)):
        row = {"day": f"2023-04-0{day}", "model_version": 3, "rmse": rmse, "ewma": ewma, "is_flagged": is_flagged}
        insert(warehouse, "live_performance", **CHARTED, **row)
    assert conditions(warehouse) == {}  # the second is the newest day with limits
    keys = []
    for day, rmse, ewma, why in (
        (4, 7.0, 2.0, "7.00 minutes, expected between 4.00 and 6.00"),
        (5, 5.5, 5.0, "5.50 minutes, the mean of the last days has been above that of its evaluation month"),
        (6, 3.0, 1.0, "3.00 minutes, expected between 4.00 and 6.00"),
        (7, 4.5, -5.0, "4.50 minutes, the mean of the last days has been below that of its evaluation month"),
    ):
        row = {"day": f"2023-04-0{day}", "model_version": 3, "rmse": rmse, "ewma": ewma, "is_flagged": True}
        insert(warehouse, "live_performance", **CHARTED, **row)
        found = conditions(warehouse)["live error"]
        assert found.text == f"RMSE of version 3 on 2023-04-0{day}: {why}"
        keys.append(found.key)
    assert [keys[0] == key for key in keys] == [True, True, False, False]  # one alert for each side
    insert(warehouse, "live_performance", **CHARTED, **(row | {"day": "2023-04-08", "is_flagged": False}))
    assert conditions(warehouse) == {}


@pytest.mark.parametrize(
    ("state", "is_promoted", "decided_at", "is_found"),
    [
        (None, False, YESTERDAY, True),
        ("refused", False, YESTERDAY, True),
        ("refused", False, LAST_YEAR, False),
        ("waiting", False, YESTERDAY, False),
        ("promoted", True, YESTERDAY, False),
    ],
)
def test_recent_refusals_are_found(
    warehouse: Warehouse, state: str | None, is_promoted: bool, decided_at: datetime, is_found: bool
) -> None:
    row = {"month": "2023-03-01", "model_version": 4, "reasons": ["It is worse."], "decided_at": decided_at}
    insert(warehouse, "promotions", state=state, is_promoted=is_promoted, **row)
    found = conditions(warehouse)
    assert ("version refused" in found) == is_found
    if is_found:
        assert found["version refused"].text == "version 4 was refused for 2023-03: It is worse."


def test_a_decision_without_an_evidence_pack_is_found(warehouse: Warehouse) -> None:
    insert(warehouse, "promotions", month="2023-03-01", model_version=4, is_promoted=True, decided_at=YESTERDAY)
    assert "materialise champion_model of 2023-03" in conditions(warehouse)["evidence pack missing"].text
    assert conditions(warehouse, YESTERDAY + timedelta(minutes=1)) == {}  # it is being written
    pack = warehouse.settings.evidence / "2023-03-v4"
    pack.mkdir(parents=True)
    (pack / "index.html").touch()
    assert conditions(warehouse) == {}
    (pack / "index.html").unlink()


def test_rollbacks_of_the_champion_are_found(warehouse: Warehouse) -> None:
    row = {"model_version": 1, "replaced_version": 2, "decided_by": "live_performance", "why": "Its errors are larger."}
    insert(warehouse, "champion_changes", change="rolled_back", changed_at=LAST_YEAR, **row)
    insert(warehouse, "champion_changes", change="promoted", changed_at=YESTERDAY, **row)
    assert conditions(warehouse) == {}
    insert(warehouse, "champion_changes", change="rolled_back", changed_at=YESTERDAY, **row)
    text = "live_performance rolled the champion back from version 2 to version 1: Its errors are larger."
    assert conditions(warehouse)["champion rolled back"].text == text


def test_refused_deployments_and_restored_routings_are_found(warehouse: Warehouse) -> None:
    state = ServingState(warehouse.settings.serving_state).create()
    now = utc_now()
    for version in (1, 2, 3):
        store_routing(state, Routing(version), "taxi route")
    assert conditions(warehouse, now) == {}
    write_refusal(state, 3, "its checksum differs", "taxi deploy")
    roll_back(state, "taxi rollback")
    found = conditions(warehouse, now)
    expected = "the endpoint refused version 3, asked for by taxi deploy: its checksum differs"
    assert found["deployment refused"].text == expected
    assert found["routing rolled back"].text.startswith("taxi rollback restored an earlier routing: version 2 is")
    assert conditions(warehouse, now + timedelta(days=9)) == {}
    store_routing(state, Routing(3), "taxi route")
    assert "routing rolled back" not in conditions(warehouse, now)
