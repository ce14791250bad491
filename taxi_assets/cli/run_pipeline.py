"""`taxi run`: months to a served prediction, step by step, through the same jobs that sensors and people start."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from filelock import Timeout
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import source_selection
from taxi_assets.months import Month
from taxi_assets.registry.deleted_runs import require_kept_experiment
from taxi_assets.settings import Settings, remember_data_kind, run_lock
from taxi_assets.tlc import tlc_source
from taxi_assets.warehouse.connection import Warehouse, require_writable

__all__ = ["Outcome", "run"]


@dataclass
class Outcome:
    """What a run leaves: settings, notices, the time of each step, the ride's prediction, the checks' results."""

    settings: Settings
    months: tuple[Month, ...]
    notices: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    prediction: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - begun, 2)


def run(settings: Settings, months: Sequence[Month], console: Console) -> Outcome:
    """Fetch the months, materialise every asset, build the Bento, serve it, ask it for one ride, stop it.

    All months but the last train; the last is scored.

    Raises:
        TaxiError: whatever went wrong, in one line; what was published before is unharmed.
    """
    if len(months) < 2:
        raise TaxiError(f"one month, {months[0]}, is not enough: name at least two, the last is scored by the others")
    free_port(settings.host)  # a host that is not this machine is named before the work, not after it
    require_writable(settings.home)
    with _alone(settings):
        choice = source_selection.choose(settings, months)
        if choice.notice:
            console.print(f"[yellow]note:[/] {escape(choice.notice)}", soft_wrap=True)
        require_kept_experiment(choice.settings)
        outcome = Outcome(choice.settings, tuple(months))
        with outcome.timed("fetch"):
            _fetch(outcome, console)
        _materialise(outcome, console)
        with outcome.timed("serve"):
            outcome.prediction = _serve_one_ride(outcome)
        remember_data_kind(settings.home, choice.settings.data_kind)
    return outcome


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    lock = run_lock(settings)
    try:
        lock.acquire(timeout=1)  # a sensor that looks whether anyone holds it does so for a moment
    except Timeout as error:
        raise TaxiError(f"another `taxi run` works in {settings.home}: wait for it, or set TAXI_HOME") from error
    try:
        yield
    finally:
        lock.release()


def _fetch(outcome: Outcome, console: Console) -> None:
    from taxi_assets.ingestion.file_stability import IMPATIENT
    from taxi_assets.ingestion.ingest import fetch_month
    from taxi_assets.ingestion.scan_landing import look

    settings = outcome.settings
    wanted = [(service, month) for service in settings.services for month in outcome.months]
    warehouse = Warehouse(settings)
    look(warehouse, IMPATIENT, wanted)  # what lies there is used before the source is asked
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tlc_source.landed_zones(settings.tlc_source, settings.landing)
        for service, month in wanted:
            bar = bars.add_task(f"fetch {service} {month}", total=None)
            notice = fetch_month(
                warehouse,
                service,
                month,
                lambda done, total, bar=bar: bars.update(bar, completed=done, total=total),  # type: ignore[misc]
            )
            if notice:
                outcome.notices.append(notice)
                bars.console.print(f"[yellow]note:[/] {escape(notice)}", soft_wrap=True)
    look(warehouse, IMPATIENT, wanted)


def _materialise(outcome: Outcome, console: Console) -> None:
    with outcome.timed("start"):
        from taxi_assets.definitions import build
        from taxi_assets.defs.check_results import summarise
        from taxi_assets.defs.instance import open_instance
        from taxi_assets.defs.run_processes import close_abandoned
        from taxi_assets.defs.runs import run_job

        definitions = build(outcome.settings)
        instance = open_instance(outcome.settings)
        close_abandoned(outcome.settings, instance)
    assets = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    *earlier, last = outcome.months
    window = {"ops": {"duration_model": {"config": {"months": [str(month) for month in earlier]}}}}
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as steps, instance:
        run_ids: list[str] = []
        for stretch in _stretches(earlier):
            with outcome.timed(f"ingest {stretch[0]}..{stretch[-1]}"):
                told = _Steps(steps, f"{stretch[0]}..{stretch[-1]}", assets)
                run_ids.append(run_job(definitions, instance, "ingest_months", stretch, {}, told))
        told = _Steps(steps, str(last), assets)
        run_ids.append(run_job(definitions, instance, "month", [last], window, told))
        outcome.checks = summarise(instance, run_ids)
        outcome.seconds |= told.seconds


class _Steps:
    """A line of the terminal for each asset of a run, with its time."""

    def __init__(self, progress: Progress, label: str, assets: Collection[str]) -> None:
        self._progress, self._label, self._assets = progress, label, assets
        self._begun: dict[str, tuple[Any, float]] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, is_over: bool) -> None:
        if step not in self._assets:
            return  # a check that has a step of its own is no work anybody waits for
        if not is_over:
            self._begun[step] = (
                self._progress.add_task(f"{step} [dim]{self._label}[/]", total=1),
                time.monotonic(),
            )
            return
        task, begun = self._begun[step]
        self._progress.update(task, completed=1)
        self.seconds[step] = round(time.monotonic() - begun, 2)


def _stretches(months: Sequence[Month]) -> list[list[Month]]:
    """Months in order, cut where the calendar has a gap: a run takes consecutive ones."""
    stretches = [[months[0]]]
    for earlier, later in pairwise(months):
        if earlier.plus(1) == later:
            stretches[-1].append(later)
        else:
            stretches.append([later])
    return stretches


def _serve_one_ride(outcome: Outcome) -> dict[str, Any]:
    from taxi_assets.cli.supervisor.programs import bento_beside
    from taxi_assets.cli.supervisor.supervisor import running
    from taxi_assets.serving import bento_build, client

    settings, month = outcome.settings, outcome.months[-1]
    ride = client.Ride(74, 75, f"{month}-01T08:30:00", settings.services[0])
    bento = bento_build.latest(settings)
    if bento is None:
        raise TaxiError(f"no Bento was built: see the run of {month} in Dagster")
    # `taxi up` may be serving rides on the usual port meanwhile.
    program = bento_beside(settings, bento.tag, free_port(settings.host), "one_ride")
    with running(program, settings.logs / "bento.log") as url:
        return client.ask(url, ride)
