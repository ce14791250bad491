"""Metadata of monthly assets: plots, numbers, links without a port, and checks for each month."""

import base64
import re

import dagster as dg
import pytest
from platform_harness import MARCH, PlatformHarness, first_run_of, pictures, report_page_text

from taxi_assets.quality.suites import SUITES
from taxi_assets.registry.database import client

FIGURES = (
    "rmse_minutes",
    "rmse_minutes_traffic_unknown",
    "rmse_minutes_traffic_known",
    "mae_minutes",
    "bias_minutes",
    "interval_coverage",
)
MONTHLY = ("raw_trips", "clean_trips", "trip_features")


@pytest.mark.parametrize("asset", ["clean_trips", "model_evaluation", "drift_report"])
def test_one_page_shows_every_plot_of_a_month(platform: PlatformHarness, asset: str) -> None:
    # Another test may have materialised it again: the page then shows that run.
    shown = platform.last_metadata(asset, MARCH)
    page = report_page_text(platform, shown["report"].value)
    on_page = [base64.b64decode(each) for each in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    assert [hash(each) for each in on_page] == [hash(each) for each in pictures(shown["pictures"])]
    assert on_page
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize(
    ("asset", "figures"),
    [
        ("model_evaluation", set(FIGURES)),
        ("drift_report", {"max_psi"}),
        ("clean_trips", {"rejected_share"}),
    ],
)
def test_figures_are_numbers_that_dagster_plots_by_month(
    platform: PlatformHarness, asset: str, figures: set[str]
) -> None:
    shown = platform.metadata(first_run_of(platform, "train_month"), asset, MARCH)
    assert figures <= {name for name, value in shown.items() if isinstance(value, dg.FloatMetadataValue)}


def test_figures_have_three_decimals_at_most(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    for asset in (*MONTHLY, "model_evaluation", "drift_report", "champion_model"):
        for name, value in platform.metadata(run, asset).items():
            if isinstance(value, dg.FloatMetadataValue):
                assert value.value == round(value.value, 3), name


def test_mlflow_run_of_the_month_has_the_figures(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    (logged,) = platform.mlflow_runs(run.run_id)
    # Another test may have scored the version again: an MLflow run keeps every value, and the oldest is this run's.
    history = {name: client(platform.settings).get_metric_history(logged.info.run_id, name) for name in FIGURES}
    first_value = {name: min(values, key=lambda each: each.timestamp).value for name, values in history.items()}
    evaluation = platform.metadata(run, "model_evaluation")
    shown = {name: evaluation[name].value for name in FIGURES}
    assert first_value == pytest.approx(shown, abs=5.1e-4)


def test_metadata_has_no_python_dict_and_no_url_with_a_port(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    job = platform.definitions.resolve_job_def("train_month")
    for asset in job.asset_layer.selected_asset_keys:
        if asset.to_user_string() == "taxi_zones":
            continue  # materialised by another run
        for name, value in platform.metadata(run, asset.to_user_string()).items():
            records = value.records if isinstance(value, dg.TableMetadataValue) else ()
            assert not any(str(cell).startswith("{") for record in records for cell in record.data.values()), name
            if isinstance(value, dg.UrlMetadataValue):
                assert str(value.value).startswith("/go/"), name


@pytest.mark.parametrize("table", MONTHLY)
def test_each_month_has_its_own_check_result(platform: PlatformHarness, table: str) -> None:
    run = first_run_of(platform, "ingest_months")
    events = platform.events(run, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [event.asset_check_evaluation_data for event in events]
    of_suite = {each.name for each in (*SUITES[table].expectations, *SUITES[table].table_checks)}
    for name in of_suite:
        own = [each for each in found if (each.asset_key, each.check_name) == (dg.AssetKey(table), name)]
        assert [each.partition for each in own] == ["2023-01", "2023-02"]
        key = dg.AssetCheckKey(dg.AssetKey(table), name)
        history = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=50)
        of_the_run = [each for each in history if each.run_id == run.run_id]
        assert {each.partition for each in of_the_run} == {"2023-01", "2023-02"}
        assert {each.status.value for each in of_the_run} == {"SUCCEEDED"}


def test_asset_page_shows_no_internal_name(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    for asset in ("clean_trips", "duration_model", "model_evaluation", "champion_model", "drift_report"):
        for name, value in platform.metadata(run, asset).items():
            records = value.records if isinstance(value, dg.TableMetadataValue) else ()
            cells = [str(each) for record in records for pair in record.data.items() for each in pair]
            captions = re.findall(r"^### (.+)$", str(value.value), re.MULTILINE)
            texts = [name, *cells, *captions, *([str(value.value)] if isinstance(value, dg.TextMetadataValue) else [])]
            internal = re.compile(r"\bcourse\b|scope|is_promoted|with(?:out)?_recent")
            assert [each for each in texts if internal.search(each)] == []
