"""Lists the parquet files of a warehouse, wherever they are."""

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.data_path import data_root


def files_of(lake: Warehouse, tables: str = "*") -> list[str]:
    """The paths of all parquet files of tables, known to them or not; sorted."""
    with lake.reading() as connection:
        pattern = f"{data_root(lake.settings)}/main/{tables}/**/*.parquet"
        found = connection.execute("FROM glob($pattern) ORDER BY 1", {"pattern": pattern}).fetchall()
    return [path for (path,) in found]
