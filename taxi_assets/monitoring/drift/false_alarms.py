"""The distance of a month without drift, by a block bootstrap over the training days.

The distance is the square root of the population stability index (PSI), which grows in proportion to a shift. A month
differs from its training months by chance, by the season and by slow change. Blocks of consecutive days of the
training months show how much: each block is compared with the other days. Blocks of the same season are drawn more
often. Each is thinned to the number of trips of the measured month, so that a small month may differ by more.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from taxi_assets.monitoring.drift.daily_counts import DailyCounts, Ints

Floats = NDArray[np.float64]

_SMALLEST_SHARE = 0.0001  # share of an empty bin, since the logarithm of zero is infinite
_DRAWS = 400
_SEASON_DAYS = 45  # standard deviation of the season's weight, days
_OTHER_SEASON = 0.25  # weight of days half a year away
_BLOCKS_OF_A_MONTH = 4  # with fewer training months, blocks are shorter than a month
# A few training months cannot show how far the next ones are. The spread of the distance then counts as half of the
# distance, and as 0.05 or more, with the weight of five months. TLC's green months of 2022 to 2025 have such spreads.
_PRIOR_SPREAD, _LEAST_PRIOR_SPREAD, _PRIOR_MONTHS = 0.5, 0.05, 5


@dataclass(frozen=True)
class NoDrift:
    """Distribution of a feature's distance without drift: Student's t, moved and scaled.

    Attributes:
        centre: The median distance.
        scale: The scale of the t distribution.
        degrees_of_freedom: Its degrees of freedom.
    """

    centre: float
    scale: float
    degrees_of_freedom: float

    def p_value(self, distance: float) -> float:
        """The probability of at least this distance without drift."""
        return float(stats.t.sf((distance - self.centre) / self.scale, self.degrees_of_freedom))

    def limit(self, probability: float) -> float:
        """The distance that is exceeded with this probability."""
        return self.centre + self.scale * float(stats.t.isf(min(probability, 0.5), self.degrees_of_freedom))


def distance(counts: DailyCounts) -> float:
    """The month's distance from the training months."""
    return float(np.sqrt(psi(counts.reference.sum(axis=0), counts.month)))


def psi(reference: NDArray[np.number], month: NDArray[np.number]) -> Floats:
    """Population stability index along the last axis: the sum over bins of (q - p) ln(q / p)."""
    p, q = (np.maximum(trips / trips.sum(-1, keepdims=True), _SMALLEST_SHARE) for trips in (reference, month))
    return np.asarray(np.sum((q - p) * np.log(q / p), axis=-1))


def distance_without_drift(counts: DailyCounts, month: date) -> NoDrift:
    """Estimates the distribution of the month's distance if nothing had changed.

    Args:
        counts: The feature's trips by day and bin.
        month: First day of the measured month.
    """
    month_days = monthrange(month.year, month.month)[1]
    days = len(counts.days)
    block = month_days if days >= _BLOCKS_OF_A_MONTH * month_days else max(days // _BLOCKS_OF_A_MONTH, 1)
    rng = np.random.default_rng(seed=0)
    starts = rng.choice(days, (_DRAWS, -(-month_days // block)), p=_season_weights(counts.days, month))
    blocks = _block_sums(counts.reference, block)[starts].sum(axis=1)
    total = counts.reference.sum(axis=0)
    # Whole months are compared with the other days; shorter blocks, of which several make a month, with all.
    others = total - blocks if block == month_days else np.broadcast_to(total, blocks.shape)
    drawn = rng.multinomial(int(counts.month.sum()), blocks / blocks.sum(axis=1, keepdims=True))
    distances = np.sqrt(psi(others, drawn))
    return _fitted(distances, months=days / month_days)


def _fitted(distances: Floats, months: float) -> NoDrift:
    # The median absolute deviation: training months of an earlier change must not hide the next one.
    centre = float(np.median(distances))
    spread = 1.4826 * float(np.median(np.abs(distances - centre)))
    seen = max(months - 1, 0)
    degrees_of_freedom = _PRIOR_MONTHS + seen
    prior = max(_PRIOR_SPREAD * centre, _LEAST_PRIOR_SPREAD)
    variance = (_PRIOR_MONTHS * prior**2 + seen * spread**2) / degrees_of_freedom
    scale = float(np.sqrt(variance * (1 + 1 / max(months, 1))))
    return NoDrift(centre, max(scale, 1e-9), degrees_of_freedom)


def _block_sums(reference: Ints, block: int) -> Ints:
    """Sums of `block` days from each day on, shape as `reference`; the last days continue with the first."""
    zeros = np.zeros((1, reference.shape[1]), np.int64)
    cumulated = np.concatenate([zeros, np.concatenate([reference, reference]).cumsum(axis=0)])
    starts = np.arange(len(reference))
    return np.asarray(cumulated[starts + block] - cumulated[starts])


def _season_weights(days: NDArray[np.datetime64], month: date) -> Floats:
    """Probability of each day as a block's start."""
    of_year = (days - days.astype("datetime64[Y]")).astype(np.int64)
    apart = np.abs(of_year - (month.timetuple().tm_yday - 1))
    apart = np.minimum(apart, 365 - apart)
    weights = np.exp(-0.5 * (apart / _SEASON_DAYS) ** 2) + _OTHER_SEASON
    return np.asarray(weights / weights.sum())
