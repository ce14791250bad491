"""Selects the source of a run's months: the configured one, stored files, or the synthetic city."""

from collections.abc import Sequence
from dataclasses import dataclass

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_paths import stored_files
from taxi_assets.months import Month
from taxi_assets.settings import DataKind, Settings
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.month_file import file_name, file_names, is_synthetic_file

_SEED = 7
_SYNTHETIC_ROWS = 60_000  # about a month of green taxis


@dataclass(frozen=True)
class SourceSelection:
    """The settings for the selected source, with a notice if it is not the configured one."""

    settings: Settings
    notice: str | None = None


def select_source(settings: Settings, months: Sequence[Month]) -> SourceSelection:
    """Select real months if they are available, else synthetic ones, which have a separate home.

    Raises:
        TaxiError: the source is reachable but lacks the months, or is a folder that does not exist; or it is
            unreachable and the settings require real months.
    """
    if settings.data_kind == "synthetic":
        return SourceSelection(_synthetic_source(settings, months))
    try:
        tlc_source.check_reachable(settings.tlc_source)
    except tlc_source.SourceUnreachable as unreachable:
        return _without_source(settings, months, unreachable)
    return SourceSelection(_of_kind(settings, _kind_of_source(settings, months)))


def _without_source(settings: Settings, months: Sequence[Month], why: tlc_source.SourceUnreachable) -> SourceSelection:
    real = _of_kind(settings, "real")
    zones = all((real.landing / name).is_file() for name in tlc_source.ZONE_FILE_NAMES)
    if zones and all(_has_landed(real, service, month) for service in settings.services for month in months):
        landed = real.model_copy(update={"tlc_source": str(real.landing)})
        return SourceSelection(landed, f"{why}. Using the files that are already here.")
    # With a mistyped folder, synthetic months would hide the mistake.
    if settings.data_kind == "real" or isinstance(why, tlc_source.FolderNotFound):
        raise why
    return SourceSelection(_synthetic_source(settings, months), f"{why}. Using SYNTHETIC months.")


def _has_landed(settings: Settings, service: str, month: Month) -> bool:
    """True if the month's file is in the landing folder or in the file store."""
    return _lies_in_landing(settings, service, month) or bool(stored_files(settings, service, month).files)


def _lies_in_landing(settings: Settings, service: str, month: Month) -> bool:
    return any((settings.landing / name).is_file() for name in file_names(service, month))


def _synthetic_source(settings: Settings, months: Sequence[Month]) -> Settings:
    from taxi_assets import synthetic

    ours = _of_kind(settings, "synthetic")
    folder = ours.root / "source"
    folder.mkdir(parents=True, exist_ok=True)
    if not all((folder / name).is_file() for name in tlc_source.ZONE_FILE_NAMES):
        synthetic.write_zones(folder, _SEED)
    for service in settings.services:
        for month in months:
            if not (folder / file_name(service, month)).is_file():
                synthetic.write_month(folder, service, month, _SYNTHETIC_ROWS, _SEED)
    return ours.model_copy(update={"tlc_source": str(folder)})


def _kind_of_source(settings: Settings, months: Sequence[Month]) -> DataKind:
    """The kind of the first month that the source has. Skips months that are in the landing folder."""
    real, service = _of_kind(settings, "real"), settings.services[0]
    for month in months:
        if _lies_in_landing(real, service, month):
            continue
        stored = stored_files(real, service, month)
        try:
            path = tlc_source.fetch_month(settings.tlc_source, service, month, real.landing, stored=stored)
        except tlc_source.SourceUnreachable:
            raise
        except TaxiError:
            continue  # the later fetch decides if a missing month is an error
        if not is_synthetic_file(path):
            return "real"
        path.unlink()
        return "synthetic"
    return "real"


def _of_kind(settings: Settings, kind: DataKind) -> Settings:
    return settings.model_copy(update={"data_kind": kind})
