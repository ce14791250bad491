"""Confidence sequences: intervals of a mean that are valid at every sample size together.

A usual interval is valid at one sample size, chosen beforehand. Evaluated daily until it excludes zero, it finds a
difference where there is none. These may be evaluated at any time. They are asymptotic: I. Waudby-Smith,
D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences",
Annals of Statistics 52 (2024), theorem 2.2.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_ROWS = 200
"""Fewer observations have no interval: the theorem holds for large samples."""

# The sample size at which the intervals are narrowest.
_TUNED_ROWS = 5_000


def confidence_sequence(values: Floats, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Computes the running mean of observations and the half-width of its interval.

    Args:
        values: Observations in the order in which they came, shape (n,).
        alpha: The probability that any of the intervals misses the mean.

    Returns:
        Means and half-widths after each observation, shape (n,) each; infinite half-widths before `MIN_ROWS`.
    """
    rows = np.arange(1, len(values) + 1, dtype=np.float64)
    mean = np.cumsum(values) / rows
    variance = np.maximum(np.cumsum(values**2) / rows - mean**2, 0)
    spread = rows * _rho_squared(alpha) + 1
    half = np.sqrt(variance * 2 * spread / (rows**2 * _rho_squared(alpha)) * np.log(np.sqrt(spread) / alpha))
    return mean, np.where(rows < MIN_ROWS, np.inf, half)


def _rho_squared(alpha: float) -> float:
    """The article's parameter, for which the interval is about the narrowest at `_TUNED_ROWS`."""
    log_term = -2 * np.log(alpha)
    return float((log_term + np.log(log_term + 1)) / _TUNED_ROWS)
