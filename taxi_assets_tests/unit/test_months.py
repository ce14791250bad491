"""Months and ranges of months are read as a person writes them; other text is refused."""

from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from taxi_assets.defs.partitions import MONTHS
from taxi_assets.errors import TaxiError
from taxi_assets.months import FIRST_MONTH, Month, MonthNotOver, month_range, newest_month, parse_months
from taxi_assets.tlc.month_file import parse_file_name

months = st.sampled_from(month_range(FIRST_MONTH, newest_month()))
texts = st.builds("{:04d}-{:02d}".format, st.integers(2007, 2040), st.integers(0, 14)) | st.builds(
    lambda later: str(newest_month().plus(later)), st.integers(-2, 3)
)
JANUARY = Month(2023, 1)


@given(months)
def test_a_written_month_is_read_back(month: Month) -> None:
    assert Month.parse(str(month)) == month
    assert Month.parse(f" {month}\n") == month


@pytest.mark.parametrize(
    "text",
    [
        "2023-13",
        "2023-00",
        "2008-12",
        "0000-01",
        "2023-1",
        "23-01",
        "2023/01",
        "2023-01-01",
        "2023-01x",
        "-2023-01",
        "",
        " ",
        "..",
        "\u0662\u0660\u0662\u0663-01",
        "\uff12\uff10\uff12\uff13-01",
        "../../etc/passwd",
        "2023-01'; DROP TABLE raw_trips; --",
        "2023-01\0",
    ],
)
def test_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(TaxiError) as refused:
        Month.parse(text)
    assert "is not a month: write it as YYYY-MM" in str(refused.value)
    assert text.strip("\0") in str(refused.value)


@given(st.text(max_size=20))
@example("2023-01\u2028")
def test_any_text_is_a_month_or_a_taxi_error(text: str) -> None:
    try:
        month = Month.parse(text)
    except TaxiError:
        return
    assert str(month) == text.strip()
    assert month >= Month(2009, 1)


@given(texts)
@example("2009-01")
@example("2008-12")
@example(str(newest_month()))
@example(str(newest_month().plus(1)))
def test_file_names_partitions_and_commands_accept_the_same_months(text: str) -> None:
    try:
        parse_months(text)
        is_month = True
    except TaxiError:
        is_month = False
    assert MONTHS.has_partition_key(text) == is_month
    assert (parse_file_name(f"green_tripdata_{text}.parquet") is not None) == is_month
    assert (parse_file_name(f"green_tripdata_{text}.csv") is not None) == is_month


def test_an_unfinished_month_is_refused() -> None:
    for ahead in (1, 2, 600):
        with pytest.raises(MonthNotOver, match=rf"is not over: the newest month that is over is {newest_month()}"):
            Month.parse(str(newest_month().plus(ahead)))


def test_months_are_ordered_by_the_calendar() -> None:
    assert Month(2022, 12) < JANUARY < Month(2023, 2)
    assert JANUARY.first_day == date(2023, 1, 1)


@given(months, st.integers(-2000, 2000))
def test_adding_months_follows_the_calendar(month: Month, count: int) -> None:
    assume(1000 < month.year + count / 12 < 9000)
    later = month.plus(count)
    assert later.plus(-count) == month
    assert (later.year - month.year) * 12 + later.number - month.number == count
    assert 1 <= later.number <= 12


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "2023-01"), (11, "2023-12"), (12, "2024-01"), (-1, "2022-12"), (-13, "2021-12")],
)
def test_january_follows_december(count: int, expected: str) -> None:
    assert str(JANUARY.plus(count)) == expected


def test_a_range_includes_both_ends() -> None:
    assert [str(month) for month in month_range(Month(2022, 11), JANUARY)] == [
        "2022-11",
        "2022-12",
        "2023-01",
    ]
    assert month_range(JANUARY, JANUARY) == (JANUARY,)


def test_a_reversed_range_is_refused_when_built() -> None:
    with pytest.raises(TaxiError, match=r"the range '2023-01\.\.2022-12' runs backwards"):
        month_range(JANUARY, Month(2022, 12))


@given(months, st.integers(0, 40))
def test_a_range_is_read_as_its_months(first: Month, length: int) -> None:
    assume(first.plus(length) <= newest_month())
    read = parse_months(f"{first}..{first.plus(length)}")
    assert read == tuple(first.plus(step) for step in range(length + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-01", "2023-01"),
        ("2023-01..2023-03", "2023-01 2023-02 2023-03"),
        ("2023-04,2023-01", "2023-01 2023-04"),
        ("2023-01..2023-02, 2022-06", "2022-06 2023-01 2023-02"),
        (" 2023-01 .. 2023-02 ", "2023-01 2023-02"),
    ],
)
def test_months_are_read_in_calendar_order(text: str, expected: str) -> None:
    assert " ".join(map(str, parse_months(text))) == expected


@pytest.mark.parametrize("text", ["2023-01,2023-01", "2023-01..2023-03,2023-02", "2023-01..2023-02,2023-02..2023-03"])
def test_a_month_given_twice_is_refused(text: str) -> None:
    with pytest.raises(TaxiError, match=r"the month 2023-0[12] is given twice in '.*': name each month once"):
        parse_months(text)


def test_a_reversed_range_is_refused_when_read() -> None:
    with pytest.raises(
        TaxiError, match=r"the range '2023-03\.\.2023-01' runs backwards: write the earlier month first"
    ):
        parse_months("2023-01,2023-03..2023-01")


@pytest.mark.parametrize(
    "text", ["", ",", "2023-01,", "2023-01..", "..2023-01", "2023-01...2023-03", "2023-01-2023-03"]
)
def test_a_list_with_an_invalid_part_is_refused(text: str) -> None:
    with pytest.raises(TaxiError, match="is not a month: write it as YYYY-MM"):
        parse_months(text)


@given(st.lists(st.sampled_from(["2023-01", "2023-13", "..", ",", " ", "2022-12", "\n", "'", "9999-12"]), max_size=6))
def test_any_list_is_months_in_order_or_a_taxi_error(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        found = parse_months(text)
    except TaxiError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - accepting is correct too
        return
    assert found
    assert list(found) == sorted(set(found))
