"""The training workloads that `bench_train` times: the assets of a month, and the model's trees alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

Work = Callable[[], object]
SERVICE, SEED, FIRST = "green", 7, Month(2022, 1)


def benchmark_settings(home: str) -> Settings:
    return Settings(home=Path(home), data_kind="synthetic", tlc_source=str(Path(home) / "source"))


def publish_months(home: str, months: int, rows: int) -> Month:
    """Publishes `months` synthetic months of `rows` rows and one more, which is returned for scoring."""
    from taxi_assets import synthetic
    from taxi_assets.ingestion.ensure_months import ensure_months

    settings = benchmark_settings(home)
    source = Path(settings.tlc_source)
    source.mkdir(parents=True, exist_ok=True)
    synthetic.write_zones(source, SEED)
    window = [FIRST.plus(number) for number in range(months + 1)]
    for month in window:
        synthetic.write_month(source, SERVICE, month, rows, SEED)
    ensure_months(Warehouse(settings), [SERVICE], window, lambda _: None)
    return window[-1]


def materialise(home: str, month: str, assets: list[str]) -> Work:
    """Returns the work of materialising these assets of a month, as `taxi run` does.

    The code location, MLflow and scikit-learn are imported before, and MLflow's database exists, as from a home's
    second month on.
    """
    import dagster as dg
    import sklearn.ensemble  # noqa: F401

    from taxi_assets.definitions import build
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.registry import database

    settings = benchmark_settings(home)
    job, instance = build(settings).resolve_job_def("train_month"), open_instance(settings)
    database.client(settings)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    keys = [dg.AssetKey(asset) for asset in assets]
    return lambda: job.execute_in_process(
        asset_selection=keys, partition_key=month, instance=instance, run_config=quiet
    )


def training_matrix(trips: Any, zones: Any) -> tuple[tuple[Any, Any], dict[str, Any]]:
    """The arguments `DurationModel.fit` gives to its trees: matrix, target and weights."""
    from taxi_assets.features.encoding import expected_minutes
    from taxi_assets.features.target_encoding import Smoothing
    from taxi_assets.features.zone_geometry import ZoneGeometry
    from taxi_assets.training.model import DurationModel
    from taxi_assets.training.training_set import build_training_set, model_columns, zero_empty_columns

    model = DurationModel(zones)
    minutes = trips["duration_minutes"].to_numpy(float)
    training_set = build_training_set(
        model_columns(trips),
        minutes,
        ZoneGeometry(zones),
        Smoothing(),
        model.row_months,
        frozenset(),
        model.random_state,
    )
    zero_empty_columns(training_set.matrix)
    target = training_set.minutes / expected_minutes(training_set.matrix)
    return (training_set.matrix, target), {"sample_weight": training_set.weights}


def fit_bare_trees(home: str, month: str) -> Work:
    """Returns the work of fitting the trees alone on the training matrix of the month's `duration_model`."""
    from taxi_assets.training.dataset import read_training_data
    from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES
    from taxi_assets.training.model import DurationModel
    from taxi_assets.warehouse.available_months import available_months

    warehouse = Warehouse(benchmark_settings(home))
    with warehouse.reading() as connection:
        window = [each for each in available_months(connection, [SERVICE]) if each < Month.parse(month)]
    data = read_training_data(warehouse, [SERVICE], window, EVALUATION_SCOPES["all"])
    fit_args, fit_kwargs = training_matrix(data.trips, data.zones)
    return lambda: DurationModel(data.zones)._trees().fit(*fit_args, **fit_kwargs)
