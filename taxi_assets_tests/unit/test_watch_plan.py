"""What TLC's site is asked and when: in order of need, seldom, never while it wants to be left alone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.months import Month
from taxi_assets.tlc.polling_plan import (
    FIRST_ABSENCE_SECONDS,
    FIRST_BUSY_SECONDS,
    HELD_AGAIN_SECONDS,
    LONGEST_ABSENCE_SECONDS,
    LONGEST_BUSY_SECONDS,
    MOST_QUESTIONS,
    Answer,
    AtSource,
    Held,
    Watch,
    learn,
    newest_expected,
    questions,
)

NOW = datetime(2023, 6, 10, 12, tzinfo=UTC).timestamp()
DAY = 86_400
THERE = Answer("there", etag='"1"', length=100)
ABSENT, BUSY, UNCHANGED = Answer("absent"), Answer("busy"), Answer("unchanged")


def held(*months: str) -> dict[str, list[Held]]:
    return {"green": [Held(Month.parse(month), 100) for month in months]}


def asked(watch: Watch, months: dict[str, list[Held]], now: float = NOW) -> list[str]:
    return [question.name for question in questions(watch, months, now)]


def settled(months: dict[str, list[Held]], now: float = NOW) -> Watch:
    """Every held month was seen just now."""
    known = AtSource(now + HELD_AGAIN_SECONDS, 0, '"1"', None, 100)
    return Watch({f"{service} {one.month}": known for service, all_ in months.items() for one in all_})


@pytest.mark.parametrize(
    ("day", "newest"),
    [((2023, 6, 1), "2023-04"), ((2023, 6, 30), "2023-04"), ((2023, 1, 31), "2022-11"), ((2023, 2, 1), "2022-12")],
)
def test_a_month_is_expected_from_one_month_after_its_end(day: tuple[int, int, int], newest: str) -> None:
    assert newest_expected(datetime(*day, tzinfo=UTC).timestamp()) == Month.parse(newest)


def test_the_month_after_the_newest_held_is_asked_for() -> None:
    months = held("2023-01", "2022-05")
    assert asked(settled(months), months) == ["green 2023-02"]


def test_a_month_that_cannot_be_there_yet_is_not_asked_for() -> None:
    months = held("2023-04")
    assert asked(settled(months), months) == []
    assert asked(settled(months), months, NOW + 25 * DAY) != []


def test_where_nothing_is_held_the_newest_is_looked_for_and_not_the_history() -> None:
    watch, found = Watch(), []
    for _ in range(5):
        for question in questions(watch, held(), NOW):
            found.append(question.name)
            watch = learn(watch, question, ABSENT, NOW)
    assert found == ["green 2023-04", "green 2023-03", "green 2023-02"]


def test_what_was_fetched_counts_before_it_is_taken_in() -> None:
    months = held("2023-01")
    (question,) = questions(settled(months), months, NOW)
    watch = learn(settled(months), question, THERE, NOW)
    assert asked(watch, months) == ["green 2023-03"]
    later = NOW + HELD_AGAIN_SECONDS + 1
    assert "green 2023-02" in asked(learn(watch, questions(watch, months, NOW)[0], ABSENT, later), months, later)


def test_an_absent_month_is_asked_for_ever_less_often() -> None:
    months, now, pauses = held("2023-01"), NOW, []
    watch = settled(months, NOW + 365 * DAY)
    watch = Watch({name: AtSource(now + 6 * DAY, 0, '"1"', None, 100) for name in watch.months})
    for _ in range(6):
        (question,) = [q for q in questions(watch, months, now) if q.month == Month(2023, 2)]
        watch = learn(watch, question, ABSENT, now)
        pauses.append(watch.months["green 2023-02"].next_at - now)
        assert "green 2023-02" not in asked(watch, months, now + pauses[-1] - 1)
        now += pauses[-1]
    assert pauses[0] == FIRST_ABSENCE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == pauses[-2] == LONGEST_ABSENCE_SECONDS


def test_a_busy_source_is_left_alone_ever_longer_and_nothing_else_is_asked() -> None:
    months, now, watch, pauses = held("2023-01"), NOW, Watch(), []
    for _ in range(10):
        watch = learn(watch, questions(watch, months, now)[0], BUSY, now)
        pauses.append(watch.quiet_until - now)
        assert asked(watch, months, watch.quiet_until - 1) == []
        now = watch.quiet_until
    assert pauses[:3] == [FIRST_BUSY_SECONDS, 2 * FIRST_BUSY_SECONDS, 4 * FIRST_BUSY_SECONDS]
    assert pauses[-1] == LONGEST_BUSY_SECONDS
    assert learn(watch, questions(watch, months, now)[0], UNCHANGED, now).failures == 0


@pytest.mark.parametrize(("wish", "pause"), [(0, 0), (90, 90), (1e12, LONGEST_BUSY_SECONDS)])
def test_a_source_that_says_how_long_is_left_alone_as_long(wish: float, pause: float) -> None:
    watch = learn(Watch(), questions(Watch(), held(), NOW)[0], Answer("busy", pause=wish), NOW)
    assert watch.quiet_until == NOW + pause


def test_held_months_are_asked_for_every_week_a_few_at_a_time() -> None:
    months = held(*(f"2022-{number:02d}" for number in range(1, 13)), "2023-01", "2023-02", "2023-03", "2023-04")
    watch, now, counts = Watch(), NOW, dict.fromkeys(months["green"], 0)
    for _ in range(40):
        due = questions(watch, months, now)
        assert len(due) <= 2
        for question in due:
            watch = learn(watch, question, UNCHANGED, now)
        now += 300
    assert len(watch.months) == len(counts)
    assert asked(watch, months, now) == []
    assert len(asked(watch, months, now + HELD_AGAIN_SECONDS)) == 2


def test_a_held_month_that_is_taken_away_is_kept_and_asked_for_next_week() -> None:
    months = held("2023-04")
    (question,) = questions(Watch(), months, NOW)
    assert question.held_bytes == 100
    assert learn(Watch(), question, ABSENT, NOW).months["green 2023-04"].next_at == NOW + HELD_AGAIN_SECONDS


def test_a_clock_set_back_does_not_silence_the_watch() -> None:
    months = held("2023-01")
    (question,) = questions(settled(months), months, NOW)
    watch = learn(settled(months), question, ABSENT, NOW)
    assert "green 2023-02" in asked(watch, months, NOW - 60 * DAY + 40 * DAY)
    busy = learn(Watch(), question, BUSY, NOW)
    assert asked(busy, months, NOW - 20 * DAY) != []


@pytest.mark.parametrize("text", [None, "", "{", "[]", "3", '{"months": 3}', '{"months": {"a b": {"odd": 1}}}', '"x"'])
def test_a_cursor_that_is_none_begins_anew(text: str | None) -> None:
    assert Watch.from_text(text) == Watch()


answers = st.builds(
    Answer,
    kind=st.sampled_from(["absent", "busy", "refused", "unchanged", "there"]),
    etag=st.none() | st.text(max_size=3),
    length=st.none() | st.integers(1, 10**9),
    pause=st.none() | st.floats(0, 1e7),
)


@given(st.lists(st.tuples(answers, st.integers(1, 10 * DAY)), max_size=40), st.sets(st.integers(-40, 2), max_size=10))
def test_whatever_is_answered_the_watch_is_kept_and_stays_polite(
    steps: list[tuple[Answer, int]], back: set[int]
) -> None:
    months = {
        service: [Held(Month(2023, 4).plus(number), 100) for number in sorted(back)] for service in ("green", "yellow")
    }
    watch, now, last = Watch(), NOW, dict[str, float]()
    for answer, wait in steps:
        due = questions(watch, months, now)
        assert len(due) <= MOST_QUESTIONS
        assert len({question.name for question in due}) == len(due)
        for question in due[:1]:
            assert question.month <= newest_expected(now) or question.held_bytes is not None
            last[question.name] = now
            watch = learn(watch, question, answer, now)
        assert Watch.from_text(watch.as_text()) == watch
        now += wait
