"""The alert sensor: failed runs of Dagster become alerts once, also if its cursor is lost."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from platform_harness import PlatformHarness
from webhook_server import Webhook, posting_to, serving

from taxi_assets.defs.monitoring.alerts import failed_runs
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.source_files import utc_now
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse

SEPTEMBER = Month(2023, 9)  # the source has no such month
SUCCESS, FAILURE, CANCELED = (dg.DagsterRunStatus(name) for name in ("SUCCESS", "FAILURE", "CANCELED"))


@pytest.fixture
def webhook(platform: PlatformHarness, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as server:
        yield server
    with platform.warehouse.publishing("as before") as connection:
        connection.execute("DELETE FROM alerts")


def tick(platform: PlatformHarness, warehouse: Warehouse) -> str:
    """The message of a tick without a cursor."""
    repository = platform.definitions.get_repository_def()
    resources = {"settings": warehouse.settings, "warehouse": warehouse}
    with dg.build_sensor_context(
        instance=platform.instance, resources=resources, repository_def=repository, sensor_name="alert_sensor"
    ) as context:
        result = repository.get_sensor_def("alert_sensor").evaluate_tick(context)
    assert not result.run_requests
    return str(result.skip_message)


def test_a_failed_run_is_delivered_once(platform: PlatformHarness, webhook: Webhook) -> None:
    with pytest.raises(TaxiError) as refused:
        platform.run("ingest_months", [SEPTEMBER])
    posting = posting_to(platform.warehouse, webhook.url)
    assert str(refused.value) in tick(platform, posting)
    assert "0 new" in tick(platform, posting)
    texts = [body["text"] for body in webhook.accepted if "ingest_months 2023-09" in body["text"]]
    assert len(texts) == 1
    assert texts[0].startswith("taxi: run failed: ingest_months 2023-09 failed: ")


@pytest.mark.slow  # it waits five seconds for the lock
def test_a_tick_while_a_month_is_published_waits(platform: PlatformHarness, webhook: Webhook) -> None:
    posting = posting_to(platform.warehouse, webhook.url)
    with platform.warehouse.publishing("a month"):
        assert tick(platform, posting) == "a month is being published: alerts are recorded after it"


def subjects(instance: dg.DagsterInstance, *runs: tuple[str, str, dg.DagsterRunStatus], days: int = 0) -> list[str]:
    """Subjects of the failed runs after these runs of a job and month, oldest first."""
    for job, month, status in runs:
        tags = {"dagster/partition": month} if month else {}
        instance.add_run(dg.DagsterRun(job_name=job, run_id=make_new_run_id(), status=status, tags=tags))
    return [each.subject for each in failed_runs(instance, utc_now() + timedelta(days=days))]


def test_the_newest_finished_run_of_a_job_and_month_decides() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert subjects(instance) == []
        assert subjects(instance, ("tune", "2023-03", SUCCESS), ("tune", "2023-03", FAILURE)) == ["tune 2023-03"]
        assert subjects(instance, ("tune", "2023-03", CANCELED), ("tune", "2023-04", SUCCESS)) == ["tune 2023-03"]
        assert subjects(instance, days=8) == []
        runs = (("tune", "2023-03", SUCCESS), ("maintain_warehouse", "", FAILURE))
        assert subjects(instance, *runs) == ["maintain_warehouse"]
