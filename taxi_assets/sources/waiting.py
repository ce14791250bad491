"""Files in the landing folder that the lake does not hold yet."""

from collections.abc import Sequence
from dataclasses import dataclass

from filelock import Timeout

from taxi_assets.errors import TaxiError
from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.learning.training_data import held_months
from taxi_assets.settings import Settings, run_lock
from taxi_assets.sources.tlc import Arrival, inspect_file, parse_file_name

__all__ = ["Waiting", "can_train", "is_run_at_work", "unpublished"]


@dataclass(frozen=True)
class Waiting:
    """What waits in the landing folder: `arrivals`, oldest month first; `broken`, a sentence for each other file."""

    arrivals: tuple[Arrival, ...]
    broken: tuple[str, ...]


def unpublished(settings: Settings, warehouse: Warehouse) -> Waiting:
    """Files of the services in use whose bytes differ from what is published.

    A file that is not parquet is told of and keeps no other waiting; one that is still being written has another
    name, by the landing's rule.
    """
    with warehouse.reading() as connection:
        query = "SELECT service, strftime(month, '%Y-%m'), sha256 FROM source_files"
        held = set(connection.execute(query).fetchall())
    arrivals, broken = [], []
    for path in sorted(settings.landing.glob("*.parquet")):
        if not _is_ours(path.name, settings):
            continue
        try:
            arrivals.append(inspect_file(path))
        except TaxiError as error:
            broken.append(str(error))
    new = [each for each in arrivals if (each.service, str(each.month), each.sha256) not in held]
    return Waiting(tuple(sorted(new, key=lambda arrival: (arrival.month, arrival.service))), tuple(broken))


def is_run_at_work(settings: Settings) -> bool:
    """A `taxi run` is taking files in by itself: what has landed is its to publish."""
    try:
        with run_lock(settings).acquire(timeout=0):
            return False
    except Timeout:
        return True


def can_train(settings: Settings, warehouse: Warehouse, arrivals: Sequence[Arrival]) -> Arrival | None:
    """The newest of the arrivals, if an earlier month is held or arrives with it to learn from."""
    if not arrivals:
        return None
    newest = arrivals[-1]
    with warehouse.reading() as connection:
        earlier = {*held_months(connection, settings.services), *(arrival.month for arrival in arrivals)}
    return newest if any(month < newest.month for month in earlier) else None


def _is_ours(name: str, settings: Settings) -> bool:
    parsed = parse_file_name(name)
    return parsed is not None and parsed[0] in settings.services
