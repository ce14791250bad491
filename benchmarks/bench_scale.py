"""Measures training on more trips than fit into memory: peak memory, cost of a row, error.

`python -m benchmarks.bench_scale [--rows N] [--months N] [--trees N] [--full N]`; the trips are synthetic green
ones. The published months stay in `BENCH_SCALE_HOME` or below `TAXI_HOME`: publishing 25 takes five minutes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, Run, options, report, subprocess_timer
from benchmarks.scale_workloads import publish_large_months
from taxi_assets.settings import Settings

_WORKLOADS = "benchmarks.scale_workloads"
_GOAL_GB = 3.0
_SHARES = (8, 4, 2, 1)


def fit(home: str, months: int, of: int, estimator: str, trees: int) -> Run:
    """Trains in a fresh process and prints what it took."""
    arguments = {"home": home, "months": months, "of": of, "estimator": estimator, "trees": trees}
    run = subprocess_timer(_WORKLOADS, "fit_last_months", **arguments)()
    rows, peak = run.extra["rows"], run.extra["training_peak_bytes"]
    print(
        f"{estimator}: {rows / 1e6:.1f} million rows, {trees} trees: {run.seconds:.0f} s, "
        f"{(run.cpu_seconds or 0) / rows * 1e6:.1f} processor µs a row, peak {peak / 1e9:.2f} GB, "
        f"RMSE {run.extra['rmse']:.4f}",
        flush=True,
    )
    return run


def measure_growth(home: str, months: int, trees: int) -> list[Run]:
    """Trains on an eighth, a quarter, a half and all of the months."""
    return [fit(home, max(1, months // share), months, "xgboost", trees) for share in _SHARES]


def growth_figures(runs: list[Run]) -> list[Figure]:
    """Peak memory at the largest size, and the cost of its row divided by that of the smallest size."""
    smallest, largest = runs[0], runs[-1]
    costs = [(run.cpu_seconds or 0) / run.extra["rows"] for run in (smallest, largest)]
    sizes = " and ".join(f"{run.extra['rows'] / 1e6:.1f}" for run in (largest, smallest))
    peak = largest.extra["training_peak_bytes"] / 1e9 / _GOAL_GB
    return [
        Figure("scale_memory", peak, Goal("≤", 1), f"peak memory of a training, divided by {_GOAL_GB:g} GB"),
        Figure("scale_cost", costs[1] / costs[0], Goal("≤", 1.2), f"processor seconds a row, {sizes} million rows"),
    ]


def compare_errors(home: str, months: int, of: int, trees: int) -> tuple[Comparison, list[Figure]]:
    """Compares the error with that of training in memory, on a size that fits."""
    ours, theirs = (fit(home, months, of, name, trees) for name in ("xgboost", "boosted_trees"))
    found = Comparison([ours], [theirs])
    meaning = "RMSE of the estimator xgboost divided by that of boosted_trees, which is in memory"
    return found, [found.share("scale_error", Goal("≤", 1.01), meaning, lambda run: run.extra["rmse"])]


def draw_growth(runs: list[Run], trees: int) -> bytes:
    """Draws the cost of a row and the peak memory by number of rows, a PNG."""
    from taxi_assets.plots.canvas import MODEL_COLOUR, png, style, titled_figure

    millions = [run.extra["rows"] / 1e6 for run in runs]
    largest = runs[-1]
    title = (
        f"XGBoost, {trees} trees: {millions[-1]:.0f} million trips take "
        f"{largest.extra['training_peak_bytes'] / 1e9:.1f} GB and {largest.seconds / 60:.0f} minutes"
    )
    values: Mapping[str, list[float]] = {
        "processor microseconds a row": [(run.cpu_seconds or 0) / run.extra["rows"] * 1e6 for run in runs],
        "peak memory, GB": [run.extra["training_peak_bytes"] / 1e9 for run in runs],
    }
    figure = titled_figure(title, 3.2)
    for axes, (label, heights) in zip(figure.subplots(1, 2), values.items(), strict=True):
        axes.plot(millions, heights, marker="o", color=MODEL_COLOUR)
        axes.set_ylim(bottom=0)
        style(axes, "million training trips", label)
    return png(figure)


def main() -> None:
    arguments = options("bench_scale", rows=870_000, months=24, trees=30, full=130)
    home = os.environ.get("BENCH_SCALE_HOME") or str(Settings().home / "bench" / "scale")
    publish_large_months(home, arguments.months, arguments.rows)
    errors, figures = compare_errors(home, max(1, arguments.months // 8), arguments.months, arguments.full)
    runs = measure_growth(home, arguments.months, arguments.trees)
    figures += growth_figures(runs)
    picture = Path(Settings().home) / "bench" / "bench_scale.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(draw_growth(runs, arguments.trees))
    report("bench_scale", vars(arguments), {"errors": errors, "growth": Comparison(runs, runs)}, figures)


if __name__ == "__main__":
    main()
