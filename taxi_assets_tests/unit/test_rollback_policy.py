"""A new champion is rolled back only on a verdict of its watch; a watch ends in exactly one way."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.monitoring.confidence_sequence import MIN_ROWS, confidence_sequence
from taxi_assets.monitoring.rollback_policy import (
    WATCH_DAYS,
    ChampionWatch,
    WatchVerdict,
    is_over,
    sentence,
    should_roll_back,
)

START = datetime(2024, 5, 1)
VERDICTS: tuple[WatchVerdict, ...] = ("better", "worse", "undecided")

watches = st.builds(
    ChampionWatch,
    champion=st.just(13),
    previous=st.just(12),
    since=st.just(START),
    rides=st.integers(0, 5_000),
    verdict=st.sampled_from(VERDICTS),
    difference=st.floats(-50, 50),
)


@given(watches, st.integers(1, 5_000), st.integers(0, 20 * 24))
def test_a_watch_goes_on_ends_or_rolls_back(watch: ChampionWatch, watch_rides: int, hours: int) -> None:
    now = START + timedelta(hours=hours)
    assert not (should_roll_back(watch) and is_over(watch, watch_rides, now))
    assert should_roll_back(watch) == (watch.verdict == "worse" and watch.rides > 0)
    is_long = hours >= 24 * WATCH_DAYS or watch.rides >= watch_rides or watch.verdict == "better"
    assert is_over(watch, watch_rides, now) == (is_long and not should_roll_back(watch))


@given(watches, st.integers(1, 5_000), st.integers(0, 400), st.integers(0, 400), st.integers(0, 1_000))
def test_a_watch_that_is_over_stays_over(
    watch: ChampionWatch, watch_rides: int, hours: int, more_hours: int, more_rides: int
) -> None:
    now = START + timedelta(hours=hours)
    later = ChampionWatch(13, 12, START, watch.rides + more_rides, watch.verdict, watch.difference)
    if is_over(watch, watch_rides, now) and not should_roll_back(later):
        assert is_over(later, watch_rides, now + timedelta(hours=more_hours))


def rolled_back_after(seed: int, error: float) -> int | None:
    """Rides until a champion with errors of this spread is rolled back; None if it is not."""
    draw = np.random.default_rng(seed)
    hard = draw.gamma(2, 2, 2_000)  # rides differ in difficulty, for both alike
    own, previous = hard * draw.normal(0, error, 2_000), hard * draw.normal(0, 1, 2_000)
    mean, half_width = confidence_sequence(own**2 - previous**2)
    found = np.flatnonzero(mean > half_width)
    return int(found[0]) + 1 if len(found) else None


def test_an_equal_champion_is_seldom_rolled_back_though_it_is_read_after_every_ride() -> None:
    assert np.mean([rolled_back_after(seed, 1.0) is not None for seed in range(200)]) <= 0.05


def test_a_bad_champion_is_rolled_back_within_the_watch() -> None:
    found = [rolled_back_after(seed, 1.6) for seed in range(50)]
    assert all(each is not None and each >= MIN_ROWS for each in found)


def test_the_sentence_states_the_verdict_and_its_figures() -> None:
    compared = "than version 12 on 900 rides that both predicted"
    watch = ChampionWatch(13, 12, START, 900, "worse", 4.25)
    assert sentence(watch) == f"version 13 is worse {compared}: its mean squared error is 4.25 minutes² above"
    undecided = ChampionWatch(13, 12, START, 900, "undecided", 0.1)
    assert sentence(undecided) == f"version 13 is neither better nor worse {compared} so far"
