"""TLC's month's files: names, and a check that the content is of the kind the name says."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.tlc.file_kinds import is_parquet
from taxi_assets.tlc.services import SERVICES

# Synthetic files have this key in their footer; its value does not matter.
_SYNTHETIC_KEY = b"taxi.synthetic"
_NAME = re.compile(r"([a-z]+)_tripdata_([0-9]{4}-[0-9]{2})\.(?:parquet|csv)")


def file_name(service: str, month: Month, suffix: str = "parquet") -> str:
    """TLC's name of a month's file, such as `green_tripdata_2023-01.parquet`; older files are `csv`.

    Raises:
        TaxiError: the service is unknown.
    """
    if service not in SERVICES:
        raise TaxiError(f"'{service}' is not a service: name one of {', '.join(SERVICES)}")
    return f"{service}_tripdata_{month}.{suffix}"


def file_names(service: str, month: Month) -> tuple[str, str]:
    """The parquet and the CSV name of a month's file. A folder may have both; the first wins."""
    return file_name(service, month), file_name(service, month, "csv")


def parse_file_name(name: str) -> tuple[str, Month] | None:
    """The service and month of a file named exactly as TLC names it; None for any other name."""
    try:
        return read_file_name(name)
    except TaxiError:
        return None


def read_file_name(name: str) -> tuple[str, Month]:
    """The service and month of a file named exactly as TLC names it.

    Raises:
        TaxiError: it has another name.
        MonthNotOver: its month is not over.
    """
    match = _NAME.fullmatch(name)
    if not match or match[1] not in SERVICES:
        raise TaxiError(f"{name} is not named as TLC names a month: rename it like green_tripdata_2023-01.parquet")
    return match[1], Month.parse(match[2])


def is_synthetic_file(path: Path) -> bool | None:
    """True if the platform generated the file; None for text, which has no metadata.

    Raises:
        TaxiError: it is not a whole parquet file.
    """
    if path.suffix == ".csv" and not is_parquet(path):
        return None
    with path.open("rb") as file:
        return _is_synthetic(file, path.name)


def check_content(path: Path, name: str, display_name: str) -> None:
    """Rejects a file that is not of the kind its name says.

    Args:
        path: location of its bytes, possibly under another name.
        name: TLC's name of it.
        display_name: its address or path in error messages.

    Raises:
        TaxiError: it is not a whole parquet file, zip file or zone table.
    """
    with path.open("rb") as file:
        if name.endswith(".parquet"):
            _is_synthetic(file, display_name)
        elif name.endswith(".zip"):
            _check_zip(file, display_name)
        elif parse_file_name(name):
            if not file.readline(1000).strip():
                raise _not_a("table of trips (its first line is blank)", display_name)
        elif b"LocationID" not in file.readline(1000):
            raise _not_a("table of zones (no column LocationID)", display_name)


def _is_synthetic(file: BinaryIO, display_name: str) -> bool:
    """Reads the footer at the end of a parquet file; a file cut off has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file).metadata
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_a("whole parquet file", display_name) from error
    return _SYNTHETIC_KEY in (metadata or {})


def _check_zip(file: BinaryIO, display_name: str) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise _not_a("whole zip file", display_name) from error
    if damaged:
        raise _not_a("whole zip file", display_name)


def _not_a(kind: str, display_name: str) -> TaxiError:
    return TaxiError(f"{display_name} is not a {kind}: replace it with TLC's own, or name another TAXI_TLC_SOURCE")
