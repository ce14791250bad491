"""Chooses how a file's time columns are read as New York wall-clock times.

A time with a zone is converted; a time without one is taken as it is; a file with both is refused. All values of a
column together decide whether day or month comes first. Pure functions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.unreadable_values import number_counts, require_readable

_Order = Literal["month", "day"]

_NEW_YORK = "America/New_York"
_PLAIN = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"  # TLC's format: read without further checks
_AWARE = r"(:\d{2}(\.\d+)?) *(Z|z|UTC|GMT|EST|EDT|[+-](0\d|1[0-4])(:?[0-5]\d)?)$"
_DAY_AND_MONTH = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(,? |T|$)"
_HALF_DAY = "[AaPp][Mm]$"
_YEAR_FIRST = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?"
_YEAR = r"(^|[^0-9.:])\d{4}([^0-9]|$)"
_CLOCKS = ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "")
_NAMED = ("%Y %b %d", "%d %b %Y", "%b %d %Y", "%Y %B %d", "%d %B %Y", "%B %d %Y")
_NUMBERED: dict[_Order, str] = {"month": "%m/%d/%Y", "day": "%d/%m/%Y"}
_COMPACT = ("%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M")
_WRITE = "write times as 2023-01-31 14:05:00"


@dataclass(frozen=True)
class TimeReading:
    """SQL that reads a column's times, with `{}` for the value, and a note on any conversion.

    `is_aware` is true for times with a zone; None if the column has no value.
    """

    expression: str
    note: str | None = None
    is_aware: bool | None = False


def read_typed(kind: str) -> TimeReading:
    """The reading of a timestamp column, by its Arrow type name."""
    zone = re.search(r"tz=([^\]]+)", kind)
    if zone is None:
        return TimeReading("TRY_CAST({} AS TIMESTAMP)")
    note = "in New York's time zone" if zone[1] == _NEW_YORK else f"converted from {zone[1]} to New York's clock"
    return TimeReading(f"CAST(timezone('{_NEW_YORK}', {{}}) AS TIMESTAMP)", note, True)


def survey_query(texts: Sequence[str], relation: str, numbers: Sequence[tuple[str, str]] = ()) -> str:
    """A query of one row with a struct of counts for each column, time columns first.

    Args:
        texts: SQL of each time column's text, NULL for no value; for `decide_readings`.
        relation: the relation to read.
        numbers: SQL of each number and of its text, for `require_numbers`.
    """
    columns, counts = number_counts(numbers)
    given = ", ".join([*(f"{text} AS t{n}" for n, text in enumerate(texts)), *columns])
    odd = [
        f"CASE WHEN NOT regexp_full_match(t{n}, '{_PLAIN}') OR TRY_CAST(t{n} AS TIMESTAMP) IS NULL THEN t{n} END "
        f"AS odd{n}"
        for n in range(len(texts))
    ]
    parsed = ", ".join(["*", *(_parsed_columns(n) for n in range(len(texts)))])
    figures = ", ".join([*(_counts(n) for n in range(len(texts))), *counts])
    inner = f"SELECT {', '.join(['*', *odd])} FROM (SELECT {given} FROM {relation})"  # noqa: S608
    return f"SELECT {figures} FROM (SELECT {parsed} FROM ({inner}))"  # noqa: S608


def decide_readings(names: Sequence[str], row: Sequence[Mapping[str, Any]]) -> dict[str, TimeReading]:
    """The readings of the time columns, by published name.

    Args:
        names: the published names.
        row: their counts, from the query of `survey_query`.

    Raises:
        TaxiError: times that are ambiguous, have no time of day, or are unreadable in over a fifth of the rows.
    """
    found = dict(zip(names, row, strict=True))
    orders = {name: _order(name, counted) for name, counted in found.items()}
    others = {order for order in orders.values() if order}
    agreed = others.pop() if len(others) == 1 else None
    return {name: _reading(name, counted, orders[name] or agreed) for name, counted in found.items()}


def refuse_mixed_time_zones(readings: Mapping[str, TimeReading]) -> None:
    """Refuse a file with both kinds of times.

    Raises:
        TaxiError: some columns have a time zone and others have none.
    """
    aware = [name for name, reading in readings.items() if reading.is_aware]
    naive = [name for name, reading in readings.items() if reading.is_aware is False]
    if aware and naive:
        raise TaxiError(f"the times of {aware[0]} have a time zone and those of {naive[0]} have none: {_WRITE}")


def _parsed_columns(number: int) -> str:
    odd = f"odd{number}"
    first, second = (f"TRY_CAST(regexp_extract({odd}, '{_DAY_AND_MONTH}', {n}) AS INTEGER)" for n in (1, 2))
    return (
        f"regexp_matches({odd}, '{_AWARE}') AS is_aware{number}, {first} AS first{number}, {second} AS second{number}, "
        f"coalesce({_any_time(odd, 'month')}, {_any_time(odd, 'day')}) IS NOT NULL AS is_read{number}"
    )


def _counts(number: int) -> str:
    odd, is_aware, is_read = f"odd{number}", f"is_aware{number}", f"is_read{number}"
    first, second = f"first{number}", f"second{number}"
    conditions = {
        "aware": f"{is_aware} AND {is_read}",
        "naive": f"NOT {is_aware} AND {is_read}",
        "day_first": f"{first} > 12 AND {is_read}",
        "month_first": f"{second} > 12 AND {is_read}",
        "unsure": f"{first} <= 12 AND {second} <= 12 AND {first} <> {second}",
        "half_days": f"regexp_matches({odd}, '{_HALF_DAY}')",
        "dates": rf"NOT regexp_matches({odd}, ':|^\d{{8}}[ T]?\d{{6}}') AND {is_read}",
        "unreadable": f"{odd} IS NOT NULL AND NOT {is_read}",
    }
    counts = [f"{name} := count(*) FILTER ({condition})" for name, condition in conditions.items()]
    samples = [f"{name}_sample := min({odd}) FILTER ({condition})" for name, condition in conditions.items()]
    return f"struct_pack(texts := count(t{number}), odd := count({odd}), {', '.join([*counts, *samples])})"


def _order(name: str, counted: Mapping[str, Any]) -> _Order | None:
    """The first part of a column's numeric dates, day or month; None if its values leave it open."""
    if counted["day_first"] and counted["month_first"]:
        raise TaxiError(
            f"column {name} has days before months, such as '{counted['day_first_sample']}', and months before days, "
            f"such as '{counted['month_first_sample']}': {_WRITE}"
        )
    return "day" if counted["day_first"] else "month" if counted["month_first"] else None


def _reading(name: str, counted: Mapping[str, Any], order: _Order | None) -> TimeReading:
    _require_times(name, counted)
    if not counted["odd"]:
        return TimeReading("TRY_CAST({} AS TIMESTAMP)", None, False if counted["texts"] else None)
    plain = counted["texts"] - counted["odd"]
    if counted["aware"] and (counted["naive"] or plain):
        sample = counted["naive_sample"] or "2023-01-31 14:05:00"
        raise TaxiError(
            f"column {name} has times with a time zone, such as '{counted['aware_sample']}', and without, such as "
            f"'{sample}': {_WRITE}"
        )
    if counted["unsure"] and order is None:
        if not counted["half_days"]:
            raise TaxiError(
                f"column {name} has times such as '{counted['unsure_sample']}', and none shows if the day or the "
                f"month comes first: {_WRITE}"
            )
        order = "month"  # New York's open data portal exports such times, with AM and PM
    notes = ["converted from its time zone to New York's clock"] if counted["aware"] else []
    notes += [f"{order} first" if counted["unsure"] or counted["day_first"] or counted["month_first"] else ""]
    note = ", ".join(filter(None, notes)) or None
    read = _any_time("{}", order or "month")
    return TimeReading(read, note, bool(counted["aware"]))


def _require_times(name: str, counted: Mapping[str, Any]) -> None:
    """Refuse a column with too many unreadable values, or with dates only."""
    require_readable(name, "a time", counted, _WRITE)
    if counted["dates"] and counted["dates"] + counted["unreadable"] == counted["texts"]:
        raise TaxiError(f"column {name} has dates without a time of day, such as '{counted['dates_sample']}': {_WRITE}")


def _any_time(text: str, order: _Order) -> str:
    """SQL of a text's time as a TIMESTAMP of New York's clock; NULL if it is not a time.

    Args:
        text: an SQL expression.
        order: the first part of dates such as 01/02/2023.
    """
    body = f"CASE WHEN regexp_matches(t, '{_AWARE}') THEN {_converted('t', order)} ELSE {_wall_clock('t', order)} END"
    return _let("t", text, body)


def _let(name: str, value: str, body: str) -> str:
    """SQL that binds a value to a name. Without it the expression would be repeated at each use."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def _wall_clock(text: str, order: _Order) -> str:
    numbered = f"trim(regexp_replace({text}, '{_DAY_AND_MONTH}', '\\1/\\2/\\3 '))"
    slashes, blanks = f"replace({text}, '/', '-')", f"regexp_replace({text}, '[ ,-]+', ' ', 'g')"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_YEAR_FIRST}') THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_matches({text}, '{_DAY_AND_MONTH}') THEN {_parse(numbered, [_NUMBERED[order]])} "
        f"WHEN regexp_matches({text}, '[A-Za-z]{{3}}') AND regexp_matches({text}, '{_YEAR}') "
        f"THEN {_parse(blanks, _NAMED)} "
        rf"WHEN regexp_matches({text}, '^\d{{8}}') THEN try_strptime({text}, {_list(_COMPACT)}) "
        rf"WHEN regexp_matches({text}, '^\d{{4}}[-/]') THEN {_parse(slashes, ['%Y-%m-%d'])} END"
    )


def _converted(text: str, order: _Order) -> str:
    hours, minutes = "CAST(z[2:3] AS INTEGER)", "CASE WHEN len(z) > 3 THEN CAST(z[-2:] AS INTEGER) ELSE 0 END"
    size = f"({hours} * 60 + {minutes})"
    offset = (
        "CASE z WHEN 'EST' THEN -300 WHEN 'EDT' THEN -240 ELSE "
        f"CASE z[1] WHEN '+' THEN {size} WHEN '-' THEN -{size} ELSE 0 END END"
    )
    minutes_ahead = _let("z", f"regexp_extract({text}, '{_AWARE}', 3)", offset)
    clock = _let("b", f"regexp_replace({text}, '{_AWARE}', '\\1')", _wall_clock("b", order))
    return f"timezone('{_NEW_YORK}', timezone('UTC', {clock} - to_minutes({minutes_ahead})))"


def _parse(text: str, dates: Sequence[str]) -> str:
    return f"try_strptime({text}, {_list([f'{date} {clock}'.strip() for date, clock in product(dates, _CLOCKS)])})"


def _list(formats: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{each}'" for each in formats) + "]"


UNDECIDED = TimeReading(_any_time("{}", "month"))
