"""Compares two ways of doing the same thing: in turn, several times, by the median of the turns' ratios.

Ways are run A B A B …, so that a machine that slows down meanwhile slows both. A short figure is printed and kept like
any other, and fails nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from benchmarks.machine import describe_machine
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

__all__ = [
    "Comparison",
    "Figure",
    "Goal",
    "Run",
    "TimedRun",
    "alternate",
    "in_process",
    "options",
    "report",
    "subprocess_timer",
]

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Run:
    """What one go took; `peak_bytes` is None where other ways share the process, `extra` a way's own numbers."""

    seconds: float
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    extra: Mapping[str, float] = field(default_factory=dict)


TimedRun = Callable[[], Run]
Quantity = Callable[[Run], float]


@dataclass(frozen=True)
class Goal:
    """Where a ratio should lie: at least or at most this."""

    side: Literal["≥", "≤"]
    value: float

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.value if self.side == "≥" else ratio <= self.value

    def __str__(self) -> str:
        return f"{self.side}{self.value:.3g}"


@dataclass(frozen=True)
class Figure:
    """A ratio and its goal; `meaning` says what is divided by what."""

    name: str
    ratio: float
    goal: Goal
    meaning: str

    @property
    def is_ok(self) -> bool:
        return self.goal.is_met(self.ratio)

    def line(self) -> str:
        return f"{self.name} ratio={self.ratio:.3g} goal={self.goal} {'ok' if self.is_ok else 'short'}"


@dataclass(frozen=True)
class Comparison:
    """Two ways' runs, turn by turn."""

    ours: Sequence[Run]
    theirs: Sequence[Run]

    def times_better(self, name: str, goal: Goal, meaning: str, quantity: Quantity) -> Figure:
        """Theirs divided by ours: how many times as fast."""
        ratios = [quantity(theirs) / quantity(ours) for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return Figure(name, statistics.median(ratios), goal, meaning)

    def share(self, name: str, goal: Goal, meaning: str, quantity: Quantity) -> Figure:
        """Ours divided by theirs: what it costs beside the other."""
        return Comparison(self.theirs, self.ours).times_better(name, goal, meaning, quantity)


def alternate(ours: TimedRun, theirs: TimedRun, times: int, warm_ups: int = 1) -> Comparison:
    """Run both by turns, so many times, after as many goes of each that do not count."""
    for _ in range(warm_ups):
        ours()
        theirs()
    runs = [(ours(), theirs()) for _ in range(times)]
    return Comparison([our for our, _ in runs], [their for _, their in runs])


def in_process(work: Callable[[], object]) -> TimedRun:
    """Time the work in this process."""

    def run() -> Run:
        cpu, start = time.process_time(), time.perf_counter()
        work()
        return Run(time.perf_counter() - start, time.process_time() - cpu)

    return run


def subprocess_timer(module: str, function: str, /, **arguments: object) -> TimedRun:
    """Time in a fresh process the work that the module's function prepares; see `benchmarks.subprocess_timer`.

    Args:
        module: Of this package.
        function: Returns the work.
        arguments: Of the function, as JSON knows values.
    """
    command = [sys.executable, "-m", "benchmarks.subprocess_timer", module, function, json.dumps(arguments)]

    def run() -> Run:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise TaxiError(f"{function} of {module} ended with exit code {done.returncode}: {last}")
        return Run(**json.loads(done.stdout.splitlines()[-1]))

    return run


def options(part: str, **defaults: int) -> argparse.Namespace:
    """The part's sizes: by option `--rows 5000`, else by variable `BENCH_ROWS`, else by default."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{part}")
    for name, default in defaults.items():
        configured = os.environ.get(f"BENCH_{name.upper()}", default)
        parser.add_argument(f"--{name}", type=int, default=int(configured), help=f"default {default}")
    return parser.parse_args()


def report(
    part: str, sizes: Mapping[str, int], comparisons: Mapping[str, Comparison], figures: Sequence[Figure]
) -> Path:
    """Print a line for each figure and add all of them to the part's file, with the machine they are of.

    Args:
        part: Such as `bench_data`.
        sizes: What was asked for: rows, times.
        comparisons: The runs behind the figures, by what was compared.
        figures: What was found.

    Returns:
        `<TAXI_HOME>/bench/<part>.json`: a list, the newest at its end.

    Raises:
        TaxiError: the file is there and is something else.
    """
    for figure in figures:
        print(figure.line(), flush=True)
    path = Settings().home / "bench" / f"{part}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(path)
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sizes": dict(sizes),
        "machine": describe_machine(),
        "figures": [_as_json(figure) for figure in figures],
        "runs": {name: asdict(comparison) for name, comparison in comparisons.items()},
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps([*earlier, entry], indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def _earlier(path: Path) -> list[object]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    except ValueError:
        entries = None
    if not isinstance(entries, list):
        raise TaxiError(f"{path} is not a list of earlier figures: move it away")
    return entries


def _as_json(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name,
        "ratio": figure.ratio,
        "goal": str(figure.goal),
        "is_ok": figure.is_ok,
        "meaning": figure.meaning,
    }
