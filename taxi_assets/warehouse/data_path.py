"""Locates the lake's parquet files: in the home, or below a prefix in S3 (`TAXI_DATA_PATH`).

DuckDB itself reads, writes, lists and deletes files in both. In S3, a file that no table knows stays until maintenance
deletes it.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import duckdb
from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError, WarehouseUnavailable
from taxi_assets.settings import Settings
from taxi_assets.warehouse.sql_quotes import quote_literal

_CHUNK_BYTES = 4 * 1000**2


def data_root(settings: Settings) -> str:
    """The folder or prefix of all parquet files; real and synthetic months have one each."""
    if settings.data_path:
        return f"{settings.data_path}/{settings.space}"
    return str(settings.warehouse / "data")


def extensions(settings: Settings) -> tuple[str, ...]:
    """DuckDB's extensions that reach the files."""
    return ("httpfs",) if settings.data_path else ()


def allow_access(connection: DuckDBPyConnection, settings: Settings) -> None:
    """Give a new database the keys of S3."""
    if settings.data_path:
        from taxi_assets.warehouse.s3_secret import create_secret

        create_secret(connection, f"{data_root(settings)}/")


def require_own_prefix(connection: DuckDBPyConnection, settings: Settings, is_new: bool) -> None:
    """Check that S3 can be reached, and that a new catalogue does not share its prefix.

    Maintenance of a second warehouse would delete the files of the first.

    Raises:
        WarehouseUnavailable: the files cannot be reached.
        TaxiError: the catalogue is new and the prefix has files.
    """
    files = f"{data_root(settings)}/**"
    with clear_errors(settings):
        is_used = connection.execute("SELECT 1 FROM glob($files) LIMIT 1", {"files": files}).fetchall()
    if is_new and is_used:
        raise TaxiError(
            f"TAXI_DATA_PATH has files of another warehouse in {data_root(settings)}, and this one is new: "
            "name an empty prefix, or the catalogue of these files"
        )


def require_known_place(connection: DuckDBPyConnection, settings: Settings) -> None:
    """Check that a catalogue whose files are in S3 is not used as one of the home.

    Raises:
        TaxiError: the setting is missing.
    """
    query = "SELECT value FROM lake.options() WHERE option_name = 'data_path'"
    stored = str(connection.execute(query).fetchall()[0][0])
    if settings.data_path is None and stored.startswith("s3:"):
        prefix = stored.rstrip("/").rpartition("/")[0]
        raise TaxiError(f"the warehouse's parquet files are in S3: set TAXI_DATA_PATH={prefix}")


@dataclass
class NewFiles:
    """New files below the data path. `may_be_registered` is set before the commit that registers them."""

    settings: Settings
    paths: list[str] = field(default_factory=list)
    may_be_registered: bool = False

    def add(self, table: str, key: Mapping[str, object], prefix: str = "") -> str:
        """The path of a new file of a month; its folder exists."""
        folder = f"{data_root(self.settings)}/main/{table}/service={key['service']}/month={key['month']}"
        if self.settings.data_path is None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        # A new name for each registration: the lake deletes the file of a replaced one.
        self.paths.append(f"{folder}/{prefix}{uuid4().hex}.parquet")
        return self.paths[-1]


@contextmanager
def new_files(settings: Settings) -> Iterator[NewFiles]:
    """Files of the home are deleted on an error, if it is certain that no table knows them."""
    files = NewFiles(settings)
    try:
        yield files
    except BaseException:
        # A commit may have succeeded although it raised: a signal arrived, or PostgreSQL's answer was lost.
        if settings.data_path is None and not files.may_be_registered:
            for path in files.paths:
                Path(path).unlink(missing_ok=True)
        raise


def put_file(connection: DuckDBPyConnection, settings: Settings, source: Path, path: str) -> None:
    """Put a whole file below the data path: a hard link if possible, an upload to S3.

    Raises:
        WarehouseUnavailable: the upload is incomplete.
    """
    if settings.data_path is None:
        link_file(source, Path(path))
        return
    _upload(connection, source, path)
    ((size,),) = connection.execute("SELECT size FROM read_blob($path)", {"path": path}).fetchall()
    if size != source.stat().st_size:
        raise WarehouseUnavailable(f"{source.name} has arrived in S3 incompletely, with {size:,} bytes: run it again")


def link_file(source: Path, path: Path) -> None:
    """Link a file, or copy it if that is impossible."""
    try:
        os.link(source, path)
    except OSError:  # the file system has no hard links, or the folders are on two of them
        shutil.copyfile(source, path)


def relative_path(settings: Settings, path: str) -> str:
    """A file's path from the folder of the warehouse, the same for S3."""
    return f"data{path.removeprefix(data_root(settings))}"


@contextmanager
def clear_errors(settings: Settings) -> Iterator[None]:
    """Turns DuckDB's errors about files in S3 into one line with the remedy.

    Raises:
        WarehouseUnavailable: the files cannot be reached.
        TaxiError: the catalogue's files are not below the data path.
    """
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        if settings.data_path and "DATA_PATH parameter" in text:
            raise TaxiError(
                f"TAXI_DATA_PATH is not where the catalogue's parquet files are ({data_root(settings)}): set it to "
                "their place, or use a new home or catalogue; files are not moved"
            ) from None
        if not settings.data_path or not re.search(r"\bHTTP\b", text):
            raise
        raise WarehouseUnavailable(
            f"the parquet files of TAXI_DATA_PATH ({settings.data_path}) cannot be used: {_reason(text)}"
        ) from None


def _reason(text: str) -> str:
    if "NoSuchBucket" in text:
        return "the bucket does not exist. Create it, or check the name and AWS_ENDPOINT_URL_S3"
    if re.search(r"\b403\b", text):
        return "S3 refuses the keys. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and their rights on the bucket"
    if re.search(r"\b404\b", text):
        return "a file or the bucket is missing. Check the bucket, and restore its files"
    if re.search(r"\b(301|400)\b", text):
        return "S3 refuses the request. Check AWS_REGION and the bucket"
    from taxi_assets.warehouse.s3_secret import endpoint_address

    return f"{endpoint_address()} does not answer. Check AWS_ENDPOINT_URL_S3, and that S3 runs there"


def _upload(connection: DuckDBPyConnection, source: Path, path: str) -> None:
    # In chunks: `read_blob` would load the whole file.
    import pyarrow as pa

    schema = pa.schema([("content", pa.binary())])

    def chunks() -> Iterator[pa.RecordBatch]:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield pa.record_batch([pa.array([chunk], pa.binary())], schema=schema)

    connection.register("file_chunks", pa.RecordBatchReader.from_batches(schema, chunks()))
    try:
        connection.execute(f"COPY (FROM file_chunks) TO {quote_literal(path)} (FORMAT blob)")
    finally:
        connection.unregister("file_chunks")
