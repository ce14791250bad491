"""Evidently's page of a month in a real browser: it shows the features and contacts no host."""

from pathlib import Path

import pytest
from browser_tour import observe
from sample_lake import Lake

from benchmarks.chromium import chromium
from taxi_assets.monitoring.drift.measure_drift import measure_drift
from taxi_assets.monitoring.drift_page.write_drift_page import write_drift_page
from taxi_assets.settings import Settings

pytestmark = pytest.mark.slow


def test_evidentlys_page_opens_without_any_request(lake: Lake, tmp_path: Path) -> None:
    first, second = (month.first_day for month in lake.source.months)
    with lake.warehouse.reading() as connection:
        report = measure_drift(connection, ["green"], [first], second)
    settings = Settings(home=tmp_path, data_kind=lake.source.kind)
    file = settings.reports / write_drift_page(settings, lake.warehouse, report)
    with chromium() as browser:
        page = browser.new_page()
        seen = observe(page)
        page.goto(file.as_uri())
        page.get_by_text("Data Drift Summary").wait_for()
        text = page.inner_text("body")
    assert f"The platform says of 2023-02: {report.verdict}." in text
    assert {"duration_minutes", "pickup_zone_id", "zone_distance_miles"} <= set(text.split())
    assert (seen.hosts, seen.errors) == (set(), [])
