"""Measures training on more trips than fit into memory: peak memory, cost of a row, error.

`python -m benchmarks.bench_scale [--rows N] [--months N] [--trees N] [--full N]`; the trips are synthetic green
ones. One process trains, or two share the work. The published months stay in `BENCH_SCALE_HOME` or below
`TAXI_HOME`: publishing 25 takes five minutes.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, Run, options, report, subprocess_timer
from benchmarks.scale_workloads import publish_large_months
from taxi_assets.settings import Settings

_WORKLOADS = "benchmarks.scale_workloads"
_GOAL_GB = 3.0
# The months that each estimator trains on: all of them divided by these.
_SHARES: Mapping[str, tuple[int, ...]] = {"xgboost": (8, 4, 2, 1), "xgboost_distributed": (8, 1)}
_FIGURES = {
    "xgboost": ("scale_memory", "scale_cost", "scale_error"),
    "xgboost_distributed": ("scale_distributed_memory", "scale_distributed_cost", "scale_distributed_error"),
}
Growth = Mapping[str, Sequence[Run]]


def fit(home: str, months: int, of: int, estimator: str, trees: int) -> Run:
    """Trains in a fresh process and prints what it took."""
    arguments = {"home": home, "months": months, "of": of, "estimator": estimator, "trees": trees}
    run = subprocess_timer(_WORKLOADS, "fit_last_months", **arguments)()
    print(
        f"{estimator}: {run.extra['rows'] / 1e6:.1f} million rows, {trees} trees: {run.seconds:.0f} s, "
        f"{_row_cost(run):.1f} processor µs a row, peak {_peak_gb(run):.2f} GB, RMSE {run.extra['rmse']:.4f}",
        flush=True,
    )
    return run


def measure_growth(home: str, months: int, trees: int) -> Growth:
    """Trains each estimator on an eighth of the months up to all of them."""
    return {
        name: [fit(home, max(1, months // share), months, name, trees) for share in shares]
        for name, shares in _SHARES.items()
    }


def growth_figures(growth: Growth) -> list[Figure]:
    """Peak memory at the largest size, and the cost of its row divided by that of the smallest size."""
    found = []
    for name, runs in growth.items():
        memory_name, cost_name, _ = _FIGURES[name]
        smallest, largest = runs[0], runs[-1]
        sizes = " and ".join(f"{run.extra['rows'] / 1e6:.1f}" for run in (largest, smallest))
        peak = f"peak memory of the largest process of a training by {name}, divided by {_GOAL_GB:g} GB"
        cost = f"processor seconds a row by {name}, {sizes} million rows"
        found += [
            Figure(memory_name, _peak_gb(largest) / _GOAL_GB, Goal("≤", 1), peak),
            Figure(cost_name, _row_cost(largest) / _row_cost(smallest), Goal("≤", 1.2), cost),
        ]
    return found


def compare_errors(home: str, months: int, of: int, trees: int) -> tuple[dict[str, Comparison], list[Figure]]:
    """Compares the errors with that of training in memory, on a size that fits."""
    in_memory = fit(home, months, of, "boosted_trees", trees)
    found = {name: Comparison([fit(home, months, of, name, trees)], [in_memory]) for name in _SHARES}
    figures = []
    for name, comparison in found.items():
        meaning = f"RMSE of the estimator {name} divided by that of boosted_trees, which is in memory"
        figures.append(comparison.share(_FIGURES[name][2], Goal("≤", 1.01), meaning, lambda run: run.extra["rmse"]))
    return found, figures


def draw_growth(growth: Growth, trees: int) -> bytes:
    """Draws the cost of a row and the peak memory by number of rows, a PNG."""
    from taxi_assets.plots.canvas import ACCENT, MODEL_COLOUR, legend, png, style, titled_figure

    largest = growth["xgboost"][-1]
    title = (
        f"{largest.extra['rows'] / 1e6:.0f} million trips, {trees} trees: {_peak_gb(largest):.1f} GB in one process, "
        f"{_peak_gb(growth['xgboost_distributed'][-1]):.1f} GB in the larger of two"
    )
    figure = titled_figure(title, 3.4)
    left, right = figure.subplots(1, 2)
    drawn = {"xgboost": ("xgboost, one process", MODEL_COLOUR)}
    drawn["xgboost_distributed"] = ("xgboost_distributed, two processes (memory of the larger)", ACCENT)
    for name, (label, colour) in drawn.items():
        millions = [run.extra["rows"] / 1e6 for run in growth[name]]
        left.plot(millions, [_row_cost(run) for run in growth[name]], marker="o", color=colour, label=label)
        right.plot(millions, [_peak_gb(run) for run in growth[name]], marker="o", color=colour)
    right.axhline(_GOAL_GB, linestyle=":", color="black", linewidth=1)
    for axes, label in ((left, "processor microseconds a row"), (right, f"peak memory, GB; goal {_GOAL_GB:g}")):
        axes.set_ylim(bottom=0)
        style(axes, "million training trips", label)
    legend(figure)
    return png(figure)


def _row_cost(run: Run) -> float:
    """Processor microseconds a row."""
    return (run.cpu_seconds or 0) / run.extra["rows"] * 1e6


def _peak_gb(run: Run) -> float:
    return run.extra["training_peak_bytes"] / 1e9


def main() -> None:
    arguments = options("bench_scale", rows=870_000, months=24, trees=30, full=130)
    home = os.environ.get("BENCH_SCALE_HOME") or str(Settings().home / "bench" / "scale")
    publish_large_months(home, arguments.months, arguments.rows)
    growth = measure_growth(home, arguments.months, arguments.trees)
    picture = Path(Settings().home) / "bench" / "bench_scale.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(draw_growth(growth, arguments.trees))
    comparisons, figures = compare_errors(home, max(1, arguments.months // 8), arguments.months, arguments.full)
    comparisons |= {f"growth_{name}": Comparison(runs, runs) for name, runs in growth.items()}
    report("bench_scale", vars(arguments), comparisons, [*growth_figures(growth), *figures])


if __name__ == "__main__":
    main()
