"""The evidence pack of a decision, as metadata of the asset that decided."""

import dagster as dg

from taxi_assets.defs.asset_metadata import link
from taxi_assets.errors import describe_error
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


def evidence_metadata(
    settings: Settings, warehouse: Warehouse, month: Month, version: int | None = None
) -> dict[str, dg.MetadataValue]:
    """Writes the pack of a decision, by default on the month's version; returns its link or an error.

    A decision without a pack stands: the pack can be written again from the same records.
    """
    from taxi_assets.evaluation.evaluate import require_month_version
    from taxi_assets.monitoring.evidence_pack.write_pack import INDEX, write_evidence_pack

    try:
        number = version or require_month_version(settings, month).version
        folder = write_evidence_pack(settings, warehouse, number, month)
    except Exception as error:
        return {"evidence_pack_error": dg.MetadataValue.text(describe_error(error))}
    return {"evidence_pack": link("reports", f"{settings.evidence.name}/{folder.name}/{INDEX}")}
