"""Limits and verdicts of drift on counts: false alarms, the clock, the flagged features."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.monitoring.drift.daily_counts import FEATURES, RATIO, DailyCounts
from taxi_assets.monitoring.drift.drift_verdict import MeasuredFeature, clock_shift, flagged, month_verdict
from taxi_assets.monitoring.drift.false_alarms import NoDrift, distance, distance_without_drift
from taxi_assets.monitoring.drift.measure_drift import feature_weights

MONTH = date(2023, 1, 1)
HOURS = np.array([4, 3, 2, 1, 1, 2, 5, 9, 10, 8, 7, 7, 8, 8, 9, 9, 10, 12, 13, 11, 9, 8, 7, 5], float)


def test_important_inputs_weigh_more_and_the_mean_weight_is_one() -> None:
    weights = feature_weights({"pickup_zone_id": 3.0, "zone_distance": 1.0, "passenger_count": -0.1}, list(FEATURES))
    assert sum(weights.values()) / len(weights) == pytest.approx(1)
    assert weights["pickup_zone_id"] > weights["zone_distance_miles"] > weights["passenger_count"] > 0
    assert weights[RATIO] < weights["pickup_zone_id"]
    assert set(feature_weights({}, list(FEATURES)).values()) == {1.0}


def counted(name: str, reference: np.ndarray, month: np.ndarray) -> DailyCounts:
    days = np.datetime64("2022-01-01") + np.arange(len(reference))
    labels = tuple(str(place) for place in range(reference.shape[1]))
    return DailyCounts(name, labels, reference.astype(np.int64), days, month.astype(np.int64))


def test_distance_is_the_root_of_the_psi() -> None:
    counts = counted("is_same_zone", np.array([[50, 50]]), np.array([25, 75]))
    expected = (0.25 - 0.5) * np.log(0.25 / 0.5) + (0.75 - 0.5) * np.log(0.75 / 0.5)
    assert distance(counts) == pytest.approx(np.sqrt(expected))


def test_distance_of_an_unseen_value_is_finite() -> None:
    assert np.isfinite(distance(counted("service", np.array([[90, 0]]), np.array([0, 9]))))


@given(st.integers(-11, 12), st.integers(0, 999))
def test_any_shift_of_the_clock_is_found(hours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = random.multinomial(30_000, HOURS / HOURS.sum(), size=3)
    month = np.roll(random.multinomial(5_000, HOURS / HOURS.sum()), hours)
    assert clock_shift(counted("hour_of_day", reference, month)) == hours


@given(st.lists(st.floats(0, 1), min_size=1, max_size=13), st.floats(0.001, 0.5))
def test_flagged_features_follow_benjamini_and_hochberg(p_values: list[float], rate: float) -> None:
    features = [
        MeasuredFeature(counted(f"f{place}", np.array([[1, 1]]), np.array([1, 1])), _Fixed(p), 1.0)
        for place, p in enumerate(p_values)
    ]
    found = flagged(features, rate)
    ordered = sorted(p_values)
    last = max((k for k, p in enumerate(ordered, 1) if p <= rate * k / len(ordered)), default=0)
    assert len(found) == last
    assert {int(name[1:]) for name in found} == set(np.argsort(p_values, kind="stable")[:last].tolist())


class _Fixed(NoDrift):
    """A distribution with one p-value."""

    def __init__(self, p: float) -> None:
        super().__init__(0, 1, 1)
        object.__setattr__(self, "_p", p)

    def p_value(self, distance: float) -> float:  # noqa: ARG002 - the same for each
        return float(self._p)  # type: ignore[attr-defined]


@given(st.dictionaries(st.sampled_from(sorted(FEATURES)), st.sampled_from(["stable", "watch", "drifted"]), min_size=1))
def test_recording_alone_never_asks_for_a_training(verdicts: dict[str, str]) -> None:
    verdict = month_verdict(verdicts, [])  # type: ignore[arg-type]
    drifted = {name for name, each in verdicts.items() if each == "drifted"}
    assert (verdict == "retrain") == any(FEATURES[name] != "recording" for name in drifted)
    assert month_verdict(verdicts, ["a fault"]) == "fix data"  # type: ignore[arg-type]


@pytest.mark.slow
def test_alarms_without_drift_are_as_rare_as_set() -> None:
    """At one alarm in 24 months, nine or more in a hundred months have a chance of 2 in 100."""
    random, alarms = np.random.default_rng(7), 0
    shares = [random.dirichlet(np.full(bins, 2.0)) for bins in (2, 5, 10, 24, 60)]

    def days(share: np.ndarray, count: int) -> np.ndarray:
        return np.array([random.multinomial(200, random.dirichlet(400 * share)) for _ in range(count)])

    for _ in range(100):
        features = [counted(f"f{len(share)}", days(share, 365), days(share, 31).sum(axis=0)) for share in shares]
        measured = [MeasuredFeature(each, distance_without_drift(each, MONTH), 1.0) for each in features]
        alarms += bool(flagged(measured, 1 / 24))
    assert alarms <= 8


def test_a_change_in_the_training_months_does_not_hide_the_next() -> None:
    """The limits use the median: a quarter of the training days before a change moves them little."""
    random = np.random.default_rng(5)
    usual, other = np.array([0.5, 0.5]), np.array([0.1, 0.9])
    days = [random.multinomial(100, other if day < 90 else usual) for day in range(365)]
    changed = distance_without_drift(counted("service", np.array(days), np.array([1500, 1500])), MONTH)
    assert changed.limit(0.002) < 0.7
