"""Times one piece of work in a fresh process: `python -m benchmarks.subprocess_timer MODULE FUNCTION ARGUMENTS`.

The function prepares, imports included, and returns the work; only the work is timed. What the process needed at
its peak, preparation and libraries included, is told beside it. Imports nothing of the project by itself: what an
import costs is measured here too.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["importing", "main"]

Work = Callable[[], object]


def importing(module: str) -> Work:
    """The work of importing a module for the first time."""
    return lambda: importlib.import_module(module)


def main(module: str, function: str, arguments: str) -> None:
    """Prepare, work, and print a line of JSON: seconds, processor seconds, peak of memory in bytes."""
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    cpu, start = _cpu_seconds(), time.perf_counter()
    work()
    seconds, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": _peak_bytes()}))


def _cpu_seconds() -> float:
    return sum(os.times()[:4])  # of this process and of those it waited for


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        # Not the peak `resource` tells: on Linux that is at least what the process had that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
