"""SQL that reads a time from text in every unambiguous notation.

Accepts dates with the year first, with a month's name, or with day and month as numbers in a given order. A time with
a zone or an offset is converted to New York's clock.
"""

from collections.abc import Sequence
from itertools import product
from typing import Literal

Order = Literal["month", "day"]

NEW_YORK = "America/New_York"
PLAIN = r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?"  # TLC's format: read without further checks
AWARE = r"(:\d{2}(\.\d+)?) *(Z|z|UTC|GMT|EST|EDT|[+-](0\d|1[0-4])(:?[0-5]\d)?)$"
DAY_AND_MONTH = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(,? |T|$)"
HALF_DAY = "[AaPp][Mm]$"
_YEAR_FIRST = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T]+\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?"
_YEAR = r"(^|[^0-9.:])\d{4}([^0-9]|$)"
_CLOCKS = ("%I:%M:%S %p", "%I:%M %p", "%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "")
_NAMED = ("%Y %b %d", "%d %b %Y", "%b %d %Y", "%Y %B %d", "%d %B %Y", "%B %d %Y")
_NUMBERED: dict[Order, str] = {"month": "%m/%d/%Y", "day": "%d/%m/%Y"}
_COMPACT = ("%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M")


def any_time(text: str, order: Order) -> str:
    """SQL of a text's time as a TIMESTAMP of New York's clock; NULL if it is not a time.

    Args:
        text: an SQL expression.
        order: the first part of dates such as 01/02/2023.
    """
    body = f"CASE WHEN regexp_matches(t, '{AWARE}') THEN {_converted('t', order)} ELSE {_wall_clock('t', order)} END"
    return _let("t", text, body)


def _let(name: str, value: str, body: str) -> str:
    """SQL that binds a value to a name. Without it the expression would be repeated at each use."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def _wall_clock(text: str, order: Order) -> str:
    numbered = f"trim(regexp_replace({text}, '{DAY_AND_MONTH}', '\\1/\\2/\\3 '))"
    slashes, blanks = f"replace({text}, '/', '-')", f"regexp_replace({text}, '[ ,-]+', ' ', 'g')"
    return (
        f"CASE WHEN regexp_full_match({text}, '{_YEAR_FIRST}') THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_matches({text}, '{DAY_AND_MONTH}') THEN {_parse(numbered, [_NUMBERED[order]])} "
        f"WHEN regexp_matches({text}, '[A-Za-z]{{3}}') AND regexp_matches({text}, '{_YEAR}') "
        f"THEN {_parse(blanks, _NAMED)} "
        rf"WHEN regexp_matches({text}, '^\d{{8}}') THEN try_strptime({text}, {_list(_COMPACT)}) "
        rf"WHEN regexp_matches({text}, '^\d{{4}}[-/]') THEN {_parse(slashes, ['%Y-%m-%d'])} END"
    )


def _converted(text: str, order: Order) -> str:
    hours, minutes = "CAST(z[2:3] AS INTEGER)", "CASE WHEN len(z) > 3 THEN CAST(z[-2:] AS INTEGER) ELSE 0 END"
    size = f"({hours} * 60 + {minutes})"
    offset = (
        "CASE z WHEN 'EST' THEN -300 WHEN 'EDT' THEN -240 ELSE "
        f"CASE z[1] WHEN '+' THEN {size} WHEN '-' THEN -{size} ELSE 0 END END"
    )
    minutes_ahead = _let("z", f"regexp_extract({text}, '{AWARE}', 3)", offset)
    clock = _let("b", f"regexp_replace({text}, '{AWARE}', '\\1')", _wall_clock("b", order))
    return f"timezone('{NEW_YORK}', timezone('UTC', {clock} - to_minutes({minutes_ahead})))"


def _parse(text: str, dates: Sequence[str]) -> str:
    return f"try_strptime({text}, {_list([f'{date} {clock}'.strip() for date, clock in product(dates, _CLOCKS)])})"


def _list(formats: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{each}'" for each in formats) + "]"
