"""Compares `make run` with an earlier commit's, in a fresh home and again in the same one.

`python -m benchmarks.bench_run --than CHECKOUT [--times N]`. CHECKOUT is a worktree of the earlier commit, such as
`git worktree add ../before 0a8bee6`. Months come from `TAXI_TLC_SOURCE`.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, Run, report
from taxi_assets.errors import TaxiError

_ROOT = Path(__file__).parents[1]
# Figures of wall and processor seconds, and their goal: of the first run, and of the second in the same home.
_RUNS = (("run_time", "run_time_cpu", Goal("≤", 0.6)), ("rerun_time", "rerun_time_cpu", Goal("≤", 0.4)))


def main() -> None:
    """Measures and reports; the environments are made before."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench_run")
    parser.add_argument("--than", type=Path, required=True, help="worktree of the earlier commit")
    parser.add_argument("--times", type=int, default=5, help="default 5")
    arguments = parser.parse_args()
    before = arguments.than.absolute()
    for checkout in (_ROOT, before):
        subprocess.run(["make", "-s", "env"], cwd=checkout, check=True)
    turns = [(run_twice(_ROOT), run_twice(before)) for _ in range(arguments.times)]
    comparisons, figures = {}, list[Figure]()
    for number, (name, cpu_name, goal) in enumerate(_RUNS):
        found = Comparison([ours[number] for ours, _ in turns], [theirs[number] for _, theirs in turns])
        comparisons[name] = found
        what = f"{'first' if number == 0 else 'second'} `make run` divided by that of {before.name}"
        figures.append(found.share(name, goal, f"seconds of the {what}", lambda run: run.seconds))
        figures.append(found.share(cpu_name, goal, f"processor seconds of the {what}", _cpu_seconds))
    report("bench_run", {"times": arguments.times}, comparisons, figures)


def run_twice(checkout: Path) -> tuple[Run, Run]:
    """Runs `make run` in a fresh home, and again."""
    with tempfile.TemporaryDirectory(prefix="bench-run-") as folder:
        return _make_run(checkout, Path(folder)), _make_run(checkout, Path(folder))


def _make_run(checkout: Path, folder: Path) -> Run:
    environment = {**os.environ, "TAXI_HOME": str(folder / "home"), "REPORT": str(folder / "report.json")}
    load, cpu, start = os.getloadavg()[0], _children_seconds(), time.perf_counter()
    done = subprocess.run(
        ["make", "-s", "run"], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )
    seconds, cpu = time.perf_counter() - start, _children_seconds() - cpu
    if done.returncode:
        raise TaxiError(f"`make run` failed in {checkout}: {done.stderr.strip()[-500:]}")
    return Run(seconds, cpu, load=load)


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _cpu_seconds(run: Run) -> float:
    return run.cpu_seconds or 0.0


if __name__ == "__main__":
    main()
