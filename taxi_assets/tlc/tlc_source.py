"""Sources of months: TLC's site, or a folder that mirrors it. Knows TLC's names of files, and no Dagster.

A source is a plain text: the `https://` or `http://` address of a site laid out as TLC's, or a folder that
holds the files side by side or laid out as the site is. A file shows in the landing folder whole or not at
all.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.tlc import download
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.file_transfer import (
    Origin,
    Progress,
    StoredFiles,
    copy_file,
    exclusive_write,
    rename_durably,
    sha256_of,
    sidecar,
)
from taxi_assets.tlc.month_file import check_content, file_name, parse_file_name

if TYPE_CHECKING:
    import httpx

__all__ = [
    "MONTH_SUFFIXES",
    "ZONE_FILE_NAMES",
    "FolderNotFound",
    "SourceUnreachable",
    "ZoneFiles",
    "check_reachable",
    "ensure_zone_files",
    "fetch_month",
    "fetch_zones",
    "month_location",
    "source_label",
]

_MONTHS, _ZONES = "trip-data", "misc"  # the site's two folders
MONTH_SUFFIXES = ("parquet", "csv")  # what a folder may hold; where it holds both, the first counts
ZONE_FILE_NAMES = _LOOKUP, _SHAPES = "taxi_zone_lookup.csv", "taxi_zones.zip"
_PATIENCE = RetryPolicy()


class SourceUnreachable(TaxiError):
    """The source itself cannot be had, whatever the month: no network, no server, no folder."""


class FolderNotFound(SourceUnreachable):
    """The source is a folder that is not there: a slip of the pen, which no network mends."""


class ZoneFiles(NamedTuple):
    """TLC's zones: the table of names (CSV) and the shapes (zipped shapefile)."""

    lookup: Path
    shapes: Path


def source_label(source: str) -> str:
    """The source as it may be shown and kept: without a password, without the query that may hold a token."""
    return download.redact_url(str(_address(source))) if _is_site(source) else source


def check_reachable(source: str, retry_policy: RetryPolicy = _PATIENCE) -> None:
    """Find out quickly whether the source is there at all, before anything is asked of it.

    Raises:
        SourceUnreachable: an unknown or silent host, a refused connection; `FolderNotFound`, a missing folder.
        TaxiError: the source is neither a web address nor a folder's path.
    """
    if not _is_site(source):
        _folder(source)
        return
    try:
        download.probe(_url(source, _ZONES, _LOOKUP), retry_policy)
    except download.UnreachableError as error:
        raise _unreachable(source, str(error)) from error


def fetch_month(  # noqa: PLR0913, PLR0917 - three name the file, two the places, two are for whoever waits
    source: str,
    service: str,
    month: Month,
    landing: Path,
    progress: Progress | None = None,
    retry_policy: RetryPolicy = _PATIENCE,
    stored: StoredFiles | None = None,
) -> Path:
    """Bring a month's file to the landing folder, unless the very same file is there, or held already.

    Args:
        source: TLC's site or a folder.
        service: one of `contract.SERVICES`.
        month: the month.
        landing: the landing folder; made where it is missing.
        progress: told the bytes that are there and the bytes in all, or None where the source does not say.
        retry_policy: waits and tries.
        stored: the month's files that were taken from the landing folder before.

    Returns:
        The file in the landing folder, from where it may be taken at any time; or the one that is held.

    Raises:
        SourceUnreachable: the source cannot be had, after every try; the next call goes on with what came.
        TaxiError: the source lacks the month, its file is of another kind than its name says, or the folder cannot
            be written to. What was in the landing folder before is unharmed.
    """
    name = file_name(service, month)
    if not _is_site(source):
        name = _find(source, _MONTHS, [file_name(service, month, suffix) for suffix in MONTH_SUFFIXES]).name
    return _fetch_file(source, _MONTHS, landing / name, progress or _ignore_progress, retry_policy, stored)


def month_location(source: str, service: str, month: Month) -> str | Path:
    """Where a month's file is, or would be: an address of the site, or a path in the folder.

    Raises:
        SourceUnreachable: there is no such folder.
        TaxiError: the source is neither a web address nor a folder's path.
    """
    name = file_name(service, month)
    if _is_site(source):
        return _url(source, _MONTHS, name)
    names = [file_name(service, month, suffix) for suffix in MONTH_SUFFIXES]
    candidates = list(_candidate_paths(source, _MONTHS, names))
    return next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])


def fetch_zones(
    source: str, landing: Path, progress: Progress | None = None, retry_policy: RetryPolicy = _PATIENCE
) -> ZoneFiles:
    """Bring TLC's two files of zones to the landing folder, as `land_month` brings a month.

    Raises:
        SourceUnreachable: as in `land_month`.
        TaxiError: as in `land_month`.
    """
    files = ZoneFiles(landing / _LOOKUP, landing / _SHAPES)
    for target in files:
        _fetch_file(source, _ZONES, target, progress or _ignore_progress, retry_policy)
    return files


def ensure_zone_files(source: str, landing: Path) -> ZoneFiles:
    """The files of zones in the landing folder; fetched where one is missing."""
    files = ZoneFiles(landing / _LOOKUP, landing / _SHAPES)
    return files if all(file.is_file() for file in files) else fetch_zones(source, landing)


def _fetch_file(
    source: str,
    folder: str,
    target: Path,
    progress: Progress,
    retry_policy: RetryPolicy,
    stored: StoredFiles | None = None,
) -> Path:
    with exclusive_write(target):
        if _is_site(source):
            return _fetch_from_site(source, folder, target, progress, retry_policy, stored)
        return _fetch_from_folder(source, folder, target, progress, stored)


def _fetch_from_site(
    source: str, folder: str, target: Path, progress: Progress, retry_policy: RetryPolicy, stored: StoredFiles | None
) -> Path:
    url, part = _url(source, folder, target.name), sidecar(target, "part")
    note = sidecar(stored.folder / target.name if stored else target, "origin.json")
    display_name = source_label(url)
    known_origin = Origin.read(note)
    # A copy that is no longer what arrived (another file put there, bytes gone bad) is fetched again.
    copy = (
        _existing_copy(known_origin.sha256, target, stored)
        if known_origin and known_origin.url == display_name
        else None
    )
    try:
        origin = download.download(url, part, known_origin if copy else None, progress, retry_policy)
    except download.NotFoundError as error:
        raise _missing(target.name, source, f"{display_name}: {error}") from error
    except download.UnreachableError as error:
        raise _unreachable(source, f"{target.name}: {error}") from error
    except download.RefusedError as error:
        raise TaxiError(f"cannot fetch {display_name} ({error}): check TAXI_TLC_SOURCE") from error
    if origin is None and copy:
        progress(copy.stat().st_size, copy.stat().st_size)
        return copy
    if origin:
        note.parent.mkdir(parents=True, exist_ok=True)
        replace(origin, sha256=_publish_checked(part, target, display_name)).write(note)
    return target


def _fetch_from_folder(source: str, folder: str, target: Path, progress: Progress, stored: StoredFiles | None) -> Path:
    original = _find(source, folder, [target.name])
    if copy := _existing_copy(sha256_of(original), target, stored):
        check_content(original, target.name, str(original))
        progress(copy.stat().st_size, copy.stat().st_size)
        return copy
    # Not the name a download uses, which would go on with these bytes as if they were its own.
    part = sidecar(target, "copy.part")
    copy_file(original, part, progress)
    _publish_checked(part, target, str(original))
    return target


def _existing_copy(sha256: str | None, target: Path, stored: StoredFiles | None) -> Path | None:
    """Where the very bytes are already: in the landing folder, or where they were taken to."""
    candidates = [target, *([stored.files[sha256]] if stored and sha256 and sha256 in stored.files else [])]
    return next((path for path in candidates if path.is_file() and sha256_of(path) == sha256), None)


def _publish_checked(part: Path, target: Path, display_name: str) -> str:
    try:
        check_content(part, target.name, display_name)
    except TaxiError:
        part.unlink()
        raise
    sha256 = sha256_of(part)
    rename_durably(part, target)
    return sha256


def _is_site(source: str) -> bool:
    scheme, mark, _ = source.partition("://")
    if mark and scheme.lower() not in ("http", "https"):
        raise TaxiError(f"'{source}' is neither a web address nor a folder: set TAXI_TLC_SOURCE to https://… or a path")
    return bool(mark)


def _address(source: str) -> "httpx.URL":
    import httpx

    try:
        url = httpx.URL(source)
    except httpx.InvalidURL as error:
        raise TaxiError(f"'{source}' is not a web address ({error}): check TAXI_TLC_SOURCE") from error
    labels = url.host.removesuffix(".").split(".")
    if not all(0 < len(label) < 64 for label in labels) or (url.port or 0) > 65535:
        raise TaxiError(f"'{source}' is not a web address: check TAXI_TLC_SOURCE")
    return url


def _url(source: str, folder: str, name: str) -> str:
    address = _address(source)
    return str(address.copy_with(path=f"{address.path.rstrip('/')}/{folder}/{name}"))


def _folder(source: str) -> Path:
    try:
        folder = Path(source).expanduser()
        is_there = folder.is_dir()
    except (OSError, RuntimeError) as error:  # a name too long, a folder closed to us, the home of nobody
        raise _unreachable(source, str(error)) from error
    if not is_there:
        remedy = "correct the path, or name another source with TAXI_TLC_SOURCE"
        raise FolderNotFound(f"{source!r} cannot be reached (there is no such folder): {remedy}")
    return folder


def _candidate_paths(source: str, folder: str, names: Sequence[str]) -> list[Path]:
    """Where a folder may hold a file of one of these names."""
    root = _folder(source)
    return [path for name in names for path in (root / name, root / folder / name)]


def _find(source: str, folder: str, names: Sequence[str]) -> Path:
    for path in _candidate_paths(source, folder, names):
        if path.is_file():
            return path
    raise _missing(" or ".join((names[0], *(Path(name).suffix for name in names[1:]))), source, "the folder has none")


def _missing(name: str, source: str, why: str) -> TaxiError:
    remedy = "put the file there, or name another source with TAXI_TLC_SOURCE"
    parsed = parse_file_name(name.partition(" ")[0])
    if parsed:
        remedy += ", or choose other months with MONTHS=2023-01..2023-03"
    if parsed and _may_be_published_later(parsed[1]):
        remedy = "TLC publishes a month about two months late; choose others with MONTHS=2023-01..2023-03"
    return TaxiError(f"{source_label(source)} has no {name} ({why}): {remedy}")


def _may_be_published_later(month: Month) -> bool:
    """TLC is about two months late, and at times three or four: an older month is not merely late."""
    today = date.today()
    return month > Month(today.year, today.month).plus(-5)


def _unreachable(source: str, why: str) -> SourceUnreachable:
    return SourceUnreachable(
        f"{source_label(source)} cannot be reached ({why}): "
        "check the network, or set TAXI_TLC_SOURCE to a folder of TLC's files"
    )


def _ignore_progress(done: int, total: int | None) -> None:
    """Progress nobody looks at."""
