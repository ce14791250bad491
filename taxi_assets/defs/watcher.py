"""The sensor that asks TLC's site for new and republished months. Off until a person turns it on."""

import time

import dagster as dg

from taxi_assets.errors import TaxiError
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.settings import Settings, run_lock

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
    from taxi_assets.sources import tlc, watching
    from taxi_assets.sources.watch_plan import Watch

    if settings.data_kind == "synthetic":
        return dg.SensorResult(skip_reason="these months are made up: set TAXI_DATA=real to watch TLC's")
    if run_lock(settings).is_locked or _is_run_at_work(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is at work")
    watch = Watch.from_text(context.cursor)

    def fetch(source: str, question: watching.Question, progress: tlc.Progress, patience: tlc.Patience) -> object:
        return tlc.fetch_month(source, question.service, question.month, settings.landing, progress, patience)

    try:
        seen = watching.watch_once(settings.tlc_source, _held(settings, warehouse), watch, fetch, time.time())
    except TaxiError as error:
        return dg.SensorResult(skip_reason=str(error))
    for sentence in seen.sentences:
        context.log.info(sentence)
    told = "; ".join(seen.sentences) or "nothing to ask yet"
    return dg.SensorResult(skip_reason=f"{tlc.source_label(settings.tlc_source)}: {told}", cursor=seen.watch.as_text())
