"""What the platform adds to scikit-learn's fit, and to Dagster's import.

`python -m benchmarks.bench_train [--rows N] [--months N] [--times N]`; the rides are synthetic green ones.
"""

from typing import TYPE_CHECKING, Any

from sklearn.ensemble import HistGradientBoostingRegressor

from benchmarks.harness import Comparison, Figure, Goal, alone, here, in_turn, options, report
from taxi_assets.learning.model import DurationModel
from taxi_assets.rides.features import MODEL_INPUTS

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.rides.features import ZoneMap

__all__ = ["compare_fits", "compare_imports", "main", "overhear"]


class _Overhears(HistGradientBoostingRegressor):
    """The trees, remembering what they learned from."""

    def fit(self, *told: Any, **named: Any) -> "_Overhears":
        self.told, self.named = told, named
        super().fit(*told, **named)
        return self


class _Overheard(DurationModel):
    def _trees(self) -> HistGradientBoostingRegressor:
        return _Overhears(**super()._trees().get_params())


def overhear(rides: "pd.DataFrame", zones: "ZoneMap") -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The matrix, target and weights that `DurationModel.fit` hands to its trees."""
    model = _Overheard(zones)
    model.fit(rides[list(MODEL_INPUTS)], rides["duration_minutes"].to_numpy())
    return model.trees_.told, model.trees_.named


def compare_fits(
    rides: "pd.DataFrame", zones: "ZoneMap", times: int, warm_ups: int = 1
) -> tuple[Comparison, list[Figure]]:
    """Fit the model, its history out of fold included; against the bare trees on the same matrix."""
    told, named = overhear(rides, zones)
    inputs, minutes = rides[list(MODEL_INPUTS)], rides["duration_minutes"].to_numpy()
    found = in_turn(
        here(lambda: DurationModel(zones).fit(inputs, minutes)),
        here(lambda: DurationModel(zones)._trees().fit(*told, **named)),
        times,
        warm_ups,
    )
    meaning = "seconds of DurationModel.fit divided by those of HistGradientBoostingRegressor.fit on the same matrix"
    return found, [found.share("fit_time", Goal("≤", 1.3), meaning, lambda run: run.seconds)]


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

    asked = options("bench_train", rows=800_000, months=12, times=3)
    fits, figures = compare_fits(*draw_rides(asked.months, asked.rows), asked.times, warm_ups=0)
    imports, more = compare_imports(2 * asked.times + 1)
    report("bench_train", vars(asked), {"fits": fits, "imports": imports}, [*figures, *more])


if __name__ == "__main__":
    main()
