"""Baselines on trips written here, against scikit-learn, and against known errors of TLC's own months."""

import time

import duckdb
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.baselines import BASELINES, PAIR, fit_baselines, fit_medians, fit_one_hot_linear_regression
from taxi_assets.evaluation.course_reference import predict_with_distance
from taxi_assets.evaluation.metrics import score
from taxi_assets.months import Month, month_range

ZONE_COLUMNS = ["pickup_zone_id", "dropoff_zone_id"]


def trips(*rows: tuple[int, int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*ZONE_COLUMNS, "hour_of_week", "duration_minutes"])


PAST = trips((74, 75, 8, 10), (74, 75, 8, 14), (74, 75, 9, 60), (74, 41, 8, 20), (7, 7, 8, 2))


def predict(name: str, *asked_trips: tuple[int, int, int]) -> list[float]:
    requested = trips(*((*trip, np.nan) for trip in asked_trips)).drop(columns="duration_minutes")
    return fit_baselines(PAST)[name].predict(requested).tolist()


def test_every_baseline_is_fitted_and_described() -> None:
    assert list(fit_baselines(PAST)) == list(BASELINES)
    assert all(BASELINES.values())


def test_baselines_without_trips_are_refused() -> None:
    with pytest.raises(TaxiError, match="no trips to fit the baselines on: choose months"):
        fit_baselines(PAST.head(0))


def test_a_pair_is_predicted_by_its_median() -> None:
    assert predict("zone_pair_median", (74, 75, 0), (74, 41, 0), (7, 7, 0)) == [14, 20, 2]


def test_an_unseen_pair_falls_back_to_its_pickup_zone_then_to_all_trips() -> None:
    assert predict("zone_pair_median", (74, 7, 0), (200, 75, 0)) == [17, 14]


def test_an_hour_has_its_own_median_from_five_trips_on() -> None:
    four, five = trips(*[(74, 75, 8, 30)] * 4, *[(74, 75, 9, 10)] * 9), trips((74, 75, 8, 30))
    requested = trips((74, 75, 8, 0), (74, 75, 100, 0))
    before = fit_baselines(four)["zone_pair_hour_median"].predict(requested)
    after = fit_baselines(pd.concat([four, five]))["zone_pair_hour_median"].predict(requested)
    assert before.tolist() == [10, 10]
    assert after.tolist() == [30, 10]


def test_no_trips_have_no_predictions() -> None:
    assert all(baseline.predict(PAST.head(0)).shape == (0,) for baseline in fit_baselines(PAST).values())


def test_predictions_do_not_depend_on_the_index_or_order_of_trips() -> None:
    shuffled = PAST.sample(frac=1, random_state=0).set_index(np.arange(5) * 7)
    for baseline in fit_baselines(PAST).values():
        expected = dict(zip(map(tuple, PAST.to_numpy()), baseline.predict(PAST), strict=True))
        assert baseline.predict(shuffled).tolist() == [expected[row] for row in map(tuple, shuffled.to_numpy())]


def city(trips: int, zones: int, seed: int, noise_minutes: float = 0) -> pd.DataFrame:
    """Trips whose duration is a sum of one part for each zone, plus noise."""
    random = np.random.default_rng(seed)
    starts, ends = random.integers(1, zones + 1, (2, trips))
    minutes = 10 + np.sqrt(starts) + 3 * np.sin(ends) + random.normal(0, noise_minutes, trips)
    hours = random.integers(0, 168, trips)
    columns = {"hour_of_week": hours, "duration_minutes": minutes}
    return pd.DataFrame({"pickup_zone_id": starts, "dropoff_zone_id": ends} | columns)


def test_regression_recovers_a_sum_of_zones() -> None:
    past, later = city(20_000, 265, seed=0), city(500, 265, seed=1)
    found = fit_one_hot_linear_regression(past).predict(later)
    np.testing.assert_allclose(found, later["duration_minutes"], atol=1e-8)


@pytest.mark.parametrize(("trips", "zones"), [(400, 30), (60, 40), (9, 200), (1, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_regression_agrees_with_scikit_learn(trips: int, zones: int, seed: int) -> None:
    """Also with unseen zones and unconnected groups of zones: the solution has the least norm."""
    past, later = city(trips, zones, seed, noise_minutes=4), city(200, zones, seed + 100)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    theirs = make_pipeline(encoder, LinearRegression()).fit(past[ZONE_COLUMNS], past["duration_minutes"])
    ours = fit_one_hot_linear_regression(past).predict(later)
    np.testing.assert_allclose(ours, theirs.predict(later[ZONE_COLUMNS]), atol=1e-8)


def test_eight_hundred_thousand_trips_take_seconds() -> None:
    past = city(800_000, 265, seed=0, noise_minutes=5)
    began = time.perf_counter()
    for baseline in fit_baselines(past).values():
        baseline.predict(past)
    assert time.perf_counter() - began < 20  # about 3 s; the sparse solver alone takes a minute


# Known errors on TLC's own months: trips of 1-60 minutes, no other filter


def read(source, *months: Month) -> pd.DataFrame | None:
    """Trips of 1-60 minutes of TLC's files; None if a file is missing."""
    paths = [source.folder / f"green_tripdata_{month}.parquet" for month in months]
    if source.kind != "real" or not all(path.is_file() for path in paths):
        return None
    query = """
        SELECT PULocationID AS pickup_zone_id, DOLocationID AS dropoff_zone_id,
            (isodow(lpep_pickup_datetime) - 1) * 24 + hour(lpep_pickup_datetime) AS hour_of_week,
            date_diff('second', lpep_pickup_datetime, lpep_dropoff_datetime) / 60.0 AS duration_minutes
        FROM read_parquet($paths, union_by_name = true) WHERE duration_minutes BETWEEN 1 AND 60
    """
    with duckdb.connect() as connection:
        return connection.execute(query, {"paths": [str(path) for path in paths]}).df()


# Without TLC's files, a city with a known best regression is used: its noise is the remaining error.
NOISE_MINUTES = 6.0


@pytest.mark.parametrize(
    ("training", "scored", "rmse", "mae"),
    [
        ((Month(2021, 1), Month(2021, 1)), Month(2021, 2), 10.4737, 7.5696),
        ((Month(2023, 1), Month(2023, 1)), Month(2023, 2), 7.3562, 5.0476),
        ((Month(2023, 1), Month(2023, 12)), Month(2024, 1), 7.233, None),
    ],
)
def test_regression_has_its_known_error(source, training, scored, rmse: float, mae: float | None) -> None:
    past, later, margin = read(source, *month_range(*training)), read(source, scored), 0.001
    if past is None or later is None:
        past, later = (city(60_000, 200, seed, NOISE_MINUTES) for seed in (1, 2))
        rmse, mae, margin = NOISE_MINUTES, NOISE_MINUTES * np.sqrt(2 / np.pi), 0.06
    found = score(later["duration_minutes"].to_numpy(), fit_one_hot_linear_regression(past).predict(later))
    assert found.rmse == pytest.approx(rmse, abs=margin)
    assert mae is None or found.mae == pytest.approx(mae, abs=margin)


def test_pair_median_has_its_known_error_and_backing_off_lowers_it(source) -> None:
    months = month_range(Month(2023, 1), Month(2023, 12))
    past, later, rmse, margin = read(source, *months), read(source, Month(2024, 1)), 5.773, 0.001
    if past is None or later is None:
        past, later = (city(60_000, 20, seed, NOISE_MINUTES) for seed in (1, 2))
        rmse, margin = NOISE_MINUTES, 0.1
    actual = later["duration_minutes"].to_numpy()
    plain = score(actual, fit_medians(past, PAIR).predict(later)).rmse
    assert plain == pytest.approx(rmse, abs=margin)
    assert score(actual, fit_baselines(past)["zone_pair_median"].predict(later)).rmse <= plain


def test_regression_on_distance_does_not_depend_on_the_number_of_threads() -> None:
    draw = np.random.default_rng(7)
    past = trips(*((a, b, 0, 10.0) for a, b in draw.integers(1, 60, (30_000, 2))))
    past = past.assign(pickup_at=np.arange(len(past)), duration_minutes=draw.gamma(4, 4, len(past)))
    miles = draw.gamma(2, 2, len(past))
    miles[:5] = 80_000  # as in TLC's files: with them the solver does not converge
    predictions = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            predictions.append(predict_with_distance(past, miles, past, miles))
    assert (predictions[0] == predictions[1]).all()
