"""Months a command needs, published in the lake where they are missing. Knows no Dagster."""

from collections.abc import Callable, Sequence

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import publishing
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.months import Month
from taxi_assets.tlc import tlc_source
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["ensure_months"]


def ensure_months(
    warehouse: Warehouse,
    services: Sequence[str],
    required: Sequence[Month],
    on_progress: Callable[[str], None],
    optional: Sequence[Month] = (),
) -> list[str]:
    """Publish those of the months that the lake lacks, down to their features.

    Args:
        warehouse: The lake; its settings say where months come from.
        services: Whose months.
        required: Months that must be there afterwards.
        on_progress: Called with what is being done.
        optional: Months that are taken along where they can be had.

    Returns:
        A sentence for each useful month that could not be had.

    Raises:
        TaxiError: a needed month is not to be had, or does not pass its checks.
    """
    settings, messages = warehouse.settings, []
    publishing.publish_zones(warehouse, *tlc_source.ensure_zone_files(settings.tlc_source, settings.landing))
    with warehouse.reading() as connection:
        available = available_months(connection, services)
    for month in sorted({*required, *optional} - {*available}):
        on_progress(f"publish {', '.join(services)} {month}")
        try:
            _publish_month(warehouse, services, month)
        except TaxiError as error:
            if month in required:
                raise
            messages.append(f"{month} is left out: {error}")
    return messages


def _publish_month(warehouse: Warehouse, services: Sequence[str], month: Month) -> None:
    for service in services:
        ingest_month(warehouse, service, month)
        publishing.publish_clean(warehouse, service, month)
        publishing.publish_features(warehouse, service, month)
