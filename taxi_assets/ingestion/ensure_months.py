"""Publishes the months that a command needs and the warehouse lacks. No Dagster here."""

from collections.abc import Callable, Sequence

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import publish_month
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.months import Month
from taxi_assets.tlc import tlc_source
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse


def ensure_months(
    warehouse: Warehouse,
    services: Sequence[str],
    required: Sequence[Month],
    on_progress: Callable[[str], None],
    optional: Sequence[Month] = (),
) -> list[str]:
    """Publish the months that the warehouse lacks, from raw trips to features.

    Args:
        warehouse: The warehouse; its settings name the source of months.
        services: The services of the months.
        required: Months that must be available afterwards.
        on_progress: Called with a message at each step.
        optional: Months that are published if their files are available.

    Returns:
        A sentence for each optional month that could not be published.

    Raises:
        TaxiError: a required month has no file or fails its checks.
    """
    settings, messages = warehouse.settings, []
    publish_month.publish_zones(warehouse, *tlc_source.ensure_zone_files(settings.tlc_source, settings.landing))
    with warehouse.reading() as connection:
        available = available_months(connection, services)
    for month in sorted({*required, *optional} - {*available}):
        on_progress(f"publish {', '.join(services)} {month}")
        try:
            for service in services:
                ingest_month(warehouse, service, month)
        except TaxiError as error:
            if month in required:
                raise
            messages.append(f"{month} is skipped: {error}")
    return messages
