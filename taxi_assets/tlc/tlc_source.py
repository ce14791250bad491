"""Fetches month's files and zone files from TLC's site or a folder.

A source is a text: the `https://` or `http://` address of a site laid out as TLC's, or the path of a folder. The
folder has all files side by side, or is laid out as the site.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.months import Month
from taxi_assets.tlc import download
from taxi_assets.tlc.download import RetryPolicy
from taxi_assets.tlc.landing_writes import (
    Origin,
    Progress,
    StoredFiles,
    copy_file,
    exclusive_write,
    rename_durably,
    sidecar,
)
from taxi_assets.tlc.month_file import check_content, file_names, parse_file_name

if TYPE_CHECKING:
    import httpx

_MONTHS, _ZONES = "trip-data", "misc"  # the site's two folders
ZONE_FILE_NAMES = _LOOKUP, _SHAPES = "taxi_zone_lookup.csv", "taxi_zones.zip"
_RETRY_POLICY = RetryPolicy()


class SourceUnreachable(TaxiError):
    """The source cannot be reached: no network, no server or no folder."""


class FolderNotFound(SourceUnreachable):
    """The source is a folder that does not exist, probably a mistyped path."""


class ZoneFiles(NamedTuple):
    """TLC's zones: the table of names (CSV) and the shapes (zipped shapefile)."""

    lookup: Path
    shapes: Path


def source_label(source: str) -> str:
    """The source without its password and its query, which may hold a token."""
    return download.redact_url(str(_address(source))) if _is_site(source) else source


def check_reachable(source: str, retry_policy: RetryPolicy = _RETRY_POLICY) -> None:
    """Checks quickly that the source can be reached, before any download.

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


def fetch_month(  # noqa: PLR0913, PLR0917 - month, locations and download options
    source: str,
    service: str,
    month: Month,
    landing: Path,
    progress: Progress | None = None,
    retry_policy: RetryPolicy = _RETRY_POLICY,
    stored: StoredFiles | None = None,
) -> Path:
    """Fetches a month's file to the landing folder, unless the same file is there or in the file store.

    Args:
        source: TLC's site or a folder.
        service: one of `contract.SERVICES`.
        month: the month.
        landing: the landing folder; created if missing.
        progress: called with the bytes received and the total, None if the source does not give it.
        retry_policy: timeouts and attempts.
        stored: the month's files in the file store.

    Returns:
        The file in the landing folder, which a scan may move at any time, or the same file in the file store.

    Raises:
        SourceUnreachable: all attempts failed; the next call resumes the download.
        TaxiError: the source has no such month, its file is of another kind than its name says, or the folder
            cannot be written to. Earlier files in the landing folder stay as they are.
    """
    names = file_names(service, month)
    name = names[0] if _is_site(source) else _find(source, _MONTHS, names).name
    return _fetch_file(source, _MONTHS, landing / name, progress or (lambda *_: None), retry_policy, stored)


def month_location(source: str, service: str, month: Month) -> str | Path:
    """The address or path of a month's file, which may not exist yet.

    Raises:
        SourceUnreachable: the folder does not exist.
        TaxiError: the source is neither a web address nor a folder's path.
    """
    names = file_names(service, month)
    if _is_site(source):
        return _url(source, _MONTHS, names[0])
    candidates = list(_candidate_paths(source, _MONTHS, names))
    return next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])


def ensure_zone_files(source: str, landing: Path, retry_policy: RetryPolicy = _RETRY_POLICY) -> ZoneFiles:
    """The zone files in the landing folder; fetches both if one is missing.

    Raises:
        SourceUnreachable: as in `fetch_month`.
        TaxiError: as in `fetch_month`.
    """
    files = ZoneFiles(landing / _LOOKUP, landing / _SHAPES)
    if not all(file.is_file() for file in files):
        for target in files:
            _fetch_file(source, _ZONES, target, lambda *_: None, retry_policy)
    return files


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
    # A copy whose bytes have changed since the download is fetched again.
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
    # Not the name a download uses: it would resume from these bytes.
    part = sidecar(target, "copy.part")
    copy_file(original, part, progress)
    _publish_checked(part, target, str(original))
    return target


def _existing_copy(sha256: str | None, target: Path, stored: StoredFiles | None) -> Path | None:
    """A file with this SHA-256 in the landing folder or the file store, if any."""
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
    except (OSError, RuntimeError) as error:  # name too long, no permission, or unknown home directory
        raise _unreachable(source, str(error)) from error
    if not is_there:
        remedy = "correct the path, or name another source with TAXI_TLC_SOURCE"
        raise FolderNotFound(f"{source!r} cannot be reached (no such folder): {remedy}")
    return folder


def _candidate_paths(source: str, folder: str, names: Sequence[str]) -> list[Path]:
    """Possible paths of a file of one of these names in a folder source."""
    root = _folder(source)
    return [path for name in names for path in (root / name, root / folder / name)]


def _find(source: str, folder: str, names: Sequence[str]) -> Path:
    for path in _candidate_paths(source, folder, names):
        if path.is_file():
            return path
    raise _missing(" or ".join((names[0], *(Path(name).suffix for name in names[1:]))), source, "the folder has none")


def _missing(name: str, source: str, reason: str) -> TaxiError:
    remedy = "put the file there, or name another source with TAXI_TLC_SOURCE"
    parsed = parse_file_name(name.partition(" ")[0])
    if parsed:
        remedy += ", or choose other months with MONTHS=2023-01..2023-03"
    today = date.today()
    # TLC publishes two months late, at times three or four; an older month is missing.
    if parsed and parsed[1] > Month(today.year, today.month).plus(-5):
        remedy = "TLC publishes a month about two months late; choose others with MONTHS=2023-01..2023-03"
    return TaxiError(f"{source_label(source)} has no {name} ({reason}): {remedy}")


def _unreachable(source: str, reason: str) -> SourceUnreachable:
    return SourceUnreachable(
        f"{source_label(source)} cannot be reached ({reason}): "
        "check the network, or set TAXI_TLC_SOURCE to a folder of TLC's files"
    )
