"""The reference figures of TLC's green months, afresh by the project's own code, beside what others published.

Raw rides of 1-60 minutes of a whole file, learned from one month and scored on the next. The distance of a ride is
known only once it is over: it is used here, to compare with those who used it, and nowhere else. The model's rows and
the median's are of the platform's own pipeline: training, baselines and conditions as `model_evaluation` has them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxi_assets.evaluation.baselines import fit_one_hot_linear_regression
from taxi_assets.evaluation.conditions import CONDITIONS
from taxi_assets.evaluation.metrics import Score, score
from taxi_assets.evaluation.month_scores import score_month
from taxi_assets.months import Month
from taxi_assets.training.evaluation_scope import COURSE
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAIRS_OF_MONTHS", "PUBLISHED", "Row", "course_rows"]

Floats = NDArray[np.float64]

PAIRS_OF_MONTHS = ((Month(2021, 1), Month(2021, 2)), (Month(2023, 1), Month(2023, 2)))
_BLAS_THREADS = 2
LINEAR, WITH_DISTANCE, MEDIAN = "linear regression PU, DO", "linear regression PU_DO + distance", "zone-pair median"
# RMSE and MAE of 2021-01 -> 2021-02 and 2023-01 -> 2023-02; one by the course's notebook, the others measured.
PUBLISHED: Mapping[tuple[str, str], tuple[float, float]] = MappingProxyType(
    {
        ("2021-02", WITH_DISTANCE): (7.7587, 5.3397),
        ("2021-02", LINEAR): (10.4737, 7.5696),
        ("2023-02", LINEAR): (7.3562, 5.0476),
        ("2023-02", WITH_DISTANCE): (6.0385, 3.9379),
    }
)


@dataclass(frozen=True)
class Row:
    """One model learned from `learned` and scored on `scored`; `published` is RMSE and MAE where there are such.

    `condition` is what the platform's model knows; None for the others, which know no traffic.
    """

    learned: Month
    scored: Month
    model: str
    score: Score
    published: tuple[float, float] | None
    condition: str | None = None


def course_rows(
    warehouse: Warehouse, service: str, learned: Month, scored: Month, told: Callable[[str], None]
) -> list[Row]:
    """The rows of one pair of months.

    Raises:
        TaxiError: the lake holds no rides of one of the months.
    """
    from taxi_assets.training.dataset import read_scored

    past, asked = (read_scored(warehouse, [service], month, COURSE) for month in (learned, scored))
    actual = asked["duration_minutes"].to_numpy(np.float64)
    with warehouse.reading() as connection:
        miles = [_miles(connection, service, month, frame) for month, frame in ((learned, past), (scored, asked))]

    predictions: dict[str, Callable[[], Floats]] = {
        LINEAR: lambda: fit_one_hot_linear_regression(past).predict(asked),
        WITH_DISTANCE: lambda: predict_with_distance(past, miles[0], asked, miles[1]),
    }
    rows = []
    for name, predict in predictions.items():
        told(f"{learned} to {scored}: {name}")
        rows.append(Row(learned, scored, name, score(actual, predict()), PUBLISHED.get((str(scored), name))))
    told(f"{learned} to {scored}: the model")
    return rows + _rows_of_the_pipeline(warehouse, service, learned, scored)


def _rows_of_the_pipeline(warehouse: Warehouse, service: str, learned: Month, scored: Month) -> list[Row]:
    """The median and the model, which learn from the clean trips of `learned`; the served condition first."""
    from taxi_assets.training.dataset import TRAINING_SCOPE, read_training
    from taxi_assets.training.train import fit

    model = fit(read_training(warehouse, [service], [learned], TRAINING_SCOPE), {})
    served = warehouse.settings.served_condition
    found = score_month(warehouse, model, [service], [learned], scored, served)
    rows = [Row(learned, scored, MEDIAN, found.scores(COURSE)["zone_pair_median"], None)]
    for name in found.predicted.predictions:
        label = f"ours, {name.replace('_', ' ')}"
        rows.append(Row(learned, scored, label, found.predicted.score(COURSE, name), None, CONDITIONS[name].name))
    return rows


def predict_with_distance(past: "pd.DataFrame", miles: Floats, asked: "pd.DataFrame", asked_miles: Floats) -> Floats:
    """The course's recipe: `LinearRegression` on the one-hot pair of zones and the metered distance.

    A few absurd distances keep its solver from converging. Where it stops depends on the order of rows and columns and
    on how sums are rounded, in the third decimal (at its optimum RMSE of 2023-02 would be 6.0339). Rides are given in
    the order of their pickups, pairs in that of their text, as the recipe's `DictVectorizer` has them, the distance
    last. A pair without a past ride has no column.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LinearRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    order = np.argsort(past["pickup_at"].to_numpy(), kind="stable")
    known, number = np.unique(_pairs(past)[order], return_inverse=True)
    place = np.searchsorted(known, _pairs(asked)).clip(max=len(known) - 1)
    seen = known[place] == _pairs(asked)

    def matrix(columns: NDArray[np.int64], present: NDArray[np.bool_], far: Floats) -> csr_matrix:
        rows = np.flatnonzero(present)
        one_hot = csr_matrix((np.ones(len(rows)), (rows, columns[rows])), (len(columns), len(known)))
        return hstack([one_hot, csr_matrix(far[:, None])]).tocsr()

    minutes = past["duration_minutes"].to_numpy(np.float64)[order]
    # Threads divide the sums: RMSE is 6.0374 with one, 6.0384 with two (as published), 6.0371 with three.
    with threadpool_limits(_BLAS_THREADS, user_api="blas"):
        model = LinearRegression().fit(matrix(number, np.ones(len(number), bool), miles[order]), minutes)
    return np.asarray(model.predict(matrix(place, seen, asked_miles)))


def _pairs(rides: "pd.DataFrame") -> NDArray[np.str_]:
    starts, ends = (rides[f"{end}_zone_id"].astype(str) for end in ("pickup", "dropoff"))
    return np.asarray(starts + "_" + ends, np.str_)


def _miles(connection: object, service: str, month: Month, rides: "pd.DataFrame") -> Floats:
    query = (
        "SELECT source_row, trip_distance_miles FROM raw_trips WHERE service = $service AND month = $month "
        "ORDER BY source_row"
    )
    found = connection.execute(query, {"service": service, "month": month.first_day}).df()  # type: ignore[attr-defined]
    return np.asarray(found.set_index("source_row")["trip_distance_miles"].loc[rides["source_row"]], np.float64)
