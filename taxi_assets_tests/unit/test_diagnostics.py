"""Diagnostics on trips made to order: zones, bands of predictions, matched pairs, feature importance."""

import numpy as np
import pandas as pd
import pytest

from taxi_assets.evaluation.diagnostics import (
    NOISE_FLOOR,
    calibration_bands,
    permutation_importance,
    score_matched_pairs,
    score_zones,
)


def test_zones_are_scored_by_their_pickups() -> None:
    trips = pd.DataFrame({"pickup_zone_id": [4, 4, 9], "duration_minutes": [10.0, 10.0, 20.0]})
    found = score_zones(trips, np.array([13.0, 9.0, 15.0]))
    assert found.to_dict("list") == {
        "zone_id": [4, 9],
        "trips": [2, 1],
        "rmse": [pytest.approx(5**0.5), 5.0],
        "mae": [2.0, 5.0],
        "bias": [1.0, -5.0],
    }


def test_predictions_are_grouped_by_band() -> None:
    bands = calibration_bands(np.array([0.0, 3.0, 3.1, 59.9, 60.1, 500.0]))
    assert list(bands) == ["0-3 minutes", "0-3 minutes", "3-5 minutes", "40-60 minutes", *["over 60 minutes"] * 2]


def test_matched_pairs_give_the_noise_floor_and_every_models_error_on_the_same_trips() -> None:
    trips = pd.DataFrame(
        {
            "pickup_at": pd.to_datetime(["2023-01-01 08:00", "2023-01-01 08:10", "2023-01-01 12:00"]),
            "pickup_zone_id": [1, 1, 1],
            "dropoff_zone_id": [2, 2, 2],
            "duration_minutes": [10.0, 14.0, 99.0],
        }
    )
    found = score_matched_pairs(trips, {"duration_model": np.array([12.0, 12.0, 0.0])}).set_index("model")
    assert found.loc[NOISE_FLOOR, "rmse"] == pytest.approx(8**0.5)
    assert found.loc["duration_model", "rmse"] == 2.0
    assert found["trips"].tolist() == [2, 2]
    assert np.isnan(found.loc[NOISE_FLOOR, "mae"])
    assert score_matched_pairs(trips.iloc[1:], {}).empty


def daily_trips(count: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"pickup_zone_id": rng.integers(1, 9, count), "minute_of_day": rng.integers(0, 1440, count)})
    frame["season_of_noise"] = rng.normal(size=count)
    frame["duration_minutes"] = 5.0 * frame["pickup_zone_id"] + frame["minute_of_day"] / 720
    return frame


def law(trips: pd.DataFrame) -> np.ndarray:
    return 5.0 * trips["pickup_zone_id"].to_numpy() + trips["minute_of_day"].to_numpy() / 720


def test_only_features_the_model_uses_are_important() -> None:
    columns = ["pickup_zone_id", "minute_of_day", "season_of_noise"]
    found = permutation_importance(law, daily_trips(), columns)
    assert list(found["feature"]) == ["pickup_zone_id", "time_of_day", "season_of_noise"]
    growth = found["rmse_growth_minutes"].tolist()
    # Shuffled, the zone's minutes differ by sqrt(2) standard deviations: of 1 to 8, times 5.
    assert growth[0] == pytest.approx(5 * np.sqrt(2 * 5.25), rel=0.05)
    assert growth[1] > 0.5
    assert growth[2] == 0
    assert set(found["trips"]) == {4_000}


def test_the_same_seed_gives_the_same_importance() -> None:
    columns = ["pickup_zone_id", "minute_of_day"]
    one, other = (permutation_importance(law, daily_trips(), columns, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, other)
    assert not one.equals(permutation_importance(law, daily_trips(), columns, seed=4))


def test_columns_of_one_feature_are_shuffled_together() -> None:
    trips = daily_trips(500).assign(day_of_week=lambda frame: frame["minute_of_day"] % 7)
    trips["hour_of_week"] = trips["day_of_week"] * 24

    def torn(trips: pd.DataFrame) -> np.ndarray:
        assert (trips["hour_of_week"] == trips["day_of_week"] * 24).all()
        return law(trips)

    found = permutation_importance(torn, trips, ["pickup_zone_id", "day_of_week", "hour_of_week"])
    assert set(found["feature"]) == {"pickup_zone_id", "day_of_week"}
