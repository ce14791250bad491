"""Traces a prediction to its model and training files, and a file to the predictions it affects.

Takes under a second: it imports neither MLflow nor Dagster, and finds a recent record by one read of the log.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.registry.model_files import Version
from taxi_assets.registry.version_reader import read_versions
from taxi_assets.serving.prediction_log.log_tail import LogTail
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, decode_record, find_prediction
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.sql_quotes import quote_literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Facts = dict[str, Any]

# Values are quoted in these queries: binding one makes DuckDB import pandas and PyArrow, in a quarter of a second.
MIN_SHA_DIGITS = 8
_FIRST_PREDICTIONS = 10
_TAGS = ("git_commit", "libraries", "estimator", "dagster_run_id", "synthetic", "mlflow_url")

_TRAINING_FILES = """
WITH files AS (FROM lake.source_files AT (VERSION => {snapshot}) WHERE state = 'ingested'),
published AS (FROM lake.published_months AT (VERSION => {snapshot}))
SELECT service, strftime(month, '%Y-%m'), files.file_name, files.sha256, files.run_id, published.results
FROM files LEFT JOIN published USING (service, month)
WHERE service IN ({services}) AND strftime(month, '%Y-%m') IN ({months})
ORDER BY month, list_position([{services}], service)
"""


def trace_prediction(settings: Settings, warehouse: Warehouse, request_id: str) -> Facts:
    """Collect the facts that `taxi trace REQUEST_ID --json` prints.

    Args:
        settings: Locations of the log and the registry.
        warehouse: The warehouse.
        request_id: The id in an answer; of a ride of a batch, with `.` and its row.

    Raises:
        TaxiError: there is no such prediction, or its version was deleted from the registry.
    """
    logged = find_prediction(settings.prediction_log, request_id)
    with warehouse.reading() as connection:
        prediction = msgspec.structs.asdict(logged) if logged else _ingested(connection, request_id)
        version = _version(settings, int(prediction["model_version"]))
        snapshot, is_kept = _snapshot(connection, version)
        months = _training_files(connection, version, snapshot)
    return {
        "prediction": _as_json({**prediction, "request_id": request_id}),
        "is_in_log": logged is not None,
        "version": {
            "name": version.name,
            "version": version.version,
            "mlflow_run_id": version.run_id,
            **{name: version.tags.get(name) for name in _TAGS},
        },
        "features": {
            "snapshot": int(version.tags["data_snapshot"]),
            "digest": version.tags["data_digest"],
            "window": version.tags["window"],
        },
        "snapshot_kept": is_kept,
        "months": months,
    }


def trace_file(settings: Settings, warehouse: Warehouse, sha256: str) -> Facts:
    """Collect the facts that `taxi trace --file SHA --json` prints: the predictions that a file affects.

    Args:
        settings: Locations of the log and the registry.
        warehouse: The warehouse.
        sha256: The file's SHA-256, or its first digits.

    Raises:
        TaxiError: no file has it, or several files do.
    """
    with warehouse.reading() as connection:
        file = _file(connection, sha256)
        trained = [
            version.version
            for version in read_versions(settings).values()
            if _is_trained_on(connection, version, str(file["sha256"]))
        ]
        counts, first = _ingested_predictions(connection, trained)
        ingested = {name for (name,) in connection.execute("SELECT segment FROM logged_segments").fetchall()}
    for version, prediction in _logged_predictions(settings, trained, ingested):
        counts[version] = counts.get(version, 0) + 1
        first.append(prediction)
        first = sorted(first, key=lambda each: str(each["answered_at"]))[:_FIRST_PREDICTIONS]
    return {
        "file": file,
        "versions": [{"version": version, "predictions": counts.get(version, 0)} for version in sorted(trained)],
        "predictions": sum(counts.values()),
        "first": first,
    }


def _ingested(connection: "DuckDBPyConnection", request_id: str) -> Facts:
    """The prediction in the warehouse, with the values of its record in the log."""
    found = connection.execute(
        f"SELECT * EXCLUDE (request_id) FROM predictions WHERE request_id = {quote_literal(request_id)}"
    )
    names, row = [column[0] for column in found.description], found.fetchone()
    if row is None:
        raise TaxiError(
            f"there is no prediction {request_id[:60]} in the log or the warehouse: give the `request_id` of an "
            "answer of this home; of a ride of POST /predict_many with `.` and its row"
        )
    values = dict(zip(names, row, strict=True))
    offset = values.pop("pickup_utc_offset_hours")
    values["answered_at"] = values["answered_at"].replace(tzinfo=UTC)
    values["pickup_at"] = values["pickup_at"].replace(tzinfo=timezone(timedelta(hours=offset)))
    return values


def _as_json(values: Mapping[str, Any]) -> Facts:
    return {name: each.isoformat() if isinstance(each, datetime) else each for name, each in values.items()}


def _version(settings: Settings, number: int) -> Version:
    found = read_versions(settings).get(number)
    if found is None:
        raise TaxiError(f"version {number} is not in MLflow's registry: was it deleted, or is TAXI_HOME another home?")
    return found


def _snapshot(connection: "DuckDBPyConnection", version: Version) -> tuple[int, bool]:
    """The snapshot of the version's training, or the newest if that is not kept; and whether it is."""
    snapshot = int(version.tags["data_snapshot"])
    kept = [number for (number,) in connection.execute("SELECT snapshot_id FROM lake.snapshots()").fetchall()]
    return (snapshot, True) if snapshot in kept else (int(max(kept)), False)


def _training_files(connection: "DuckDBPyConnection", version: Version, snapshot: int) -> list[Facts]:
    services, months = (", ".join(map(quote_literal, version.tags[name].split(","))) for name in ("services", "months"))
    query = _TRAINING_FILES.format(snapshot=snapshot, services=services, months=months)
    return [
        {
            "service": service,
            "month": month,
            "file": name,
            "sha256": sha256,
            "checks": {table: _checks(found, run_id) for table, found in json.loads(results or "{}").items()},
        }
        for service, month, name, sha256, run_id, results in connection.execute(query).fetchall()
    ]


def _checks(found: Mapping[str, Any], run_id: str | None) -> Facts:
    failed = [each for each in found["outcomes"] if not each["passed"]]
    return {
        "run_id": run_id or "",
        "passed": len(found["outcomes"]) - len(failed),
        "warned": sorted(each["name"] for each in failed if each["severity"] != "error"),
        "failed": sorted(each["name"] for each in failed if each["severity"] == "error"),
    }


def _file(connection: "DuckDBPyConnection", sha256: str) -> Facts:
    start = sha256.lower()
    if len(start) < MIN_SHA_DIGITS or set(start) - set("0123456789abcdef"):
        raise TaxiError(f"{sha256[:70]!r} is no SHA-256: give at least its first {MIN_SHA_DIGITS} hexadecimal digits")
    rows = connection.execute(
        "SELECT DISTINCT ON (sha256) sha256, file_name, service, strftime(month, '%Y-%m'), state FROM source_files "
        f"WHERE starts_with(sha256, {quote_literal(start)}) ORDER BY sha256, state"
    ).fetchall()
    if len(rows) != 1:
        fault = "several files have" if rows else "no file has"
        raise TaxiError(f"{fault} a SHA-256 that starts with {start}: `taxi files` lists them")
    return dict(zip(("sha256", "file", "service", "month", "state"), rows[0], strict=True))


def _is_trained_on(connection: "DuckDBPyConnection", version: Version, sha256: str) -> bool:
    if not {"data_snapshot", "months", "services"} <= set(version.tags):
        return False
    snapshot, _ = _snapshot(connection, version)
    return any(row["sha256"] == sha256 for row in _training_files(connection, version, snapshot))


def _ingested_predictions(
    connection: "DuckDBPyConnection", versions: Collection[int]
) -> tuple[dict[int, int], list[Facts]]:
    """The number of predictions in the warehouse by version, and the first of them."""
    of_versions = f"FROM predictions WHERE model_version IN ({', '.join(map(str, versions)) or 'NULL'})"
    counts = connection.execute(f"SELECT model_version, count(*) {of_versions} GROUP BY 1").fetchall()
    first = connection.execute(
        f"SELECT request_id, answered_at, model_version, duration_minutes {of_versions} "
        f"ORDER BY answered_at, request_id LIMIT {_FIRST_PREDICTIONS}"
    ).fetchall()
    return dict(counts), [_shown(*row) for row in first]


def _logged_predictions(
    settings: Settings, versions: Collection[int], ingested: Collection[str]
) -> Iterator[tuple[int, Facts]]:
    """The predictions of these versions that are in the log only."""
    tail = LogTail(settings.prediction_log)
    while lines := tail.read():
        for line in lines:
            if line.segment in ingested:
                continue
            try:
                record = decode_record(line.content)
            except (msgspec.MsgspecError, ValueError):
                continue
            if record.model_version in versions:
                for each in record.predictions() if isinstance(record, LoggedBatch) else [record]:
                    answered_at = each.answered_at.replace(tzinfo=None)
                    yield (
                        each.model_version,
                        _shown(each.request_id, answered_at, each.model_version, each.duration_minutes),
                    )
    tail.close()


def _shown(request_id: str, answered_at: object, version: int, minutes: float) -> Facts:
    return {
        "request_id": request_id,
        "answered_at": f"{answered_at} UTC",
        "model_version": version,
        "duration_minutes": minutes,
    }
