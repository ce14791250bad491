"""Each alert reaches the webhook once, also past failures of it; none is lost, and none blocks."""

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from self_signed import write_certificate
from webhook_server import PATH, Webhook, close, drip, posting_to, serving, stall, status

from taxi_assets.monitoring.alerts.alert_conditions import AlertCondition
from taxi_assets.monitoring.alerts.deliver_alerts import MAX_ATTEMPTS, Delivery, deliver_alerts, pause_after
from taxi_assets.monitoring.alerts.record_alerts import open_alerts, record_conditions
from taxi_assets.warehouse.connection import Warehouse

NOW = datetime(2023, 5, 1, 12)
POST_SECONDS = 0.3


def condition(subject: str, state: str = "a") -> AlertCondition:
    return AlertCondition("file quarantined", subject, state, f"{subject} is in quarantine")


def column(warehouse: Warehouse, name: str) -> list[Any]:
    with warehouse.reading() as connection:
        return [row[0] for row in connection.execute(f"SELECT {name} FROM alerts ORDER BY subject").fetchall()]


def deliver_all(warehouse: Warehouse, now: datetime, ticks: int) -> list[Delivery]:
    """The deliveries of so many ticks, a longest pause apart."""
    return [deliver_alerts(warehouse, now + tick * timedelta(hours=8), POST_SECONDS) for tick in range(ticks)]


def test_alerts_are_delivered_once_past_every_failure(posting: Warehouse, webhook: Webhook) -> None:
    record_conditions(posting, [condition(str(number)) for number in range(4)], NOW)
    webhook.faults.extend([status(500), stall, close, status(302, Location="/elsewhere"), drip, status(429)])
    deliveries = deliver_all(posting, NOW, 5)
    assert sorted(webhook.ids()) == sorted(f"{key}-1" for key in column(posting, "key"))
    assert sum(each.delivered for each in deliveries) == 4
    assert [error for each in deliveries for error in each.errors] == [
        "the webhook answered with status 500",
        f"no response within {POST_SECONDS:g} seconds",
        "no response (RemoteProtocolError)",
        "the webhook answered with status 302",
        f"no response within {POST_SECONDS:g} seconds",
        "the webhook answered with status 429",
    ]
    assert set(webhook.paths) == {f"/{PATH}"}
    assert column(posting, "delivery_error") == [None] * 4
    assert deliver_all(posting, NOW + timedelta(days=2), 1) == [Delivery()]


def test_a_tick_ends_soon_although_the_webhook_stalls(posting: Warehouse, webhook: Webhook) -> None:
    record_conditions(posting, [condition(str(number)) for number in range(4)], NOW)
    webhook.faults.extend([stall] * 4)
    begun = time.monotonic()
    assert deliver_alerts(posting, NOW, POST_SECONDS).delivered == 0
    assert time.monotonic() - begun < 4 * POST_SECONDS + 5  # one attempt, however slow this machine is
    assert len(webhook.paths) == 1


def test_attempts_pause_and_end_but_the_alert_stays_visible(posting: Warehouse, webhook: Webhook) -> None:
    record_conditions(posting, [condition("a.parquet")], NOW)
    webhook.faults.extend([status(500)] * 4)
    deliver_alerts(posting, NOW, POST_SECONDS)
    assert deliver_alerts(posting, NOW + pause_after(1) - timedelta(seconds=1), POST_SECONDS) == Delivery()
    deliver_alerts(posting, NOW + pause_after(1), POST_SECONDS)
    assert column(posting, "attempts") == [len(webhook.paths)] == [2]
    with posting.publishing("many failed attempts") as connection:
        connection.execute("UPDATE alerts SET attempts = ?", [MAX_ATTEMPTS - 1])
    deliver_all(posting, NOW + timedelta(days=1), 3)
    assert len(webhook.paths) == 3
    with posting.reading() as connection:
        (shown,) = open_alerts(connection)
    assert (shown["delivered_at"], shown["delivery_error"]) == (None, "the webhook answered with status 500")


def test_pauses_grow_to_eight_hours() -> None:
    minutes = [pause_after(attempts) / timedelta(minutes=1) for attempts in range(MAX_ATTEMPTS)]
    assert minutes[:4] == [0, 1, 2, 4]
    assert minutes == sorted(minutes)
    assert minutes[-1] == 8 * 60


def test_a_condition_alerts_again_only_after_it_was_resolved_or_changed(posting: Warehouse, webhook: Webhook) -> None:
    first, changed, other = condition("a"), condition("a", "b"), condition("b")
    for conditions, raised in (
        ([first], [first]),
        ([first], []),
        ([first, other], [other]),
        ([changed], [changed]),
        ([first, changed], [first]),
        ([], []),
        ([other], [other]),
    ):
        before = posting.snapshot()
        assert list(record_conditions(posting, conditions, NOW)) == raised
        assert deliver_alerts(posting, NOW, POST_SECONDS).delivered == len(raised)
        assert raised or not conditions or posting.snapshot() == before  # an unchanged tick writes nothing
    expected = [first.key, other.key, changed.key, first.key, other.key]
    times = ["1", "1", "1", "2", "2"]
    assert webhook.ids() == [f"{key}-{number}" for key, number in zip(expected, times, strict=True)]


def test_an_alert_that_is_resolved_while_the_webhook_is_down_is_delivered(posting: Warehouse, webhook: Webhook) -> None:
    record_conditions(posting, [condition("a")], NOW)
    webhook.faults.append(status(503))
    deliver_alerts(posting, NOW, POST_SECONDS)
    record_conditions(posting, [], NOW + timedelta(minutes=1))
    assert deliver_alerts(posting, NOW + timedelta(minutes=2), POST_SECONDS).delivered == 1


def test_without_a_webhook_alerts_are_recorded_and_logged(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    record_conditions(warehouse, [condition("a")], NOW)
    assert deliver_alerts(warehouse, NOW) == Delivery()
    assert column(warehouse, "text") == ["a is in quarantine"]
    assert caplog.messages == ["alert: file quarantined: a is in quarantine"]


def test_the_address_is_in_no_log_and_no_error(
    posting: Warehouse, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        record_conditions(posting, [condition("a"), condition("b"), condition("c")], NOW)
        webhook.faults.extend([status(500), close])
        deliver_alerts(posting, NOW, POST_SECONDS)
        webhook.shutdown()
        webhook.server_close()
        deliver_alerts(posting, NOW + timedelta(days=1), POST_SECONDS)
    assert "secret" not in caplog.text
    assert "secret" not in repr(column(posting, "delivery_error")) + repr(posting.settings)


def test_text_cannot_address_a_channel_of_slack(posting: Warehouse, webhook: Webhook) -> None:
    record_conditions(
        posting, [AlertCondition("file quarantined", "<!here>&.csv", "a", "<!here>&.csv is " + "x" * 4_000)], NOW
    )
    deliver_alerts(posting, NOW, POST_SECONDS)
    (body,) = webhook.accepted
    assert set(body) == {"text", "attachments"}
    assert body["text"].startswith("taxi: file quarantined: &lt;!here&gt;&amp;.csv is xxx")
    assert len(body["text"]) < 3_100
    fields = {field["title"]: field["value"] for field in body["attachments"][0]["fields"]}
    assert (fields["subject"], fields["since"], fields["times"]) == (
        "&lt;!here&gt;&amp;.csv",
        "2023-05-01 12:00:00 UTC",
        "1",
    )


def test_https_needs_a_trusted_certificate(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    certificate = write_certificate(tmp_path)
    record_conditions(warehouse, [condition("a")], NOW)
    with serving(certificate) as webhook:
        secure = posting_to(warehouse, webhook.url)
        assert deliver_alerts(secure, NOW).errors == ("no response (ConnectError)",)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert deliver_alerts(secure, NOW + timedelta(hours=1)).delivered == 1
