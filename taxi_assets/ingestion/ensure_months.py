"""Publishes the months that a command needs and the warehouse lacks. No Dagster here."""

from collections.abc import Callable, Sequence

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import publish_month, shared_files
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.months import Month
from taxi_assets.warehouse.available_months import available_months, require_earlier_month
from taxi_assets.warehouse.connection import Warehouse


def ensure_months(
    warehouse: Warehouse,
    services: Sequence[str],
    required: Sequence[Month],
    on_progress: Callable[[str], None],
    earlier: Sequence[Month] = (),
) -> list[str]:
    """Publish the months that the warehouse lacks, from raw trips to features.

    Args:
        warehouse: The warehouse; its settings name the source of months.
        services: The services of the months.
        required: Months that must be available afterwards.
        on_progress: Called with a message at each step.
        earlier: Months to train on, before the required ones. Those whose files are available are published first,
            so that a lack of all of them ends the command before the work on the required months.

    Returns:
        A sentence for each earlier month that could not be published.

    Raises:
        TaxiError: a required month has no file or fails its checks, or there is none of the earlier months.
    """
    messages = []
    publish_month.publish_zones(warehouse, *shared_files.zone_files(warehouse.settings))
    for month in _missing(warehouse, services, earlier):
        try:
            _publish(warehouse, services, month, on_progress)
        except TaxiError as error:
            messages.append(f"{month} is skipped: {error}")
    if earlier:
        with warehouse.reading() as connection:
            require_earlier_month(available_months(connection, services), min(required))
    for month in _missing(warehouse, services, required):
        _publish(warehouse, services, month, on_progress)
    return messages


def _missing(warehouse: Warehouse, services: Sequence[str], months: Sequence[Month]) -> list[Month]:
    """The months that the warehouse lacks, oldest first."""
    with warehouse.reading() as connection:
        return sorted({*months} - {*available_months(connection, services)})


def _publish(warehouse: Warehouse, services: Sequence[str], month: Month, on_progress: Callable[[str], None]) -> None:
    on_progress(f"publish {', '.join(services)} {month}")
    for service in services:
        ingest_month(warehouse, service, month)
