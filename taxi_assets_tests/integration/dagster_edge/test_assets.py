"""The assets in Dagster: two months ingested, a third trained for, scored and packaged."""

import re
from pathlib import Path

import dagster as dg
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, ROWS, PlatformHarness, first_run_of, pictures, report_page_text

from taxi_assets.defs.partitions import MONTHS, earlier_months
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import RULES
from taxi_assets.quality.suites import SUITES
from taxi_assets.synthetic import parse_shift

PNG = b"\x89PNG"
MONTHLY = ("raw_trips", "clean_trips", "trip_features")


def count(platform: PlatformHarness, table: str, month: Month) -> int:
    with platform.warehouse.reading() as connection:
        query = f"SELECT count(*) FROM {table} WHERE month = ?"
        return int(connection.execute(query, [month.first_day]).fetchall()[0][0])


@pytest.mark.parametrize("month", [JANUARY, FEBRUARY, MARCH], ids=str)
def test_every_row_of_a_file_is_kept_or_rejected(platform: PlatformHarness, month: Month) -> None:
    kept, rejected = count(platform, "clean_trips", month), count(platform, "rejected_trips", month)
    assert count(platform, "raw_trips", month) == kept + rejected == ROWS
    assert count(platform, "trip_features", month) == kept
    assert kept > rejected > 0


@pytest.mark.parametrize("table", MONTHLY)
@pytest.mark.parametrize("month", [JANUARY, FEBRUARY], ids=str)
def test_each_month_of_a_range_shows_its_own_rows(platform: PlatformHarness, table: str, month: Month) -> None:
    shown = platform.metadata(first_run_of(platform, "ingest_months"), table, month)
    assert shown["dagster/partition_row_count"].value == count(platform, table, month)
    (services,) = [record.data for record in shown["services"].records]  # type: ignore[attr-defined]
    assert (services["service"], services["rows"]) == ("green", count(platform, table, month))


@pytest.mark.parametrize("table", MONTHLY)
def test_month_links_to_existing_data_docs(platform: PlatformHarness, table: str) -> None:
    link = platform.metadata(first_run_of(platform, "train_month"), table, MARCH)["data_docs"].value
    page = report_page_text(platform, link)
    assert "<html" in page
    assert "2023-03" in page


def test_rejected_rows_are_counted_by_reason_and_plotted(platform: PlatformHarness) -> None:
    shown = platform.metadata(first_run_of(platform, "train_month"), "clean_trips", MARCH)
    with platform.warehouse.reading() as connection:
        query = "SELECT reason, count(*) FROM rejected_trips WHERE month = ? GROUP BY reason"
        reasons = connection.execute(query, [MARCH.first_day]).fetchall()
    for reason, rows in reasons:
        counted = {"service": "green", "reason_or_column": reason, "rows": rows}
        assert counted in [record.data for record in shown["rows_counted"].records]
    (plot,) = pictures(shown["pictures"])
    assert plot.startswith(PNG)


def test_the_evaluation_shows_scores_and_plots(platform: PlatformHarness) -> None:
    shown = platform.metadata(first_run_of(platform, "train_month"), "model_evaluation")
    scores = [record.data for record in shown["scores"].records]  # type: ignore[attr-defined]
    assert {score["on"] for score in scores} == {"trips of 1-60 minutes", "trips of 1-180 minutes"}
    assert {"duration_model", "zone_pair_median", "one_hot_linear_regression"} <= {score["model"] for score in scores}
    assert [name for name, value in shown.items() if "data:image" in str(value.value)] == ["pictures"]
    assert all(plot.startswith(PNG) for plot in pictures(shown["pictures"]))
    drawn = re.findall(r"^### (.+)$", str(shown["pictures"].value), re.MULTILINE)
    assert {"model against baselines", "errors by hour", "errors by borough", "residuals"} <= set(drawn)


@pytest.mark.parametrize(
    ("asset", "names"),
    [
        ("taxi_zones", {"dagster/row_count"}),
        ("duration_model", {"version", "window", "data_snapshot", "data_digest", "mlflow_run", "mlflow_version"}),
        ("champion_model", {"decision", "reasons", "champion", "mlflow_version", "pictures", "report"}),
        ("drift_report", {"verdict", "pictures", "report", "dagster/row_count"}),
        ("retraining", {"decision", "reason", "mode", "drift_verdict", "champion", "last_training", "decided_by"}),
        ("duration_bento", {"tag", "serve_with", "labels", "endpoint"}),
        ("deployment", {"url", "is_followed", "routing", "deployments", "refusals", "endpoint"}),
    ],
)
def test_asset_shows_its_key_metadata(platform: PlatformHarness, asset: str, names: set[str]) -> None:
    assert names <= set(platform.metadata(first_run_of(platform, "train_month"), asset))


def test_every_cleaning_rule_is_shown_with_its_rows_and_reason(platform: PlatformHarness) -> None:
    rules = platform.metadata(first_run_of(platform, "train_month"), "clean_trips")["rules"].records
    assert [rule.data["rule"] for rule in rules] == [rule.name for rule in RULES]
    assert sum(rule.data["rows"] for rule in rules) == count(platform, "rejected_trips", MARCH) > 0
    assert {rule.data["threshold"] for rule in rules} >= {"180 (longest_minutes)", "80 (fastest_mph)", ""}
    assert all(rule.data["why"] for rule in rules)


def test_schema_changes_are_shown_with_the_month(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "ingest_months")
    assert "schema_changes" not in platform.metadata(run, "raw_trips", JANUARY)
    changes = [record.data for record in platform.metadata(run, "raw_trips", FEBRUARY)["schema_changes"].records]
    assert {"service": "green", "column": "VendorID", "change": "retyped", "type_before": "int64"}.items() <= next(
        change for change in changes if change["column"] == "VendorID"
    ).items()
    assert {change["compared_with"] for change in changes} == {"2023-01"}
    check = platform.checks(run, "raw_trips")["columns_are_those_of_the_month_before"]
    assert (check.passed, check.severity) == (True, dg.AssetCheckSeverity.WARN)


@pytest.mark.parametrize("table", MONTHLY)
def test_every_expectation_is_a_check_with_its_severity(platform: PlatformHarness, table: str) -> None:
    graph = platform.definitions.resolve_asset_graph()
    checks = platform.checks(first_run_of(platform, "train_month"), table)
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(table)]
    grave = {spec.name: spec.metadata["severity"] == "error" for spec in specs}
    assert {name: check.severity == dg.AssetCheckSeverity.ERROR for name, check in checks.items()} == grave
    assert all(check.passed for name, check in checks.items() if grave[name])
    of_the_month = {each.name for each in (*SUITES[table].expectations, *SUITES[table].table_checks)}
    assert of_the_month <= set(checks)
    assert all(checks[name].metadata["months"].records[0].data["month"] == "green 2023-03" for name in of_the_month)


@pytest.mark.parametrize(
    "asset",
    [
        *("taxi_zones", "duration_model", "model_evaluation", "champion_model", "drift_report", "retraining"),
        *("duration_bento", "deployment"),
    ],
)
def test_the_checks_of_the_other_assets_pass(platform: PlatformHarness, asset: str) -> None:
    checks = platform.checks(first_run_of(platform, "train_month"), asset)
    assert checks
    assert all(check.passed for check in checks.values())


def test_a_snapshot_names_the_run_that_made_it(platform: PlatformHarness) -> None:
    run = first_run_of(platform, "train_month")
    with platform.warehouse.reading() as connection:
        query = "SELECT commit_message FROM lake.snapshots() WHERE commit_extra_info LIKE ?"
        messages = [row[0] for row in connection.execute(query, [f"%{run.run_id}%"]).fetchall()]
    assert {"taxi_zones", "green 2023-03", "drift_reports 2023-03"} <= set(messages)


@pytest.mark.slow
def test_reingesting_a_month_changes_only_the_snapshot(platform: PlatformHarness) -> None:
    platform.run("ingest_months", [JANUARY])  # also notes files that other tests have left
    before, snapshot = platform.table_digests(), platform.warehouse.snapshot()
    platform.run("ingest_months", [JANUARY])
    assert platform.table_digests() == before
    assert platform.warehouse.snapshot() > snapshot


def assert_failure_message(platform: PlatformHarness, run: dg.DagsterRun, message: str) -> None:
    """Asserts that the run's page shows the message with a link to the results, and no chain of errors."""
    (failure,) = [event.step_failure_data for event in platform.events(run, dg.DagsterEventType.STEP_FAILURE)]
    assert failure.user_failure_data
    assert failure.user_failure_data.description == message
    assert "data_docs" in failure.user_failure_data.metadata
    assert failure.error
    assert (failure.error.cause, failure.error.context) == (None, None)


@pytest.mark.parametrize(
    "asset",
    [
        *("raw_trips", "champion_model"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("clean_trips", "duration_model", "model_evaluation")),
    ],
)
def test_asset_without_its_inputs_fails_with_one_message(empty_platform: PlatformHarness, asset: str) -> None:
    result = empty_platform.materialise(Month(2019, 1), asset)
    run = empty_platform.find(result.run_id)
    (failure,) = [event.step_failure_data for event in empty_platform.events(run, dg.DagsterEventType.STEP_FAILURE)]
    assert failure.user_failure_data
    assert ": " in str(failure.user_failure_data.description)  # what is wrong, and the remedy
    assert failure.error
    assert (failure.error.cause, failure.error.context) == (None, None)


def test_failed_month_is_not_published_and_reports_the_reason(platform: PlatformHarness, tmp_path: Path) -> None:
    before = platform.table_digests()
    # Durations are divided by ten, as if seconds were read as minutes.
    platform.land(FEBRUARY, tmp_path, parse_shift("slower_city=0.1"))
    with pytest.raises(TaxiError) as refusal:
        platform.run("ingest_months", [FEBRUARY])

    message = str(refusal.value)
    assert message.startswith("raw_trips of green 2023-02 is not published: ")
    assert "median_duration_is_plausible" in message
    assert "observed" in message or "as expected" in message
    assert f"{ROWS:,} rows" in message
    assert "\n" not in message
    run = platform.last_run()
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert_failure_message(platform, run, message)
    checks = platform.checks(run, "raw_trips")
    assert not checks["median_duration_is_plausible"].passed
    assert checks["median_duration_is_plausible"].severity == dg.AssetCheckSeverity.ERROR
    assert checks["pickup_times_are_present"].passed
    assert platform.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION) == [] or "raw_trips" not in {
        str(event.asset_key and event.asset_key.to_user_string())
        for event in platform.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    }
    assert platform.table_digests() | {"source_files": ""} == before | {"source_files": ""}

    again = platform.materialise(FEBRUARY, "raw_trips")  # continues with the file in use, and reports it
    assert again.success
    refused = str(platform.metadata(platform.find(again.run_id), "raw_trips", FEBRUARY)["refused"].value)
    assert "green 2023-02 uses the earlier file green_tripdata_2023-02.parquet" in refused
    assert "is quarantined: " in refused
    assert "median_duration_is_plausible" in refused


@pytest.mark.slow
def test_warning_is_reported_and_the_month_published(empty_platform: PlatformHarness, tmp_path: Path) -> None:
    empty_platform.land(JANUARY, tmp_path, parse_shift("null_burst=0.4"))
    run = empty_platform.run("ingest_months", [JANUARY])
    check = empty_platform.checks(run, "raw_trips")["passenger_counts_are_present"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert count(empty_platform, "raw_trips", JANUARY) == ROWS


def test_months_of_the_other_data_kind_are_rejected(platform: PlatformHarness) -> None:
    real = platform.settings.model_copy(update={"data_kind": "real"})
    real.landing.mkdir(parents=True)
    name = "green_tripdata_2023-01.parquet"
    (real.landing / name).write_bytes(Path(platform.settings.tlc_source, name).read_bytes())
    from sample_lake import inspect_file

    from taxi_assets.ingestion.publish_month import publish_month
    from taxi_assets.warehouse.connection import Warehouse

    with pytest.raises(TaxiError, match="is a synthetic month and this is the warehouse of real months"):
        publish_month(Warehouse(real), inspect_file(real.landing / name))
    assert platform.settings.warehouse != real.warehouse


@pytest.mark.parametrize("asset", ["duration_model", "model_tuning"])
def test_training_assets_depend_on_earlier_months_only(platform: PlatformHarness, asset: str) -> None:
    graph = platform.definitions.get_repository_def().asset_graph
    mapping = graph.get_partition_mapping(dg.AssetKey(asset), dg.AssetKey("trip_features"))
    assert mapping == earlier_months()
    own = MONTHS.subset_with_partition_keys(["2017-06"])
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(own, MONTHS, MONTHS)
    keys = list(found.partitions_subset.get_partition_keys())
    assert keys == [str(Month(2009, 3).plus(number)) for number in range(99)]
