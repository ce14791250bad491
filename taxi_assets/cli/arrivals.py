"""Commands on the files that arrived."""

from typing import Annotated

import typer

from taxi_assets.cli.terminal import Json, console, errors, settings_of, write_json

__all__ = ["arrivals"]

arrivals = typer.Typer(help="Every file that arrived, and what became of it.", invoke_without_command=True)


@arrivals.callback()
def show(context: typer.Context, to_json: Json = None) -> None:
    """Look at the landing folder, then list every file: waiting, ingested, superseded or in quarantine."""
    from taxi_assets import report

    if context.invoked_subcommand:
        return
    facts, notice = report.arrival_facts(settings_of())
    if notice:
        errors.print(f"[yellow]note:[/] {notice}", soft_wrap=True, highlight=False)
    if to_json != "-":
        report.print_arrivals(console, facts)
    write_json({"arrivals": facts}, to_json)


@arrivals.command()
def retry(file: Annotated[str, typer.Argument(help="Its name, or how its SHA-256 begins.")]) -> None:
    """Have a file that was put aside, or superseded, wait for another run."""
    from taxi_assets.lake.warehouse import Warehouse
    from taxi_assets.receiving import retrying

    settings = settings_of()
    record = retrying.retry(Warehouse(settings), file)
    if record.state == "waiting":
        told = f"{record.named()} waits: the sensor of `make up` ingests it, or `taxi run` with {record.month}"
    else:
        told = f"{record.named()} is {record.state} again: {'; '.join(record.reasons)}"
    console.print(told, soft_wrap=True, highlight=False, markup=False)
