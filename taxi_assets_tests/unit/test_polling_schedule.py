"""Requests to TLC's site: the most needed months first, rarely, and never while it asks for a pause."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.months import Month
from taxi_assets.tlc.polling_schedule import (
    MAX_ABSENT_BACKOFF_SECONDS,
    MAX_BUSY_BACKOFF_SECONDS,
    MAX_POLLS,
    MIN_ABSENT_BACKOFF_SECONDS,
    MIN_BUSY_BACKOFF_SECONDS,
    RECHECK_SECONDS,
    AvailableMonth,
    PollingState,
    PollResponse,
    RemoteFileState,
    due_polls,
    newest_expected_month,
    record_response,
)

NOW = datetime(2023, 6, 10, 12, tzinfo=UTC).timestamp()
DAY = 86_400
THERE = PollResponse("there", etag='"1"', length=100)
ABSENT, BUSY, UNCHANGED = PollResponse("absent"), PollResponse("busy"), PollResponse("unchanged")


def available(*months: str) -> dict[str, list[AvailableMonth]]:
    return {"green": [AvailableMonth(Month.parse(month), 100) for month in months]}


def planned_polls(polling_state: PollingState, months: dict[str, list[AvailableMonth]], now: float = NOW) -> list[str]:
    return [month_poll.name for month_poll in due_polls(polling_state, months, now)]


def settled(months: dict[str, list[AvailableMonth]], now: float = NOW) -> PollingState:
    """Every available month was checked just now."""
    remote_state = RemoteFileState(now + RECHECK_SECONDS, 0, '"1"', None, 100)
    return PollingState({f"{service} {one.month}": remote_state for service, all_ in months.items() for one in all_})


@pytest.mark.parametrize(
    ("day", "newest"),
    [((2023, 6, 1), "2023-04"), ((2023, 6, 30), "2023-04"), ((2023, 1, 31), "2022-11"), ((2023, 2, 1), "2022-12")],
)
def test_a_month_is_expected_from_one_month_after_its_end(day: tuple[int, int, int], newest: str) -> None:
    assert newest_expected_month(datetime(*day, tzinfo=UTC).timestamp()) == Month.parse(newest)


def test_month_after_the_newest_available_is_polled() -> None:
    months = available("2023-01", "2022-05")
    assert planned_polls(settled(months), months) == ["green 2023-02"]


def test_a_month_that_cannot_exist_yet_is_not_polled() -> None:
    months = available("2023-04")
    assert planned_polls(settled(months), months) == []
    assert planned_polls(settled(months), months, NOW + 25 * DAY) != []


def test_empty_lake_polls_for_the_newest_month_only() -> None:
    polling_state, found = PollingState(), []
    for _ in range(5):
        for month_poll in due_polls(polling_state, available(), NOW):
            found.append(month_poll.name)
            polling_state = record_response(polling_state, month_poll, ABSENT, NOW)
    assert found == ["green 2023-04", "green 2023-03", "green 2023-02"]


def test_a_fetched_month_counts_before_it_is_ingested() -> None:
    months = available("2023-01")
    (month_poll,) = due_polls(settled(months), months, NOW)
    polling_state = record_response(settled(months), month_poll, THERE, NOW)
    assert planned_polls(polling_state, months) == ["green 2023-03"]
    later = NOW + RECHECK_SECONDS + 1
    assert "green 2023-02" in planned_polls(
        record_response(polling_state, due_polls(polling_state, months, NOW)[0], ABSENT, later), months, later
    )


def test_an_absent_month_is_polled_ever_less_often() -> None:
    months, now, pauses = available("2023-01"), NOW, []
    polling_state = settled(months, NOW + 365 * DAY)
    polling_state = PollingState(
        {name: RemoteFileState(now + 6 * DAY, 0, '"1"', None, 100) for name in polling_state.months}
    )
    for _ in range(6):
        (month_poll,) = [q for q in due_polls(polling_state, months, now) if q.month == Month(2023, 2)]
        polling_state = record_response(polling_state, month_poll, ABSENT, now)
        pauses.append(polling_state.months["green 2023-02"].next_at - now)
        assert "green 2023-02" not in planned_polls(polling_state, months, now + pauses[-1] - 1)
        now += pauses[-1]
    assert pauses[0] == MIN_ABSENT_BACKOFF_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] == MAX_ABSENT_BACKOFF_SECONDS


def test_a_busy_source_is_paused_ever_longer_for_all_months() -> None:
    months, now, polling_state, pauses = available("2023-01"), NOW, PollingState(), []
    for _ in range(10):
        polling_state = record_response(polling_state, due_polls(polling_state, months, now)[0], BUSY, now)
        pauses.append(polling_state.quiet_until - now)
        assert planned_polls(polling_state, months, polling_state.quiet_until - 1) == []
        now = polling_state.quiet_until
    assert pauses[:3] == [MIN_BUSY_BACKOFF_SECONDS, 2 * MIN_BUSY_BACKOFF_SECONDS, 4 * MIN_BUSY_BACKOFF_SECONDS]
    assert pauses[-1] == MAX_BUSY_BACKOFF_SECONDS
    assert record_response(polling_state, due_polls(polling_state, months, now)[0], UNCHANGED, now).failures == 0


@pytest.mark.parametrize(("wish", "pause"), [(0, 0), (90, 90), (1e12, MAX_BUSY_BACKOFF_SECONDS)])
def test_a_pause_the_source_asks_for_is_kept(wish: float, pause: float) -> None:
    polling_state = record_response(
        PollingState(), due_polls(PollingState(), available(), NOW)[0], PollResponse("busy", pause=wish), NOW
    )
    assert polling_state.quiet_until == NOW + pause


def test_available_months_are_rechecked_weekly_in_small_batches() -> None:
    months = available(*(f"2022-{number:02d}" for number in range(1, 13)), "2023-01", "2023-02", "2023-03", "2023-04")
    polling_state, now, counts = PollingState(), NOW, dict.fromkeys(months["green"], 0)
    for _ in range(40):
        due = due_polls(polling_state, months, now)
        assert len(due) <= 2
        for month_poll in due:
            polling_state = record_response(polling_state, month_poll, UNCHANGED, now)
        now += 300
    assert len(polling_state.months) == len(counts)
    assert planned_polls(polling_state, months, now) == []
    assert len(planned_polls(polling_state, months, now + RECHECK_SECONDS)) == 2


def test_month_removed_at_the_source_is_kept_and_rechecked_weekly() -> None:
    months = available("2023-04")
    (month_poll,) = due_polls(PollingState(), months, NOW)
    assert month_poll.available_bytes == 100
    assert (
        record_response(PollingState(), month_poll, ABSENT, NOW).months["green 2023-04"].next_at
        == NOW + RECHECK_SECONDS
    )


def test_a_clock_set_back_does_not_stop_the_polling() -> None:
    months = available("2023-01")
    (month_poll,) = due_polls(settled(months), months, NOW)
    polling_state = record_response(settled(months), month_poll, ABSENT, NOW)
    assert "green 2023-02" in planned_polls(polling_state, months, NOW - 60 * DAY + 40 * DAY)
    busy = record_response(PollingState(), month_poll, BUSY, NOW)
    assert planned_polls(busy, months, NOW - 20 * DAY) != []


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"months": 3}', '{"months": {"a b": {"odd": 1}}}', '"x"'])
def test_an_invalid_cursor_starts_anew(text: str | None) -> None:
    assert PollingState.from_text(text) == PollingState()


answers = st.builds(
    PollResponse,
    kind=st.sampled_from(["absent", "busy", "refused", "unchanged", "there"]),
    etag=st.none() | st.text(max_size=3),
    length=st.none() | st.integers(1, 10**9),
    pause=st.none() | st.floats(0, 1e7),
)


@given(st.lists(st.tuples(answers, st.integers(1, 10 * DAY)), max_size=40), st.sets(st.integers(-40, 2), max_size=10))
def test_any_response_keeps_a_valid_state_and_the_poll_limits(
    steps: list[tuple[PollResponse, int]], back: set[int]
) -> None:
    months = {
        service: [AvailableMonth(Month(2023, 4).plus(number), 100) for number in sorted(back)]
        for service in ("green", "yellow")
    }
    polling_state, now, last = PollingState(), NOW, dict[str, float]()
    for poll_response, wait in steps:
        due = due_polls(polling_state, months, now)
        assert len(due) <= MAX_POLLS
        assert len({month_poll.name for month_poll in due}) == len(due)
        for month_poll in due[:1]:
            assert month_poll.month <= newest_expected_month(now) or month_poll.available_bytes is not None
            last[month_poll.name] = now
            polling_state = record_response(polling_state, month_poll, poll_response, now)
        assert PollingState.from_text(polling_state.as_text()) == polling_state
        now += wait
