"""The sensor that asks TLC's site for new and republished months. Off until a person turns it on."""

import time
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.tlc.download import RetryPolicy
    from taxi_assets.tlc.file_transfer import Progress
    from taxi_assets.tlc.polling_plan import AvailableMonth, MonthPoll

__all__ = ["tlc_polling_sensor"]


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,  # nobody's first `make up` shall ask TLC's site for anything
    description="Asks TLC's site for the next months and for changed ones, and brings them to the landing folder. "
    "Most ticks ask nothing: an absent month is asked for twice a day at most, a held one once a week.",
)
def tlc_polling_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """A file it brings is taken in by `landing_sensor`. The cursor holds what was answered and when to ask again."""
    from taxi_assets.ingestion import pending
    from taxi_assets.tlc import polling, tlc_source
    from taxi_assets.tlc.polling_plan import PollingState

    if settings.active_data_kind == "synthetic":
        return dg.SensorResult(skip_reason="these months are made up: set TAXI_DATA_KIND=real to watch TLC's")
    if pending.is_run_active(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is at work: TLC's site is asked after it")
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
    message = "; ".join(result.messages) or "nothing to ask yet"
    return dg.SensorResult(
        skip_reason=f"{tlc_source.source_label(settings.tlc_source)}: {message}", cursor=result.polling_state.as_text()
    )


def _available_months(warehouse: Warehouse) -> "dict[str, list[AvailableMonth]]":
    """The months of each service in use that the lake holds, by their files."""
    from taxi_assets.ingestion.scan_landing import list_source_files
    from taxi_assets.tlc.polling_plan import AvailableMonth

    available: dict[str, list[AvailableMonth]] = {service: [] for service in warehouse.settings.services}
    for record in list_source_files(warehouse):
        if record.state == "ingested" and record.service in available and record.month:
            available[record.service].append(AvailableMonth(record.month, int(record.bytes or 0)))
    return available


def _fetch(settings: Settings, month_poll: "MonthPoll", progress: "Progress", retry_policy: "RetryPolicy") -> None:
    """Bring the month to the landing folder; not the very file that the store holds."""
    from taxi_assets.ingestion import file_paths
    from taxi_assets.tlc import tlc_source

    available = file_paths.stored_files(settings, month_poll.service, month_poll.month)
    tlc_source.fetch_month(
        settings.tlc_source, month_poll.service, month_poll.month, settings.landing, progress, retry_policy, available
    )
