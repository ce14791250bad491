"""Lives through months by the platform's own jobs, in a home that keeps the record.

Each month's rides are requested from the running endpoint. Then its file lands, and the job `train_month` of its
partition measures, decides, trains, promotes and deploys as the live platform does under `TAXI_RETRAIN`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taxi_assets.cli.run_pipeline import contiguous_ranges, exclusive_run, remember_data_kind
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.ingestion.ingest import land_month
from taxi_assets.ingestion.source_selection import select_source
from taxi_assets.months import Month
from taxi_assets.serving import client
from taxi_assets.serving.deployments.deploy_token import create_token
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.settings import Settings
from taxi_assets.tlc import tlc_source
from taxi_assets.training.training_window import WINDOW_MONTHS
from taxi_assets.warehouse.connection import Warehouse

_RECORD = "recorded_replay.json"
_HOURS = range(24)


def require_own_home(home: Path, policy: str, first: Month) -> None:
    """Check that a folder is empty or a replay of the policy from this month, and mark it.

    Raises:
        TaxiError: it is neither.
    """
    record, wanted = home / _RECORD, {"policy": policy, "from": str(first)}
    found = _read_record(record) if record.is_file() else None
    if found is None and home.is_dir() and any(home.iterdir()):
        raise TaxiError(f"--record is '{home}', which is no home of a replay: name an empty folder")
    if found not in (None, wanted):
        raise TaxiError(
            f"--record is '{home}', a replay of '{found['policy']}' from {found['from']}: name an empty folder"
        )
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(record, json.dumps(wanted) + "\n")


def _read_record(record: Path) -> dict[str, str]:
    try:
        found = json.loads(record.read_text())
        return {name: str(found[name]) for name in ("policy", "from")}
    except (ValueError, LookupError, TypeError) as error:
        raise TaxiError(f"{record} is no record of a replay ({error!r}): name an empty folder as --record") from error


def replay_settings(settings: Settings, months: Sequence[Month]) -> tuple[Settings, str | None]:
    """The settings for the source of a replay's months, with a notice if it is not the configured one.

    Raises:
        TaxiError: the source is reachable but lacks the months, or is a folder that does not exist.
    """
    choice = select_source(settings, [*_earlier(months[0]), *months])
    return choice.settings, choice.notice


def record_replay(
    settings: Settings,
    months: Sequence[Month],
    on_progress: Callable[[str], None],
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Lives through the months, each once.

    A repetition after a failure goes on with the first month whose run did not succeed.

    Args:
        settings: The settings of the replay's home; its `retrain` is the policy.
        months: The months, oldest first.
        on_progress: Receives a line for each step.
        parameters: Config of `duration_model`.

    Returns:
        The facts of `recorded_facts`.

    Raises:
        TaxiError: a month has no file, or a step failed.
    """
    from taxi_assets.definitions import build
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.defs.run_processes import close_abandoned_runs
    from taxi_assets.defs.runs import seconds_by_month
    from taxi_assets.monitoring.replay.recorded_facts import recorded_facts

    settings = settings.model_copy(update={"bento_port": free_port(settings.host)})
    with exclusive_run(settings), open_instance(settings) as instance, ExitStack() as running_endpoint:
        close_abandoned_runs(settings, instance)
        life = _Life(settings, build(settings), instance, on_progress, dict(parameters or {}))
        seconds = seconds_by_month(instance, "train_month")
        if not seconds:
            life.ingest_earlier(months[0])
        for month in months:
            if month not in seconds:
                life.request_rides(running_endpoint, month)
                life.live(month)
        running_endpoint.close()  # a stopped endpoint leaves no open segment of its log
        life.ingest_predictions()
        remember_data_kind(settings)
        return recorded_facts(Warehouse(settings), months, seconds_by_month(instance, "train_month"))


def _earlier(first: Month) -> list[Month]:
    return [first.plus(-number) for number in range(WINDOW_MONTHS, 0, -1)]


@dataclass
class _Life:
    """The platform of a home, driven month by month."""

    settings: Settings
    definitions: Any
    instance: Any
    on_progress: Callable[[str], None]
    parameters: Mapping[str, Any]
    _url: str | None = field(default=None, init=False)

    def ingest_earlier(self, first: Month) -> None:
        """Ingest the months before the first that the source has."""
        tlc_source.ensure_zone_files(self.settings.tlc_source, self.settings.landing)
        landed = [month for month in _earlier(first) if self._has_landed(month)]
        if not landed:
            raise TaxiError(
                f"the source has no month before {first} to train on: add one, or replay later months in another folder"
            )
        for months in contiguous_ranges(landed):
            self._run("ingest_months", months)

    def live(self, month: Month) -> None:
        """Land the month's files and materialise its assets."""
        for service in self.settings.services:
            land_month(Warehouse(self.settings), service, month)
        self._run("train_month", [month], {"ops": {"duration_model": {"config": self.parameters}}})

    def request_rides(self, running_endpoint: ExitStack, month: Month) -> None:
        """Request a ride of each hour of the month's first day, once a champion is packaged."""
        if self._url is None and not (program := bento_program(self.settings)).missing:
            create_token(ServingState(self.settings.serving_state))
            self._url = running_endpoint.enter_context(running(program, self.settings.logs / "bento.log"))
        for hour in _HOURS if self._url else ():
            ride = client.Ride(74, 75, f"{month}-01T{hour:02}:30:00", self.settings.services[0])
            client.predict(str(self._url), ride)

    def ingest_predictions(self) -> None:
        """Take the endpoint's logs into the warehouse."""
        self.on_progress("ingest the prediction log")
        job = self.definitions.resolve_job_def("ingest_predictions")
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job.execute_in_process(instance=self.instance, run_config=quiet)

    def _has_landed(self, month: Month) -> bool:
        """True once the month's files of every service are here; False if the source lacks one."""
        try:
            for service in self.settings.services:
                land_month(Warehouse(self.settings), service, month)
        except TaxiError as error:
            self.on_progress(f"{month} is skipped: {error}")
            return False
        return True

    def _run(self, job: str, months: Sequence[Month], config: Mapping[str, Any] | None = None) -> None:
        from taxi_assets.defs.runs import run_job

        def progress(step: str, is_over: bool) -> None:
            if not is_over:
                self.on_progress(f"{months[-1]}: {step}")

        run_job(self.definitions, self.instance, job, months, config or {}, progress)
