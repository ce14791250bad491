"""Commands on source files."""

from typing import TYPE_CHECKING, Annotated

import typer

from taxi_assets.cli.terminal import Json, console, load_home_settings, load_settings, say, write_json

if TYPE_CHECKING:
    from taxi_assets.ingestion.source_files import SourceFile

File = Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]

files = typer.Typer(
    help="List source files and their states; retry, accept or dismiss one.", invoke_without_command=True
)


@files.callback()
def show(context: typer.Context, to_json: Json = None) -> None:
    """List every source file with its state, from arriving to ingested or quarantined."""
    from taxi_assets.cli import status_report

    if context.invoked_subcommand:
        return
    facts = status_report.file_summaries(load_settings())
    if to_json != "-":
        status_report.print_files(console, facts)
    write_json({"files": facts}, to_json)


@files.command()
def retry(file: File) -> None:
    """Move a quarantined or superseded file back to the state `waiting`, for another run."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.retry(Warehouse(load_home_settings()), file))


@files.command()
def accept(file: File) -> None:
    """Accept a file with much of its month missing, so that it is ingested."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    _say(retry_files.accept(Warehouse(load_home_settings()), file))


@files.command()
def dismiss(file: File) -> None:
    """Stop reporting a quarantined file; it stays in quarantine, with who dismissed it and when."""
    from taxi_assets.ingestion import retry_files
    from taxi_assets.warehouse.connection import Warehouse

    record = retry_files.dismiss(Warehouse(load_home_settings()), file)
    say(f"{record.label} stays in quarantine and is not reported any more; {record.reasons[-1]}")


def _say(record: "SourceFile") -> None:
    if record.state == "waiting":
        message = f"{record.label} is waiting: `make up` ingests it, or `taxi run` with {record.month}"
    else:
        message = f"{record.label} is {record.state} again: {'; '.join(record.reasons)}"
    say(message)
