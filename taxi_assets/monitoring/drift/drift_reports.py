"""Measures a month's drift from the champion's training months and publishes it. Imports no Dagster."""

from typing import TYPE_CHECKING

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import window_of
from taxi_assets.monitoring.champion_performance import champion_before
from taxi_assets.monitoring.drift.measure_drift import DriftReport, measure_drift
from taxi_assets.months import Month
from taxi_assets.registry import tracking
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.training_window import available_window
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def report_drift(settings: Settings, warehouse: Warehouse, month: Month, run_id: str | None = None) -> DriftReport:
    """Measures the month against the champion's training months and replaces its rows in the warehouse.

    The champion is the one before the month's decision. Without one that was trained before the month, it is compared
    with the months a training would use.

    Raises:
        TaxiError: No earlier month is available.
    """
    champion = champion_before(settings, warehouse, month)  # repeated, it measures against the same version
    trained_before = champion if champion and max(window_of(champion)) < month else None
    reference = window_of(trained_before) if trained_before else _earlier_months(settings, warehouse, month)
    with warehouse.publishing(f"drift_reports {month}", run_id) as connection:
        report = measure_drift(
            connection,
            settings.services,
            [each.first_day for each in reference],
            month.first_day,
            settings.false_alarm_months,
            _importance(connection, trained_before),
        )
        _replace_rows(connection, report, trained_before)
    if trained_before:
        tracking.log_metrics(settings, trained_before.run_id, {f"drift_psi_{month}": report.features[0].psi})
    return report


def _importance(connection: "DuckDBPyConnection", version: Version | None) -> dict[str, float]:
    """Growth of the version's RMSE without each input, in its newest evaluation; empty if there is none."""
    query = (
        "SELECT feature, rmse_growth_minutes FROM feature_importance "
        "WHERE model_version = ? QUALIFY month = max(month) OVER ()"
    )
    return dict(connection.execute(query, [version.version]).fetchall()) if version else {}


def _replace_rows(connection: "DuckDBPyConnection", report: DriftReport, version: Version | None) -> None:
    connection.execute("DELETE FROM drift_reports WHERE month = ?", [report.month])
    connection.execute("DELETE FROM drift_verdicts WHERE month = ?", [report.month])
    connection.executemany(
        "INSERT INTO drift_reports (month, feature, role, psi, psi_limit, p_value, weight, verdict, reference_mean, "
        "month_mean) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            [
                *(report.month, each.name, each.role, each.psi, each.limit, each.p_value, each.weight, each.verdict),
                *(each.reference_mean, each.month_mean),
            ]
            for each in report.features
        ],
    )
    connection.execute(
        "INSERT INTO drift_verdicts (month, model_version, verdict, facts, false_alarm_months, reference_months, "
        "reference_trips, trips) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(report.month, version and version.version, report.verdict, list(report.facts)),
            *(report.false_alarm_months, list(report.reference_months), report.reference_trips, report.month_trips),
        ],
    )


def _earlier_months(settings: Settings, warehouse: Warehouse, month: Month) -> tuple[Month, ...]:
    with warehouse.reading() as connection:
        reference = available_window(available_months(connection, settings.services), month)
    if not reference:
        raise TaxiError(f"no month before {month} is in the warehouse to compare with: ingest earlier months first")
    return reference
