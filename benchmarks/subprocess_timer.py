"""Times work in a fresh process: `python -m benchmarks.subprocess_timer MODULE FUNCTION ARGUMENTS`.

The function prepares, imports included, and returns the work; only the work is timed. The peak memory includes
preparation and libraries. This module imports nothing of the project, since it times imports too.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Work = Callable[[], object]


def importing(module: str) -> Work:
    """Returns the work of importing a module."""
    return lambda: importlib.import_module(module)


def main(module: str, function: str, arguments: str) -> None:
    """Prepares, runs the work and prints a line of JSON: seconds, processor seconds, peak memory in bytes.

    A dictionary that the work returns is printed as `extra`.
    """
    work = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    cpu, start = _cpu_seconds(), time.perf_counter()
    result = work()
    seconds, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
    extra = {"extra": result} if isinstance(result, dict) else {}
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak_bytes()} | extra))


def _cpu_seconds() -> float:
    return sum(os.times()[:4])  # this process and the children it waited for


def peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.is_file():
        # Not the peak of `resource`: on Linux it includes that of the parent process.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
