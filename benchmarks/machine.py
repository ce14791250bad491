"""Describes the machine of a benchmark, so that figures of two machines are not compared by mistake."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

_LIBRARIES = ("dagster", "duckdb", "great-expectations", "pandas", "scikit-learn", "onnxruntime", "bentoml", "fastapi")


def describe_machine() -> dict[str, object]:
    """Processor, memory, system, versions of Python and libraries, and load average."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "load_average": [round(load, 2) for load in psutil.getloadavg()],  # over 1, 5 and 15 minutes
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        for line in listed.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
