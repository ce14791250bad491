"""Lineage of a model version: files, checks, features, training, decision, Bentos."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from taxi_assets.evaluation.evaluate import services_of, window_of
from taxi_assets.months import Month
from taxi_assets.promotion.decision import read_decision
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.model_files import Version
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings
from taxi_assets.training.superseded_files import superseded_files
from taxi_assets.warehouse.connection import Warehouse, month_key

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHECKED_TABLES = ("raw_trips", "clean_trips", "trip_features")

Facts = dict[str, Any]
CheckResults = Callable[[str, str, Month, str | None], Facts]
"""Returns the check results of a table, for a service, a month and a Dagster run id."""


def trace_lineage(settings: Settings, warehouse: Warehouse, number: int, checks: CheckResults) -> Facts:
    """Collects the facts that `taxi lineage --json` prints.

    Args:
        settings: Locations of the registry and the Bento store.
        warehouse: The warehouse.
        number: The version's number.
        checks: Returns the check results of a published month.

    Raises:
        TaxiError: There is no such version.
    """
    version = model_versions.require(settings, number)
    months = [*window_of(version), Month.parse(version.tags["scored_month"])]
    snapshot = int(version.tags["data_snapshot"])
    kept = snapshot in warehouse.snapshots()
    with warehouse.at(snapshot if kept else None).reading() as connection:
        found = [_month(connection, service, month, checks) for month in months for service in services_of(version)]
    with warehouse.reading() as connection:
        decision = read_decision(connection, version.version)
        superseded = superseded_files(connection, version)
    return {
        "months": found,
        "snapshot_kept": kept,
        "features": {"snapshot": snapshot, "digest": version.tags["data_digest"], "window": version.tags["window"]},
        "version": _version(settings, version),
        "superseded_files": list(superseded),
        "decision": decision,
        "bentos": bento_build.bento_tags(settings, number),
    }


def _month(connection: "DuckDBPyConnection", service: str, month: Month, checks: CheckResults) -> Facts:
    query = (
        "SELECT file_name, sha256 FROM source_files WHERE service = $service AND month = $month AND state = 'ingested'"
    )
    file_name, sha256 = connection.execute(query, month_key(service, month)).fetchone() or (None, None)
    run_id = _publishing_run(connection, service, month)
    return {
        "service": service,
        "month": str(month),
        "file": file_name,
        "sha256": sha256,
        "checks": {table: checks(table, service, month, run_id) for table in CHECKED_TABLES},
    }


def _publishing_run(connection: "DuckDBPyConnection", service: str, month: Month) -> str | None:
    """The Dagster run that published the month's rows, as they are at the snapshot being read."""
    query = (
        "SELECT json_extract_string(commit_extra_info, '$.dagster_run_id') FROM lake.snapshots() "
        "WHERE snapshot_id = (SELECT max(snapshot_id) FROM kept_trips WHERE service = $service AND month = $month)"
    )
    row = connection.execute(query, month_key(service, month)).fetchone()
    return row[0] if row else None


def _version(settings: Settings, version: Version) -> Facts:
    champion = model_versions.champion(settings)
    tag_names = ("git_commit", "libraries", "estimator", "training_key", "dagster_run_id", "scored_month", "synthetic")
    return {
        "name": version.name,
        "version": version.version,
        "is_champion": champion is not None and champion.version == version.version,
        "mlflow_run_id": version.run_id,
        "mlflow_url": model_versions.version_url(settings, version.version),
        "parameters": tracking.get_logged_run(settings, version.run_id).params,
        **{name: version.tags.get(name) for name in tag_names},
    }
