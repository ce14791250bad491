"""Confidence sequences are valid at every sample size and shrink with it."""

import numpy as np
import pytest

from taxi_assets.monitoring.confidence_sequence import MIN_ROWS, confidence_sequence

ROWS, TRIALS = 20_000, 300
RNG = np.random.default_rng(5)


def misses(values: np.ndarray, mean: float, alpha: float) -> bool:
    """True if any of the intervals misses the mean."""
    running, half_width = confidence_sequence(values, alpha)
    return bool((np.abs(running - mean) > half_width).any())


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_few_sequences_ever_miss_the_mean(alpha: float) -> None:
    # Squared errors of rides are as skewed: their mean is 25 and some are in the hundreds.
    drawn = RNG.gamma(0.3, 25 / 0.3, (TRIALS, ROWS)) - 25
    missed = sum(misses(values, 0, alpha) for values in drawn)
    assert missed <= TRIALS * alpha + 3 * np.sqrt(TRIALS * alpha)


def test_usual_intervals_miss_far_more_often() -> None:
    drawn = RNG.standard_normal((TRIALS, ROWS))
    rows = np.arange(1, ROWS + 1)
    usual = 1.96 / np.sqrt(rows)
    missed = (np.abs(np.cumsum(drawn, axis=1) / rows) > usual)[:, MIN_ROWS:].any(axis=1).sum()
    assert missed > 3 * TRIALS * 0.05


def test_a_difference_is_found_in_the_end() -> None:
    running, half_width = confidence_sequence(RNG.standard_normal(ROWS) + 0.1)
    assert running[-1] - half_width[-1] > 0


def test_the_interval_shrinks_and_starts_late() -> None:
    _, half_width = confidence_sequence(RNG.choice([-1.0, 1.0], ROWS))
    assert np.isinf(half_width[: MIN_ROWS - 1]).all()
    assert np.isfinite(half_width[MIN_ROWS - 1 :]).all()
    assert half_width[MIN_ROWS] > half_width[1_000] > half_width[-1]
    assert 1 < half_width[-1] / (1.96 / np.sqrt(ROWS)) < 2


def test_no_rows_have_no_interval() -> None:
    running, half_width = confidence_sequence(np.zeros(0))
    assert len(running) == len(half_width) == 0
