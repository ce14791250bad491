"""`taxi`: the command line, thin over the same functions as the Dagster assets."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from taxi_assets.errors import TaxiError
from taxi_assets.months import parse_months
from taxi_assets.settings import Settings

__all__ = ["app", "main"]

app = typer.Typer(
    help="Learn, run and trust a taxi-duration model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


def _require_place(target: str | None) -> str | None:
    """Refuse a file that cannot be written before the work is done, not after it."""
    if target is None or target == "-":
        return target
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).open("a").close()
    except OSError as error:
        raise TaxiError(f"cannot write JSON to {target} ({error.strerror}): name a file, or - to print it") from error
    return target


Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write the facts as JSON; - prints them.", callback=_require_place),
]
Services = Annotated[str | None, typer.Option(help="Services, separated by commas: green, yellow, fhvhv.")]


@app.command()
def run(
    months: Annotated[str, typer.Option(help="Such as 2023-01..2023-03; all but the last train, it is scored.")],
    services: Services = None,
    source: Annotated[str | None, typer.Option(help="TLC's site or a folder that mirrors it.")] = None,
    to_json: Json = None,
) -> None:
    """Months to a served prediction: fetch, check, train, evaluate, build the Bento, ask it for one ride."""
    from taxi_assets import end_to_end, report

    settings = _settings(services=services, tlc_source=source)
    told = errors if to_json == "-" else console
    outcome = end_to_end.run(settings, parse_months(months), told)
    facts = report.run_facts(outcome.settings, outcome.months, outcome.prediction, outcome.seconds)
    report.print_run(told, facts, outcome.settings)
    _write_json(facts, to_json)


@app.command()
def status(to_json: Json = None) -> None:
    """Months held, their rows and snapshot, the champion, the Bento, the last run."""
    from taxi_assets import report

    facts = report.status_facts(_settings())
    if to_json != "-":
        report.print_status(console, facts)
    _write_json(facts, to_json)


@app.command()
def predict(
    pickup: Annotated[int, typer.Option(help="TLC zone of the start, 1-265.")],
    dropoff: Annotated[int, typer.Option(help="TLC zone of the end, 1-265.")],
    at: Annotated[str, typer.Option(help="New York local time, such as 2023-03-01T08:30.")],
    service: Annotated[str | None, typer.Option(help="The kind of taxi; unset, the first the model knows.")] = None,
    to_json: Json = None,
) -> None:
    """Ask the running endpoint how long a ride takes."""
    from taxi_assets.serving import client

    settings = _settings()
    answer = client.ask(settings.url(settings.bento_port), client.Ride(pickup, dropoff, at, service))
    if to_json != "-":
        console.print(f"{answer['duration_minutes']:.1f} minutes")
    _write_json(answer, to_json)


@app.command()
def synth(  # noqa: PLR0913, PLR0917
    months: Annotated[str, typer.Option(help="Such as 2023-01..2023-03.")],
    out: Annotated[Path, typer.Option(help="Folder the files are written to; made where it is missing.")],
    service: Annotated[str, typer.Option(help="green, yellow, fhvhv or fhv.")] = "green",
    rows: Annotated[int, typer.Option(min=1, help="Trips a month.")] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    era: Annotated[str | None, typer.Option(help="TLC's format of another time than the month's own.")] = None,
    shift: Annotated[list[str] | None, typer.Option(help="A planted change, such as slower_city=1.3.")] = None,
) -> None:
    """Write months of the synthetic city, in TLC's format, with its zones."""
    from rich.progress import track

    from taxi_assets import synthetic

    shifts = [synthetic.parse_shift(text) for text in shift or []]
    out.mkdir(parents=True, exist_ok=True)
    synthetic.write_zones(out, seed)
    for month in track(parse_months(months), description=f"{service} months", console=errors):
        file = synthetic.write_month(out, service, month, rows, seed, era, shifts)
        console.print(str(file), soft_wrap=True, highlight=False, markup=False)


@app.command()
def up() -> None:
    """Dagster, MLflow, the Bento and the reports on loopback, until Ctrl-C."""
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.mlflow_store.mlflow_database import initialise
    from taxi_assets.supervisor.programs import programs
    from taxi_assets.supervisor.run import run as supervise

    settings = _settings()
    open_instance(settings).dispose()
    initialise(settings)  # before two of the programs would do it at once
    raise typer.Exit(supervise(programs(settings), console))


def main() -> None:
    """The console script: a person's mistake is one line and exit code 1, never a traceback."""
    try:
        app()
    except TaxiError as error:
        errors.print("[red]error:[/]", end=" ")
        errors.print(str(error), soft_wrap=True, highlight=False, markup=False)
        sys.exit(1)


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"TAXI_{first['loc'][0]}".upper()
        why = first["msg"].removeprefix("Value error, ")
        raise TaxiError(f"{name} is '{first['input']}': {why}; see docs/settings.md") from error


def _write_json(facts: dict[str, Any], target: str | None) -> None:
    if target is None:
        return
    text = json.dumps(facts, indent=2, default=str)
    if target == "-":
        print(text)  # noqa: T201 - the answer itself, for a pipe
        return
    Path(target).write_text(text + "\n")
