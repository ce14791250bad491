"""The sensor that polls TLC's site for new and republished months. Off by default."""

import time
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.tlc.download import RetryPolicy
    from taxi_assets.tlc.landing_writes import Progress
    from taxi_assets.tlc.polling_schedule import AvailableMonth, MonthPoll

__all__ = ["tlc_polling_sensor"]


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
    from taxi_assets.tlc.polling_schedule import PollingState

    if settings.active_data_kind == "synthetic":
        return dg.SensorResult(skip_reason="these months are synthetic: set TAXI_DATA_KIND=real to poll TLC's site")
    if pending.is_run_active(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is working in this home: TLC's site is polled after it")
    try:
        available = _available_months(warehouse)
        result = polling.poll_once(
            settings.tlc_source,
            available,
            PollingState.from_text(context.cursor),
            partial(_fetch, settings),
            time.time(),
        )
    except TaxiError as error:
        return dg.SensorResult(skip_reason=str(error))
    for sentence in result.messages:
        context.log.info(sentence)
    message = "; ".join(result.messages) or "nothing to poll yet"
    return dg.SensorResult(
        skip_reason=f"{tlc_source.source_label(settings.tlc_source)}: {message}", cursor=result.polling_state.as_text()
    )


def _available_months(warehouse: Warehouse) -> "dict[str, list[AvailableMonth]]":
    """The months in the warehouse by service in use, with their files."""
    from taxi_assets.ingestion.scan_landing import list_source_files
    from taxi_assets.tlc.polling_schedule import AvailableMonth

    available: dict[str, list[AvailableMonth]] = {service: [] for service in warehouse.settings.services}
    for record in list_source_files(warehouse):
        if record.state == "ingested" and record.service in available and record.month:
            available[record.service].append(AvailableMonth(record.month, int(record.bytes or 0)))
    return available


def _fetch(settings: Settings, month_poll: "MonthPoll", progress: "Progress", retry_policy: "RetryPolicy") -> None:
    """Fetch the month to the landing folder, unless the file store has the same file."""
    from taxi_assets.ingestion import file_paths
    from taxi_assets.tlc import tlc_source

    available = file_paths.stored_files(settings, month_poll.service, month_poll.month)
    tlc_source.fetch_month(
        settings.tlc_source, month_poll.service, month_poll.month, settings.landing, progress, retry_policy, available
    )
