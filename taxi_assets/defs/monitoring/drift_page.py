"""Evidently's page of a month's drift, as metadata of the drift report."""

from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.defs.asset_metadata import link
from taxi_assets.errors import describe_error
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.monitoring.drift.measure_drift import DriftReport


def drift_page_metadata(settings: Settings, warehouse: Warehouse, report: "DriftReport") -> dict[str, dg.MetadataValue]:
    """Writes the page if the settings ask for it; returns its link or an error.

    The verdict does not depend on the page, so it stands without one.
    """
    if not settings.evidently:
        return {}
    from taxi_assets.monitoring.drift_page.write_drift_page import write_drift_page

    try:
        page = write_drift_page(settings, warehouse, report)
    except Exception as error:
        return {"evidently_error": dg.MetadataValue.text(describe_error(error))}
    return {"evidently": link("reports", page)}
