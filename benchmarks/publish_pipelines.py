"""The ways `bench_data` compares. Each `prepare`s in its own process and returns the work that is timed.

A source is a folder with a month of many rows, the zones, and a month of few rows that warms libraries up.
"""

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taxi_assets.months import Month, month_range
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse, create_month_view, set_month_variables

__all__ = [
    "prepare_as_course",
    "prepare_large_source",
    "prepare_months",
    "prepare_source",
    "publish_month",
    "publish_months",
    "validate_frame",
    "validate_in_pandas",
    "validate_in_warehouse",
]

SERVICE, MONTH, SMALL_MONTH = "yellow", Month(2023, 1), Month(2023, 2)
_SMALL_ROWS, _SEED = 20_000, 7

Work = Callable[[], object]


def prepare_source(folder: Path, rows: int) -> Path:
    """Write the months and zones the ways work on."""
    from taxi_assets import synthetic

    synthetic.write_zones(folder, _SEED)
    synthetic.write_month(folder, SERVICE, MONTH, rows, _SEED)
    synthetic.write_month(folder, SERVICE, SMALL_MONTH, min(rows, _SMALL_ROWS), _SEED)
    return folder


def prepare_large_source(folder: Path, rows: int, part: int) -> Path:
    """A month too large to be made in one piece: parts of so many rows, each of another seed, in one file."""
    import pyarrow.parquet as pq

    from taxi_assets import synthetic
    from taxi_assets.tlc.month_file import file_name

    prepare_source(folder, _SMALL_ROWS)
    drafts = folder / "parts"
    drafts.mkdir()
    with contextlib.ExitStack() as stack:
        writer = None
        for number, begin in enumerate(range(0, rows, part)):
            path = synthetic.write_month(drafts, SERVICE, MONTH, min(part, rows - begin), _SEED + number)
            table = pq.read_table(path)
            if writer is None:
                whole = folder / file_name(SERVICE, MONTH)
                writer = stack.enter_context(pq.ParquetWriter(whole, table.schema, compression="zstd"))
            writer.write_table(table)
    shutil.rmtree(drafts)
    return folder


def prepare_months(folder: Path, months: int, rows: int) -> Path:
    """Write so many months of so many rows, and the small one that warms libraries up."""
    from taxi_assets import synthetic

    synthetic.write_zones(folder, _SEED)
    for month in _months(months):
        synthetic.write_month(folder, SERVICE, month, rows, _SEED)
    synthetic.write_month(folder, SERVICE, SMALL_MONTH, min(rows, _SMALL_ROWS), _SEED)
    return folder


def publish_month(source: str, memory_limit: str = "4GB") -> Work:
    """The platform's way: the file's rows, the clean ones and their features, each audited and published."""
    warehouse = _new_lake(Path(source), memory_limit)
    _publish(warehouse, SMALL_MONTH)
    return lambda: _publish(warehouse, MONTH)


def publish_months(source: str, months: int) -> Work:
    """The platform's way with that many months, one after the other, in one process."""
    warehouse = _new_lake(Path(source))
    _publish(warehouse, SMALL_MONTH)

    def work() -> None:
        for month in _months(months):
            _publish(warehouse, month)

    return work


def _months(count: int) -> tuple[Month, ...]:
    """The months before `SMALL_MONTH`."""
    return month_range(SMALL_MONTH.plus(-count), SMALL_MONTH.plus(-1))


def prepare_as_course(source: str) -> Work:
    """The way of the MLOps Zoomcamp: durations of 1 to 60 minutes, zone ids as text, all columns kept."""
    _prepare_in_pandas(Path(source), SMALL_MONTH)
    return lambda: _prepare_in_pandas(Path(source), MONTH)


def validate_in_warehouse(source: str, table: str) -> Work:
    """The suite on a connection to a lake that holds the month."""
    from taxi_assets.quality import validate
    from taxi_assets.quality.suites import SUITES

    warehouse = _new_lake(Path(source))
    for month in (MONTH, SMALL_MONTH):
        _publish(warehouse, month, last=table)

    def validated(month: Month) -> Any:
        with warehouse.reading() as connection:
            set_month_variables(connection, SERVICE, month)
            create_month_view(connection, "audited", table)
            return validate(connection, "audited", SUITES[table])

    validated(SMALL_MONTH)
    return lambda: validated(MONTH)


def validate_in_pandas(source: str, table: str) -> Work:
    """The same suite by Great Expectations on a pandas frame; the derived columns are there beforehand."""
    warehouse = _new_lake(Path(source))
    frames = {}
    for month in (SMALL_MONTH, MONTH):
        _publish(warehouse, month, last=table)
        frames[month] = _frame(warehouse, month, table)
    validate_frame(frames[SMALL_MONTH], table)
    return lambda: validate_frame(frames[MONTH], table)


def _new_lake(source: Path, memory_limit: str = "4GB") -> Warehouse:
    from taxi_assets.ingestion import publishing

    home = Path(tempfile.mkdtemp(prefix="lake-", dir=source))
    atexit.register(shutil.rmtree, home)
    warehouse = Warehouse(Settings(home=home, data_kind="synthetic", memory_limit=memory_limit))
    publishing.publish_zones(warehouse, source / "taxi_zone_lookup.csv", source / "taxi_zones.zip")
    for path in source.glob("*.parquet"):
        shutil.copy(path, warehouse.settings.landing)
    return warehouse


def _publish(warehouse: Warehouse, month: Month, last: str = "trip_features") -> None:
    """Publish the month's tables up to this one."""
    from taxi_assets.ingestion import publishing
    from taxi_assets.tlc.month_file import file_name, inspect_file

    publishing.publish_raw(warehouse, inspect_file(warehouse.settings.landing / file_name(SERVICE, month)))
    if last != "raw_trips":
        publishing.publish_clean(warehouse, SERVICE, month)
    if last == "trip_features":
        publishing.publish_features(warehouse, SERVICE, month)


def _prepare_in_pandas(source: Path, month: Month) -> None:
    import pandas as pd

    from taxi_assets.tlc.month_file import file_name

    trips = pd.read_parquet(source / file_name(SERVICE, month))
    trips["duration"] = (trips["tpep_dropoff_datetime"] - trips["tpep_pickup_datetime"]).dt.total_seconds() / 60
    trips = trips[(trips["duration"] >= 1) & (trips["duration"] <= 60)]
    zones = ["PULocationID", "DOLocationID"]
    with pd.option_context("mode.chained_assignment", None):  # a copy would hush the warning, and take memory
        trips[zones] = trips[zones].astype(str)
    trips.to_parquet(source / f"as_course_{month}.pq")


def _frame(warehouse: Warehouse, month: Month, table: str) -> Any:
    """The month's rows and the suite's derived columns; times and numbers as pandas has them."""
    from taxi_assets.quality.suites import SUITES

    derived = ", ".join(f"{sql} AS {name}" for name, sql in SUITES[table].derived.items())
    with warehouse.reading() as connection:
        set_month_variables(connection, SERVICE, month)
        create_month_view(connection, "audited", table)
        return connection.execute(f"SELECT *, {derived} FROM audited").df()  # noqa: S608


def validate_frame(frame: Any, table: str) -> Any:
    """What Great Expectations' own engine finds on a pandas frame that has the suite's derived columns."""
    from taxi_assets.quality import validation
    from taxi_assets.quality.suites import SUITES

    # The platform's own translation: both sides evaluate the very same expectations.
    with validation._silenced():
        from great_expectations import ExpectationSuite

        source = _context().data_sources.add_pandas("frames")
        batches = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe(table)
        batch = batches.get_batch(batch_parameters={"dataframe": frame})
        only_counts = {"result_format": "BASIC", "partial_unexpected_count": 0}
        suite = ExpectationSuite(table, expectations=list(validation._translate(SUITES[table])))
        return batch.validate(suite, result_format=only_counts)


def _context() -> Any:
    """A context of Great Expectations that lives in memory, reports to nobody and shows no progress bars."""
    import great_expectations
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return great_expectations.get_context(mode="ephemeral", project_config=config)
