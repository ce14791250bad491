"""Compares two implementations by the median ratio of alternating runs.

They run A B A B …, so that a machine that slows down slows both. A figure short of its goal is reported like any other
and fails nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from benchmarks.machine import describe_machine
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

_ROOT = Path(__file__).parents[1]
_QUIET_LOAD = 2


@dataclass(frozen=True)
class Run:
    """Measurements of one run.

    `peak_bytes` is None if the process is shared; `extra` has other numbers; `load` is the machine's load average when
    the turn began, None outside of turns.
    """

    seconds: float
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    extra: Mapping[str, float] = field(default_factory=dict)
    load: float | None = None


TimedRun = Callable[[], Run]
Quantity = Callable[[Run], float]


@dataclass(frozen=True)
class Goal:
    """A lower (≥) or upper (≤) limit of a ratio."""

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
    """The runs of both implementations, in the order they took turns."""

    ours: Sequence[Run]
    theirs: Sequence[Run]

    def times_better(self, name: str, goal: Goal, meaning: str, quantity: Quantity) -> Figure:
        """Theirs divided by ours: the speed-up."""
        ratios = [quantity(theirs) / quantity(ours) for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        return Figure(name, statistics.median(ratios), goal, meaning)

    def share(self, name: str, goal: Goal, meaning: str, quantity: Quantity) -> Figure:
        """Ours divided by theirs: the relative cost."""
        return Comparison(self.theirs, self.ours).times_better(name, goal, meaning, quantity)


def alternate(ours: TimedRun, theirs: TimedRun, times: int, warm_ups: int = 1) -> Comparison:
    """Runs both in turn, `times` times each, after `warm_ups` runs that are not counted."""
    runs = take_turns({"ours": ours, "theirs": theirs}, times, warm_ups)
    return Comparison(runs["ours"], runs["theirs"])


def take_turns(ways: Mapping[str, TimedRun], times: int, warm_ups: int = 1) -> dict[str, list[Run]]:
    """Runs all ways in turn, `times` times each, after `warm_ups` turns that are not counted.

    Returns:
        The counted runs by name, each with the load average at the start of its turn.
    """
    for _ in range(warm_ups):
        for run in ways.values():
            run()
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(times):
        load = os.getloadavg()[0]
        for name, run in ways.items():
            runs[name].append(replace(run(), load=load))
    return runs


def in_process(work: Callable[[], object]) -> TimedRun:
    """Returns a function that times the work in this process."""

    def run() -> Run:
        cpu, start = time.process_time(), time.perf_counter()
        work()
        return Run(time.perf_counter() - start, time.process_time() - cpu)

    return run


def subprocess_timer(module: str, function: str, /, **arguments: object) -> TimedRun:
    """Returns a function that times work in a fresh process; see `benchmarks.subprocess_timer`.

    Args:
        module: Name of the function's module.
        function: Name of a function that prepares and returns the work.
        arguments: Its arguments, values that JSON can hold.

    The returned function raises TaxiError if the process fails.
    """
    command = [sys.executable, "-m", "benchmarks.subprocess_timer", module, function, json.dumps(arguments)]

    def run() -> Run:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no error output"])[-1]
            raise TaxiError(f"{function} of {module} failed with exit code {done.returncode}: {last}")
        return Run(**json.loads(done.stdout.splitlines()[-1]))

    return run


def options(part: str, **defaults: int) -> argparse.Namespace:
    """Reads the part's sizes: from option `--rows 5000`, else variable `BENCH_ROWS`, else the default."""
    parser = argparse.ArgumentParser(prog=f"benchmarks.{part}")
    for name, default in defaults.items():
        configured = os.environ.get(f"BENCH_{name.upper()}", default)
        parser.add_argument(f"--{name}", type=int, default=int(configured), help=f"default {default}")
    return parser.parse_args()


def report(
    part: str, sizes: Mapping[str, int], comparisons: Mapping[str, Comparison], figures: Sequence[Figure]
) -> Path:
    """Prints a line per figure and appends the figures and the machine to the part's file.

    Args:
        part: Name of the benchmark, such as `bench_data`.
        sizes: Its options: rows, times.
        comparisons: The runs behind the figures, by name.
        figures: The results.

    Returns:
        `<TAXI_HOME>/bench/<part>.json`, a list with the newest entry last.

    Raises:
        TaxiError: the file exists and is not such a list.
    """
    for figure in figures:
        print(figure.line(), flush=True)
    busiest = max((run.load or 0 for c in comparisons.values() for run in (*c.ours, *c.theirs)), default=0)
    if busiest > _QUIET_LOAD:
        print(f"note: a turn began at a load of {busiest:.1f}: repeat it on a quiet machine", flush=True)
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
