"""`taxi worker`: takes runs that ingest months from the queue of runs."""

import os
import sys

from taxi_assets.cli.terminal import load_settings, say
from taxi_assets.errors import TaxiError


def worker() -> None:
    """Ingest months on this machine: take runs from the queue one at a time, until Ctrl-C."""
    from taxi_assets.cli.supervisor.programs import environment
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.warehouse.connection import require_writable

    settings = load_settings()
    if settings.run_broker is None:
        raise TaxiError("a worker needs a queue of runs: set TAXI_RUN_BROKER to redis://:password@host:port/0")
    require_writable(settings.dagster_home)
    with open_instance(settings):
        pass  # its configuration and tables are there
    say(f"worker {os.getpid()} waits for runs; Ctrl-C ends it after its run")
    sys.stdout.flush()
    options = ("--pool", "prefork", "--concurrency", "1", "--hostname", f"taxi-{os.getpid()}@%h")
    quiet = ("--without-gossip", "--without-mingle", "--loglevel", "WARNING")
    command = (sys.executable, "-m", "celery", "-A", "taxi_assets.defs.worker_app:app", "worker", *options, *quiet)
    os.execve(sys.executable, command, {**os.environ, **environment(settings)})  # noqa: S606 - no shell
