"""An asset's page in Dagster describes its checks and its storage correctly."""

import dagster as dg

from taxi_assets.definitions import defs
from taxi_assets.defs.partitions import MONTHS

GRAPH = defs.resolve_asset_graph()
INGESTION = {"clean_trips", "raw_trips", "taxi_zones", "trip_features"}
PREDICTIONS = {
    "prediction_log",
    "feedback_log",
    "daily_serving_summary",
    "variant_comparison",
    "live_performance",
    "rollback",
}
UNPARTITIONED = {"taxi_zones", "duration_bento", "deployment", *PREDICTIONS}


def test_every_check_states_its_expectation_and_the_effect_of_a_failure() -> None:
    for check in GRAPH.asset_check_keys:
        spec = GRAPH.get_check_spec(check)
        is_error = spec.metadata["severity"] == "error"
        assert spec.blocking == is_error, check
        assert spec.metadata["severity"] in {"error", "warning"}
        assert ("A failure is a warning" in (spec.description or "")) == (not is_error), check
        is_published = check.asset_key.to_user_string() in INGESTION - {"taxi_zones"}
        assert ("is not published" in (spec.description or "")) == (is_published and is_error), check


def test_checks_of_a_month_are_partitioned_by_month() -> None:
    of_the_whole = {"no_file_is_in_quarantine", "no_month_is_overdue", "every_month_is_finished"}
    for check in GRAPH.asset_check_keys:
        asset, partitions = check.asset_key.to_user_string(), GRAPH.get_check_spec(check).partitions_def
        is_monthly = asset not in UNPARTITIONED and check.name not in of_the_whole
        assert (partitions == MONTHS) == is_monthly, check
        assert (partitions is None) == (not is_monthly), check


def test_only_tables_show_table_storage() -> None:
    tables = {}
    for key in GRAPH.get_all_asset_keys():
        metadata = GRAPH.get(key).metadata
        if "dagster/table_name" in metadata:
            tables[key.to_user_string()] = str(metadata["dagster/table_name"]).removeprefix("lake.main.")
    own = {"model_evaluation": "evaluations", "champion_model": "promotions", "drift_report": "drift_reports"}
    own |= {"rollback": "champion_changes", "retraining": "retraining_decisions"}
    own |= {"champion_performance": "champion_performance", "live_performance": "live_performance"}
    own |= {
        "prediction_log": "predictions",
        "feedback_log": "feedback",
        "daily_serving_summary": "daily_serving_summaries",
    }
    own |= {"variant_comparison": "variant_comparisons"}
    assert tables == own | {name: name for name in INGESTION}
    schema = GRAPH.get(dg.AssetKey("duration_model")).metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    columns = {column.name for column in schema.columns}
    assert "source_row" not in columns
    assert {"pickup_zone_id", "predicted_minutes"} <= columns
