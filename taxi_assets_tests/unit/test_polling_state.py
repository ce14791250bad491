"""Requests to TLC's site: the most needed months first, rarely, and never while it asks for a pause."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.months import Month
from taxi_assets.tlc.polling import (
    MAX_ABSENT_SECONDS,
    MAX_BUSY_SECONDS,
    MAX_POLLS,
    MIN_ABSENT_SECONDS,
    MIN_BUSY_SECONDS,
    RECHECK_SECONDS,
    PollingState,
    RemoteFile,
    due_months,
    newest_expected_month,
)

NOW = datetime(2023, 6, 10, 12, tzinfo=UTC).timestamp()
DAY = 86_400
VERSION = '"1"', None, 100
Available = dict[str, dict[Month, int]]


def available(*months: str) -> Available:
    return {"green": {Month.parse(month): 100 for month in months}}


def planned_polls(state: PollingState, months: Available, now: float = NOW) -> list[str]:
    return [f"{service} {month}" for service, month in due_months(state, months, now)]


def polled_recently(months: Available, now: float = NOW) -> PollingState:
    """Every available month was checked just now."""
    state = PollingState()
    for service, lengths in months.items():
        for month in lengths:
            state = present(state, service, month, now)
    return state


def present(state: PollingState, service: str, month: Month, now: float = NOW) -> PollingState:
    return state.after_response(service, month, RemoteFile(now + RECHECK_SECONDS, 0, VERSION))


def absent(state: PollingState, service: str, month: Month, now: float = NOW, is_known: bool = False) -> PollingState:
    return state.after_response(service, month, state.file(service, month).after_absence(now, is_known))


@pytest.mark.parametrize(
    ("day", "newest"),
    [((2023, 6, 1), "2023-04"), ((2023, 6, 30), "2023-04"), ((2023, 1, 31), "2022-11"), ((2023, 2, 1), "2022-12")],
)
def test_a_month_is_expected_from_one_month_after_its_end(day: tuple[int, int, int], newest: str) -> None:
    assert newest_expected_month(datetime(*day, tzinfo=UTC).timestamp()) == Month.parse(newest)


def test_month_after_the_newest_available_is_polled() -> None:
    months = available("2023-01", "2022-05")
    assert planned_polls(polled_recently(months), months) == ["green 2023-02"]


def test_a_month_that_cannot_exist_yet_is_not_polled() -> None:
    months = available("2023-04")
    assert planned_polls(polled_recently(months), months) == []
    assert planned_polls(polled_recently(months), months, NOW + 25 * DAY) != []


def test_empty_lake_polls_for_the_newest_month_only() -> None:
    state, found = PollingState(), []
    for _ in range(5):
        for service, month in due_months(state, available(), NOW):
            found.append(f"{service} {month}")
            state = absent(state, service, month)
    assert found == ["green 2023-04", "green 2023-03", "green 2023-02"]


def test_a_fetched_month_counts_before_it_is_ingested() -> None:
    months = available("2023-01")
    state = present(polled_recently(months), *due_months(polled_recently(months), months, NOW)[0])
    assert planned_polls(state, months) == ["green 2023-03"]
    state = absent(state, "green", Month(2023, 3))
    assert "green 2023-02" in planned_polls(state, months, NOW + RECHECK_SECONDS + 1)


def test_an_absent_month_is_polled_ever_less_often() -> None:
    months, now, pauses = available("2023-01"), NOW, []
    state, february = polled_recently(months), ("green", Month(2023, 2))
    for _ in range(6):
        assert "green 2023-02" in planned_polls(state, months, now)
        state = absent(state, *february, now)
        pauses.append(state.file(*february).next_at - now)
        assert "green 2023-02" not in planned_polls(state, months, now + pauses[-1] - 1)
        now += pauses[-1]
    assert pauses[0] == MIN_ABSENT_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] == MAX_ABSENT_SECONDS


def test_a_busy_source_is_paused_ever_longer_for_all_months() -> None:
    months, now, state, pauses = available("2023-01"), NOW, PollingState(), []
    for _ in range(10):
        assert planned_polls(state, months, now) != []
        state = state.after_busy(now, None)
        pauses.append(state.quiet_until - now)
        assert planned_polls(state, months, state.quiet_until - 1) == []
        now = state.quiet_until
    assert pauses[:3] == [MIN_BUSY_SECONDS, 2 * MIN_BUSY_SECONDS, 4 * MIN_BUSY_SECONDS]
    assert pauses[-1] == MAX_BUSY_SECONDS
    assert present(state, "green", Month(2023, 1)).failures == 0


@pytest.mark.parametrize(("wish", "pause"), [(0, 0), (90, 90), (1e12, MAX_BUSY_SECONDS)])
def test_a_pause_the_source_asks_for_is_kept(wish: float, pause: float) -> None:
    assert PollingState().after_busy(NOW, wish).quiet_until == NOW + pause


def test_available_months_are_rechecked_weekly_in_small_batches() -> None:
    months = available(*(f"2022-{number:02d}" for number in range(1, 13)), "2023-01", "2023-02", "2023-03", "2023-04")
    state, now = PollingState(), NOW
    assert planned_polls(state, months) == ["green 2023-04", "green 2023-03"]
    for _ in range(40):
        due = due_months(state, months, now)
        assert len(due) <= 2
        for service, month in due:
            state = present(state, service, month, now)
        now += 300
    assert len(state.files) == len(months["green"])
    assert planned_polls(state, months, now) == []
    assert planned_polls(state, months, now + RECHECK_SECONDS) == ["green 2023-04", "green 2023-03"]


def test_month_removed_at_the_source_is_kept_and_rechecked_weekly() -> None:
    assert RemoteFile().after_absence(NOW, is_known=True).next_at == NOW + RECHECK_SECONDS


def test_a_clock_set_back_does_not_stop_the_polling() -> None:
    months = available("2023-01")
    state = absent(polled_recently(months), "green", Month(2023, 2))
    assert "green 2023-02" in planned_polls(state, months, NOW - 60 * DAY + 40 * DAY)
    assert planned_polls(PollingState().after_busy(NOW, None), months, NOW - 20 * DAY) != []


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", "3", '"x"', '{"files": 3}', '{"files": {"a b": {}}}'),
        *('{"files": {"green 2023-13": {}}}', '{"files": {"green 2023-01": {"next_at": "soon"}}}'),
        '{"files": {"green 2023-01": {"version": [null, 3]}}}',
    ],
)
def test_an_invalid_cursor_starts_anew(text: str | None) -> None:
    assert PollingState.from_text(text) == PollingState()


versions = st.tuples(st.none() | st.text(max_size=3), st.none() | st.text(max_size=3), st.integers(1, 10**9))
responses = versions | st.just("absent") | st.none() | st.floats(0, 1e7)


@given(st.lists(st.tuples(responses, st.integers(1, 10 * DAY)), max_size=40), st.sets(st.integers(-40, 2), max_size=10))
def test_any_response_keeps_a_valid_state_and_the_poll_limits(steps: list[tuple[Any, int]], back: set[int]) -> None:
    months = {service: {Month(2023, 4).plus(number): 100 for number in back} for service in ("green", "yellow")}
    state, now = PollingState(), NOW
    for response, wait in steps:
        due = due_months(state, months, now)
        assert len(due) <= MAX_POLLS
        assert len(set(due)) == len(due)
        for service, month in due[:1]:
            assert month <= newest_expected_month(now) or month in months[service]
            if isinstance(response, tuple):
                state = state.after_response(service, month, RemoteFile(now + RECHECK_SECONDS, 0, response))
            elif response == "absent":
                state = absent(state, service, month, now, month in months[service])
            else:
                state = state.after_busy(now, response)
        assert PollingState.from_text(state.as_text()) == state
        now += wait
