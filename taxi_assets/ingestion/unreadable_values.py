"""Counts unreadable values of a file and refuses columns with too many. Pure functions."""

from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.tlc.columns import RawColumn

_MAX_UNREADABLE_SHARE = 0.2  # the same share may be missing in a published month


def require_readable(name: str, kind: str, counted: Mapping[str, Any], remedy: str) -> None:
    """Refuse a column with too many unreadable values.

    Args:
        name: the published name.
        kind: the kind of its values, such as `a time`.
        counted: the number of values (`texts`), of unreadable ones (`unreadable`), and an example.
        remedy: the right way to write them.

    Raises:
        TaxiError: more than a fifth of the values cannot be read.
    """
    texts, unreadable = counted["texts"], counted["unreadable"]
    if unreadable > _MAX_UNREADABLE_SHARE * texts:
        raise TaxiError(
            f"column {name} cannot be read as {kind} in {unreadable:,} of {texts:,} rows, such as "
            f"'{counted['unreadable_sample']}': {remedy}"
        )


def require_numbers(name: str, column: RawColumn, counted: Mapping[str, Any]) -> None:
    """Refuse a number column with too many unreadable values.

    Raises:
        TaxiError: more than a fifth of the values cannot be read.
    """
    if column.type == "DOUBLE":
        remedy = "write numbers as 1234.5, with a decimal point and without other commas or currency signs"
        require_readable(name, "a number", counted, remedy)
    else:
        remedy = f"write whole numbers within the range of {column.type}, digits only"
        require_readable(name, "a whole number", counted, remedy)


def number_counts(numbers: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """SQL that counts unreadable numbers: inner columns, and a struct of counts for each number.

    Args:
        numbers: SQL of each number and of its text, NULL for missing values.
    """
    columns, counts = [], []
    for n, (number, text) in enumerate(numbers):
        columns.append(
            f"({number}) IS NOT NULL AS is_number{n}, CASE WHEN ({number}) IS NULL THEN {text} END AS lost{n}"
        )
        counts.append(
            f"struct_pack(texts := count_if(is_number{n}) + count(lost{n}), unreadable := count(lost{n}), "
            f"unreadable_sample := min(lost{n}))"
        )
    return columns, counts
