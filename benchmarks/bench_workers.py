"""Compares two workers with one: the time of the same months, each worker bound to a core.

`python -m benchmarks.bench_workers [--rows N] [--months N] [--times N]`. PostgreSQL, the S3 server, Redis, Dagster's
daemon and the workers all run on this machine, so that two workers share its cores with the rest.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import dagster as dg

from benchmarks.harness import Goal, Run, alternate, options, report
from taxi_assets import synthetic
from taxi_assets.cli.supervisor.local_services import local_services
from taxi_assets.definitions import build
from taxi_assets.defs.code_location import code_origin, remote_origin
from taxi_assets.defs.instance import open_instance
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.publish_month import publish_zones
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.months import Month
from taxi_assets.settings import WORKSPACE, Settings
from taxi_assets.warehouse.connection import Warehouse

_SEED = 7
_FIRST = Month(2021, 1)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_LIMIT_SECONDS = 3600


def ingest_by_workers(months: int, rows: int, workers: int) -> Run:
    """Ingests synthetic months on new servers; times them from the first start of a run to the last end.

    Raises:
        TaxiError: a part is missing, a run failed, or the runs did not end.
    """
    with tempfile.TemporaryDirectory(prefix="bench-workers-") as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        Path(folder).chmod(0o711)  # PostgreSQL's user passes through
        sizes = {"TAXI_THREADS": "1", "TAXI_MEMORY_LIMIT": "1GB", "TAXI_ENV": "test"}
        settings = Settings(home=home, data_kind="synthetic")
        variables = stack.enter_context(local_services(settings, f"bench-{uuid4().hex}"))
        stack.enter_context(_environment({**variables, **sizes, "TAXI_MAX_CONCURRENT_RUNS": str(workers)}))
        settings = Settings()
        _land(settings, months, rows)
        instance = stack.enter_context(open_instance(settings))
        enqueue_months(instance, [_FIRST.plus(number) for number in range(months)])
        for number in range(workers):
            own = {"TAXI_HOME": str(home.with_name(f"worker-{number}"))}
            stack.enter_context(_process(own, number, sys.executable, "-m", "taxi_assets", "worker"))
        daemon = str(Path(sys.executable).with_name("dagster-daemon"))
        stack.enter_context(_process({}, None, daemon, "run", "-w", str(WORKSPACE)))
        seconds = _wait_for_runs(instance, months)
    print(f"{months} months of {rows:,} trips on {workers} workers: {seconds:.0f} s", flush=True)
    return Run(seconds, extra={"workers": workers})


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _process(variables: Mapping[str, str], core: int | None, *command: str) -> Iterator[None]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)  # type: ignore[call-overload]
    if core is not None:  # its processes inherit this
        os.sched_setaffinity(process.pid, {sorted(os.sched_getaffinity(0))[core]})
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _land(settings: Settings, months: int, rows: int) -> None:
    landing, lake = settings.landing, Warehouse(settings)
    landing.mkdir(parents=True)
    synthetic.write_zones(landing, _SEED)
    for number in range(months):
        synthetic.write_month(landing, "green", _FIRST.plus(number), rows, _SEED)
    publish_zones(lake, landing / "taxi_zone_lookup.csv", landing / "taxi_zones.zip")
    scan_landing(lake, IMMEDIATE)


def enqueue_months(instance: dg.DagsterInstance, months: Sequence[Month]) -> None:
    """Puts a run of each month into Dagster's queue."""
    job = build(Settings()).resolve_job_def("ingest_months")
    for month in months:
        instance.create_run_for_job(
            job,
            tags=dict(job.get_tags_for_partition_key(str(month), selected_asset_keys=None)),
            status=dg.DagsterRunStatus.QUEUED,
            remote_job_origin=remote_origin(job.name),
            job_code_origin=code_origin(job.name),
        )


def _wait_for_runs(instance: dg.DagsterInstance, months: int) -> float:
    until = time.monotonic() + _LIMIT_SECONDS
    while instance.get_runs_count(dg.RunsFilter(statuses=_ENDED)) < months:
        if time.monotonic() > until:
            raise TaxiError(f"the runs have not ended after {_LIMIT_SECONDS} seconds")
        time.sleep(1)
    records = instance.get_run_records()
    if any(record.dagster_run.status != dg.DagsterRunStatus.SUCCESS for record in records):
        raise TaxiError("a run failed: see the runs in Dagster")
    return max(record.end_time or 0 for record in records) - min(record.start_time or 0 for record in records)


def main() -> None:
    arguments = options("bench_workers", rows=60_000, months=36, times=1)
    sizes = arguments.months, arguments.rows
    found = alternate(lambda: ingest_by_workers(*sizes, 2), lambda: ingest_by_workers(*sizes, 1), arguments.times, 0)
    meaning = "seconds of one worker divided by those of two, each bound to a core"
    figures = [found.times_better("workers_time", Goal("≥", 1.6), meaning, lambda run: run.seconds)]
    report("bench_workers", vars(arguments), {"workers": found}, figures)


if __name__ == "__main__":
    main()
