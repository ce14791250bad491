"""Counts the values of a file that cannot be read, and refuses columns that have many. Data in, data out."""

from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.tlc.columns import RawColumn

__all__ = ["number_counts", "require_numbers", "require_readable"]

_MAX_UNREADABLE_SHARE = 0.2  # as many may be missing of a month that is published


def require_readable(name: str, kind: str, counted: Mapping[str, Any], remedy: str) -> None:
    """Most values of a column can be read.

    Args:
        name: the column, as published.
        kind: what its values are read as, such as `a time`.
        counted: the number of values in `texts`, of those that cannot be read in `unreadable`, and an example.
        remedy: how to write them.

    Raises:
        TaxiError: more than a fifth of its values cannot be read.
    """
    texts, unreadable = counted["texts"], counted["unreadable"]
    if unreadable > _MAX_UNREADABLE_SHARE * texts:
        raise TaxiError(
            f"column {name} cannot be read as {kind} in {unreadable:,} of {texts:,} rows, such as "
            f"'{counted['unreadable_sample']}': {remedy}"
        )


def require_numbers(name: str, column: RawColumn, counted: Mapping[str, Any]) -> None:
    """Most values of a column of numbers can be read.

    Raises:
        TaxiError: more than a fifth of its values cannot be read.
    """
    if column.type == "DOUBLE":
        remedy = "write numbers as 1234.5, with a decimal point and without other commas or currency signs"
        require_readable(name, "a number", counted, remedy)
    else:
        remedy = f"write whole numbers within the range of {column.type}, digits only"
        require_readable(name, "a whole number", counted, remedy)


def number_counts(numbers: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """SQL that counts: columns of a query over the file, and of each number a struct of counts over that query.

    Args:
        numbers: SQL of the number and of the text it is read from, each NULL where there is none.
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
