"""Overdue months in Dagster: the check, its schedule and the asset's freshness policy."""

import asyncio
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator

from taxi_assets.definitions import build
from taxi_assets.defs.ingestion import checks
from taxi_assets.defs.instance import open_instance
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.warehouse.connection import Warehouse

RAW, CHECK = dg.AssetKey("raw_trips"), "no_month_is_overdue"
TODAY = date.today()
RECENT = Month(TODAY.year, TODAY.month).plus(-3)  # the next one ended less than two months ago


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the check on a real instance with the given months of each service in the warehouse."""

    def check(
        kind: DataKind = "real", services: tuple[str, ...] = ("green",), arrived: date | None = None, **newest: Month
    ) -> Any:
        settings = Settings(home=tmp_path / "home", data_kind=kind, services=services, threads=1)
        monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with Warehouse(settings).publishing("months") as connection:
            connection.execute("DELETE FROM file_columns")
            for service, month in newest.items():
                values = {"service": service, "month": month.first_day}
                connection.execute(
                    "INSERT INTO file_columns BY NAME SELECT $service AS service, $month AS month", values
                )
                if arrived:
                    connection.execute(
                        "INSERT INTO source_files BY NAME SELECT $service AS service, $month AS month, "
                        "CAST($arrived AS DATE) AS first_seen_at, 'ingested' AS state",
                        {**values, "arrived": arrived},
                    )
        with open_instance(settings) as instance:
            job = build(settings).resolve_job_def("check_freshness")
            quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            result = job.execute_in_process(instance=instance, run_config=quiet)
            (found,) = result.get_asset_check_evaluations()
            summary = instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(RAW, CHECK), limit=1
            )
            assert summary[0].run_id == result.run_id
        return found

    return check


def test_month_in_time_passes(platform: Any) -> None:
    found = platform(green=RECENT)
    assert (found.check_name, found.passed) == (CHECK, True)
    assert found.description.startswith(f"green {RECENT.plus(1)} is expected by 20")
    assert found.description.endswith(f"; the newest month is {RECENT}.")


def test_overdue_month_is_reported(platform: Any) -> None:
    found = platform(services=("green", "yellow"), green=RECENT, yellow=Month(2023, 1))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description.startswith("yellow 2023-02 is overdue since 2023-06-09 (")  # green is not mentioned
    assert found.description.endswith("or fetch it: taxi run --months 2023-02 --services yellow")


def test_ingested_past_month_causes_no_warning(platform: Any) -> None:
    found = platform(arrived=TODAY, green=Month(2023, 3))
    assert found.passed
    assert found.description == "No new month of green is expected: only past months, up to 2023-03, were ingested."


def test_unused_services_are_never_overdue(platform: Any) -> None:
    assert platform(green=RECENT, yellow=Month(2023, 1)).passed


def test_synthetic_months_and_an_empty_warehouse_are_never_overdue(platform: Any) -> None:
    assert platform("synthetic", green=Month(2023, 1)).passed
    assert platform().description == "No month is ingested yet."


def test_freshness_check_runs_every_morning() -> None:
    schedule = checks.check_freshness_daily
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "check_freshness"


@pytest.mark.parametrize(
    ("days", "state"), [(0, FreshnessState.PASS), (80, FreshnessState.WARN), (101, FreshnessState.FAIL)]
)
def test_freshness_policy_reports_the_time_without_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, state: FreshnessState
) -> None:
    settings = Settings(home=tmp_path, data_kind="real")
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with open_instance(settings) as instance:
        assert instance.freshness_enabled
        instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition="2023-01"))
        later = time.time() + timedelta(days=days).total_seconds()
        monkeypatch.setattr("dagster._core.definitions.freshness_evaluator.get_current_timestamp", lambda: later)
        graph = build(settings).resolve_asset_graph()
        node = graph.get(RAW)
        found = asyncio.run(TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(loading(instance), node))  # type: ignore[arg-type]
    assert found == state


def loading(instance: dg.DagsterInstance) -> Any:
    from dagster._core.loader import LoadingContextForTest

    return LoadingContextForTest(instance)
