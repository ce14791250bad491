"""Compares training with scikit-learn's fit and the import with Dagster's; measures growth by months.

`python -m benchmarks.bench_train [--rows N] [--months N] [--times N] [--most N]`; the trips are synthetic green ones.
"""

import shutil
import tempfile
from typing import TYPE_CHECKING

from benchmarks.harness import Comparison, Figure, Goal, Run, alternate, in_process, options, report, subprocess_timer
from benchmarks.training_workloads import publish_months, training_matrix
from taxi_assets.settings import Settings
from taxi_assets.training.model import DurationModel

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.features.trip_features import ZoneMap

_TRAINED, _EVALUATED = ["duration_model"], ["duration_model", "model_evaluation"]
_SECONDS_ALLOWED = 60.0
_WORKLOADS = "benchmarks.training_workloads"


def compare_fits(
    trips: "pd.DataFrame", zones: "ZoneMap", times: int, warm_ups: int = 1
) -> tuple[Comparison, list[Figure]]:
    """Compares `DurationModel.fit`, with encoding and intervals, with its trees on the same matrix."""
    fit_args, fit_kwargs = training_matrix(trips, zones)
    minutes = trips["duration_minutes"].to_numpy()
    found = alternate(
        in_process(lambda: DurationModel(zones).fit(trips, minutes)),
        in_process(lambda: DurationModel(zones)._trees().fit(*fit_args, **fit_kwargs)),
        times,
        warm_ups,
    )
    meaning = "seconds of DurationModel.fit divided by those of HistGradientBoostingRegressor.fit on the same matrix"
    return found, [found.share("fit_time", Goal("≤", 1.3), meaning, lambda run: run.seconds)]


def compare_assets(
    home: str, months: int, rows: int, times: int, name: str = "asset_time"
) -> tuple[Comparison, list[Figure]]:
    """Compares materialising `duration_model` of a month with fitting its trees; a fresh process each."""
    month = str(publish_months(home, months, rows))

    def materialise() -> Run:
        # In a copy of the home: a second training on the same trips would reuse the first model.
        with tempfile.TemporaryDirectory(prefix="bench-train-") as copy:
            shutil.copytree(home, copy, dirs_exist_ok=True)
            return subprocess_timer(_WORKLOADS, "materialise", home=copy, month=month, assets=_TRAINED)()

    found = alternate(
        materialise, subprocess_timer(_WORKLOADS, "fit_bare_trees", home=home, month=month), times, warm_ups=0
    )
    meaning = f"seconds of the asset duration_model of {months} months, divided by those of fitting the trees alone"
    return found, [found.share(name, Goal("≤", 1.3), meaning, lambda run: run.seconds)]


def measure_growth(rows: int, months: tuple[int, ...]) -> dict[int, Run]:
    """Runs training, registration and evaluation for each number of months, in a fresh home and process."""
    found = {}
    for count in months:
        with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
            month = str(publish_months(home, count, rows))
            found[count] = subprocess_timer(_WORKLOADS, "materialise", home=home, month=month, assets=_EVALUATED)()
    return found


def draw_growth(found: dict[int, Run], rows: int) -> bytes:
    """Draws seconds and peak memory by number of months, a PNG."""
    from taxi_assets.plots.canvas import MODEL_COLOUR, label_bars, png, style, titled_figure

    most = max(found)
    title = (
        f"Training on {most} months of {rows:,} trips, with evaluation, takes {found[most].seconds:.0f} s "
        f"and {(found[most].peak_bytes or 0) / 2**30:.1f} GiB"
    )
    figure = titled_figure(title, 3.2)
    names = [f"{count} months" for count in found]
    values = {
        "seconds": [run.seconds for run in found.values()],
        "peak memory, GiB": [(run.peak_bytes or 0) / 2**30 for run in found.values()],
    }
    for axes, (label, heights) in zip(figure.subplots(1, 2), values.items(), strict=True):
        bars = axes.bar(names, heights, color=MODEL_COLOUR)
        label_bars(axes, bars, [f"{height:.1f}" for height in heights])
        style(axes, "", label)
    return png(figure)


def compare_imports(times: int, warm_ups: int = 1) -> tuple[Comparison, list[Figure]]:
    """Compares importing the code location with importing Dagster, each in a fresh process."""
    ours, theirs = (
        subprocess_timer("benchmarks.subprocess_timer", "importing", module=module)
        for module in ("taxi_assets.definitions", "dagster")
    )
    found = alternate(ours, theirs, times, warm_ups)
    meaning = "seconds of `import taxi_assets.definitions` divided by those of `import dagster`"
    return found, [found.share("import_time", Goal("≤", 1.5), meaning, lambda run: run.seconds)]


def main() -> None:
    from benchmarks.training_sample import sample_trips

    arguments = options("bench_train", rows=800_000, months=12, times=3, most=36)
    fits, figures = compare_fits(*sample_trips(arguments.months, arguments.rows), arguments.times, warm_ups=0)
    comparisons = {"fits": fits}
    for name, months in (("asset_time", arguments.months), (f"asset_time_{arguments.most}", arguments.most)):
        with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
            comparisons[name], more = compare_assets(
                home, months, arguments.rows // arguments.months, arguments.times, name
            )
        figures += more
    growth = measure_growth(arguments.rows // arguments.months, tuple(sorted({3, arguments.months, arguments.most})))
    seconds = growth[arguments.months].seconds
    meaning = f"seconds to train on, register and evaluate {arguments.months} months, over {_SECONDS_ALLOWED:.0f}"
    figures.append(Figure("train_and_evaluate", seconds / _SECONDS_ALLOWED, Goal("≤", 1), meaning))
    picture = Settings().home / "bench" / "bench_train.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(draw_growth(growth, arguments.rows // arguments.months))
    imports, more = compare_imports(2 * arguments.times + 1)
    comparisons |= {"imports": imports, "growth": Comparison(list(growth.values()), list(growth.values()))}
    report("bench_train", vars(arguments), comparisons, [*figures, *more])


if __name__ == "__main__":
    main()
