"""Drift reports find an injected shift and pass an ordinary month."""

from pathlib import Path

import dagster as dg
import pytest
from platform_harness import APRIL, FEBRUARY, JANUARY, MARCH, SEED, PlatformHarness
from sample_lake import delete_rows, inspect_file

from taxi_assets import synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import publish_month
from taxi_assets.monitoring.drift.drift_reports import report_drift
from taxi_assets.synthetic import Shift, parse_shift

ROWS = 12_000


def publish(platform: PlatformHarness, shifts: tuple[Shift, ...]) -> None:
    """Publishes April with these shifts, from file to features."""
    folder = platform.settings.landing
    file = synthetic.write_month(folder, "green", APRIL, ROWS, SEED, None, shifts)
    try:
        publish_month.publish_month(platform.warehouse, inspect_file(file))
    finally:
        file.unlink()


def verdicts(platform: PlatformHarness) -> dict[str, str]:
    with platform.warehouse.reading() as connection:
        query = "SELECT feature, verdict FROM drift_reports WHERE month = ?"
        return dict(connection.execute(query, [APRIL.first_day]).fetchall())


def delete_month(platform: PlatformHarness) -> None:
    """Deletes April, since other tests need a month that was never ingested."""
    with platform.warehouse.publishing("as before") as connection:
        delete_rows(connection, f"month = DATE '{APRIL.first_day}'", "evaluations", "promotions", "schema_changes")


@pytest.mark.parametrize(
    ("shift", "feature", "expected"),
    [
        (None, None, "stable"),
        ("slower_city=2", "duration_ratio", "retrain"),
        ("shifted_clock=8", "hour_of_day", "fix data"),
        pytest.param("changed_unit=1.609", "metered_distance_ratio", "fix data", marks=pytest.mark.slow),
        pytest.param("null_burst=0.5", "missing_values", "fix data", marks=pytest.mark.slow),
    ],
)
def test_injected_shift_has_its_verdict_and_is_found_in_its_feature(
    platform: PlatformHarness, shift: str | None, feature: str | None, expected: str
) -> None:
    try:
        publish(platform, (parse_shift(shift),) if shift else ())
        report = report_drift(platform.settings, platform.warehouse, APRIL)
        found = verdicts(platform)
    finally:
        delete_month(platform)
    assert report.verdict == expected
    assert {each.name: each.verdict for each in report.features} == found
    assert not feature or found[feature] == "drifted"


def test_month_is_compared_with_the_champions_training_months(platform: PlatformHarness) -> None:
    report = report_drift(platform.settings, platform.warehouse, MARCH)
    assert report.reference_months == (JANUARY.first_day, FEBRUARY.first_day)


def test_reporting_again_replaces_the_rows(platform: PlatformHarness) -> None:
    report_drift(platform.settings, platform.warehouse, MARCH)
    before = platform.table_digests()["drift_reports"]
    report_drift(platform.settings, platform.warehouse, MARCH)
    assert platform.table_digests()["drift_reports"] == before


def test_first_month_has_no_drift_report(platform: PlatformHarness) -> None:
    with pytest.raises(TaxiError, match="no month before 2023-01 is in the warehouse to compare with"):
        report_drift(platform.settings, platform.warehouse, JANUARY)


def test_drifted_month_fails_a_check_of_severity_warning(platform: PlatformHarness) -> None:
    try:
        publish(platform, (parse_shift("slower_city=2"),))
        result = platform.materialise(APRIL, "drift_report")
    finally:
        delete_month(platform)
    assert result.success
    run = platform.find(result.run_id)
    check = platform.checks(run, "drift_report")["the_month_is_like_those_before"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert platform.metadata(run, "drift_report")["verdict"].value == "retrain"


def test_landing_folder_is_unchanged(platform: PlatformHarness) -> None:
    assert not Path(platform.settings.landing, "green_tripdata_2023-04.parquet").exists()
