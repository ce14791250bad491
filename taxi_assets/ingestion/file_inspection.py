"""Inspects a taken file: its bytes, month, columns and faults. Changes nothing."""

import hashlib
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_columns import read_columns
from taxi_assets.ingestion.file_paths import escape_name
from taxi_assets.ingestion.file_stability import is_open_for_writing, signature_of
from taxi_assets.ingestion.source_files import SourceFile, utc_now
from taxi_assets.months import FIRST_MONTH, Month, MonthNotOver
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc.contract import check_service, map_columns, possible_services, schema_era
from taxi_assets.tlc.file_kinds import foreign_kind, is_parquet
from taxi_assets.tlc.month_file import file_name, is_synthetic_file, parse_file_name, read_file_name
from taxi_assets.tlc.services import REFUSED_SERVICES, SERVICES

_NEAR = re.compile(
    r"(?<![a-z])(fhvhv|green|yellow)(?![a-z]).*?((?:19|20)[0-9]{2})[-_. ]?(0[1-9]|1[0-2])", re.I | re.DOTALL
)
_FORMATS = (".parquet", ".csv")


class FileStillBeingWritten(TaxiError):
    """A process has the file open, or its bytes changed while they were read."""


def inspect_taken_file(at: Path, settings: Settings) -> SourceFile:
    """Inspect a file in `incoming`, reading all of its bytes. A fault becomes the reason of its row.

    Service and month come from its name.

    Raises:
        FileStillBeingWritten: it is too early to inspect it.
    """
    taken_file = SourceFile(str(at.relative_to(settings.root)), escape_name(at.name), "arriving", utc_now())
    status = at.lstat()
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a link" if stat.S_ISLNK(status.st_mode) else "a device"
        fault = f"it is {what}, not a file: put the month's file itself into the landing folder"
        return replace(taken_file, reasons=(fault,))
    sha256, size = _digest(at)
    service, month = parse_file_name(at.name) or (None, None)
    taken_file = replace(taken_file, bytes=size, sha256=sha256, service=service, month=month)
    try:
        return replace(taken_file, **_content(at, service, month, settings.active_data_kind))
    except TaxiError as error:
        # The folder in `incoming` is temporary: leave it out of the message.
        return replace(taken_file, reasons=(str(error).replace(str(at), taken_file.file_name),))


def _digest(at: Path) -> tuple[str, int]:
    """SHA-256 and size of a file. Opens it without waiting for a device or following a link."""
    descriptor = os.open(at, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if is_open_for_writing(descriptor):
            raise FileStillBeingWritten(f"{escape_name(at.name)} is still being written: a process has it open")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(descriptor)
        after = os.fstat(descriptor)
    if signature_of(before) != signature_of(after):
        raise FileStillBeingWritten(f"{escape_name(at.name)} is still being written: it changed while it was read")
    return digest, after.st_size


def _content(at: Path, service: str | None, month: Month | None, kind: DataKind) -> dict[str, Any]:
    """The fields of a row that the file's content decides."""
    if service is None or month is None:
        raise TaxiError(_invalid_name_reason(at))
    columns = read_columns(at)
    possible = possible_services(columns.names)
    if not possible:
        raise TaxiError("its columns are not those of a TLC trip file: check the file's origin")
    right = " or ".join(file_name(each, month) for each in sorted(possible & set(SERVICES)))
    check_service(columns.names, service, f"name it {right} and put it into the landing folder again")
    try:
        map_columns(columns.names)
    except TaxiError as error:
        raise TaxiError(f"it does not meet the contract: {error}") from error
    is_synthetic = is_synthetic_file(at)
    if is_synthetic is not None and is_synthetic != (kind == "synthetic"):
        other = "synthetic" if is_synthetic else "real"
        raise TaxiError(
            f"it is a {other} month in the landing folder of {kind} months: put it into that of {other} months"
        )
    era = schema_era(columns.names, columns.types)
    return {"rows": columns.rows, "columns": columns.names, "schema_era": era, "is_synthetic": is_synthetic}


def _invalid_name_reason(at: Path) -> str:
    """The fault of the name, and the right name if the name or the content shows it."""
    try:
        read_file_name(at.name)
    except MonthNotOver as error:
        return f"{error}; try the file again after its month"
    except TaxiError:
        pass  # the reason below also gives the right name
    name = escape_name(at.name)
    if name.lower().startswith(tuple(f"{service}_" for service in REFUSED_SERVICES)):
        return next(refusal for service, refusal in REFUSED_SERVICES.items() if name.lower().startswith(service))
    if foreign := foreign_kind(at):
        return f"it is {foreign[0]}: {foreign[1]}"
    suffix = "parquet" if is_parquet(at) else "csv" if ".csv" in name.lower() else "parquet"
    near = _NEAR.search(name)
    if near and int(near[2]) < FIRST_MONTH.year:
        return f"TLC has published no month before {FIRST_MONTH}: check the month in its name"
    if not near and at.suffix.lower() not in _FORMATS and not is_parquet(at):
        return "it is not a trip file: months are .parquet or .csv files; remove it from the landing folder"
    if near:
        right = f"{near[1].lower()}_tripdata_{near[2]}-{near[3]}.{suffix}"
    else:
        service = _service_by_content(at)
        right = f"{service or 'green'}_tripdata_YYYY-MM.{suffix}, with its service and month"
    return f"it is not named as TLC names a month: name it {right} and put it into the landing folder again"


def _service_by_content(at: Path) -> str | None:
    if at.suffix.lower() not in _FORMATS:
        return None
    try:
        possible = possible_services(read_columns(at).names) & set(SERVICES)
    except TaxiError:
        return None
    return min(possible) if len(possible) == 1 else None
