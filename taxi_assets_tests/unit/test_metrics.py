"""Scores, slices, uplift and noise floor on a few trips checked by hand, and against brute force."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.metrics import (
    SLICES,
    Score,
    noise_floor,
    score,
    score_slices,
    slice_trips,
    uplift_over_baseline,
)
from taxi_assets.months import Month
from taxi_assets.quality.cleaning_rules import THRESHOLDS
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, TRIPS_1_TO_60_MINUTES, TRIPS_1_TO_180_MINUTES

MINUTES = st.floats(0.5, 200)
PAIRS = st.lists(st.tuples(MINUTES, MINUTES), min_size=1, max_size=40)


# Scores


def test_a_score_is_of_predicted_minus_actual() -> None:
    assert score(np.array([10.0, 10.0]), np.array([13.0, 9.0])) == Score(2, pytest.approx(5**0.5), 2.0, 1.0)


@given(PAIRS)
def test_rmse_is_never_below_the_bias(pairs: list[tuple[float, float]]) -> None:
    found = score(*np.array(pairs).T)
    assert found.trips == len(pairs)
    assert found.rmse >= found.mae - 1e-9 >= abs(found.bias) - 2e-9


def test_scoring_without_trips_is_refused() -> None:
    with pytest.raises(TaxiError, match="no trips to score: choose a month"):
        score(np.array([]), np.array([]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_values_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="1 durations or predictions are not finite"):
        score(np.array([1.0, 2.0]), np.array([1.0, bad]))


@pytest.mark.parametrize("shape", [(3,), (2, 1)])
def test_predictions_of_other_trips_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not match"):
        score(np.ones(2), np.ones(shape))


# Evaluation scopes


def test_scopes_state_their_durations() -> None:
    minutes = np.array([0.99, 1, 60, 60.01, 180, 180.01])
    assert list(EVALUATION_SCOPES) == ["1_to_60_minutes", "all"]
    assert TRIPS_1_TO_60_MINUTES.contains(minutes).tolist() == [False, True, True, False, False, False]
    assert TRIPS_1_TO_180_MINUTES.contains(minutes).tolist() == [False, True, True, True, True, False]


def test_the_scope_of_all_trips_is_that_of_cleaning() -> None:
    assert TRIPS_1_TO_180_MINUTES.shortest_minutes == THRESHOLDS["shortest_minutes"]
    assert TRIPS_1_TO_180_MINUTES.longest_minutes == THRESHOLDS["longest_minutes"]


# Slices

ZONES = pd.DataFrame(
    [(74, "Manhattan", False), (138, "Queens", True), (132, "Queens", True), (264, "Unknown", None)],
    columns=["zone_id", "borough", "is_airport"],
)
TRIP_COLUMNS = ("service", "pickup_zone_id", "dropoff_zone_id", "hour_of_week", "zone_distance_miles")


def slices_of(*rows: tuple[object, ...]) -> pd.DataFrame:
    return slice_trips(pd.DataFrame(rows, columns=TRIP_COLUMNS), ZONES)


def test_each_trip_has_a_value_of_each_slice() -> None:
    found = slices_of(("green", 74, 138, 0, 5.0), ("yellow", 138, 132, 167, 0.0), ("green", 264, 7, 31, np.nan))
    assert list(found) == list(SLICES)
    assert found["service"].tolist() == ["green", "yellow", "green"]
    assert found["pickup_borough"].tolist() == ["Manhattan", "Queens", "Unknown"]
    assert found["airport_trip"].tolist() == ["to an airport", "from an airport", "no airport"]
    assert found["hour_band"].tolist() == ["night 0-6", "late evening 20-24", "morning rush 6-10"]
    assert found["weekday"].tolist() == ["Monday", "Sunday", "Tuesday"]
    assert found["distance_band"].tolist() == ["4-8 miles", "within a zone", "unknown"]


@pytest.mark.parametrize(
    ("hour", "band"),
    [
        (5, "night 0-6"),
        (6, "morning rush 6-10"),
        (10, "midday 10-16"),
        (16, "evening rush 16-20"),
        (20, "late evening 20-24"),
        (23, "late evening 20-24"),
    ],
)
def test_a_band_of_hours_includes_its_first_hour(hour: int, band: str) -> None:
    assert slices_of(("green", 74, 74, 48 + hour, 0.0))["hour_band"].tolist() == [band]


@pytest.mark.parametrize(
    ("miles", "band"),
    [(0.01, "up to 1 mile"), (1, "up to 1 mile"), (1.01, "1-2 miles"), (8, "4-8 miles"), (40, "over 8 miles")],
)
def test_a_band_of_distances_includes_its_upper_end(miles: float, band: str) -> None:
    assert slices_of(("green", 74, 74, 0, miles))["distance_band"].tolist() == [band]


def test_an_unknown_zone_has_no_borough() -> None:
    assert slices_of(("green", 7, 7, 0, 0.0))["pickup_borough"].tolist() == ["Unknown"]


def test_slices_are_scored_in_their_order() -> None:
    trips = pd.DataFrame({"duration_minutes": [10.0, 10.0, 20.0]}, index=[7, 3, 5])
    slices = pd.DataFrame({"weekday": pd.Categorical(["b", "a", "b"], ["b", "a", "c"])})
    found = score_slices(trips, np.array([11.0, 8.0, 17.0]), slices)
    assert found.to_dict("records") == [
        {"slice": "weekday", "value": "b", "trips": 2, "rmse": pytest.approx(5**0.5), "mae": 2.0, "bias": -1.0},
        {"slice": "weekday", "value": "a", "trips": 1, "rmse": 2.0, "mae": 2.0, "bias": -2.0},
    ]


def test_slices_add_up_to_the_whole(trips, zone_rows) -> None:
    predicted = np.full(len(trips), 12.0)
    overall = score(trips["duration_minutes"].to_numpy(), predicted)
    found = score_slices(trips, predicted, slice_trips(trips.assign(service="green"), pd.DataFrame(zone_rows)))
    assert set(found["slice"]) == set(SLICES)
    for _, parts in found.groupby("slice"):
        assert parts["trips"].sum() == overall.trips
        assert np.average(parts["mae"], weights=parts["trips"]) == pytest.approx(overall.mae)
        assert np.average(parts["rmse"] ** 2, weights=parts["trips"]) == pytest.approx(overall.rmse**2)


# Uplift


def test_uplift_is_in_minutes_and_in_share_of_trips() -> None:
    actual, model, baseline = np.array([[10, 10, 10, 10], [10, 12, 7, 11], [13, 12, 10, 8]], dtype=float)
    found = uplift_over_baseline(actual, model, baseline)
    assert found.minutes == pytest.approx((3 + 0 - 3 + 1) / 4)
    assert found.share_nearer == 0.5  # the second trip has equal errors


def test_a_model_has_no_uplift_over_itself() -> None:
    minutes = np.array([3.0, 4.0])
    assert vars(uplift_over_baseline(minutes, minutes + 1, minutes + 1)) == {"minutes": 0.0, "share_nearer": 0.0}


# Noise floor

NINE = datetime(2023, 2, 1, 9)


def matched_pairs(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """Trips from zone, zone, minutes past nine, and duration."""
    begun = [(start, end, NINE + timedelta(minutes=past), minutes) for start, end, past, minutes in rows]
    return pd.DataFrame(begun, columns=["pickup_zone_id", "dropoff_zone_id", "pickup_at", "duration_minutes"])


def test_every_matched_pair_counts() -> None:
    found = noise_floor(
        matched_pairs((1, 2, 20, 16.0), (1, 3, 5, 90.0), (1, 2, 0, 10.0), (1, 2, 10, 13.0), (2, 1, 1, 80.0))
    )
    assert found is not None
    assert found.pairs == 2  # 0 and 10, 10 and 20 minutes past; not 0 and 20
    assert found.rmse == pytest.approx(np.sqrt((9 + 9) / 2 / 2))
    assert found.has_match.tolist() == [True, False, True, True, False]


@pytest.mark.parametrize(("apart", "pairs"), [(15, 1), (15 + 1 / 60, None)])
def test_matched_pairs_begin_within_fifteen_minutes(apart: float, pairs: int | None) -> None:
    found = noise_floor(matched_pairs((1, 2, 0, 10.0), (1, 2, apart, 12.0)))
    assert (found and found.pairs) == pairs


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        (datetime(2023, 3, 12, 1, 55), datetime(2023, 3, 12, 3, 5), 1),  # ten minutes apart: the clocks go forward
        (datetime(2023, 11, 5, 0, 50), datetime(2023, 11, 5, 1, 5), None),  # the hour is ambiguous
        (datetime(2023, 11, 5, 1, 5), datetime(2023, 11, 5, 1, 5), None),
        (datetime(2023, 11, 5, 2, 5), datetime(2023, 11, 5, 2, 15), 1),
    ],
)
def test_matched_pairs_are_apart_by_elapsed_time(first: datetime, second: datetime, pairs: int | None) -> None:
    trips = matched_pairs((1, 2, 0, 10.0), (1, 2, 0, 12.0)).assign(pickup_at=[first, second])
    found = noise_floor(trips)
    assert (found and found.pairs) == pairs


@pytest.mark.parametrize("rows", [0, 1])
def test_without_matched_pairs_there_is_no_noise_floor(rows: int) -> None:
    assert noise_floor(matched_pairs((1, 2, 0, 10.0)).head(rows)) is None


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 90), MINUTES), max_size=25))
def test_the_noise_floor_agrees_with_a_loop_over_all_pairs(rows: list[tuple[int, int, int, float]]) -> None:
    trips = matched_pairs(*rows)
    pairs = [
        (a, b)
        for a in range(len(rows))
        for b in range(a)
        if rows[a][:2] == rows[b][:2] and abs(rows[a][2] - rows[b][2]) <= 15
    ]
    found = noise_floor(trips)
    if not pairs:
        assert found is None
        return
    assert found is not None
    assert found.pairs == len(pairs)
    assert found.rmse == pytest.approx(np.sqrt(np.mean([(rows[a][3] - rows[b][3]) ** 2 for a, b in pairs]) / 2))
    assert set(np.flatnonzero(found.has_match)) == {position for pair in pairs for position in pair}


def test_the_noise_floor_is_the_noise_of_otherwise_equal_trips() -> None:
    random = np.random.default_rng(0)
    zones, past = random.integers(1, 4, 6_000), random.integers(0, 6_000, 6_000)
    minutes = zones * 5 + random.normal(20, 3, 6_000)
    rows = zip(zones.tolist(), zones.tolist(), past.tolist(), minutes.tolist(), strict=True)
    found = noise_floor(matched_pairs(*rows))
    assert found is not None
    assert found.rmse == pytest.approx(3, rel=0.03)


def test_the_noise_floor_is_the_known_one_of_the_month(source) -> None:
    path = source.folder / f"green_tripdata_{Month(2023, 2)}.parquet"
    query = """
        SELECT PULocationID AS pickup_zone_id, DOLocationID AS dropoff_zone_id, lpep_pickup_datetime AS pickup_at,
            date_diff('second', lpep_pickup_datetime, lpep_dropoff_datetime) / 60.0 AS duration_minutes
        FROM read_parquet($path) WHERE duration_minutes BETWEEN 1 AND 60
    """
    with duckdb.connect() as connection:
        found = noise_floor(connection.execute(query, {"path": str(path)}).df())
    assert found is not None
    assert found.has_match.sum() <= 2 * found.pairs
    if source.kind == "real":
        assert found.pairs == 13_412
        assert found.rmse == pytest.approx(3.430, abs=0.001)
