"""Months a command needs, published in the lake where they are missing. Knows no Dagster."""

from collections.abc import Callable, Sequence

from taxi_assets.lake import publishing
from taxi_assets.lake.held import held_months
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.months import Month
from taxi_assets.receiving.ingesting import ingest_month
from taxi_assets.sources import tlc

__all__ = ["hold_months"]


def hold_months(
    warehouse: Warehouse, services: Sequence[str], months: Sequence[Month], told: Callable[[str], None]
) -> tuple[Month, ...]:
    """Publish those of the months that the lake lacks, down to their features; returns those published now.

    Raises:
        TaxiError: a month is not to be had, or does not pass its checks.
    """
    settings = warehouse.settings
    publishing.publish_zones(warehouse, *tlc.landed_zones(settings.tlc_source, settings.landing))
    with warehouse.reading() as connection:
        held = held_months(connection, services)
    missing = [month for month in months if month not in held]
    for month in missing:
        for service in services:
            told(f"publish {service} {month}")
            ingest_month(warehouse, service, month)
            publishing.publish_clean(warehouse, service, month)
            publishing.publish_features(warehouse, service, month)
    return tuple(missing)
