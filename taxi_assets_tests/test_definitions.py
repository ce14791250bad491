"""The expected asset graph, jobs, sensors and schedules: change the literals here with them."""

import json
import os
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from taxi_assets.definitions import defs
from taxi_assets.defs.code_versions import code_version

CHECKOUT = Path(__file__).parents[1]
GRAPH = defs.resolve_asset_graph()
KEYS = sorted(key.to_user_string() for key in GRAPH.get_all_asset_keys())

# Each asset with its parents and its checks.
ASSETS = {
    "champion_model": ({"model_evaluation"}, {"there_is_a_champion"}),
    "champion_performance": (
        {"raw_trips", "trip_features"},
        {"every_trip_in_scope_is_scored", "nine_trips_in_ten_end_inside_their_interval"},
    ),
    "clean_trips": (
        {"raw_trips"},
        {
            "distances_are_not_negative",
            "dropoff_zones_are_on_the_map",
            "durations_are_plausible",
            "durations_match_their_times",
            "kept_and_rejected_are_raw",
            "month_has_rows",
            "passenger_counts_are_plausible",
            "pickup_zones_are_on_the_map",
            "pickups_are_in_their_month",
            "rows_are_of_one_month",
            "rows_are_of_one_service",
            "source_rows_are_unique",
            "speeds_are_possible",
            "trips_are_complete",
            "trips_are_not_repeated",
        },
    ),
    "daily_serving_summary": ({"feedback_log", "prediction_log"}, {"every_prediction_is_summarised"}),
    "drift_report": ({"raw_trips", "trip_features"}, {"the_month_is_like_those_before"}),
    "deployment": ({"duration_bento"}, {"every_month_is_finished", "the_endpoint_serves_the_champion"}),
    "duration_bento": ({"champion_model"}, {"the_bento_predicts_as_the_model"}),
    "duration_model": ({"retraining", "taxi_zones", "trip_features"}, {"no_feature_is_known_only_after_the_ride"}),
    "feedback_log": (
        {"duration_bento"},
        {"feedback_ids_are_unique", "log_lines_are_whole", "segments_are_sealed_in_time"},
    ),
    "live_performance": ({"feedback_log", "prediction_log"}, {"live_error_is_inside_its_limits"}),
    "model_evaluation": (
        {"duration_model", "raw_trips"},
        {
            "every_trip_in_scope_is_scored",
            "nine_trips_in_ten_end_inside_their_interval",
            "no_scored_trip_was_trained_on",
            "the_model_beats_every_baseline",
        },
    ),
    "model_tuning": ({"taxi_zones", "trip_features"}, {"every_trial_was_scored_on_later_months"}),
    "prediction_log": (
        {"duration_bento"},
        {"log_lines_are_whole", "request_ids_are_unique", "segments_are_sealed_in_time"},
    ),
    "raw_trips": (
        {"taxi_zones"},
        {
            "columns_are_those_of_the_month_before",
            "no_month_is_overdue",
            "distances_are_plausible",
            "dropoff_times_are_present",
            "dropoff_zones_are_on_the_map",
            "dropoff_zones_are_present",
            "dropoffs_follow_pickups",
            "durations_are_plausible",
            "every_day_has_pickups",
            "every_row_of_the_file_is_there",
            "no_file_is_in_quarantine",
            "no_large_part_of_the_month_is_missing",
            "rows_are_like_those_of_months_nearby",
            "fares_are_not_negative",
            "many_zones_have_pickups",
            "median_duration_is_plausible",
            "month_has_rows",
            "passenger_counts_are_plausible",
            "passenger_counts_are_present",
            "payment_types_are_known",
            "pickup_times_are_present",
            "pickup_zones_are_on_the_map",
            "pickup_zones_are_present",
            "pickups_are_in_their_month",
            "rate_codes_are_known",
            "rows_are_of_one_month",
            "rows_are_of_one_service",
            "source_rows_are_unique",
            "speeds_are_in_miles_per_hour",
            "times_are_new_yorks_clock",
            "trips_are_complete",
            "trips_are_not_repeated",
        },
    ),
    "retraining": ({"champion_performance", "drift_report"}, {"no_old_model_stays_untrained"}),
    "rollback": ({"feedback_log", "prediction_log"}, {"no_champion_was_rolled_back"}),
    "taxi_zones": (set(), {"every_tlc_zone_is_present"}),
    "trip_features": (
        {"clean_trips", "taxi_zones"},
        {
            "calendar_matches_pickup_times",
            "days_of_week_are_in_range",
            "days_of_year_are_in_range",
            "dropoff_zones_are_on_the_map",
            "durations_are_plausible",
            "features_are_complete",
            "hours_of_week_are_in_range",
            "minutes_of_day_are_in_range",
            "month_has_rows",
            "months_of_year_are_in_range",
            "most_days_are_no_holidays",
            "pickup_zones_are_on_the_map",
            "pickups_are_in_their_month",
            "rows_are_of_one_month",
            "rows_are_of_one_service",
            "same_zone_flags_match_zones",
            "source_rows_are_unique",
            "zone_distances_are_known",
            "zone_distances_are_plausible",
        },
    ),
    "variant_comparison": ({"feedback_log", "prediction_log"}, {"no_variant_is_worse_than_the_champion"}),
}
INGESTION = {"clean_trips", "raw_trips", "taxi_zones", "trip_features"}
PREDICTIONS = {
    "prediction_log",
    "feedback_log",
    "daily_serving_summary",
    "variant_comparison",
    "live_performance",
    "rollback",
}
JOBS = {
    "ingest_months": INGESTION,
    "train_month": set(ASSETS) - {"model_tuning"} - PREDICTIONS,
    "ingest_predictions": PREDICTIONS,
    "tune": {"model_tuning"},
    **{name: set[str]() for name in ("maintain_warehouse", "check_freshness", "decide_waiting_version")},
}
SENSORS = {
    "alert_sensor": set(),
    "landing_sensor": {"ingest_months", "train_month"},
    "prediction_log_sensor": {"ingest_predictions"},
    "tlc_polling_sensor": set(),
}
SCHEDULES = {"maintenance_schedule": "maintain_warehouse", "check_freshness_daily": "check_freshness"}
UNPARTITIONED = {"taxi_zones", "duration_bento", "deployment", *PREDICTIONS}

# In turn, by processor time: the result must not depend on which runs first, nor on other processes.
IMPORT_SECONDS = """
import json, os, subprocess, sys
def seconds(module):
    begun = os.times()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    ended = os.times()
    return ended.children_user + ended.children_system - begun.children_user - begun.children_system
print(json.dumps([(seconds("dagster"), seconds("taxi_assets.definitions")) for _ in range(7)]))
"""


def checks_of(key: str) -> set[str]:
    return {check.name for check in GRAPH.asset_check_keys if check.asset_key.to_user_string() == key}


def schema_of(key: str) -> dg.TableSchema | None:
    schema = GRAPH.get(dg.AssetKey(key)).metadata.get("dagster/column_schema")
    return schema.value if isinstance(schema, dg.TableSchemaMetadataValue) else schema


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "TAXI_HOME": str(home),
        "DAGSTER_HOME": str(home),
        "VIRTUAL_ENV": sys.prefix,
        "DAGSTER_DISABLE_TELEMETRY": "true",
    }
    program = [sys.executable, "-m", *command]
    return subprocess.run(program, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


def test_asset_keys() -> None:
    assert set(ASSETS) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_asset_has_its_parents_and_checks(key: str) -> None:
    parents = {parent.to_user_string() for parent in GRAPH.get(dg.AssetKey(key)).parent_keys}
    # Months build on the months before: an asset may be its own parent.
    assert (parents - {key}, checks_of(key)) == ASSETS[key]


@pytest.mark.parametrize("key", KEYS)
def test_asset_has_a_description_owner_and_kinds(key: str) -> None:
    asset = GRAPH.get(dg.AssetKey(key))
    assert asset.description
    assert "\n\n\n" not in asset.description
    assert asset.owners
    assert asset.kinds
    assert asset.group_name in {"ingestion", "training", "monitoring", "serving"}
    assert asset.code_version == code_version(key)
    assert checks_of(key)
    assert (asset.partitions_def is None) == (key in UNPARTITIONED)


@pytest.mark.parametrize("key", KEYS)
def test_asset_describes_each_column(key: str) -> None:
    schema = schema_of(key)
    assert schema
    assert schema.columns
    assert all(column.name and column.type and column.description for column in schema.columns)


def test_job_names_and_selections() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    selected = {
        name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys} for name, job in jobs.items()
    }
    assert selected == JOBS
    assert all(job.description for job in jobs.values())


def test_a_job_runs_in_one_process() -> None:
    for name in JOBS:
        assert defs.resolve_job_def(name).executor_def is dg.in_process_executor


def test_sensors_and_their_default_status() -> None:
    sensors = {sensor.name: sensor for sensor in defs.sensors or ()}
    jobs = {name: {job.name for job in sensor.jobs} if sensor.has_jobs else set() for name, sensor in sensors.items()}
    assert jobs == SENSORS
    running = {name for name, sensor in sensors.items() if sensor.default_status == dg.DefaultSensorStatus.RUNNING}
    assert running == set(SENSORS) - {"tlc_polling_sensor"}  # starting the platform must not request TLC's site


def test_schedules_and_their_default_status() -> None:
    schedules = {schedule.name: schedule for schedule in defs.schedules or ()}
    assert {name: schedule.job_name for name, schedule in schedules.items()} == SCHEDULES
    assert {schedule.default_status for schedule in schedules.values()} == {dg.DefaultScheduleStatus.RUNNING}


def test_months_begin_with_tlcs_first_month() -> None:
    partitions = GRAPH.get(dg.AssetKey("raw_trips")).partitions_def
    assert partitions is not None
    assert partitions.get_first_partition_key() == "2009-01"
    assert partitions.has_partition_key("2023-01")
    assert not partitions.has_partition_key("../2023-01")


def test_both_ways_to_load_name_one_location() -> None:
    (entry,) = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert entry["python_module"] == {
        "module_name": project["code_location_target_module"],
        "location_name": project["code_location_name"],
    }
    assert project["root_module"] == "taxi_assets"


def test_dagster_finds_the_definitions_valid(tmp_path: Path) -> None:
    done = run(tmp_path, "dagster", "definitions", "validate", "-m", "taxi_assets.definitions")
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location taxi_assets.definitions" in done.stdout + done.stderr
    assert "BackfillPolic" not in done.stdout + done.stderr


@pytest.mark.slow
def test_dg_finds_the_definitions_valid(tmp_path: Path) -> None:
    done = run(tmp_path, "dagster_dg_cli.cli", "check", "defs")
    assert done.returncode == 0, done.stderr
    assert "All definitions loaded successfully" in done.stdout + done.stderr


def test_loading_the_code_location_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "TAXI_HOME": str(home)}
    subprocess.run([sys.executable, "-c", "import taxi_assets.definitions"], env=environment, cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_code_location_loads_about_as_fast_as_dagster() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_SECONDS], capture_output=True, text=True, check=True)
    ratios = [ours / dagsters for dagsters, ours in json.loads(done.stdout)]
    assert statistics.median(ratios) <= 1.5, ratios
