"""Any sequence of conditions and webhook faults: none arrives twice, the last one is never lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webhook_server import Fault, Webhook, close, drip, stall, status

from taxi_assets.monitoring.alerts.alert_conditions import AlertCondition
from taxi_assets.monitoring.alerts.deliver_alerts import MAX_ATTEMPTS, deliver_alerts
from taxi_assets.monitoring.alerts.record_alerts import record_conditions
from taxi_assets.warehouse.connection import Warehouse

POST_SECONDS = 0.1
FAULTS = {"500": status(500), "302": status(302, Location="/x"), "stall": stall, "close": close, "drip": drip}
CONDITIONS = [AlertCondition("drift", month, state, "it drifts") for month in "ab" for state in "xy"]
STEPS = st.lists(
    st.tuples(st.sets(st.integers(0, len(CONDITIONS) - 1)), st.lists(st.sampled_from(sorted(FAULTS)), max_size=3)),
    min_size=1,
    max_size=6,
)


def appearances(steps: Sequence[tuple[set[int], list[str]]]) -> dict[str, int]:
    """The number of times that each condition appears, by key."""
    before: set[int] = set()
    found: dict[str, int] = {}
    for now, _ in steps:
        for key in (CONDITIONS[number].key for number in now - before):
            found[key] = found.get(key, 0) + 1
        before = now
    return found


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_each_appearance_is_accepted_once(
    posting: Warehouse, webhook: Webhook, steps: list[tuple[set[int], list[str]]]
) -> None:
    webhook.accepted.clear()
    with posting.publishing("a new home") as connection:
        connection.execute("DELETE FROM alerts")
    now = datetime(2023, 5, 1)
    for conditions, faults in steps:
        now += timedelta(minutes=1)
        named: list[Fault] = [FAULTS[name] for name in faults]
        webhook.faults.extend(named)
        record_conditions(posting, [CONDITIONS[number] for number in sorted(conditions)], now)
        deliver_alerts(posting, now, POST_SECONDS)
    webhook.faults.clear()
    for _ in range(MAX_ATTEMPTS):
        now += timedelta(hours=8)
        if not deliver_alerts(posting, now, 5).delivered:
            break
    assert len(webhook.ids()) == len(set(webhook.ids()))
    expected = {f"{key}-{times}" for key, times in appearances(steps).items()}
    assert expected <= set(webhook.ids())
