"""What is timed of training, each in a process of its own: the assets of a month, and the bare trees."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["fit_bare_trees", "materialise", "matrix_of", "publish_months"]

Work = Callable[[], object]
SERVICE, SEED, FIRST = "green", 7, Month(2022, 1)


def settings_of(home: str) -> Settings:
    return Settings(home=Path(home), data="synthetic", tlc_source=str(Path(home) / "source"))


def publish_months(home: str, months: int, rows: int) -> Month:
    """A lake of so many synthetic months and one more, each of so many rows; returns the last, which is scored."""
    from taxi_assets import synthetic
    from taxi_assets.ingestion.ensure_months import hold_months

    settings = settings_of(home)
    source = Path(settings.tlc_source)
    source.mkdir(parents=True, exist_ok=True)
    synthetic.write_zones(source, SEED)
    window = [FIRST.plus(number) for number in range(months + 1)]
    for month in window:
        synthetic.write_month(source, SERVICE, month, rows, SEED)
    hold_months(Warehouse(settings), [SERVICE], window, lambda _: None)
    return window[-1]


def materialise(home: str, month: str, assets: list[str]) -> Work:
    """The work of materialising these assets of a month, as `taxi run` does.

    The code location, MLflow and scikit-learn are loaded, as scikit-learn is for the bare fit, and MLflow's database
    is there, as from a home's second month on.
    """
    import dagster as dg
    import sklearn.ensemble  # noqa: F401

    from taxi_assets.definitions import build
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.registry import database

    settings = settings_of(home)
    job, instance = build(settings).resolve_job_def("month"), open_instance(settings)
    database.client(settings)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    keys = [dg.AssetKey(asset) for asset in assets]
    return lambda: job.execute_in_process(
        asset_selection=keys, partition_key=month, instance=instance, run_config=quiet
    )


def matrix_of(rides: Any, zones: Any) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """What `DurationModel.fit` hands to its trees: the matrix and the target, and the weights."""
    from taxi_assets.features.encoding import expected_minutes
    from taxi_assets.features.target_encoding import Smoothing
    from taxi_assets.features.zone_geometry import Places
    from taxi_assets.training.model import DurationModel
    from taxi_assets.training.training_set import columns, fill_unknown, lessons

    model = DurationModel(zones)
    minutes = rides["duration_minutes"].to_numpy(float)
    learned = lessons(
        columns(rides), minutes, Places(zones), Smoothing(), model.row_months, frozenset(), model.random_state
    )
    fill_unknown(learned.matrix)
    target = learned.minutes / expected_minutes(learned.matrix)
    return (learned.matrix, target), {"sample_weight": learned.weights}


def fit_bare_trees(home: str, month: str) -> Work:
    """The work of `HistGradientBoostingRegressor.fit` on what the month's `duration_model` learns from."""
    from taxi_assets.training.dataset import read_training
    from taxi_assets.training.evaluation_scope import CONVENTIONS
    from taxi_assets.training.model import DurationModel
    from taxi_assets.warehouse.available_months import held_months

    warehouse = Warehouse(settings_of(home))
    with warehouse.reading() as connection:
        window = [held for held in held_months(connection, [SERVICE]) if held < Month.parse(month)]
    data = read_training(warehouse, [SERVICE], window, CONVENTIONS["all"])
    told, named = matrix_of(data.trips, data.zones)
    return lambda: DurationModel(data.zones)._trees().fit(*told, **named)
