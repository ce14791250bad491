"""The training workloads that `bench_scale` times: one estimator on the last months of a large home."""

import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.training_workloads import FIRST, SEED, SERVICE
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.training.dataset import TrainingData

Work = Callable[[], Mapping[str, float]]
_SCORED_ROWS = 200_000


def scale_settings(home: str) -> Settings:
    return Settings(home=Path(home), data_kind="synthetic", tlc_source=str(Path(home) / "source"), memory_limit="1GB")


def publish_large_months(home: str, months: int, rows: int) -> None:
    """Publishes months that the home does not have, and one more for scoring; keeps no file of the source."""
    from taxi_assets import synthetic
    from taxi_assets.ingestion.ensure_months import ensure_months
    from taxi_assets.warehouse.available_months import available_months

    settings = scale_settings(home)
    source, warehouse = Path(settings.tlc_source), Warehouse(settings)
    source.mkdir(parents=True, exist_ok=True)
    synthetic.write_zones(source, SEED)
    with warehouse.reading() as connection:
        published = set(available_months(connection, [SERVICE]))
    for month in (FIRST.plus(number) for number in range(months + 1)):
        if month not in published:
            file = synthetic.write_month(source, SERVICE, month, rows, SEED)
            ensure_months(warehouse, [SERVICE], [month], lambda _: None)
            file.unlink()


def fit_last_months(home: str, months: int, of: int, estimator: str, trees: int) -> Work:
    """Returns the work of training on the last of so many months and scoring the month after."""
    from benchmarks.subprocess_timer import peak_bytes
    from taxi_assets.training.dataset import TRAINING_SCOPE
    from taxi_assets.training.train import fit, read_data

    warehouse = Warehouse(scale_settings(home))
    window = [FIRST.plus(number) for number in range(of - months, of)]

    def work() -> Mapping[str, float]:
        data: TrainingData = read_data(estimator, warehouse, [SERVICE], window, TRAINING_SCOPE)
        model = fit(data, {"estimator": estimator, "max_iter": trees})
        peak = max(peak_bytes(), _largest_child())  # scoring takes more than training
        return {"rows": data.row_count, "training_peak_bytes": peak, "rmse": _rmse(warehouse, model, of)}

    return work


def _largest_child() -> int:
    """The peak memory in bytes of the largest ended child process.

    It is at least that of this process when it started the child.
    """
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _rmse(warehouse: Warehouse, model: Any, of: int) -> float:
    """The error on evenly spaced trips of the month after, without recent traffic."""
    import numpy as np

    from taxi_assets.training.conditions import WITHOUT_RECENT_TRAFFIC, predict
    from taxi_assets.training.dataset import TRAINING_SCOPE, read_evaluation_trips

    trips = read_evaluation_trips(warehouse, [SERVICE], FIRST.plus(of), TRAINING_SCOPE)
    trips = trips.iloc[:: max(1, len(trips) // _SCORED_ROWS)].reset_index(drop=True)
    error = predict(model, trips, WITHOUT_RECENT_TRAFFIC).minutes - trips["duration_minutes"].to_numpy()
    return float(np.sqrt(np.mean(error**2)))
