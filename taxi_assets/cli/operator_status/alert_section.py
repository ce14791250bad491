"""The alerts that last, and those that the webhook did not accept."""

from taxi_assets.cli.operator_status.status_section import Figure, Section
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


def alert_section(settings: Settings, warehouse: Warehouse) -> Section:
    """A figure for each open alert."""
    from taxi_assets.monitoring.alerts.record_alerts import open_alerts

    with warehouse.reading() as connection:
        alerts = open_alerts(connection)
    page = f"{settings.url(settings.dagster_port)}/automation"
    figures = [
        Figure(str(each["kind"]), f"{each['text']}{_delivery(each['delivery_error'])}", "bad", page) for each in alerts
    ]
    return Section("alerts", figures or [Figure("alerts", "none")])


def _delivery(error: object) -> str:
    return f" Not delivered: {error}" if error else ""
