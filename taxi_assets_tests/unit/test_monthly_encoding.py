"""Trips encoded month by month get the matrix, tables and completed trips of all trips at once."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_model

from taxi_assets.features.encoding import MATRIX_COLUMNS
from taxi_assets.features.target_encoding import Smoothing
from taxi_assets.features.trip_features import row_features
from taxi_assets.features.zone_geometry import ZoneGeometry
from taxi_assets.training import monthly_encoding, training_set
from taxi_assets.training.monthly_encoding import EncodedMonth, MonthlyEncoder
from taxi_assets.training.monthly_trips import FrameTrips
from taxi_assets.training.training_set import TrainingSet, build_training_set, model_columns
from taxi_assets.training.xgboost_model import StoredRows

MONTHS, SEED = 5, 3
GEOMETRY = ZoneGeometry(small_model.zone_map())
FIXED_DURATION_VENDOR = 4


@pytest.fixture(scope="module")
def trips() -> pd.DataFrame:
    """Green trips of five months; one vendor writes nearly the same duration for all of its trips."""
    columns, draw = small_model.trips(2_000, seed=SEED), np.random.default_rng(SEED)
    start = np.datetime64("2022-11-01T00:00:00")
    columns["pickup_at"] = np.sort(start + draw.integers(0, 150 * 86_400, 2_000))
    columns["service_id"][:] = 0
    frame = pd.DataFrame({**columns, **row_features(columns, small_model.zone_map())})
    vendor = draw.integers(1, FIXED_DURATION_VENDOR + 1, len(frame))
    minutes = np.round(np.where(vendor == FIXED_DURATION_VENDOR, 30, draw.gamma(4, 4, len(frame)) + 1) * 60) / 60
    return frame.assign(vendor_id=vendor, passenger_count=draw.integers(1, 5, len(frame)), duration_minutes=minutes)


@pytest.fixture(scope="module", autouse=True)
def _no_masked_rows() -> Iterator[None]:
    """The two ways draw the masked rows differently."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (training_set, monthly_encoding):
            patch.setattr(module, "MASKED_SHARE", 0)
        yield


@pytest.fixture(scope="module")
def at_once(trips: pd.DataFrame) -> TrainingSet:
    minutes = trips["duration_minutes"].to_numpy()
    return build_training_set(model_columns(trips), minutes, GEOMETRY, Smoothing(), 24, frozenset(), SEED)


@pytest.fixture(scope="module")
def encoder() -> MonthlyEncoder:
    return MonthlyEncoder(GEOMETRY, Smoothing(), 24, frozenset(), SEED)


@pytest.fixture(scope="module")
def by_month(trips: pd.DataFrame, encoder: MonthlyEncoder) -> list[EncodedMonth]:
    return list(encoder.encode(FrameTrips(trips), (0,)))


@pytest.mark.slow
def test_the_rows_are_those_of_all_trips_at_once(at_once: TrainingSet, by_month: list[EncodedMonth]) -> None:
    assert [each.month for each in by_month] == [634, 635, 636, 637, 638]
    matrix = np.concatenate([each.matrix for each in by_month])
    for position, name in enumerate(MATRIX_COLUMNS):
        assert np.allclose(matrix[:, position], at_once.matrix[:, position], rtol=1e-4, equal_nan=True), name
    assert not np.isnan(matrix[-100:, MATRIX_COLUMNS.index("pair_28d_ratio")]).any()
    for name in ("minutes", "weights", "pickup_seconds"):
        joined = np.concatenate([getattr(each, name) for each in by_month])
        assert np.allclose(joined, getattr(at_once, name), rtol=1e-4), name


@pytest.mark.slow
def test_trips_of_a_vendor_with_one_duration_are_no_training_rows(
    trips: pd.DataFrame, by_month: list[EncodedMonth]
) -> None:
    assert sum(len(each.minutes) for each in by_month) < (trips["vendor_id"] < FIXED_DURATION_VENDOR).sum() + 200


@pytest.mark.slow
def test_the_tables_of_later_predictions_are_those_of_all_trips_at_once(
    at_once: TrainingSet, encoder: MonthlyEncoder, by_month: list[EncodedMonth], trips: pd.DataFrame
) -> None:
    assert by_month
    for name, table in at_once.tables[0].items():
        assert np.allclose(encoder.tables[0][name], table, rtol=1e-4, atol=1e-5), name
    for name, values in vars(at_once.completed[0]).items():
        assert np.allclose(getattr(encoder.completed[0], name), values, rtol=1e-4), name
    assert encoder.minutes_range == (trips["duration_minutes"].min(), trips["duration_minutes"].max())


@pytest.mark.slow
@pytest.mark.parametrize("rows_only", [False, True])
def test_a_share_of_the_months_gets_the_same_rows(
    trips: pd.DataFrame, by_month: list[EncodedMonth], rows_only: bool
) -> None:
    encoder = MonthlyEncoder(GEOMETRY, Smoothing(), 24, frozenset(), SEED)
    (found,) = encoder.encode(FrameTrips(trips), (0,), share={(0, 637)}, rows_only=rows_only)
    assert found.month == 637
    assert np.array_equal(found.matrix, by_month[3].matrix, equal_nan=True)
    assert (not encoder.tables, not encoder.completed) == (rows_only, rows_only)


def test_a_sample_of_stored_rows_keeps_no_month_in_memory(tmp_path: Path) -> None:
    def months() -> Iterator[EncodedMonth]:
        for month in range(10):
            rows = np.arange(20_000) + 20_000 * month
            matrix = np.repeat(rows[:, None], len(MATRIX_COLUMNS), axis=1).astype(np.float32)
            yield EncodedMonth(0, month, matrix, rows.astype(np.float64), np.ones(len(rows)), rows)

    stored = StoredRows.store(months(), tmp_path)
    assert (stored.count, stored.weight) == (200_000, 200_000)
    tracemalloc.start()
    try:
        sample = stored.evenly_spaced(1_000)
        assert tracemalloc.get_traced_memory()[1] < 3 * 20_000 * 4 * len(MATRIX_COLUMNS)
    finally:
        tracemalloc.stop()
    assert np.array_equal(sample.pickup_seconds, np.arange(0, 200_000, 200))
    assert np.array_equal(sample.matrix[:, 0], sample.minutes)
