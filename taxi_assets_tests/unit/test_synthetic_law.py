"""The synthetic city's law: its trips follow it, and no prediction beats its stated lowest error."""

import numpy as np
import pytest
from best_errors import best_mae, best_rmse, conditional_mean, conditional_median

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.synthetic import (
    PROFILES,
)
from taxi_assets.synthetic.city import BOROUGHS, build_city
from taxi_assets.synthetic.law import SPREAD, WEATHER_SPREAD, expected_minutes, hour_of_week
from taxi_assets.synthetic.trips import Plan, Trips, draw_trips, split_month
from taxi_assets.tlc.local_time import elapsed_seconds, existing_time, has_two_readings

SCORED = (1.0, 60.0)


def drawn(service: str, rows: int = 200_000, seed: int = 7) -> tuple[Trips, np.ndarray]:
    """Trips without a defect, and the law's expectation for them."""
    plan = Plan(seed, service, Month(2023, 3))
    trips = draw_trips(plan, next(split_month(plan, rows, 0.0)))
    return trips, expected(trips, service, seed)


def expected(trips: Trips, service: str, seed: int = 7) -> np.ndarray:
    values = trips.values
    pickup_at = values["pickup_at"].astype("datetime64[s]")
    return expected_minutes(seed, values["pickup_zone"], values["dropoff_zone"], pickup_at, service)


def rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


@pytest.mark.parametrize("service", PROFILES)
def test_durations_follow_the_law(service):
    trips, mean = drawn(service)
    minutes = (trips.values["dropoff_at"] - trips.values["pickup_at"]) / 60
    assert np.mean(minutes) == pytest.approx(np.mean(mean), rel=0.01)
    assert np.std(np.log(minutes / mean)) == pytest.approx(SPREAD, rel=0.02)
    for hours in ((7, 10), (22, 24)):  # also at rush hour and at night
        hour = hour_of_week(trips.values["pickup_at"].astype("datetime64[s]")) % 24
        some = (hour >= hours[0]) & (hour < hours[1])
        assert np.mean(minutes[some]) == pytest.approx(np.mean(mean[some]), rel=0.03)


@pytest.mark.parametrize(("month", "night"), [(3, "2023-03-12"), (11, "2023-11-05")])
def test_durations_follow_the_law_over_clock_changes(month, night):
    """No pickup is in the skipped hour, and some drop-offs are in the repeated hour."""
    plan = Plan(7, "yellow", Month(2023, month))
    trips = draw_trips(plan, next(split_month(plan, 200_000, 0.0)))
    begin, end = (trips.values[name].astype("datetime64[s]") for name in ("pickup_at", "dropoff_at"))
    assert np.array_equal(begin, existing_time(begin))
    law, elapsed = np.round(trips.values["minutes"] * 60), elapsed_seconds(begin, end)
    ambiguous = has_two_readings(begin, end)
    assert np.array_equal(elapsed[~ambiguous], law[~ambiguous])
    assert set((law - elapsed)[ambiguous].tolist()) <= {0, 3600}
    differ = elapsed != (end - begin).astype(np.int64)
    assert set(begin[differ].astype("datetime64[D]").astype(str)) == {night}
    assert (end < begin).any() == (month == 11)


def test_durations_are_plausible_for_a_taxi():
    trips, _ = drawn("yellow")
    minutes = trips.values["minutes"]
    assert 12 < np.mean(minutes) < 15.5
    assert np.mean((minutes >= 1) & (minutes <= 60)) > 0.99


@pytest.mark.parametrize("between", [None, SCORED, (5.0, 20.0)])
def test_the_lowest_errors_are_those_of_the_optimal_predictions(between):
    trips, mean = drawn("green")
    minutes = trips.values["minutes"]
    low, high = between or (0, np.inf)
    scored = (minutes >= low) & (minutes <= high)
    minutes, mean = minutes[scored], mean[scored]
    by_mean, by_median = conditional_mean(mean, between), conditional_median(mean, between)
    assert rmse(minutes - by_mean) == pytest.approx(best_rmse(mean, between), rel=0.015)
    assert np.mean(np.abs(minutes - by_median)) == pytest.approx(best_mae(mean, between), rel=0.015)


def test_conditional_mean_and_median_are_optimal():
    trips, mean = drawn("green")
    scored = (trips.values["minutes"] >= 1) & (trips.values["minutes"] <= 60)
    minutes, mean = trips.values["minutes"][scored], mean[scored]
    best, middle = conditional_mean(mean, SCORED), conditional_median(mean, SCORED)
    for factor in (0.9, 0.97, 1.03, 1.1):
        assert rmse(minutes - factor * best) > rmse(minutes - best)
        assert np.mean(np.abs(minutes - factor * middle)) > np.mean(np.abs(minutes - middle))
    assert rmse(minutes - middle) > rmse(minutes - best)
    assert np.mean(np.abs(minutes - best)) > np.mean(np.abs(minutes - middle))


def test_the_lowest_errors_of_all_durations_are_the_log_normal_ones():
    mean = np.array([12.0])
    assert best_rmse(mean, None) == pytest.approx(12 * np.sqrt(np.exp(SPREAD**2) - 1))
    assert conditional_mean(mean)[0] == pytest.approx(12)
    assert conditional_median(mean)[0] == pytest.approx(12 * np.exp(-(SPREAD**2) / 2))
    assert best_mae(mean, None) == pytest.approx(12 * 0.2107, rel=0.01)


def test_zones_without_coordinates_are_left_out_of_the_law():
    noon = np.full(3, np.datetime64("2023-03-01T12:00"))
    mean = expected_minutes(7, np.array([74, 264, 74]), np.array([75, 75, 265]), noon, "green")
    assert np.isnan(mean).tolist() == [False, True, True]
    assert best_rmse(mean) == best_rmse(mean[:1])
    assert best_mae(mean) == best_mae(mean[:1])


@pytest.mark.parametrize("zone", [0, 266, -1])
def test_an_unknown_zone_id_is_refused(zone):
    noon = np.array(["2023-03-01T12:00"], dtype="datetime64[s]")
    with pytest.raises(TaxiError, match="zone ids run from 1 to 265"):
        expected_minutes(7, np.array([zone]), np.array([75]), noon, "green")


def test_an_unknown_service_and_a_negative_seed_are_refused():
    noon = np.array(["2023-03-01T12:00"], dtype="datetime64[s]")
    with pytest.raises(TaxiError, match="choose one of yellow, green, fhvhv, fhv"):
        expected_minutes(7, np.array([74]), np.array([75]), noon, "red")
    with pytest.raises(TaxiError, match="the seed -1 is negative"):
        expected_minutes(-1, np.array([74]), np.array([75]), noon, "green")


def test_rush_hours_are_slow_and_nights_fast():
    at = np.array(["2023-03-01T17:30", "2023-03-01T03:30"], dtype="datetime64[s]")
    city = build_city(7)
    start, end = np.flatnonzero(city.borough == "Manhattan")[:2]
    rush, night = expected_minutes(7, np.full(2, start), np.full(2, end), at, "yellow")
    assert rush > 1.3 * night


def test_hours_of_the_week_begin_on_monday():
    at = np.array(["2023-01-02T00:59", "2023-01-01T23:00", "2008-12-31T12:00"], dtype="datetime64[s]")
    assert hour_of_week(at).tolist() == [0, 167, 60]


def test_each_month_has_its_share_of_weather():
    trips, mean = drawn("yellow", rows=400_000)
    day = trips.values["pickup_at"] // 86400
    logs = np.log(trips.values["minutes"] / mean) + SPREAD**2 / 2
    of_day = np.array([logs[day == one].mean() for one in np.unique(day)])
    assert of_day.std() == pytest.approx(WEATHER_SPREAD, rel=0.1)
    assert of_day.mean() == pytest.approx(0, abs=0.005)


def test_metered_distance_reveals_the_route():
    trips, mean = drawn("green")
    city = build_city(7).distance_miles()
    straight = city[trips.values["pickup_zone"], trips.values["dropoff_zone"]]
    way = np.log(trips.values["trip_distance"] / straight)
    assert np.corrcoef(way, np.log(trips.values["minutes"] / mean))[0, 1] > 0.4


def test_the_city_resembles_the_real_one():
    city = build_city(7)
    names, counts = np.unique(city.borough[1:], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == BOROUGHS
    assert {str(city.borough[zone]) for zone in (132, 138, 56, 57)} == {"Queens"}
    assert {str(city.borough[zone]) for zone in (103, 104, 105)} == {"Manhattan"}
    assert city.borough[1] == "EWR"
    distance = city.distance_miles()[1:, 1:]
    assert np.all(distance > 0)
    assert np.array_equal(distance, distance.T)
    assert 15 < distance.max() < 35


def test_another_seed_gives_another_city():
    assert not np.array_equal(build_city(7).x_miles, build_city(8).x_miles)
    assert np.array_equal(build_city(7).x_miles[1:], build_city(7).x_miles[1:])


def test_a_month_is_split_into_pieces_of_row_groups():
    plan = Plan(7, "yellow", Month(2023, 2))
    pieces = list(split_month(plan, 2_500_000, 0.1))
    assert [piece.number for piece in pieces] == list(range(len(pieces)))
    assert sum(len(piece.hours) for piece in pieces) == 2_500_000
    assert [piece.is_metered for piece in pieces] == sorted((p.is_metered for p in pieces), reverse=True)
    assert all(len(piece.hours) <= 2**20 for piece in pieces)
    assert sum(len(p.hours) for p in pieces if not p.is_metered) == pytest.approx(250_000, rel=0.01)
    for piece in pieces:
        assert np.all(np.diff(piece.hours) >= 0)
        days = piece.hours.astype("datetime64[s]").astype("datetime64[D]")
        assert days.min() >= np.datetime64("2023-02-01")
        assert days.max() <= np.datetime64("2023-02-28")
