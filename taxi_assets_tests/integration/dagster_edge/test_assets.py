"""Two months taken in and a third trained for, scored and packaged: what Dagster, the lake and a person see of it."""

import re
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG, CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from town import FEBRUARY, JANUARY, MARCH, ROWS, Town, page_of, pictures, run_of

from taxi_assets.defs.partitions import MONTHS, earlier_months
from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import RULES
from taxi_assets.quality.suites import SUITES
from taxi_assets.registry import model_versions
from taxi_assets.synthetic import parse_shift

PNG = b"\x89PNG"
MONTHLY = ("raw_trips", "clean_trips", "trip_features")


def count(town: Town, table: str, month: Month) -> int:
    with town.warehouse.reading() as connection:
        query = f"SELECT count(*) FROM {table} WHERE month = ?"
        return int(connection.execute(query, [month.first_day]).fetchall()[0][0])


@pytest.mark.parametrize("month", [JANUARY, FEBRUARY, MARCH], ids=str)
def test_no_row_of_a_file_is_lost(town: Town, month: Month) -> None:
    kept, rejected = count(town, "clean_trips", month), count(town, "rejected_trips", month)
    assert count(town, "raw_trips", month) == kept + rejected == ROWS
    assert count(town, "trip_features", month) == kept
    assert kept > rejected > 0


@pytest.mark.parametrize("table", MONTHLY)
@pytest.mark.parametrize("month", [JANUARY, FEBRUARY], ids=str)
def test_each_month_of_a_stretch_shows_its_own_rows(town: Town, table: str, month: Month) -> None:
    shown = town.metadata(run_of(town, "ingest_months"), table, month)
    assert shown["dagster/partition_row_count"].value == count(town, table, month)
    (services,) = [record.data for record in shown["services"].records]  # type: ignore[attr-defined]
    assert (services["service"], services["rows"]) == ("green", count(town, table, month))


@pytest.mark.parametrize("table", MONTHLY)
def test_a_month_links_to_data_docs_that_are_there(town: Town, table: str) -> None:
    link = town.metadata(run_of(town, "month"), table, MARCH)["data_docs"].value
    page = page_of(town, link)
    assert "<html" in page
    assert "2023-03" in page


def test_rejected_rows_are_counted_by_reason_and_drawn(town: Town) -> None:
    shown = town.metadata(run_of(town, "month"), "clean_trips", MARCH)
    with town.warehouse.reading() as connection:
        query = "SELECT reason, count(*) FROM rejected_trips WHERE month = ? GROUP BY reason"
        reasons = connection.execute(query, [MARCH.first_day]).fetchall()
    for reason, rows in reasons:
        counted = {"service": "green", "reason_or_column": reason, "rows": rows}
        assert counted in [record.data for record in shown["rows_counted"].records]
    (plot,) = pictures(shown["pictures"])
    assert plot.startswith(PNG)


def test_the_evaluation_shows_scores_and_plots(town: Town) -> None:
    shown = town.metadata(run_of(town, "month"), "model_evaluation")
    scores = [record.data for record in shown["scores"].records]  # type: ignore[attr-defined]
    assert {score["on"] for score in scores} == {"rides of 1-60 minutes", "rides of 1-180 minutes"}
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
        ("duration_bento", {"tag", "serve_with", "labels", "endpoint"}),
    ],
)
def test_an_asset_shows_what_a_person_looks_for(town: Town, asset: str, names: set[str]) -> None:
    assert names <= set(town.metadata(run_of(town, "month"), asset))


def test_every_rule_of_cleaning_is_shown_with_its_rows_and_why(town: Town) -> None:
    rules = town.metadata(run_of(town, "month"), "clean_trips")["rules"].records
    assert [rule.data["rule"] for rule in rules] == [rule.name for rule in RULES]
    assert sum(rule.data["rows"] for rule in rules) == count(town, "rejected_trips", MARCH) > 0
    assert {rule.data["threshold"] for rule in rules} >= {"180 (longest_minutes)", "80 (fastest_mph)", ""}
    assert all(rule.data["why"] for rule in rules)


def test_what_changed_in_the_columns_is_shown_with_the_month(town: Town) -> None:
    run = run_of(town, "ingest_months")
    assert "column_changes" not in town.metadata(run, "raw_trips", JANUARY)
    changes = [record.data for record in town.metadata(run, "raw_trips", FEBRUARY)["column_changes"].records]
    assert {"service": "green", "column": "VendorID", "change": "retyped", "type_before": "int64"}.items() <= next(
        change for change in changes if change["column"] == "VendorID"
    ).items()
    assert {change["compared_with"] for change in changes} == {"2023-01"}
    check = town.checks(run, "raw_trips")["columns_are_those_of_the_month_before"]
    assert (check.passed, check.severity) == (True, dg.AssetCheckSeverity.WARN)


@pytest.mark.parametrize("table", MONTHLY)
def test_every_expectation_is_a_check_with_its_severity(town: Town, table: str) -> None:
    graph = town.definitions.resolve_asset_graph()
    checks = town.checks(run_of(town, "month"), table)
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys if key.asset_key == dg.AssetKey(table)]
    grave = {spec.name: spec.metadata["severity"] == "error" for spec in specs}
    assert {name: check.severity == dg.AssetCheckSeverity.ERROR for name, check in checks.items()} == grave
    assert all(check.passed for name, check in checks.items() if grave[name])
    of_the_month = {each.name for each in (*SUITES[table].expectations, *SUITES[table].findings)}
    assert of_the_month <= set(checks)
    assert all(checks[name].metadata["months"].records[0].data["month"] == "green 2023-03" for name in of_the_month)


@pytest.mark.parametrize(
    "asset", ["taxi_zones", "duration_model", "model_evaluation", "champion_model", "drift_report", "duration_bento"]
)
def test_the_checks_of_the_other_assets_pass(town: Town, asset: str) -> None:
    checks = town.checks(run_of(town, "month"), asset)
    assert checks
    assert all(check.passed for check in checks.values())


def test_a_snapshot_names_the_run_that_made_it(town: Town) -> None:
    run = run_of(town, "month")
    with town.warehouse.reading() as connection:
        query = "SELECT commit_message FROM lake.snapshots() WHERE commit_extra_info LIKE ?"
        messages = [row[0] for row in connection.execute(query, [f"%{run.run_id}%"]).fetchall()]
    assert {"taxi_zones", *(f"{table} green 2023-03" for table in MONTHLY), "drift_reports 2023-03"} <= set(messages)


def test_taking_a_month_in_again_changes_nothing_but_the_snapshot(town: Town) -> None:
    before, snapshot = town.content(), town.warehouse.snapshot()
    town.run("ingest_months", [JANUARY])
    assert town.content() == before
    assert town.warehouse.snapshot() > snapshot


def told_plainly(town: Town, run: dg.DagsterRun, said: str) -> None:
    """The run's page shows the sentence, with a link to the findings, and no chain of other errors."""
    (failure,) = [event.step_failure_data for event in town.events(run, dg.DagsterEventType.STEP_FAILURE)]
    assert failure.user_failure_data
    assert failure.user_failure_data.description == said
    assert "data_docs" in failure.user_failure_data.metadata
    assert failure.error
    assert (failure.error.cause, failure.error.context) == (None, None)


@pytest.mark.parametrize("asset", ["raw_trips", "clean_trips", "duration_model", "model_evaluation", "champion_model"])
def test_an_asset_that_lacks_what_it_needs_fails_with_the_sentence_alone(empty_town: Town, asset: str) -> None:
    result = empty_town.materialise(Month(2019, 1), asset)
    run = empty_town.find(result.run_id)
    (failure,) = [event.step_failure_data for event in empty_town.events(run, dg.DagsterEventType.STEP_FAILURE)]
    assert failure.user_failure_data
    assert ": " in str(failure.user_failure_data.description)  # what is wrong, and the remedy
    assert failure.error
    assert (failure.error.cause, failure.error.context) == (None, None)


def test_a_month_that_fails_is_not_published_and_says_why(town: Town, tmp_path: Path) -> None:
    before = town.content()
    # Every ride a tenth as long: seconds taken for minutes.
    town.land(FEBRUARY, tmp_path, parse_shift("slower_city=0.1"))
    with pytest.raises(TaxiError) as refusal:
        town.run("ingest_months", [FEBRUARY])

    said = str(refusal.value)
    assert said.startswith("raw_trips of green 2023-02 is not published: ")
    assert "median_duration_is_plausible" in said
    assert "observed" in said or "as expected" in said
    assert f"{ROWS:,} rows" in said
    assert "\n" not in said
    run = town.last_run()
    assert run.status == dg.DagsterRunStatus.FAILURE
    told_plainly(town, run, said)
    checks = town.checks(run, "raw_trips")
    assert not checks["median_duration_is_plausible"].passed
    assert checks["median_duration_is_plausible"].severity == dg.AssetCheckSeverity.ERROR
    assert checks["pickup_times_are_present"].passed
    assert town.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION) == [] or "raw_trips" not in {
        str(event.asset_key and event.asset_key.to_user_string())
        for event in town.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    }
    assert town.content() | {"arrivals": ""} == before | {"arrivals": ""}

    again = town.materialise(FEBRUARY, "raw_trips")  # goes on with the file held, and says so
    assert again.success
    refused = str(town.metadata(town.find(again.run_id), "raw_trips", FEBRUARY)["refused"].value)
    assert "green 2023-02 goes on with green_tripdata_2023-02.parquet" in refused
    assert "is quarantined: " in refused
    assert "median_duration_is_plausible" in refused


def test_a_warning_is_told_and_the_month_published(empty_town: Town, tmp_path: Path) -> None:
    empty_town.land(JANUARY, tmp_path, parse_shift("null_burst=0.4"))
    run = empty_town.run("ingest_months", [JANUARY])
    check = empty_town.checks(run, "raw_trips")["passenger_counts_are_present"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert count(empty_town, "raw_trips", JANUARY) == ROWS


def test_months_of_the_other_kind_do_not_get_in(town: Town) -> None:
    real = town.settings.model_copy(update={"data": "real"})
    real.landing.mkdir(parents=True)
    name = "green_tripdata_2023-01.parquet"
    (real.landing / name).write_bytes(Path(town.settings.tlc_source, name).read_bytes())
    from taxi_assets.ingestion.publishing import publish_raw
    from taxi_assets.tlc.month_file import inspect_file
    from taxi_assets.warehouse.connection import Warehouse

    with pytest.raises(TaxiError, match="is a synthetic month and this is the warehouse of real ones"):
        publish_raw(Warehouse(real), inspect_file(real.landing / name))
    assert town.settings.warehouse != real.warehouse


def stale(town: Town, asset: str, month: Month) -> bool:
    """Dagster marks the month of the asset: something it was made from has changed since."""
    graph = town.definitions.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(town.instance, graph, LoadingContextForTest(town.instance))
    return resolver.get_status(dg.AssetKey(asset), str(month)) == StaleStatus.STALE


def republish(town: Town, month: Month) -> None:
    """What Dagster hears when features are made of another file."""
    tags = {DATA_VERSION_TAG: f"of another file of {month}"}
    town.instance.report_runless_asset_event(dg.AssetMaterialization("trip_features", partition=str(month), tags=tags))


def test_a_republished_month_marks_what_learned_from_it(town: Town) -> None:
    # Whatever other tests took in again before: what is compared begins here.
    assert town.materialise(MARCH, "duration_model", "drift_report").success
    learned = model_versions.chosen_for(town.settings, MARCH)
    assert learned
    marked = []
    assert not stale(town, "duration_model", MARCH)
    republish(town, MARCH)  # scored on, not learned from
    marked += [str(MARCH)] if stale(town, "duration_model", MARCH) else []
    assert stale(town, "drift_report", MARCH)
    republish(town, FEBRUARY)
    marked += [str(FEBRUARY)] if stale(town, "duration_model", MARCH) else []
    assert marked == [month for month in ("2023-02", "2023-03") if month in learned.tags["months"].split(",")]


@pytest.mark.parametrize("asset", ["duration_model", "model_search"])
def test_what_learns_depends_on_every_earlier_month_and_not_on_its_own(town: Town, asset: str) -> None:
    graph = town.definitions.get_repository_def().asset_graph
    mapping = graph.get_partition_mapping(dg.AssetKey(asset), dg.AssetKey("trip_features"))
    assert mapping == earlier_months()
    own = MONTHS.subset_with_partition_keys(["2017-06"])
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(own, MONTHS, MONTHS)
    keys = list(found.partitions_subset.get_partition_keys())
    assert keys == [str(Month(2009, 3).plus(number)) for number in range(99)]
