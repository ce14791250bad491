"""Control charts flag days that differ from the reference, and few of those that do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.monitoring.control_chart import ControlChart, Reference, control_chart, fit_reference

RIDES = np.full(30, 2_000.0)
REFERENCE = Reference(centre=5.0, sigma=0.2, rides=2_000)


def chart(seed: int, shift: float = 0.0, sigma: float = 0.2) -> ControlChart:
    """Thirty days, from a reference month that is drawn too; `shift` in minutes."""
    draw = np.random.default_rng(seed)
    reference = fit_reference(draw.normal(5, sigma, 31).tolist(), [2_000] * 31)
    assert reference
    return control_chart(reference, draw.normal(5 + shift, sigma, 30), RIDES, 0)


def test_few_days_in_control_are_flagged() -> None:
    flagged = [chart(seed).is_flagged for seed in range(100)]
    assert np.mean(flagged) < 0.01
    assert np.mean([each.any() for each in flagged]) < 0.1


def test_a_lasting_change_is_flagged_within_two_weeks() -> None:
    assert np.mean([chart(seed, shift=0.4).is_flagged[:14].any() for seed in range(100)]) > 0.95
    assert np.mean([chart(seed, shift=-0.4).is_flagged[:14].any() for seed in range(100)]) > 0.95


def test_a_single_bad_day_is_flagged_at_once() -> None:
    errors = np.full(30, 5.0)
    errors[20] = 7.0
    found = control_chart(REFERENCE, errors, RIDES, 0)
    assert np.flatnonzero(found.is_flagged)[0] == 20
    assert errors[20] > found.high[20] > 5 > found.low[20]


def test_a_day_of_few_rides_has_wider_limits() -> None:
    rides = np.array([4_000.0, 2_000.0, 200.0, 30.0])
    found = control_chart(REFERENCE, np.full(4, 5.0), rides, 12)
    widths = found.high - found.low
    assert widths[0] == widths[1] < widths[2] < widths[3]
    assert found.low[3] == 0  # an error is not negative


@given(
    st.lists(st.floats(1, 20), min_size=1, max_size=40),
    st.floats(0.5, 20),
    st.floats(0.01, 2),
    st.sampled_from([0.1, 3.0, 60.0]),
)
def test_flags_do_not_depend_on_the_unit(errors: list[float], centre: float, sigma: float, unit: float) -> None:
    values, rides = np.array(errors), np.full(len(errors), 100.0)
    one = control_chart(Reference(centre, sigma, 50), values, rides, 8)
    other = control_chart(Reference(centre * unit, sigma * unit, 50), values * unit, rides, 8 * unit)
    assert np.allclose(one.ewma, other.ewma, atol=1e-6)
    assert (one.is_flagged == other.is_flagged).all() or np.isclose(np.abs(one.ewma), one.ewma_limit).any()
    assert (one.low <= centre).all()
    assert (one.high > centre).all()


@pytest.mark.parametrize("errors", [[], [5.0] * 13, [5.0] * 31])
def test_few_days_or_equal_days_are_no_reference(errors: list[float]) -> None:
    assert fit_reference(errors, [100] * len(errors)) is None


def test_the_reference_is_that_of_the_moving_range() -> None:
    found = fit_reference([5.0, 5.2] * 10, [90, 110] * 10)
    assert found
    assert (found.centre, found.sigma, found.rides) == pytest.approx((5.1, 0.2 / 1.128, 100))
