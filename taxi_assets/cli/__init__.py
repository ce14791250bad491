"""The command line `taxi`, a thin layer over the functions that the Dagster assets call."""

import os
import sys
from importlib import metadata
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from taxi_assets.cli import (
    approval_commands,
    audit_command,
    deployment_commands,
    lineage_commands,
    maintenance_commands,
    model_commands,
    platform_commands,
    release_commands,
    replay_command,
    serving_commands,
    synthetic_commands,
    worker_command,
)
from taxi_assets.cli.file_commands import files
from taxi_assets.cli.terminal import error_console, unknown_variables, warn
from taxi_assets.errors import TaxiError
from taxi_assets.settings.environment import isolate

__all__ = ["app", "main"]

app = typer.Typer(
    help="Train, run and monitor a taxi-duration model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    platform_commands.run,
    platform_commands.status,
    serving_commands.predict,
    serving_commands.replica,
    worker_command.worker,
    approval_commands.approve,
    approval_commands.reject,
    deployment_commands.deploy,
    deployment_commands.undeploy,
    deployment_commands.route,
    deployment_commands.rollback,
    synthetic_commands.synth,
    platform_commands.up,
    platform_commands.serve,
    maintenance_commands.maintain,
    model_commands.baselines,
    model_commands.backtest,
    replay_command.replay,
    lineage_commands.lineage,
    lineage_commands.trace,
    audit_command.audit,
    lineage_commands.reproduce,
):
    app.command()(command)
app.add_typer(files, name="files")
app.add_typer(release_commands.release, name="release")
app.add_typer(files, name="arrivals", hidden=True)  # the name of earlier releases


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"taxi {metadata.version('taxi-assets')}")  # noqa: T201 - the command's output
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train, run and monitor a taxi-duration model."""


def main() -> None:
    """Run the command line. An error is one line on stderr and exit code 1, or 2 for wrong usage."""
    isolate()
    for name, similar in unknown_variables(os.environ).items():
        hint = f"did you mean {similar}? " if similar else ""
        warn(f"{name} is no setting: {hint}see docs/settings.md")
    try:
        sys.exit(app(prog_name="taxi", standalone_mode=False))
    except TyperException as error:
        _exit(_usage_message(error), 2)
    except TaxiError as error:
        _exit(str(error), 1)
    except BrokenPipeError:
        raise  # the reader of the output is gone: the console script ends quietly
    except OSError as error:
        # Disk errors can happen anywhere: report one line for those that no command handles.
        named = f"cannot use {error.filename}" if error.filename else "the system refuses"
        _exit(f"{named} ({error.strerror}): fix that, or set TAXI_HOME to another folder", 1)


def _exit(message: str, code: int) -> NoReturn:
    if message:
        error_console.print("[red]error:[/]", end=" ")
        error_console.print(message, soft_wrap=True, highlight=False, markup=False)
    sys.exit(code)


def _usage_message(error: TyperException) -> str:
    """The error, the value and the help command; empty if the help was printed."""
    message = error.format_message().rstrip(".")
    if isinstance(error.__cause__, ValidationError):
        message += f", not {error.__cause__.errors()[0]['input']!r}"
    context = getattr(error, "ctx", None)
    return f"{message}: see `{context.command_path if context else 'taxi'} --help`" if message else ""
