"""Content of small files as TLC publishes them: a month as parquet, the zones as a zip archive."""

import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_assets.months import Month

JANUARY = Month(2023, 1)
NAME = "green_tripdata_2023-01.parquet"


def parquet(rows: int = 3, footer: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    table = pa.table({"VendorID": list(range(rows))})
    pq.write_table(table.replace_schema_metadata(footer), file)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("taxi_zones.shp"), "shapes " * 40)  # with a constant time
    return file.getvalue()
