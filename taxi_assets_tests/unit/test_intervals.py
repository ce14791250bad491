"""Intervals cover nine trips in ten in every borough and part of the day, with correct borough names."""

import numpy as np
import pytest
from numpy.typing import NDArray

from taxi_assets.training.intervals import BANDS, COVERAGE, Intervals, bands, fit_intervals, interval

RIDES = 40_000
IntervalInputs = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]
]


def drawn(seed: int, count: int = RIDES) -> IntervalInputs:
    """Trips whose skewed errors grow with length and are three times as large in one borough at night."""
    draw = np.random.default_rng(seed)
    minutes, borough, band = draw.uniform(3, 60, count), draw.integers(1, 7, count), draw.integers(0, 5, count)
    spread = minutes * draw.uniform(0.1, 0.5, count)
    wide = np.where((borough == 3) & (band == 0), 3.0, 1.0)
    errors = wide * spread * (draw.gamma(2, 0.5, count) - 1)
    return np.maximum(minutes + errors, 1.0), minutes, spread, borough, band


@pytest.fixture(scope="module")
def intervals() -> Intervals:
    return fit_intervals(*drawn(1))


def test_nine_trips_in_ten_are_inside_everywhere_and_at_any_time(intervals: Intervals) -> None:
    actual, minutes, spread, borough, band = drawn(2)
    low, high = interval(intervals, minutes, spread, borough, band)
    inside = (actual >= low) & (actual <= high)
    assert inside.mean() == pytest.approx(COVERAGE, abs=0.01)
    for place, part in np.unique(np.column_stack([borough, band]), axis=0):
        own = (borough == place) & (band == part)
        assert inside[own].mean() == pytest.approx(COVERAGE, abs=0.05), (place, part)


def test_longer_and_less_certain_trips_have_wider_intervals(intervals: Intervals) -> None:
    one = (np.array([2]), np.array([2]))
    short, long, uncertain = (
        interval(intervals, np.array([minutes]), np.array([spread]), *one)
        for minutes, spread in ((6.0, 1.0), (50.0, 8.0), (50.0, 24.0))
    )
    width = [float((high - low)[0]) for low, high in (short, long, uncertain)]
    assert width == sorted(width)


def test_an_interval_contains_the_prediction_and_no_negative_minutes(intervals: Intervals) -> None:
    minutes = np.linspace(0.2, 300, 500)
    for place in range(10):
        low, high = interval(intervals, minutes, minutes * 0.9, np.full(500, place), np.full(500, 4))
        assert (low <= minutes).all()
        assert (minutes < high).all()
        assert (low > 0).all()


def test_a_borough_without_trips_has_the_margins_of_all(intervals: Intervals) -> None:
    unseen = intervals.factors[9]
    assert np.isfinite(unseen).all()
    assert len(set(unseen)) == 1


@pytest.mark.parametrize("count", [1, 3, 50])
def test_intervals_can_be_fitted_on_a_few_trips(count: int) -> None:
    few = fit_intervals(*drawn(3, count))
    low, high = interval(few, *drawn(4)[1:])
    assert np.isfinite(low).all()
    assert (low < high).all()


def test_the_same_trips_give_the_same_intervals(intervals: Intervals) -> None:
    for name, values in vars(fit_intervals(*drawn(1))).items():
        assert np.array_equal(values, getattr(intervals, name)), name


def test_another_coverage_gives_other_intervals() -> None:
    actual, minutes, spread, borough, band = drawn(1)
    half = fit_intervals(actual, minutes, spread, borough, band, coverage=0.5)
    low, high = interval(half, minutes, spread, borough, band)
    assert np.mean((actual >= low) & (actual <= high)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("hour", "minute", "band"),
    [(0, 0, 0), (5, 59, 0), (6, 0, 1), (9, 59, 1), (10, 0, 2), (16, 0, 3), (20, 0, 4), (23, 59, 4)],
)
def test_the_day_has_five_parts(hour: int, minute: int, band: int) -> None:
    assert bands(np.array([60 * hour + minute])).tolist() == [band]
    assert len(BANDS) == 5
