"""Measures a month's drift and publishes the report to the warehouse. Imports no Dagster."""

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import window_of
from taxi_assets.monitoring.drift import DriftReport, measure_drift
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.settings import Settings
from taxi_assets.training.training_window import available_window
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse


def report_drift(settings: Settings, warehouse: Warehouse, month: Month, run_id: str | None = None) -> DriftReport:
    """Measures the month against its model's training months and replaces its rows of `drift_reports`.

    A month without a model is compared with the months its training would use.

    Raises:
        TaxiError: No earlier month is available.
    """
    version = model_versions.get_month_version(settings, month)
    reference = window_of(version) if version else _earlier_months(settings, warehouse, month)
    with warehouse.publishing(f"drift_reports {month}", run_id) as connection:
        days = [each.first_day for each in reference]
        report = measure_drift(connection, settings.services, days, month.first_day)
        connection.execute("DELETE FROM drift_reports WHERE month = ?", [month.first_day])
        connection.executemany(
            "INSERT INTO drift_reports VALUES (?, ?, ?, ?, ?, ?)",
            [
                [month.first_day, each.name, each.psi, each.verdict, each.reference_mean, each.month_mean]
                for each in report.features
            ],
        )
    if version:
        tracking.log_metrics(settings, version.run_id, {"max_psi": report.features[0].psi})
    return report


def _earlier_months(settings: Settings, warehouse: Warehouse, month: Month) -> tuple[Month, ...]:
    with warehouse.reading() as connection:
        reference = available_window(available_months(connection, settings.services), month)
    if not reference:
        raise TaxiError(f"no month before {month} is in the warehouse to compare with: ingest earlier months first")
    return reference
