"""The samples behind Evidently's page, and its failures."""

import shutil
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from sample_lake import Lake

from taxi_assets.definitions import build
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.drift.measure_drift import DriftReport, measure_drift
from taxi_assets.monitoring.drift_page import write_drift_page as drift_page


@pytest.fixture(scope="module")
def report(lake: Lake) -> DriftReport:
    first, second = (month.first_day for month in lake.source.months)
    with lake.warehouse.reading() as connection:
        return measure_drift(connection, ["green"], [first], second)


def test_a_sample_has_at_most_so_many_trips_of_each_side(
    lake: Lake, report: DriftReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    for rows in (100, 100, 10**7):
        monkeypatch.setattr(drift_page, "ROWS", rows)
        drift_page._write_samples(lake.settings, lake.warehouse, report, tmp_path / "samples.parquet")
        drawn.append(pq.read_table(tmp_path / "samples.parquet"))
    assert drawn[0].equals(drawn[1])
    assert drawn[0]["is_current_month"].to_pylist() == [False] * 100 + [True] * 100
    assert sum(drawn[2]["is_current_month"].to_pylist()) == report.month_trips
    assert len(drawn[2]) == report.month_trips + report.reference_trips


def test_a_failure_names_its_cause_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match=r"did not write its page \(.*no-samples.*unset TAXI_EVIDENTLY"):
        drift_page._draw(tmp_path / "no-samples", tmp_path / "page.html")


@pytest.mark.slow
def test_the_page_is_linked_if_the_settings_ask_for_it(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    home, month = shutil.copytree(lake.settings.home, tmp_path / "home"), lake.source.months[1]
    for is_asked in (False, True):
        settings = lake.settings.model_copy(update={"home": home, "evidently": is_asked})
        job = build(settings).resolve_job_def("train_month")
        result = job.execute_in_process(asset_selection=[dg.AssetKey("drift_report")], partition_key=str(month))
        (event,) = result.get_asset_materialization_events()
        found = event.materialization.metadata
        assert ("evidently" in found, "evidently_error" in found) == (is_asked, False)
    page = settings.reports / str(found["evidently"].value).removeprefix("/go/reports/")
    assert f"The platform says of {month}: <b>{found['verdict'].value}</b>." in page.read_text()
