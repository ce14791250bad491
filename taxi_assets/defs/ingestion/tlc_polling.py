"""The sensor that polls TLC's site for new and republished months. Off by default."""

import time
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.tlc.download import RetryPolicy
    from taxi_assets.tlc.landing_writes import Progress


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,  # the first `make up` must not send requests to TLC's site
    description="Polls TLC's site for the next months and for changed ones, and fetches them to the landing folder. "
    "Most ticks send no request: a missing month is polled at most twice a day, an available one once a week.",
)
def tlc_polling_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """Fetches months to the landing folder. The cursor stores TLC's responses and the next poll times."""
    from taxi_assets.ingestion import pending
    from taxi_assets.tlc import polling, tlc_source

    if settings.active_data_kind == "synthetic":
        return dg.SensorResult(skip_reason="these months are synthetic: set TAXI_DATA_KIND=real to poll TLC's site")
    if pending.is_run_active(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is working in this home: TLC's site is polled after it")
    state = polling.PollingState.from_text(context.cursor)
    try:
        label = tlc_source.source_label(settings.tlc_source)
        lengths = _file_lengths(warehouse)
        state, messages = polling.poll_once(settings.tlc_source, lengths, state, partial(_fetch, settings), time.time())
    except TaxiError as error:
        return dg.SensorResult(skip_reason=str(error))
    for sentence in messages:
        context.log.info(sentence)
    message = "; ".join(messages) or "nothing to poll yet"
    return dg.SensorResult(skip_reason=f"{label}: {message}", cursor=state.as_text())


def _file_lengths(warehouse: Warehouse) -> dict[str, dict[Month, int]]:
    """The length of the file of each month in the warehouse, by service in use."""
    from taxi_assets.ingestion.scan_landing import list_source_files

    lengths: dict[str, dict[Month, int]] = {service: {} for service in warehouse.settings.services}
    for record in list_source_files(warehouse):
        if record.state == "ingested" and record.service in lengths and record.month:
            lengths[record.service][record.month] = int(record.bytes or 0)
    return lengths


def _fetch(settings: Settings, service: str, month: Month, progress: "Progress", retry_policy: "RetryPolicy") -> None:
    """Fetch the month to the landing folder, unless the file store has the same file."""
    from taxi_assets.ingestion import file_paths
    from taxi_assets.tlc import tlc_source

    stored = file_paths.stored_files(settings, service, month)
    tlc_source.fetch_month(settings.tlc_source, service, month, settings.landing, progress, retry_policy, stored)
