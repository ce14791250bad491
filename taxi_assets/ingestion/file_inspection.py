"""Inspects a taken file: its bytes, month, columns and faults. Changes nothing."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_columns import FileColumns, read_columns
from taxi_assets.ingestion.file_paths import TakeReason, escape_name, take_reason_of
from taxi_assets.ingestion.file_stability import is_open_for_writing, signature_of
from taxi_assets.months import FIRST_MONTH, Month, MonthNotOver
from taxi_assets.settings import DataKind
from taxi_assets.tlc.contract import map_columns, possible_services, schema_era
from taxi_assets.tlc.file_kinds import PARQUET, foreign_kind, kind_of
from taxi_assets.tlc.month_file import file_name, is_synthetic_file, parse_file_name, read_file_name
from taxi_assets.tlc.services import REFUSED_SERVICES, SERVICES

_NEAR = re.compile(
    r"(?<![a-z])(fhvhv|green|yellow)(?![a-z]).*?((?:19|20)[0-9]{2})[-_. ]?(0[1-9]|1[0-2])", re.I | re.DOTALL
)
_FORMATS = (".parquet", ".csv")


class FileStillBeingWritten(TaxiError):
    """A process has the file open, or its bytes changed while they were read."""


@dataclass(frozen=True)
class InspectedFile:
    """A file in `incoming`. `fault` says why it cannot be ingested; None if it can.

    `service` and `month` come from its name; `columns` are as published.
    """

    at: Path
    name: str
    take_reason: TakeReason
    token: str
    fault: str | None
    bytes: int | None = None
    sha256: str | None = None
    service: str | None = None
    month: Month | None = None
    columns: FileColumns | None = None
    schema_era: str | None = None
    is_synthetic: bool | None = None


def inspect_taken_file(at: Path, kind: DataKind) -> InspectedFile:
    """Inspect a taken file, reading all of its bytes.

    Raises:
        FileStillBeingWritten: it is too early to inspect it.
    """
    (take_reason, token), name = take_reason_of(at), at.name
    status = at.lstat()
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a link" if stat.S_ISLNK(status.st_mode) else "a device"
        return InspectedFile(
            at,
            name,
            take_reason,
            token,
            f"it is {what}, not a file: put the month's file itself into the landing folder",
        )
    sha256, size = _digest(at)
    parsed = parse_file_name(name)
    service, month = parsed or (None, None)
    inspected_file = InspectedFile(at, name, take_reason, token, None, size, sha256, service, month)
    try:
        return _with_content(inspected_file, kind)
    except TaxiError as error:
        # The folder in `incoming` is temporary: leave it out of the message.
        return InspectedFile(
            at, name, take_reason, token, str(error).replace(str(at), escape_name(name)), size, sha256, service, month
        )


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


def _with_content(inspected_file: InspectedFile, kind: DataKind) -> InspectedFile:
    if inspected_file.service is None or inspected_file.month is None:
        raise TaxiError(_invalid_name_reason(inspected_file))
    columns = read_columns(inspected_file.at)
    _require_service(columns, inspected_file.service, inspected_file.month)
    try:
        map_columns(columns.names)
    except TaxiError as error:
        raise TaxiError(f"it does not meet the contract: {error}") from error
    is_synthetic = is_synthetic_file(inspected_file.at)
    if is_synthetic is not None and is_synthetic != (kind == "synthetic"):
        other = "synthetic" if is_synthetic else "real"
        raise TaxiError(
            f"it is a {other} month in the landing folder of {kind} months: put it into that of {other} months"
        )
    era = schema_era(columns.names, columns.types)
    return InspectedFile(
        **{**vars(inspected_file), "columns": columns, "schema_era": era, "is_synthetic": is_synthetic},
    )


def _require_service(columns: FileColumns, service: str, month: Month) -> None:
    possible = possible_services(columns.names)
    if not possible:
        raise TaxiError("its columns are not those of a TLC trip file: check the file's origin")
    if service in possible:
        return
    refused = [REFUSED_SERVICES[each] for each in possible if each in REFUSED_SERVICES]
    if refused:
        raise TaxiError(f"its columns are not those of {service}: {refused[0]}")
    right = " or ".join(file_name(each, month) for each in sorted(possible))
    raise TaxiError(f"its columns are not those of {service}: name it {right} and put it into the landing folder again")


def _invalid_name_reason(inspected_file: InspectedFile) -> str:
    try:
        read_file_name(inspected_file.name)
    except MonthNotOver as error:
        return f"{error}; try the file again after its month"
    except TaxiError:
        pass  # the reason below also gives the right name
    return _misnamed_reason(inspected_file)


def _misnamed_reason(inspected_file: InspectedFile) -> str:
    """The fault of the name, and the right name if the name or the content shows it."""
    name = escape_name(inspected_file.name)
    if name.lower().startswith(tuple(f"{service}_" for service in REFUSED_SERVICES)):
        return next(refusal for service, refusal in REFUSED_SERVICES.items() if name.lower().startswith(service))
    if foreign := foreign_kind(inspected_file.at):
        return f"it is {foreign[0]}: {foreign[1]}"
    suffix = "parquet" if kind_of(inspected_file.at) == PARQUET else "csv" if ".csv" in name.lower() else "parquet"
    near = _NEAR.search(name)
    if near and int(near[2]) < FIRST_MONTH.year:
        return f"TLC has published no month before {FIRST_MONTH}: check the month in its name"
    if not near and inspected_file.at.suffix.lower() not in _FORMATS and kind_of(inspected_file.at) != PARQUET:
        return "it is not a trip file: months are .parquet or .csv files; remove it from the landing folder"
    if near:
        right = f"{near[1].lower()}_tripdata_{near[2]}-{near[3]}.{suffix}"
    else:
        service = _service_by_content(inspected_file.at)
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
