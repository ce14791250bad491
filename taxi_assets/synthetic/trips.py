"""Draws trips without defects: routes, times, metered distances.

A month is drawn in pieces of at most 2**20 rows with separate random generators, so that a month of any size fits
into memory. Metered trips come first, by hour; trips without a meter's details (TLC's jointly null rows) follow at the
end, as in TLC's files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from taxi_assets.months import Month
from taxi_assets.synthetic import law
from taxi_assets.synthetic.city import ZONES, City, Floats, build_city
from taxi_assets.synthetic.demand import PROFILES, hourly_rows, route_table
from taxi_assets.synthetic.shifts import Shift, amount_of
from taxi_assets.tlc.local_time import existing_time, local_time, utc_seconds

PIECE_ROWS = 2**20  # the row group of TLC's large files

Values = NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """A month to draw: its seed, service, month and shifts."""

    seed: int
    service: str
    month: Month
    shifts: Sequence[Shift] = ()

    @property
    def city(self) -> City:
        return build_city(self.seed)

    def shift(self, name: str) -> float:
        """The amount of a shift."""
        return amount_of(self.shifts, name)

    def random_draws(self, *purpose: int) -> np.random.Generator:
        """A random generator of this month and purpose, independent of the shifts."""
        service = list(PROFILES).index(self.service)
        return np.random.default_rng([self.seed, 3, service, self.month.year, self.month.number, *purpose])


@dataclass(frozen=True)
class Piece:
    """A part of a month, shape (n,).

    Attributes:
        number: Index of the piece in the month.
        is_metered: True if its trips have a meter's details.
        start: Rows of the same kind before it in the month.
        total: Rows of the same kind in the month.
        hours: The hour of each row's pickup, seconds since 1970.
    """

    number: int
    is_metered: bool
    start: int
    total: int
    hours: NDArray[np.int64]


@dataclass
class Trips:
    """Columns by field name, shape (n,) each; `missing` has masks of fields with missing values."""

    values: dict[str, Values]
    missing: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values["pickup_at"])

    def hide(self, name: str, rows: Values | slice) -> None:
        """Marks a field's values in some rows as missing."""
        self.missing.setdefault(name, np.zeros(len(self), dtype=np.bool_))[rows] = True


def seconds(month: Month) -> int:
    """The first second of a month, in seconds since 1970 of local time."""
    return int(np.datetime64(str(month.first_day), "s").astype(np.int64))


def split_month(plan: Plan, rows: int, unmetered_share: float) -> Iterator[Piece]:
    """Splits a month of `rows` rows into pieces, in the order of the file."""
    rng = plan.random_draws(0)
    unmetered = int(rng.binomial(rows, unmetered_share))
    hours = np.arange(seconds(plan.month), seconds(plan.month.plus(1)), 3600)
    in_week = law.hour_of_week(hours.astype("datetime64[s]"))
    number = 0
    for is_metered, total in ((True, rows - unmetered), (False, unmetered)):
        of_row = np.repeat(hours, hourly_rows(plan.service, in_week, total, rng))
        for start in range(0, total, PIECE_ROWS):
            yield Piece(number, is_metered, start, total, of_row[start : start + PIECE_ROWS])
            number += 1


def draw_trips(plan: Plan, piece: Piece) -> Trips:
    """Draws the trips of one piece, without defects.

    Returns:
        Fields `pickup_at` and `dropoff_at` (whole seconds since 1970, New York local time), `pickup_zone`,
        `dropoff_zone`, `trip_distance` (miles), and `minutes`, the duration before rounding to clock times.
    """
    rng, rows = plan.random_draws(1, piece.number), len(piece.hours)
    starts, ends = _draw_routes(plan, rows, rng)
    pickup_at = existing_time((piece.hours + rng.integers(0, 3600, rows)).astype("datetime64[s]")).astype(np.int64)
    way = law.ROUTE_SPREAD * rng.standard_normal(rows)
    chance = way + law.DRIVER_SPREAD * rng.standard_normal(rows) + _weather(plan)[_day(plan, piece.hours)]
    expected = law.expected_minutes(plan.seed, starts, ends, pickup_at.astype("datetime64[s]"), plan.service)
    minutes = expected * np.exp(chance - law.SPREAD**2 / 2) * plan.shift("slower_city")
    streets = law.STREET_FACTOR * plan.city.distance_miles()[starts, ends]
    miles = np.maximum(np.round(streets * np.exp(way - law.ROUTE_SPREAD**2 / 2), 2), 0.01)
    unit = 1 if piece.is_metered else 60  # without a meter, times are whole minutes
    pickup_at -= pickup_at % unit
    dropoff_at = clock_after(pickup_at, np.round(minutes * 60 / unit).astype(np.int64) * unit)
    return Trips(
        {
            "pickup_at": pickup_at,
            "dropoff_at": dropoff_at,
            "pickup_zone": starts,
            "dropoff_zone": ends,
            "trip_distance": miles,
            "minutes": minutes,
        }
    )


def clock_after(pickup_at: NDArray[np.int64], elapsed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Local times `elapsed` seconds after the pickups, in seconds since 1970.

    Of the pickups in the repeated hour, those at an even second are in the first one.
    """
    local = pickup_at.astype("datetime64[s]")
    begin = np.where(pickup_at % 2 == 0, utc_seconds(local), utc_seconds(local, repeated="second"))
    return local_time(begin + elapsed).astype(np.int64)


def _draw_routes(plan: Plan, rows: int, rng: np.random.Generator) -> tuple[Values, Values]:
    chance, choice = rng.random(rows), rng.random(rows)
    route = np.searchsorted(route_table(plan.seed, plan.service), chance, side="right")
    mixed = choice < plan.shift("zone_mix")
    if mixed.any():
        table = route_table(plan.seed, plan.service, mixed=True)
        route[mixed] = np.searchsorted(table, chance[mixed], side="right")
    starts, ends = np.divmod(route, ZONES + 1)
    return starts, ends


def _weather(plan: Plan) -> Floats:
    """One draw for each day of the month, the same for every service, shape (28..31,).

    The values are normal quantiles in random order. Independent draws would change a month's
    best possible error by a few percent.
    """
    rng = np.random.default_rng([plan.seed, 4, plan.month.year, plan.month.number])
    days = (seconds(plan.month.plus(1)) - seconds(plan.month)) // 86400
    draws = ndtri((np.arange(days) + 0.5) / days)
    return rng.permutation(law.WEATHER_SPREAD * draws / draws.std())


def _day(plan: Plan, hours: NDArray[np.int64]) -> NDArray[np.int64]:
    return (hours - seconds(plan.month)) // 86400
