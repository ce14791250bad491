"""Two models on the same few trips: the differences over all and by slice, checked by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.promotion.bootstrap import sum_by_day
from taxi_assets.promotion.paired_comparison import PairedPredictions, compare, compare_daily_errors
from taxi_assets.promotion.policy import PromotionPolicy

PROMOTION_POLICY = PromotionPolicy(resamples=200, min_slice_trips=20, guarded_slices=("pickup_borough",))
ERRORS = st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=30, max_size=40)


def paired(ours: list[float], theirs: list[float]) -> PairedPredictions:
    actual = np.full(len(ours), 10.0)
    return PairedPredictions(np.arange(len(ours)) % 15, actual, actual + ours, actual + theirs)


def boroughs(count: int) -> pd.DataFrame:
    names = np.where(np.arange(count) % 3 == 0, "Queens", "Manhattan")
    return pd.DataFrame({"pickup_borough": pd.Categorical(names, ["Bronx", "Manhattan", "Queens"])})


@given(ERRORS)
def test_all_trips_and_slices_add_up(errors: list[tuple[float, float]]) -> None:
    ours, theirs = (list(map(float, side)) for side in zip(*errors, strict=True))
    found = compare(paired(ours, theirs), boroughs(len(ours)), PROMOTION_POLICY)
    assert (found.trips, found.days) == (len(ours), 15)
    assert found.challenger_rmse == pytest.approx(float(np.sqrt(np.mean(np.square(ours)))), abs=1e-9)
    assert found.champion_mae == pytest.approx(float(np.abs(theirs).mean()), abs=1e-9)
    assert found.interval.difference == pytest.approx(found.challenger_rmse - found.champion_rmse, abs=1e-9)
    assert found.slices["trips"].sum() == found.trips
    squares = (found.slices["trips"] * found.slices["champion_rmse"] ** 2).sum()
    assert squares == pytest.approx(np.square(theirs).sum(), abs=1e-6)
    assert list(found.slices["value"]) == ["Manhattan", "Queens"]


def test_only_slices_with_enough_trips_are_guarded_the_worst_first() -> None:
    ours = [2.0 if number % 3 == 0 else 0.5 for number in range(60)]
    found = compare(paired(ours, [1.0] * 60), boroughs(60), PROMOTION_POLICY)
    assert list(found.guarded["value"]) == ["Queens", "Manhattan"]
    assert found.guarded["worsening"].tolist() == pytest.approx([1.0, -0.5])
    few = compare(paired(ours[:30], [1.0] * 30), boroughs(30), PROMOTION_POLICY)
    assert list(few.guarded["value"]) == ["Manhattan"]


def test_any_error_is_infinitely_worse_than_an_errorless_champion() -> None:
    found = compare(paired([1.0] * 60, [0.0] * 60), boroughs(60), PROMOTION_POLICY)
    assert found.slices["worsening"].tolist() == [np.inf, np.inf]


def test_the_same_evidence_gives_the_same_interval() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0, 5, 300), rng.normal(0, 5, 300)
    one, other = (compare(paired(list(ours), list(theirs)), boroughs(300), PROMOTION_POLICY) for _ in range(2))
    assert one.interval == other.interval
    days = sum_by_day(np.arange(300) % 15, 15, ours, theirs)
    assert vars(compare_daily_errors(days, PROMOTION_POLICY)) == pytest.approx(vars(one.interval))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_predictions_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        compare(paired([bad, *[1.0] * 29], [1.0] * 30), boroughs(30), PROMOTION_POLICY)
