"""What the platform adds to scikit-learn's fit and to Dagster's import; time and memory by months learned from.

`python -m benchmarks.bench_train [--rows N] [--months N] [--times N] [--most N]`; the rides are synthetic green ones.
"""

import shutil
import tempfile
from typing import TYPE_CHECKING

from benchmarks.harness import Comparison, Figure, Goal, Run, alone, here, in_turn, options, report
from benchmarks.training_ways import matrix_of, publish_months
from taxi_assets.settings import Settings
from taxi_assets.training.model import DurationModel

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.features.trip_features import ZoneMap

__all__ = ["compare_assets", "compare_fits", "compare_imports", "draw_growth", "main", "measure_growth"]

_TRAINED, _EVALUATED = ["duration_model"], ["duration_model", "model_evaluation"]
_SECONDS_ALLOWED = 60.0
_WAYS = "benchmarks.training_ways"


def compare_fits(
    rides: "pd.DataFrame", zones: "ZoneMap", times: int, warm_ups: int = 1
) -> tuple[Comparison, list[Figure]]:
    """Fit the model, history, intervals and all; against the bare trees on the same matrix."""
    told, named = matrix_of(rides, zones)
    minutes = rides["duration_minutes"].to_numpy()
    found = in_turn(
        here(lambda: DurationModel(zones).fit(rides, minutes)),
        here(lambda: DurationModel(zones)._trees().fit(*told, **named)),
        times,
        warm_ups,
    )
    meaning = "seconds of DurationModel.fit divided by those of HistGradientBoostingRegressor.fit on the same matrix"
    return found, [found.share("fit_time", Goal("≤", 1.3), meaning, lambda run: run.seconds)]


def compare_assets(
    home: str, months: int, rows: int, times: int, name: str = "asset_time"
) -> tuple[Comparison, list[Figure]]:
    """Materialise `duration_model` of a month in a fresh process; against the bare trees on the same matrix."""
    month = str(publish_months(home, months, rows))

    def materialise() -> Run:
        with tempfile.TemporaryDirectory(prefix="bench-train-") as copy:  # the same rides are not learned from twice
            shutil.copytree(home, copy, dirs_exist_ok=True)
            return alone(_WAYS, "materialise", home=copy, month=month, assets=_TRAINED)()

    found = in_turn(materialise, alone(_WAYS, "fit_bare_trees", home=home, month=month), times, warm_ups=0)
    meaning = f"seconds of the asset duration_model, of {months} months, divided by those of the bare fit on its matrix"
    return found, [found.share(name, Goal("≤", 1.3), meaning, lambda run: run.seconds)]


def measure_growth(rows: int, months: tuple[int, ...]) -> dict[int, Run]:
    """Train, register and evaluate, on so many months of so many rows, each in a lake and process of its own."""
    found = {}
    for count in months:
        with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
            month = str(publish_months(home, count, rows))
            found[count] = alone(_WAYS, "materialise", home=home, month=month, assets=_EVALUATED)()
    return found


def draw_growth(found: dict[int, Run], rows: int) -> bytes:
    """Seconds and peak of memory by months."""
    from taxi_assets.plots.canvas import MODEL, figure_of, label_bars, png, style

    most = max(found)
    title = (
        f"{most} months of {rows:,} rides are learned from, registered and evaluated in {found[most].seconds:.0f} s "
        f"with {(found[most].peak_bytes or 0) / 2**30:.1f} GiB"
    )
    figure = figure_of(title, 3.2)
    names = [f"{count} months" for count in found]
    values = {
        "seconds": [run.seconds for run in found.values()],
        "peak of memory, GiB": [(run.peak_bytes or 0) / 2**30 for run in found.values()],
    }
    for axes, (label, heights) in zip(figure.subplots(1, 2), values.items(), strict=True):
        bars = axes.bar(names, heights, color=MODEL)
        label_bars(axes, bars, [f"{height:.1f}" for height in heights])
        style(axes, "", label)
    return png(figure)


def compare_imports(times: int, warm_ups: int = 1) -> tuple[Comparison, list[Figure]]:
    """Import the code location; against Dagster alone. Each in a fresh process, its start not counted."""
    ours, theirs = (
        alone("benchmarks.alone", "importing", module=module) for module in ("taxi_assets.definitions", "dagster")
    )
    found = in_turn(ours, theirs, times, warm_ups)
    meaning = "seconds of `import taxi_assets.definitions` divided by those of `import dagster`"
    return found, [found.share("import_time", Goal("≤", 1.5), meaning, lambda run: run.seconds)]


def main() -> None:
    from benchmarks.learned_rides import draw_rides

    asked = options("bench_train", rows=800_000, months=12, times=3, most=36)
    fits, figures = compare_fits(*draw_rides(asked.months, asked.rows), asked.times, warm_ups=0)
    ways = {"fits": fits}
    for name, months in (("asset_time", asked.months), (f"asset_time_{asked.most}", asked.most)):
        with tempfile.TemporaryDirectory(prefix="bench-train-") as home:
            ways[name], more = compare_assets(home, months, asked.rows // asked.months, asked.times, name)
        figures += more
    growth = measure_growth(asked.rows // asked.months, tuple(sorted({3, asked.months, asked.most})))
    seconds = growth[asked.months].seconds
    meaning = f"seconds to learn, register and evaluate {asked.months} months, divided by {_SECONDS_ALLOWED:.0f}"
    figures.append(Figure("train_and_evaluate", seconds / _SECONDS_ALLOWED, Goal("≤", 1), meaning))
    picture = Settings().home / "bench" / "bench_train.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(draw_growth(growth, asked.rows // asked.months))
    imports, more = compare_imports(2 * asked.times + 1)
    ways |= {"imports": imports, "growth": Comparison(list(growth.values()), list(growth.values()))}
    report("bench_train", vars(asked), ways, [*figures, *more])


if __name__ == "__main__":
    main()
