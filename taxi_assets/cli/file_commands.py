"""Commands on the files that arrived."""

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_assets.cli.terminal import Json, console, load_settings, say, write_json

if TYPE_CHECKING:
    from taxi_assets.ingestion.source_files import SourceFile

__all__ = ["files"]

files = typer.Typer(help="Every file that arrived, and what became of it.", invoke_without_command=True)


@files.callback()
def show(context: typer.Context, to_json: Json = None) -> None:
    """List every file and its state: arriving, waiting, unaccepted, ingested, superseded or quarantined."""
    from taxi_assets.cli import status_report

    if context.invoked_subcommand:
        return
    facts = status_report.file_summaries(load_settings())
    if to_json != "-":
        status_report.print_files(console, facts)
    write_json({"files": facts}, to_json)


@files.command()
def retry(file: Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]) -> None:
    """Have a file that was put aside, or superseded, wait for another run."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.retry(Warehouse(load_settings()), file))


@files.command()
def accept(file: Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]) -> None:
    """Have an unaccepted file, of which much of its month is missing, ingested as it is."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.accept(Warehouse(load_settings()), file))


def _say(record: "SourceFile") -> None:
    if record.state == "waiting":
        message = f"{record.label()} waits: the sensor of `make up` ingests it, or `taxi run` with {record.month}"
    else:
        message = f"{record.label()} is {record.state} again: {'; '.join(record.reasons)}"
    say(message)
