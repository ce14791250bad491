"""The command that writes synthetic months."""

from pathlib import Path
from typing import Annotated

import typer

from taxi_assets.cli.terminal import error_console, say
from taxi_assets.errors import TaxiError
from taxi_assets.months import parse_months


def synth(  # noqa: PLR0913, PLR0917
    months: Annotated[str, typer.Option(help="Such as 2023-01..2023-03.")],
    out: Annotated[str, typer.Option(help="Folder for the files; created if missing.")],
    service: Annotated[str, typer.Option(help="green, yellow, fhvhv or fhv.")] = "green",
    rows: Annotated[int, typer.Option(min=1, max=100_000_000, help="Trips a month.")] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    era: Annotated[
        str | None, typer.Option(help="Use TLC's file format of another period; unset, the month's own.")
    ] = None,
    shift: Annotated[list[str] | None, typer.Option(help="A planted change, such as slower_city=1.3.")] = None,
) -> None:
    """Write months of the synthetic city and its zones, in TLC's format."""
    from rich.progress import track

    from taxi_assets import synthetic

    shifts = [synthetic.parse_shift(text) for text in shift or []]
    wanted = parse_months(months)
    folder = _make_folder(out)
    synthetic.write_zones(folder, seed)
    shown = error_console.is_terminal  # without a terminal, stderr has only an error's line
    for month in track(wanted, f"{service} months", console=error_console, transient=True, disable=not shown):
        file = synthetic.write_month(folder, service, month, rows, seed, era, shifts)
        say(str(file))


def _make_folder(name: str) -> Path:
    if not name.strip():
        raise TaxiError(f"cannot write months to {name!r}: name a folder with --out")
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TaxiError(f"cannot write months to {name} ({why}): name a folder with --out") from error
    return Path(name)
