"""`taxi run`: from months to a served prediction, through the same jobs that sensors start."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
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
from taxi_assets.registry.deleted_runs import require_active_experiment
from taxi_assets.settings import Settings, run_lock
from taxi_assets.tlc import tlc_source
from taxi_assets.warehouse.connection import Warehouse, require_writable


@dataclass
class PipelineResult:
    """The result of a run: settings, notices, seconds of each step, one prediction, check results."""

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


def run(
    settings: Settings,
    months: Sequence[Month],
    console: Console,
    report: Callable[[PipelineResult], None] = lambda _: None,
) -> PipelineResult:
    """Fetch the months, materialise every asset, serve the Bento, predict one ride, stop the Bento.

    All months but the last train; the last is scored.

    Args:
        settings: The settings of the run.
        months: Two or more months.
        console: Shows notices and the progress.
        report: Called with the result, while the Bento stops.

    Raises:
        TaxiError: a step failed; months published before stay.
    """
    if len(months) < 2:
        raise TaxiError(f"{months[0]} is a single month: name two or more, as the last is scored and the others train")
    free_port(settings.host)  # fail on a host of another machine before the work, not after it
    require_writable(settings.home)
    with exclusive_run(settings), ExitStack() as endpoints:
        choice = source_selection.select_source(settings, months)
        if choice.notice:
            console.print(f"[yellow]note:[/] {escape(choice.notice)}", soft_wrap=True)
        result = PipelineResult(choice.settings, tuple(months))
        endpoint = _Endpoint(choice.settings, endpoints)
        endpoint.start_newest()
        require_active_experiment(choice.settings)
        with result.timed("fetch"):
            _fetch(result, console)
        _materialise(result, console, {"duration_bento": endpoint.start_early})
        with result.timed("serve"):
            result.prediction = _serve_one_ride(result, endpoint)
        remember_data_kind(choice.settings)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(endpoints.close)
            report(result)
    return result


def remember_data_kind(settings: Settings) -> None:
    """Store the data kind of a run in dev as the default of later commands in every environment."""
    if settings.env == "dev":
        settings.home.mkdir(parents=True, exist_ok=True)
        (settings.home / "data_kind").write_text(settings.active_data_kind + "\n")


@contextmanager
def exclusive_run(settings: Settings) -> Iterator[None]:
    """Holds the environment's run lock during the block.

    Raises:
        TaxiError: another process holds it.
    """
    try:
        lock = run_lock(settings).acquire(timeout=1)  # sensors take it briefly to see if it is free
    except Timeout as error:
        where = f"`taxi run` of {settings.env} is using {settings.home}"
        raise TaxiError(f"another {where}: wait for it, or set TAXI_HOME") from error
    with lock:
        yield


def _fetch(result: PipelineResult, console: Console) -> None:
    from taxi_assets.ingestion.file_stability import IMMEDIATE
    from taxi_assets.ingestion.ingest import land_month
    from taxi_assets.ingestion.scan_landing import scan_landing

    settings = result.settings
    wanted = [(service, month) for service in settings.services for month in result.months]
    warehouse = Warehouse(settings)
    scan_landing(warehouse, IMMEDIATE, wanted)  # landed files come before the source's
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tlc_source.ensure_zone_files(settings.tlc_source, settings.landing)
        for service, month in wanted:
            bar = bars.add_task(f"fetch {service} {month}", total=None)
            notice = land_month(
                warehouse,
                service,
                month,
                lambda done, total, bar=bar: bars.update(bar, completed=done, total=total),  # type: ignore[misc]
            )
            if notice:
                result.notices.append(notice)
                bars.console.print(f"[yellow]note:[/] {escape(notice)}", soft_wrap=True)


def _materialise(result: PipelineResult, console: Console, after: Mapping[str, Callable[[], None]]) -> None:
    """Materialise every asset of the months; call the functions of `after` when their asset is over."""
    with result.timed("start"):
        from taxi_assets.definitions import build
        from taxi_assets.defs.check_results import summarise_checks
        from taxi_assets.defs.instance import open_instance
        from taxi_assets.defs.run_processes import close_abandoned_runs
        from taxi_assets.defs.runs import run_job

        definitions = build(result.settings)
        instance = open_instance(result.settings)
        close_abandoned_runs(result.settings, instance)
    assets = {each.node_def.name for each in definitions.resolve_asset_graph().assets_defs if each.keys}
    *earlier, last = result.months
    # A person names the months: the last is trained for, whatever the policy says.
    request = {"retrain": True, "by": "taxi run"}
    window = {"months": [str(month) for month in earlier]}
    config = {"ops": {"duration_model": {"config": window}, "retraining": {"config": request}}}
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as steps, instance:
        run_ids: list[str] = []
        for month_range in contiguous_ranges(earlier):
            with result.timed(f"ingest {month_range[0]}..{month_range[-1]}"):
                progress = _StepProgress(steps, f"{month_range[0]}..{month_range[-1]}", assets, {})
                run_ids.append(run_job(definitions, instance, "ingest_months", month_range, {}, progress))
        progress = _StepProgress(steps, str(last), assets, after)
        run_ids.append(run_job(definitions, instance, "train_month", [last], config, progress))
        result.checks = summarise_checks(instance, run_ids)
        result.seconds |= progress.seconds


class _StepProgress:
    """Shows a terminal line for each asset of a run, with its time."""

    def __init__(
        self, progress: Progress, label: str, assets: Collection[str], after: Mapping[str, Callable[[], None]]
    ) -> None:
        self._progress, self._label, self._assets, self._after = progress, label, assets, after
        self._begun: dict[str, tuple[Any, float]] = {}
        self.seconds: dict[str, float] = {}

    def __call__(self, step: str, is_over: bool) -> None:
        if step not in self._assets:
            return  # a check with its own step takes no noticeable time
        if not is_over:
            self._begun[step] = (
                self._progress.add_task(f"{step} [dim]{self._label}[/]", total=1),
                time.monotonic(),
            )
            return
        task, begun = self._begun[step]
        self._progress.update(task, completed=1)
        self.seconds[step] = round(time.monotonic() - begun, 2)
        self._after.get(step, lambda: None)()


def contiguous_ranges(months: Sequence[Month]) -> list[list[Month]]:
    """Split ordered months into ranges of consecutive ones, as a run takes."""
    ranges = [[months[0]]]
    for earlier, later in pairwise(months):
        if earlier.plus(1) == later:
            ranges[-1].append(later)
        else:
            ranges.append([later])
    return ranges


class _Endpoint:
    """The newest Bento, served until `running` closes.

    A start takes two seconds. It is made beside the other work: at the beginning, for a run that makes the same Bento
    again, and once another Bento is built.
    """

    def __init__(self, settings: Settings, running: ExitStack) -> None:
        self._settings, self._running = settings, running
        self._tag: str | None = None
        self._wait_for_url: Callable[[], str] | None = None

    def start_newest(self) -> None:
        """Serve the newest Bento in place of an older one; nothing without a Bento."""
        from taxi_assets.cli.supervisor.programs import bento_beside
        from taxi_assets.cli.supervisor.supervisor import starting
        from taxi_assets.serving.packaging import bento_build

        bento = bento_build.latest(self._settings)
        if bento is None or bento.tag == self._tag:
            return
        self._running.close()
        # `taxi up` may be using the default port.
        program = bento_beside(self._settings, bento.tag, free_port(self._settings.host), "one_ride")
        self._wait_for_url = self._running.enter_context(starting(program, self._settings.logs / "bento.log"))
        self._tag = bento.tag

    def start_early(self) -> None:
        """The same during a run, which an error here must not end: the start after it reports it."""
        with suppress(TaxiError):
            self.start_newest()

    def wait_for_url(self) -> str:
        """The URL, once it answers.

        Raises:
            TaxiError: there is no Bento, or it does not become ready.
        """
        if self._wait_for_url is None:
            raise TaxiError("no Bento was built: see the last run in Dagster")
        return self._wait_for_url()


def _serve_one_ride(result: PipelineResult, endpoint: _Endpoint) -> dict[str, Any]:
    """The prediction of one ride; empty if the first version waits for approval."""
    from taxi_assets.registry import model_versions
    from taxi_assets.serving import client

    if model_versions.is_first_waiting(result.settings):
        return {}
    endpoint.start_newest()
    ride = client.Ride(74, 75, f"{result.months[-1]}-01T08:30:00", result.settings.services[0])
    return client.predict(endpoint.wait_for_url(), ride)
