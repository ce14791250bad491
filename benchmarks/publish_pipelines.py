"""The pipelines that `bench_data` compares: each function prepares its work and returns it for timing.

A source is a folder with a large month, a small month for the warm-up, and the zones.
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
from taxi_assets.warehouse.connection import Warehouse, create_month_view, month_key

SERVICE, MONTH, SMALL_MONTH = "yellow", Month(2023, 1), Month(2023, 2)
_SMALL_ROWS, _SEED = 20_000, 7

Work = Callable[[], object]


def prepare_source(folder: Path, rows: int) -> Path:
    """Writes the large month, the small month and the zones."""
    from taxi_assets import synthetic

    synthetic.write_zones(folder, _SEED)
    synthetic.write_month(folder, SERVICE, MONTH, rows, _SEED)
    synthetic.write_month(folder, SERVICE, SMALL_MONTH, min(rows, _SMALL_ROWS), _SEED)
    return folder


def prepare_large_source(folder: Path, rows: int, part: int) -> Path:
    """Writes a month too large to generate at once: parts of `part` rows, a seed each, in one file."""
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
    """Writes `months` months of `rows` rows, the small month and the zones."""
    from taxi_assets import synthetic

    synthetic.write_zones(folder, _SEED)
    for month in _months(months):
        synthetic.write_month(folder, SERVICE, month, rows, _SEED)
    synthetic.write_month(folder, SERVICE, SMALL_MONTH, min(rows, _SMALL_ROWS), _SEED)
    return folder


def publish_month(source: str, memory_limit: str = "4GB") -> Work:
    """Publishes the month's raw, clean and feature tables, each audited."""
    warehouse = _new_lake(Path(source), memory_limit)
    _publish(warehouse, SMALL_MONTH)
    return lambda: _publish(warehouse, MONTH)


def publish_again(source: str) -> Work:
    """Publishes the month again, as after a change of code."""
    warehouse = published_lake(source)
    with warehouse.publishing("made by other code") as connection:
        connection.execute("UPDATE published_months SET inputs = ''")
    return lambda: _publish(warehouse, MONTH)


def publish_unchanged(source: str) -> Work:
    """Publishes the month again from the same file, by the same code."""
    warehouse = published_lake(source)
    return lambda: _publish(warehouse, MONTH)


def published_lake(source: str) -> Warehouse:
    """A new warehouse with the large month."""
    warehouse = _new_lake(Path(source))
    _publish(warehouse, MONTH)
    return warehouse


def publish_months(source: str, months: int) -> Work:
    """Publishes so many months one after the other in one process."""
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
    """Prepares the month as the MLOps Zoomcamp does: 1 to 60 minutes, zone ids as text, all columns."""
    _prepare_in_pandas(Path(source), SMALL_MONTH)
    return lambda: _prepare_in_pandas(Path(source), MONTH)


def validate_in_warehouse(source: str, table: str) -> Work:
    """Validates the month's table in the warehouse."""
    from taxi_assets.quality import validate
    from taxi_assets.quality.suites import SUITES

    warehouse = _new_lake(Path(source))
    for month in (MONTH, SMALL_MONTH):
        _publish(warehouse, month)

    def validated(month: Month) -> Any:
        with warehouse.reading() as connection:
            create_month_view(connection, "audited", table, month_key(SERVICE, month))
            return validate(connection, "audited", SUITES[table])

    validated(SMALL_MONTH)
    return lambda: validated(MONTH)


def validate_in_pandas(source: str, table: str) -> Work:
    """Validates a pandas frame of the table with Great Expectations; derived columns are prepared."""
    warehouse = _new_lake(Path(source))
    frames = {}
    for month in (SMALL_MONTH, MONTH):
        _publish(warehouse, month)
        frames[month] = _frame(warehouse, month, table)
    validate_frame(frames[SMALL_MONTH], table)
    return lambda: validate_frame(frames[MONTH], table)


def _new_lake(source: Path, memory_limit: str = "4GB") -> Warehouse:
    from taxi_assets.ingestion import publish_month

    home = Path(tempfile.mkdtemp(prefix="lake-", dir=source))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    warehouse = Warehouse(Settings(home=home, data_kind="synthetic", memory_limit=memory_limit))
    publish_month.publish_zones(warehouse, source / "taxi_zone_lookup.csv", source / "taxi_zones.zip")
    for path in source.glob("*.parquet"):
        shutil.copy(path, warehouse.settings.landing)
    return warehouse


def _publish(warehouse: Warehouse, month: Month) -> None:
    """Publishes the month from its file to its features."""
    from taxi_assets.ingestion.ingest import stored_month_file
    from taxi_assets.ingestion.publish_month import publish_month as publish

    publish(warehouse, stored_month_file(warehouse, SERVICE, month))


def _prepare_in_pandas(source: Path, month: Month) -> None:
    import pandas as pd

    from taxi_assets.tlc.month_file import file_name

    trips = pd.read_parquet(source / file_name(SERVICE, month))
    trips["duration"] = (trips["tpep_dropoff_datetime"] - trips["tpep_pickup_datetime"]).dt.total_seconds() / 60
    trips = trips[(trips["duration"] >= 1) & (trips["duration"] <= 60)]
    zones = ["PULocationID", "DOLocationID"]
    with pd.option_context("mode.chained_assignment", None):  # a copy would avoid the warning but take memory
        trips[zones] = trips[zones].astype(str)
    trips.to_parquet(source / f"as_course_{month}.pq")


def _frame(warehouse: Warehouse, month: Month, table: str) -> Any:
    """The month's rows with the suite's derived columns as a pandas frame."""
    from taxi_assets.quality.suites import SUITES

    with warehouse.reading() as connection:
        create_month_view(connection, "audited", table, month_key(SERVICE, month))
        return connection.execute(f"FROM {SUITES[table].with_derived('audited')}").df()


def validate_frame(frame: Any, table: str) -> Any:
    """Validates a frame that has the suite's derived columns by Great Expectations' pandas engine."""
    from taxi_assets.quality import validation
    from taxi_assets.quality.suites import SUITES

    # The platform's translation, so that both sides evaluate the same expectations.
    with validation._silenced():
        from great_expectations import ExpectationSuite

        source = _context().data_sources.add_pandas("frames")
        batches = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe(table)
        batch = batches.get_batch(batch_parameters={"dataframe": frame})
        only_counts = {"result_format": "BASIC", "partial_unexpected_count": 0}
        suite = ExpectationSuite(table, expectations=list(validation._translate(SUITES[table])))
        return batch.validate(suite, result_format=only_counts)


def _context() -> Any:
    """An in-memory context of Great Expectations without analytics and progress bars."""
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
