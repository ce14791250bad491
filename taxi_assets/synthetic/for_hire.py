"""Adds the fields of for-hire vehicles: companies, bases, request times, driver's pay, flags."""

import numpy as np

from taxi_assets.synthetic.trips import Trips
from taxi_assets.tlc.local_time import elapsed_seconds

BASES = 40
# Cumulative shares of Uber (HV0003), Via (HV0004) and Lyft (HV0005), as in TLC's sample of April 2020.
_COMPANIES = (0.7, 0.712, 1.0)


def add_company_fields(trips: Trips, rng: np.random.Generator) -> None:
    """Adds the fields of high-volume companies (fhvhv); the trips must have their fares."""
    rows, add = len(trips), trips.values
    add["license"] = np.searchsorted(_COMPANIES, rng.random(rows), side="right")
    is_uber = add["license"] == 0  # the others give neither the originating base nor the time on scene
    add["dispatching_base"] = add["originating_base"] = rng.integers(0, BASES, rows)
    add["on_scene_at"] = add["pickup_at"] - rng.gamma(1.5, 50.0, rows).astype(np.int64)
    add["request_at"] = add["on_scene_at"] - rng.gamma(2.0, 140.0, rows).astype(np.int64)
    trips.hide("originating_base", ~is_uber)
    trips.hide("on_scene_at", ~is_uber)
    local = (add[name].astype("datetime64[s]") for name in ("pickup_at", "dropoff_at"))
    add["trip_seconds"] = elapsed_seconds(*local)
    add["black_car_fund"] = np.round(0.0275 * add["fare"], 2)
    add["sales_tax"] = np.round(0.08875 * add["fare"], 2)
    add["driver_pay"] = np.round(0.78 * add["fare"], 2)
    add["no_flag"] = np.zeros(rows, dtype=np.int64)
    add["access_flag"] = np.where(is_uber, 2, 0)  # Uber leaves it blank
    add["wheelchair_flag"] = (rng.random(rows) < 0.03).astype(np.int64)


def add_base_fields(trips: Trips, rng: np.random.Generator) -> None:
    """Adds the fields of other for-hire vehicles (fhv): their bases; removes zones, as many lack them."""
    rows, add = len(trips), trips.values
    add["dispatching_base"] = rng.integers(0, BASES, rows)
    is_own = rng.random(rows) < 0.675
    add["affiliated_base"] = np.where(is_own, add["dispatching_base"], rng.integers(0, BASES, rows))
    trips.hide("affiliated_base", rng.random(rows) < 0.006)
    trips.hide("pickup_zone", rng.random(rows) < 0.321)
    trips.hide("dropoff_zone", rng.random(rows) < 0.055)
