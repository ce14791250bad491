"""The sensor that asks TLC's site for new and republished months. Off until a person turns it on."""

import time
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.tlc.download import Patience
    from taxi_assets.tlc.file_transfer import Progress
    from taxi_assets.tlc.polling_plan import Held, Question

__all__ = ["tlc_watcher"]


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,  # nobody's first `make up` shall ask TLC's site for anything
    description="Asks TLC's site for the next months and for changed ones, and brings them to the landing folder. "
    "Most ticks ask nothing: an absent month is asked for twice a day at most, a held one once a week.",
)
def tlc_watcher(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """A file it brings is taken in by `landing_sensor`. The cursor holds what was answered and when to ask again."""
    from taxi_assets.ingestion import pending
    from taxi_assets.tlc import polling, tlc_source
    from taxi_assets.tlc.polling_plan import Watch

    if settings.data_kind == "synthetic":
        return dg.SensorResult(skip_reason="these months are made up: set TAXI_DATA=real to watch TLC's")
    if pending.is_run_at_work(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is at work: TLC's site is asked after it")
    try:
        held = _held(warehouse)
        seen = polling.watch_once(
            settings.tlc_source, held, Watch.from_text(context.cursor), partial(_fetch, settings), time.time()
        )
    except TaxiError as error:
        return dg.SensorResult(skip_reason=str(error))
    for sentence in seen.sentences:
        context.log.info(sentence)
    told = "; ".join(seen.sentences) or "nothing to ask yet"
    return dg.SensorResult(
        skip_reason=f"{tlc_source.source_label(settings.tlc_source)}: {told}", cursor=seen.watch.as_text()
    )


def _held(warehouse: Warehouse) -> "dict[str, list[Held]]":
    """The months of each service in use that the lake holds, by their files."""
    from taxi_assets.ingestion.scan_landing import records_of
    from taxi_assets.tlc.polling_plan import Held

    held: dict[str, list[Held]] = {service: [] for service in warehouse.settings.services}
    for record in records_of(warehouse):
        if record.state == "ingested" and record.service in held and record.month:
            held[record.service].append(Held(record.month, int(record.bytes or 0)))
    return held


def _fetch(settings: Settings, question: "Question", progress: "Progress", patience: "Patience") -> None:
    """Bring the month to the landing folder; not the very file that the store holds."""
    from taxi_assets.ingestion import file_paths
    from taxi_assets.tlc import tlc_source

    held = file_paths.held_files(settings, question.service, question.month)
    tlc_source.bring_month(
        settings.tlc_source, question.service, question.month, settings.landing, progress, patience, held
    )
