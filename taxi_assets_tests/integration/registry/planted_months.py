"""Rows of an ingested month, as the assets before a training write them, with drawn figures."""

from promotion_harness import PromotionHarness, Row

from taxi_assets.evaluation.metrics import DAY, MODEL
from taxi_assets.monitoring.drift.drift_verdict import DriftVerdict
from taxi_assets.months import Month
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE

RMSE, WIDTH = 4.0, 12.0  # of a version on the month it is evaluated on


def plant_rows(harness: PromotionHarness, *rows: tuple[str, Row]) -> None:
    """Replaces the rows of each row's month, and of its version if it has one, in one commit."""
    keys = {(table, row["month"], row.get("model_version")) for table, row in rows}
    with harness.warehouse.publishing("planted rows") as connection:
        for table, month, version in keys:
            own = "" if version is None else " AND model_version = $version"
            values = {"month": month} | ({} if version is None else {"version": version})
            connection.execute(f"DELETE FROM {table} WHERE month = $month{own}", values)
        for table, row in rows:
            selected = ", ".join(f"${name} AS {name}" for name in row)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT {selected}", row)


def plant_file(harness: PromotionHarness, month: Month) -> None:
    """An ingested file of the month, newer than all else."""
    key, snapshot = {"month": month.first_day, "service": "green"}, harness.warehouse.snapshot()
    file = {"state": "ingested", "path": str(month), "snapshot": snapshot + 1, "sha256": str(snapshot)}
    plant_rows(harness, ("published_months", key), ("source_files", key | file))


def plant_drift(harness: PromotionHarness, month: Month, verdict: DriftVerdict) -> None:
    """A drift report of the month."""
    key = {"month": month.first_day}
    plant_rows(
        harness, ("drift_reports", key | {"feature": "duration_ratio"}), ("drift_verdicts", key | {"verdict": verdict})
    )


def plant_performance(harness: PromotionHarness, month: Month, version: int, error_growth: float | None) -> None:
    """Errors of a champion on the month, larger by this share than on its evaluation month.

    They are larger beside the width of its intervals.
    """
    width = None if error_growth is None else WIDTH / (1 + error_growth)
    row = _scored(month, version) | {"slice": "overall", "value": "all", "interval_rms_minutes": width}
    plant_rows(harness, ("champion_performance", row))


def plant_evaluation(harness: PromotionHarness, month: Month, version: int) -> None:
    """An evaluation of a version on the month."""
    row = _scored(month, version)
    cell = {name: row[name] for name in ("month", "model_version", "condition", "trips")}
    plant_rows(
        harness,
        ("evaluations", row | {"model": MODEL, "slice": "overall", "value": "all", "mae": 3.0, "bias": 0.0}),
        ("evaluations", row | {"model": MODEL, "slice": DAY, "value": "1"}),
        ("interval_coverage", cell | {"interval_rms_minutes": WIDTH}),
    )


def _scored(month: Month, version: int) -> Row:
    key = {"month": month.first_day, "model_version": version, "condition": "without_recent_traffic"}
    return key | {"scope": PRIMARY_SCOPE.name, "trips": 100, "rmse": RMSE}
