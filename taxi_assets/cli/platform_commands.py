"""Commands on the whole platform: `run`, `status`, `up`, `serve`."""

import gc
import os
from typing import Annotated

import typer

from taxi_assets.cli.terminal import Json, Services, console, error_console, load_settings, say, write_json
from taxi_assets.errors import TaxiError
from taxi_assets.months import parse_months
from taxi_assets.settings import Settings


def run(
    months: Annotated[str, typer.Option(help="Such as 2023-01..2023-03; the last is scored, the others train.")],
    services: Services = None,
    source: Annotated[
        str | None, typer.Option(help="TLC's site or a folder that mirrors it; unset, TAXI_TLC_SOURCE.")
    ] = None,
    to_json: Json = None,
) -> None:
    """Run everything: fetch months, check, train, evaluate, build the Bento, predict one ride."""
    # Imports and events create objects that stay: with Python's 700, collections take a tenth of a second run.
    gc.set_threshold(100_000, 50, 50)
    from taxi_assets.cli import run_pipeline, run_report

    settings = load_settings(services=services, tlc_source=source)
    output = error_console if to_json == "-" else console

    def report(outcome: run_pipeline.PipelineResult) -> None:
        facts = run_report.run_summary(outcome.settings, outcome.months, outcome.prediction, outcome.seconds)
        facts["refused"] = [*outcome.notices, *facts["refused"]]
        facts["checks"] = outcome.checks
        run_report.print_run(output, facts, outcome.settings)
        write_json(facts, to_json)

    run_pipeline.run(settings, parse_months(months), output, report)


def status(
    to_json: Json = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show the operator's page here, until Ctrl-C.")] = False,
) -> None:
    """Show the months in the warehouse, the snapshot, the champion, the Bento and the last run."""
    from taxi_assets.cli import status_report

    if watch:
        from taxi_assets.cli.operator_status.terminal_status import watch_status

        if to_json:
            raise TaxiError("--watch shows the status here until Ctrl-C: leave out --json, or read /status.json")
        watch_status(load_settings(), console)
        return
    facts = status_report.status_summary(load_settings())
    if to_json != "-":
        status_report.print_status(console, facts)
    write_json(facts, to_json)


def up(
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Also start PostgreSQL, S3, Redis, two workers, two endpoints and a proxy."),
    ] = False,
) -> None:
    """Serve Dagster, MLflow, the Bento and the reports on loopback, until Ctrl-C."""
    from taxi_assets.cli.supervisor.home import only_cluster, supervised_home
    from taxi_assets.cli.supervisor.ports import free_port

    settings = load_settings()
    free_port(settings.host)  # fail on a host of another machine before anything is created
    with supervised_home(settings.home, settings.env) as tag:
        if not cluster:
            _serve(settings, tag)
            return
        from taxi_assets.cli.supervisor.local_services import local_services

        say("starting PostgreSQL, an S3 server and Redis ...")
        with only_cluster(settings.home), local_services(settings, tag) as variables:
            os.environ.update(variables)
            say(f"for other commands: . {settings.home / 'cluster' / 'environment'}")
            _serve(load_settings(), tag, is_cluster=True)


def _serve(settings: Settings, tag: str, *, is_cluster: bool = False) -> None:
    from taxi_assets.cli.supervisor.cluster import cluster_programs
    from taxi_assets.cli.supervisor.program_logs import ProgramLogs
    from taxi_assets.cli.supervisor.programs import programs
    from taxi_assets.cli.supervisor.supervisor import run as supervise
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.defs.run_processes import close_abandoned_runs
    from taxi_assets.registry.database import initialise
    from taxi_assets.registry.links import update_links

    initialise(settings)  # before two programs do it at once
    update_links(settings)
    with open_instance(settings) as instance:
        # Otherwise the queue would wait for runs that a power cut ended.
        closed = close_abandoned_runs(settings, instance, no_launcher=True)
    if closed:
        say(f"closed {len(closed)} interrupted run(s): the sensor finishes their months")
    wanted = (*programs(settings), *(cluster_programs(settings) if is_cluster else ()))
    supervise(wanted, console, ProgramLogs(settings.logs / "up"), parent_tag=tag)


def serve(
    name: Annotated[str, typer.Argument(metavar="PROGRAM", help="dagster, daemon, mlflow, bento, reports or sync.")],
) -> None:
    """Serve one program of `taxi up` in place of this process, as a container does."""
    from taxi_assets.cli.supervisor.programs import programs

    settings = load_settings()
    wanted = {program.name: program for program in programs(settings)}
    if name not in wanted:
        raise TaxiError(f"no program is named {name}: use one of {', '.join(wanted)}")
    program = wanted[name]
    if program.missing:
        raise TaxiError(f"{name} cannot start: {program.missing}")
    if name in {"dagster", "daemon"}:
        from taxi_assets.defs.instance import open_instance

        open_instance(settings).dispose()
    elif name == "mlflow":
        from taxi_assets.registry.database import initialise

        initialise(settings)
    # Signals and the exit code are then the program's own.
    os.execve(program.command[0], program.command, {**os.environ, **program.env})  # noqa: S606
