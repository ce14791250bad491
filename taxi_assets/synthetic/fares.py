"""Adds a meter's other fields: amounts, passengers and codes, in TLC's units and plausible shares.

They do not influence the duration. Fares follow from the metered distance and the duration, as real ones do, so a
fare leaks the target: the leakage probes must detect it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_assets.months import Month
from taxi_assets.synthetic.city import AIRPORTS
from taxi_assets.synthetic.trips import Plan, Trips

_CHARGES = ("fare", "extra", "mta_tax", "improvement", "tolls", "congestion", "airport_fee", "cbd_fee")
MONEY = (*_CHARGES, "tip", "total")
_DEARER_FROM = Month(2023, 1)  # TLC's tariff of 19 December 2022
_SURCHARGED_FROM = Month(2019, 2)  # the state's congestion surcharge
_PRICED_FROM = Month(2025, 1)  # the congestion zone of Manhattan's south
_CORE_MILES = 2.5

Values = NDArray[Any]


def add_codes(trips: Trips, plan: Plan, rng: np.random.Generator) -> None:
    """Adds vendor, rate code, payment type, passengers and flags."""
    rows, add = len(trips), trips.values
    add["vendor_id"] = _pick(rng, rows, {2: 86, 1: 14} if plan.service == "green" else {2: 74, 1: 26})
    add["passenger_count"] = _pick(rng, rows, {1: 833, 2: 100, 5: 24, 6: 17, 3: 14, 4: 6, 0: 6})
    add["rate_code"] = _pick(rng, rows, {1: 955, 5: 40, 2: 3, 4: 1, 3: 0.8, 99: 0.2})
    add["store_flag"] = _pick(rng, rows, {0: 996, 1: 4})
    cash = 36 if plan.month < Month(2024, 1) else 26
    add["payment_type"] = _pick(rng, rows, {1: 99 - cash, 2: cash, 3: 0.7, 4: 0.2})
    add["trip_type"] = np.where(add["rate_code"] == 5, 2, 1)


def add_money(trips: Trips, plan: Plan, rng: np.random.Generator) -> None:
    """Adds the fare and all other charges, US dollars; `total` is their sum."""
    rows, add = len(trips), trips.values
    is_dear = plan.month >= _DEARER_FROM
    flag, mile, minute = (3.0, 3.0, 0.3) if is_dear else (2.5, 2.2, 0.2)
    add["fare"] = np.round(flag + mile * add["trip_distance"] + minute * add["minutes"], 1)
    add["extra"] = _extra(add["pickup_at"], 2.5 if is_dear else 1.0)
    add["mta_tax"] = np.full(rows, 0.5)
    add["improvement"] = np.full(rows, 1.0 if is_dear else 0.3 if plan.month.year >= 2015 else 0.0)
    add["tolls"] = np.where(rng.random(rows) < 0.03, 6.94 if is_dear else 6.12, 0.0)
    _add_zone_fees(trips, plan)
    charged = sum((add[name] for name in _CHARGES), np.zeros(rows))
    is_tipped = (add["payment_type"] == 1) & (rng.random(rows) < 0.9)
    add["tip"] = np.where(is_tipped, np.round(charged * rng.uniform(0.1, 0.3, rows), 2), 0.0)
    add["total"] = np.round(charged + add["tip"], 2)


def _add_zone_fees(trips: Trips, plan: Plan) -> None:
    add, city = trips.values, plan.city
    is_core = (city.borough == "Manhattan") & (city.distance_from_centre_miles() < _CORE_MILES)
    in_core = is_core[add["pickup_zone"]] | is_core[add["dropoff_zone"]]
    surcharge = 2.5 if plan.service == "yellow" else 2.75
    at_airport = np.isin(add["pickup_zone"], AIRPORTS)
    airport_fee = {"yellow": 1.75, "fhvhv": 2.5}.get(plan.service, 0.0)
    add["congestion"] = np.where(in_core & (plan.month >= _SURCHARGED_FROM), surcharge, 0.0)
    add["cbd_fee"] = np.where(in_core & (plan.month >= _PRICED_FROM), 0.75, 0.0)
    add["airport_fee"] = np.where(at_airport, airport_fee, 0.0)


def _extra(pickup_at: Values, rush: float) -> Values:
    """The rush-hour and overnight surcharges."""
    hour, day = pickup_at // 3600 % 24, (pickup_at // 86400 + 3) % 7  # day 0 is Monday
    is_rush = (day < 5) & (hour >= 16) & (hour < 20)
    is_night = (hour >= 20) | (hour < 6)
    return np.where(is_rush, rush, np.where(is_night, 1.0 if rush > 1 else 0.5, 0.0))


def _pick(rng: np.random.Generator, rows: int, weights: dict[int, float]) -> Values:
    """Random values with the given weights."""
    cumulated = np.cumsum(list(weights.values()))
    return np.array(list(weights))[np.searchsorted(cumulated / cumulated[-1], rng.random(rows), side="right")]
