"""Checks a source file against its row before its rows are read."""

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points


class DamagedFile(TaxiError):
    """A file's bytes do not match its recorded SHA-256, so it is not read."""


class ReplacedFile(TaxiError):
    """Another file of the month has replaced this one since it was chosen."""


def require_recorded_checksum(settings: Settings, source_file: SourceFile) -> None:
    """Check the file's bytes.

    Raises:
        DamagedFile: their SHA-256 is not the recorded one.
        TaxiError: the file is missing.
    """
    try:
        sha256 = sha256_of(settings.root / source_file.path)
    except OSError as error:
        raise TaxiError(
            f"{source_file.file_name} of {source_file.service} {source_file.month} is missing ({error.strerror}): "
            "put it into the landing folder"
        ) from error
    if sha256 != source_file.sha256:
        raise DamagedFile(
            f"{source_file.file_name} of {source_file.service} {source_file.month} is damaged and is not read: "
            f"its SHA-256 is {sha256[:16]}…, not {(source_file.sha256 or '')[:16]}… as recorded. "
            "Put a good copy into the landing folder"
        )
    fault_points.fault_point("checked")


def require_data_kind(settings: Settings, source_file: SourceFile) -> None:
    """Check that a synthetic file is for a warehouse of synthetic months, and a real one for real months.

    Raises:
        TaxiError: it is not.
    """
    kind = settings.active_data_kind
    if source_file.is_synthetic is not None and source_file.is_synthetic != (kind == "synthetic"):
        other = "synthetic" if source_file.is_synthetic else "real"
        raise TaxiError(
            f"{source_file.file_name} is a {other} month and this is the warehouse of {kind} months: "
            f"remove it from the landing folder, or set TAXI_DATA_KIND={other}"
        )


def recorded_state(connection: DuckDBPyConnection, source_file: SourceFile) -> str:
    """The state of a stored file's row, which may have changed since it was read."""
    query = "SELECT state FROM source_files WHERE path = $path"
    row = connection.execute(query, {"path": source_file.path}).fetchone()
    return str(row[0]) if row and source_file.is_stored else source_file.state
