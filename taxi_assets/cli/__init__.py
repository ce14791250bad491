"""`taxi`: the command line, thin over the same functions as the Dagster assets."""

import sys

import typer

from taxi_assets.cli import maintenance, models, platform, serving, synthetic, tracing
from taxi_assets.cli.arrivals import arrivals
from taxi_assets.cli.terminal import errors
from taxi_assets.errors import TaxiError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Learn, run and trust a taxi-duration model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    platform.run,
    platform.status,
    serving.predict,
    synthetic.synth,
    platform.up,
    maintenance.maintain,
    models.baselines,
    models.backtest,
    tracing.lineage,
    tracing.reproduce,
):
    app.command()(command)
app.add_typer(arrivals, name="arrivals")


def main() -> None:
    """The console script: a person's mistake is one line and exit code 1, never a traceback."""
    try:
        app()
    except TaxiError as error:
        errors.print("[red]error:[/]", end=" ")
        errors.print(str(error), soft_wrap=True, highlight=False, markup=False)
        sys.exit(1)
