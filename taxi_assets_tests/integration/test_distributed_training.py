"""Two processes that each read their share of the months train the trees that one process trains."""

import numpy as np
import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.training import distributed_model
from taxi_assets.training.dataset import read_evaluation_trips
from taxi_assets.training.evaluation_scope import TRIPS_1_TO_60_MINUTES
from taxi_assets.training.monthly_trips import MonthSums
from taxi_assets.training.train import fit, read_data

JANUARY, FEBRUARY = Month(2023, 1), Month(2023, 2)
PARAMETERS = {"max_iter": 30, "min_samples_leaf": 50, "random_state": 1}


class Counts:
    """A reader that only counts."""

    def __init__(self, counts: dict[int, dict[int, int]]) -> None:
        self.by_service = counts

    def counts(self, service: int) -> dict[int, int]:
        return self.by_service.get(service, {})

    def trips(self, service: int, month: int) -> None:
        raise NotImplementedError

    def sums(self, service: int, month: int, *, by_week: bool = False) -> MonthSums:
        raise NotImplementedError


def test_shares_are_runs_of_months_of_about_equal_size() -> None:
    reader = Counts({0: dict.fromkeys(range(600, 606), 10), 2: {604: 100, 605: 80}})
    shares = distributed_model.month_shares(reader, (0, 2), 24, 2)
    assert shares == [{(0, month) for month in range(600, 606)} | {(2, 604)}, {(2, 605)}]
    assert distributed_model.month_shares(reader, (0, 1, 2), 2, 2) == [{(0, 604), (0, 605), (2, 604)}, {(2, 605)}]
    assert distributed_model.month_shares(Counts({0: {600: 5}}), (0,), 24, 2) == [{(0, 600)}]


def test_shares_of_no_trips_are_refused() -> None:
    with pytest.raises(TaxiError, match="no trip to train on"):
        distributed_model.month_shares(Counts({}), (0,), 24, 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_two_processes_train_as_one(lake) -> None:
    for package in ("xgboost", "distributed"):
        pytest.importorskip(package, reason=f"{package} is not installed: make env-large")
    models = {}
    for name in ("xgboost", "xgboost_distributed"):
        data = read_data(name, lake.warehouse, ["green"], [JANUARY, FEBRUARY], TRIPS_1_TO_60_MINUTES)
        models[name] = fit(data, {**PARAMETERS, "estimator": name})
    one, two = models.values()
    for name, table in one.encoding_tables_[0].items():
        assert np.array_equal(table, two.encoding_tables_[0][name]), name
    for name, values in vars(one.completed_trips_[0]).items():
        assert np.array_equal(values, getattr(two.completed_trips_[0], name)), name
    assert one.minutes_range_ == two.minutes_range_
    trips = read_evaluation_trips(lake.warehouse, ["green"], FEBRUARY, TRIPS_1_TO_60_MINUTES)
    errors = [np.sqrt(np.mean((each.predict(trips) - trips["duration_minutes"]) ** 2)) for each in (one, two)]
    assert errors[1] == pytest.approx(errors[0], rel=0.01)
    assert not list((lake.settings.warehouse / "spill").glob("training-*"))
