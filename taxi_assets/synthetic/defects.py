"""Adds the data errors of TLC's files to synthetic trips, at their real rates.

The rates were measured on 48 real green months of 2020-2025, on samples of yellow (2021-2022 and one day of 2025) and
on TLC's samples of for-hire vehicles (April 2020). A defect overwrites the generated values of a trip. The real
months have no exact duplicates: TLC's doubles are refunds, the same trip with negated amounts.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taxi_assets.months import Month
from taxi_assets.synthetic.fares import MONEY
from taxi_assets.synthetic.trips import Trips, clock_after, seconds


@dataclass(frozen=True)
class Rates:
    """Share of the rows with each defect."""

    under_a_minute: float = 0.0  # a cancelled trip or a meter pressed by mistake
    about_a_day: float = 0.0  # the drop-off a day late
    over_an_hour: float = 0.0  # 1 to 2 hours on any route: a trip with stops, waiting, a tour
    hours_long: float = 0.0  # 2 to 23 hours: a meter left running
    ends_before: float = 0.0  # a drop-off seconds before its pickup: an error of one vendor in 2025
    outside_month: float = 0.0  # up to 3 hours before or after the month
    years_ago: float = 0.0  # the night from 2008 to 2009: a clock that was reset
    zero_distance: float = 0.0  # in addition to trips under a minute
    absurd_distance: float = 0.0  # up to 294,000 miles
    refunded: float = 0.0  # share of rows that are refunds of the row before
    negative_fare: float = 0.0  # negative fares that are not refunds
    pickup_unknown: float = 0.0  # zone 264; 92 % of these drop-offs are unknown too
    pickup_outside: float = 0.0  # zone 265
    dropoff_unknown: float = 0.0  # in addition to those with an unknown pickup
    dropoff_outside: float = 0.0


_GREEN = Rates(
    under_a_minute=0.027,
    about_a_day=0.0024,
    over_an_hour=0.008,
    hours_long=0.0016,
    outside_month=0.00018,
    years_ago=0.000016,
    zero_distance=0.033,
    absurd_distance=0.0007,
    refunded=0.0028,
    pickup_unknown=0.0021,
    pickup_outside=0.001,
    dropoff_unknown=0.0062,
    dropoff_outside=0.0042,
)
_YELLOW = Rates(
    under_a_minute=0.0125,
    about_a_day=0.0006,
    over_an_hour=0.009,
    hours_long=0.0004,
    outside_month=0.00001,
    years_ago=0.000002,
    zero_distance=0.007,
    absurd_distance=0.00003,
    refunded=0.0053,
    pickup_unknown=0.006,
    pickup_outside=0.0006,
    dropoff_unknown=0.001,
    dropoff_outside=0.0035,
)
_COMPANIES = Rates(
    under_a_minute=0.0008, hours_long=0.0002, zero_distance=0.0004, negative_fare=0.001, dropoff_outside=0.035
)
_RATES = {
    "yellow": _YELLOW,
    "yellow B": replace(_YELLOW, refunded=0.01, negative_fare=0.002, zero_distance=0.012),
    "yellow C": replace(_YELLOW, refunded=0.015, negative_fare=0.02, zero_distance=0.02, pickup_unknown=0.0027),
    "green": _GREEN,
    "green C": replace(_GREEN, under_a_minute=0.032, about_a_day=0.0035, ends_before=0.0045),
    "fhvhv": _COMPANIES,
    "fhv": Rates(under_a_minute=0.012, about_a_day=0.0005, hours_long=0.001, dropoff_outside=0.01),
}
# Share of trips without a meter's details, from the given year on.
_UNMETERED = {
    "green": {2020: 0.43, 2021: 0.46, 2022: 0.105, 2023: 0.071, 2024: 0.037, 2025: 0.058},
    "yellow": {2020: 0.04, 2023: 0.024, 2024: 0.06, 2025: 0.148},
}
# Fields that are null together: in trips without a meter's details, and in the shift `null_burst`.
GAPS = {
    "green": ("passenger_count", "rate_code", "store_flag", "payment_type", "trip_type", "congestion"),
    "yellow": ("passenger_count", "rate_code", "store_flag", "congestion", "airport_fee"),
    "fhvhv": ("originating_base", "on_scene_at", "trip_distance", "fare"),
    "fhv": ("pickup_zone", "dropoff_zone"),
}
_DAY = 86400


def rates_of(service: str, era: str) -> Rates:
    """The rates of a service in an era, or its usual ones."""
    return _RATES.get(f"{service} {era}", _RATES[service])


def unmetered_share(service: str, month: Month) -> float:
    """Share of a month's rows without a meter's details."""
    shares = [share for year, share in _UNMETERED.get(service, {}).items() if year <= month.year]
    return shares[-1] if shares else 0.0


def strip_unmetered(trips: Trips, service: str) -> None:
    """Removes the fields that trips without a meter's details lack."""
    for name in GAPS[service]:
        trips.hide(name, slice(None))
    trips.values["total"] -= trips.values["congestion"] + trips.values["airport_fee"]
    trips.values["payment_type"][:] = 0


def add_defects(trips: Trips, rates: Rates, month: Month, rng: np.random.Generator) -> None:
    """Adds every defect except refunds."""
    _add_duration_defects(trips, rates, rng)
    _add_date_defects(trips, rates, month, rng)
    _add_distance_defects(trips, rates, rng)
    _add_zone_defects(trips, rates, rng)
    if "fare" in trips.values:
        rows = _sample_rows(len(trips), rates.negative_fare, rng)
        trips.values["total"][rows] -= 2 * trips.values["fare"][rows]
        trips.values["fare"][rows] *= -1


def add_refunds(trips: Trips, rates: Rates, rng: np.random.Generator) -> None:
    """Replaces rows by refunds of the row before: the same trip with negated amounts."""
    rows = 2 * _sample_rows(len(trips) // 2, 2 * rates.refunded, rng) + 1
    for values in trips.values.values():
        values[rows] = values[rows - 1]
    for name in MONEY:
        trips.values[name][rows] *= -1
    trips.values["payment_type"][rows] = rng.integers(3, 5, len(rows))


def _add_duration_defects(trips: Trips, rates: Rates, rng: np.random.Generator) -> None:
    pickup_at, dropoff_at = trips.values["pickup_at"], trips.values["dropoff_at"]
    short = _sample_rows(len(trips), rates.under_a_minute, rng)
    dropoff_at[short] = clock_after(pickup_at[short], np.maximum(rng.integers(-3, 60, len(short)), 0))
    trips.values["trip_distance"][short[rng.random(len(short)) < 0.6]] = 0.0
    for rate, least, most in (
        (rates.about_a_day, _DAY - 3600, _DAY),
        (rates.over_an_hour, 3600, 2 * 3600),
        (rates.hours_long, 2 * 3600, _DAY - 3600),
        (rates.ends_before, -58, 0),
    ):
        rows = _sample_rows(len(trips), rate, rng)
        dropoff_at[rows] = clock_after(pickup_at[rows], rng.integers(least, most, len(rows)))


def _add_date_defects(trips: Trips, rates: Rates, month: Month, rng: np.random.Generator) -> None:
    for rate, start in (
        (0.6 * rates.outside_month, seconds(month) - 3 * 3600),
        (0.4 * rates.outside_month, seconds(month.plus(1))),
        (rates.years_ago, seconds(Month(2009, 1)) - 3600),
    ):
        rows = _sample_rows(len(trips), rate, rng)
        moved = start + rng.integers(0, 3 * 3600, len(rows)) - trips.values["pickup_at"][rows]
        trips.values["pickup_at"][rows] += moved
        trips.values["dropoff_at"][rows] += moved


def _add_distance_defects(trips: Trips, rates: Rates, rng: np.random.Generator) -> None:
    miles = trips.values["trip_distance"]
    miles[_sample_rows(len(trips), rates.zero_distance, rng)] = 0.0
    absurd = _sample_rows(len(trips), rates.absurd_distance, rng)
    miles[absurd] = np.round(10 ** rng.uniform(3.0, 5.468, len(absurd)), 2)


def _add_zone_defects(trips: Trips, rates: Rates, rng: np.random.Generator) -> None:
    rows, starts, ends = len(trips), trips.values["pickup_zone"], trips.values["dropoff_zone"]
    starts[_sample_rows(rows, rates.pickup_outside, rng)] = 265
    ends[_sample_rows(rows, rates.dropoff_outside, rng)] = 265
    ends[_sample_rows(rows, rates.dropoff_unknown, rng)] = 264
    unknown = _sample_rows(rows, rates.pickup_unknown, rng)
    starts[unknown] = 264
    ends[unknown[rng.random(len(unknown)) < 0.92]] = 264


def _sample_rows(rows: int, rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sorted indices of a random sample of the rows, about a share of `rate`."""
    return np.unique(rng.integers(0, max(rows, 1), rng.binomial(rows, rate)))
