"""Fork server: loads everything once, then forks a process for each trial to save seconds of loading.

Reads one JSON line for each trial and writes one. As in Dagster, a trial runs as a worker below a launcher, both in a
process group of their own.
"""

import json
import os
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from simulated_sensor import publish_pending, scan

from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

FAILED = 3


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        counts = Path(request["counts"])
        counts.unlink(missing_ok=True)
        launcher = os.fork()
        if launcher == 0:
            launch(request)
        _, status = os.waitpid(launcher, 0)
        passed = json.loads(counts.read_text()) if counts.is_file() else {}
        say({"status": status, "passed": passed})


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def launch(request: dict[str, Any]) -> None:
    """Leads a process group, starts the worker, and exits with its status."""
    os.setsid()
    worker = os.fork()
    if worker == 0:
        run(request)
    _, status = os.waitpid(worker, 0)
    if os.WIFSIGNALED(status):
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def run(request: dict[str, Any]) -> None:
    """Ingests and publishes the landed files; kills itself at the requested fault point."""
    passed: Counter[str] = Counter()

    def fault_point(point_name: str) -> None:
        passed[point_name] += 1
        if [point_name, passed[point_name]] == request["kill_at"]:
            os.killpg(0, signal.SIGKILL) if request["group"] else os.kill(os.getpid(), signal.SIGKILL)

    fault_points.fault_point = fault_point
    try:
        warehouse = Warehouse(Settings.model_validate(request["settings"]))
        scan(warehouse)
        errors = publish_pending(warehouse)
        Path(request["counts"]).write_text(json.dumps({"reached": passed, "errors": errors}))
    except BaseException:  # after any error the worker must not continue as the fork server
        traceback.print_exc()
        os._exit(FAILED)
    os._exit(0)


def warm_up(home: str) -> None:
    """Loads lazily loaded modules, in a process that has nothing open afterwards."""
    from sample_files import close

    warehouse = Warehouse(Settings.model_validate(json.loads(home)))
    scan(warehouse)
    publish_pending(warehouse)
    close(warehouse)


if __name__ == "__main__":
    warm_up(sys.argv[1])
    say("ready")
    serve()
