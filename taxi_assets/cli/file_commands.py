"""Commands on the files that arrived."""

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_assets.cli.terminal import Json, console, say, settings_of, write_json

if TYPE_CHECKING:
    from taxi_assets.ingestion.source_files import Record

__all__ = ["arrivals"]

arrivals = typer.Typer(help="Every file that arrived, and what became of it.", invoke_without_command=True)


@arrivals.callback()
def show(context: typer.Context, to_json: Json = None) -> None:
    """List every file and its state: arriving, waiting, unaccepted, ingested, superseded or quarantined."""
    from taxi_assets.cli import status_report

    if context.invoked_subcommand:
        return
    facts = status_report.arrival_facts(settings_of())
    if to_json != "-":
        status_report.print_arrivals(console, facts)
    write_json({"arrivals": facts}, to_json)


@arrivals.command()
def retry(file: Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]) -> None:
    """Have a file that was put aside, or superseded, wait for another run."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.retry(Warehouse(settings_of()), file))


@arrivals.command()
def accept(file: Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]) -> None:
    """Have an unaccepted file, of which much of its month is missing, ingested as it is."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.accept(Warehouse(settings_of()), file))


def _say(record: "Record") -> None:
    if record.state == "waiting":
        told = f"{record.label()} waits: the sensor of `make up` ingests it, or `taxi run` with {record.month}"
    else:
        told = f"{record.label()} is {record.state} again: {'; '.join(record.reasons)}"
    say(told)
