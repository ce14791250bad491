"""The bootstrap by days: its results on known errors, and its error rate where only chance decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.promotion.bootstrap import DayErrors, difference_of_rmse, draw_days, sum_by_day

DAY = st.tuples(st.integers(1, 50), st.floats(0.1, 30), st.floats(0.1, 30))
DAYS = st.lists(DAY, min_size=2, max_size=31)


def errors_of(days: list[tuple[int, float, float]]) -> DayErrors:
    """Days of so many trips, with the RMSE of both models on each."""
    trips, ours, theirs = (np.array(values) for values in zip(*days, strict=True))
    return DayErrors(trips.astype(np.int64), trips * ours**2, trips * theirs**2)


def test_a_resample_draws_as_many_days_as_there_are() -> None:
    draws = draw_days(31, 500, seed=1)
    assert draws.shape == (500, 31)
    assert set(draws.sum(1)) == {31}
    assert abs(draws.mean() - 1) < 1e-12
    assert np.array_equal(draws, draw_days(31, 500, seed=1))
    assert not np.array_equal(draws, draw_days(31, 500, seed=2))


def test_squared_errors_are_summed_by_day() -> None:
    found = sum_by_day(np.array([0, 2, 2]), 3, np.array([1.0, -2.0, 3.0]), np.array([0.0, 1.0, 1.0]))
    assert found.trips.tolist() == [1, 0, 2]
    assert found.ours.tolist() == [1, 0, 13]
    assert found.theirs.tolist() == [0, 0, 2]


@given(DAYS)
def test_the_difference_is_that_of_all_trips(days: list[tuple[int, float, float]]) -> None:
    errors = errors_of(days)
    interval, bootstrap_differences = difference_of_rmse(errors, draw_days(len(days), 50, 0), 0.95)
    every = np.repeat(np.array([ours for _, ours, _ in days]), errors.trips)
    others = np.repeat(np.array([theirs for _, _, theirs in days]), errors.trips)
    assert interval.difference == pytest.approx(np.sqrt((every**2).mean()) - np.sqrt((others**2).mean()), abs=1e-9)
    assert interval.low <= interval.high
    assert len(bootstrap_differences) == 50


@given(DAYS)
def test_swapping_the_models_mirrors_the_interval(days: list[tuple[int, float, float]]) -> None:
    errors = errors_of(days)
    draws = draw_days(len(days), 50, 0)
    one, _ = difference_of_rmse(errors, draws, 0.9)
    other, _ = difference_of_rmse(DayErrors(errors.trips, errors.theirs, errors.ours), draws, 0.9)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low), abs=1e-9)


@given(DAYS, st.floats(0.01, 5))
def test_a_model_better_every_day_is_surely_better(days: list[tuple[int, float, float]], gain: float) -> None:
    better = errors_of([(trips, theirs, theirs + gain) for trips, theirs, _ in days])
    interval, _ = difference_of_rmse(better, draw_days(len(days), 200, 0), 0.95)
    assert interval.high < 0


def test_one_lucky_day_is_not_enough() -> None:
    days = [(100, 1.0, 12.0), *[(100, 5.1, 5.0)] * 29]
    interval, _ = difference_of_rmse(errors_of(days), draw_days(30, 4_000, 0), 0.95)
    assert interval.difference < 0 < interval.high


def test_a_resample_without_the_slice_is_left_out() -> None:
    errors = DayErrors(np.array([5, 0, 0]), np.array([5.0, 0, 0]), np.array([20.0, 0, 0]))
    interval, bootstrap_differences = difference_of_rmse(errors, draw_days(3, 300, 0), 0.95)
    assert interval == interval.__class__(-1, -1, -1)
    assert 0 < len(bootstrap_differences) < 300


def test_comparison_without_trips_is_refused() -> None:
    with pytest.raises(ValueError, match="no trips to compare"):
        difference_of_rmse(DayErrors(np.zeros(3, np.int64), np.zeros(3), np.zeros(3)), draw_days(3, 9, 0), 0.95)


def wrongly_sure(whole_days: bool, months: int) -> float:
    """Share of comparisons of equal models, each better on some days, that find a sure difference.

    With one trip a day, drawing days is drawing single trips.
    """
    rng, wrong = np.random.default_rng(0), 0
    day = np.repeat(np.arange(30), 40) if whole_days else np.arange(1200)
    draws = draw_days(day[-1] + 1, 1_000, 1)
    for _ in range(months):
        weather = np.repeat(rng.normal(0, 0.15, (2, 30)), 40, axis=1)
        ours, theirs = rng.normal(0, 5, 1200) * np.exp(weather)
        errors = sum_by_day(day, day[-1] + 1, ours, theirs)
        interval, _ = difference_of_rmse(errors, draws, 0.95)
        wrong += interval.high < 0 or interval.low > 0
    return wrong / months


def test_whole_days_keep_the_error_rate_and_single_trips_do_not() -> None:
    assert wrongly_sure(whole_days=True, months=2_000) < 0.07
    assert wrongly_sure(whole_days=False, months=30) > 0.20
