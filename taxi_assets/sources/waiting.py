"""Files in the landing folder that the lake does not hold yet."""

from collections.abc import Sequence

from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.learning.training_data import held_months
from taxi_assets.settings import Settings
from taxi_assets.sources.tlc import Arrival, inspect_file, parse_file_name

__all__ = ["can_train", "unpublished"]


def unpublished(settings: Settings, warehouse: Warehouse) -> list[Arrival]:
    """Whole files of the services in use whose bytes differ from what is published, oldest month first.

    A file that is not parquet raises; one that is still being written has another name, by the landing's rule.
    """
    with warehouse.reading() as connection:
        held = {row[0] for row in connection.execute("SELECT sha256 FROM source_files").fetchall()}
    files = [path for path in settings.landing.glob("*.parquet") if _is_ours(path.name, settings)]
    arrivals = [arrival for arrival in map(inspect_file, files) if arrival.sha256 not in held]
    return sorted(arrivals, key=lambda arrival: (arrival.month, arrival.service))


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
