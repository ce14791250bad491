"""What starts runs by itself: files that land, and the tidying after processes that died."""

import dagster as dg

from taxi_assets.defs.jobs import ingest_months, month
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.settings import Settings

__all__ = ["SENSORS", "landing_sensor"]

MOST_FILES_A_TICK = 24  # a tick must end within a minute, and each new file is read whole for its checksum


@dg.sensor(
    jobs=[ingest_months, month],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A new or changed file in the landing folder starts the run of its month.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext,
    settings: dg.ResourceParam[Settings],
    warehouse: dg.ResourceParam[Warehouse],
) -> dg.SensorResult:
    """Files whose bytes the lake does not hold start a run each: training only for the newest, once others are in."""
    from taxi_assets.sources import waiting

    if waiting.is_run_at_work(settings):
        return dg.SensorResult(skip_reason="a `taxi run` is at work: what has landed is its to publish")
    found = waiting.unpublished(settings, warehouse)
    for sentence in found.broken:
        context.log.warning(sentence)
    arrivals = found.arrivals[:MOST_FILES_A_TICK]
    trains = waiting.can_train(settings, warehouse, arrivals)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                # The checksum makes a republished month a new request; a month's name alone would be dropped.
                run_key=f"{arrival.service}-{arrival.month}-{arrival.sha256}",
                job_name=month.name if arrival == trains else ingest_months.name,
                partition_key=str(arrival.month),
                tags={"taxi/file": arrival.path.name, "dagster/priority": "-1" if arrival == trains else "0"},
            )
            for arrival in arrivals
        ],
        skip_reason=None if arrivals else "; ".join(found.broken) or f"no new file in {settings.landing}",
    )


SENSORS = (landing_sensor,)
