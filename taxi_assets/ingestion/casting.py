"""SQL that casts a file's columns to the canonical types.

A value that does not fit becomes NULL; its text is kept in `unreadable`. Cleaning, not casting, rejects rows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_columns import FileColumns
from taxi_assets.ingestion.file_times import UNDECIDED, TimeReading, read_typed
from taxi_assets.tlc.columns import RAW_COLUMNS, RawColumn
from taxi_assets.tlc.contract import ColumnMapping
from taxi_assets.warehouse.sql_quotes import quote_identifier, quote_literal

_WHOLE = {"SMALLINT": 2**15, "INTEGER": 2**31}
_NESTED = ("struct", "list", "large_list", "fixed_size_list", "map", "union")
_TEXT = ("string", "large_string", "string_view", "binary", "large_binary", "fixed_size_binary", "dictionary")
_REAL = ("float", "double", "halffloat", "decimal")
_NULL_WORDS = ("", "nan", "null", "none", "\\n", "<na>", "nat")  # common spellings of a missing value


@dataclass
class CanonicalTrips:
    """The file behind `canonical_trips`: its columns, the readings of its times, and counts.

    `is_plain` is true if DuckDB itself reads the file, false if it is streamed.
    `unreadable` names the published columns with unreadable values, whose text the view keeps.
    `counts` has the points without a zone and the unreadable values; it is complete after the view is read.
    """

    path: Path
    columns: FileColumns
    mapping: ColumnMapping
    is_plain: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    times: dict[str, TimeReading] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    @property
    def known(self) -> list[tuple[RawColumn, str]]:
        """The known columns and their published names."""
        known = self.mapping.known
        return [(column, known[column.name]) for column in RAW_COLUMNS if column.name in known]

    @property
    def types(self) -> dict[str, str]:
        """Arrow's type names by published name."""
        return dict(zip(self.columns.names, self.columns.types, strict=True))

    def source(self, published: str) -> str:
        """SQL of a published column's value."""
        return quote_identifier(published) if self.is_plain else f"c{self.columns.names.index(published)}"


def select_list(trips: CanonicalTrips) -> str:
    """SQL expressions in the order of `RAW_COLUMNS`, then `other_columns` and `unreadable` as JSON.

    Raises:
        TaxiError: a known column has a type that cannot be cast, such as a list.
    """
    types, values, kept = trips.types, {}, []
    for column, published in trips.known:
        source, kind = trips.source(published), types[published]
        values[column.name] = value = _cast(column, source, kind, trips.times.get(published))
        if published in trips.unreadable:
            kept.append((column.name, f"CASE WHEN {value} IS NULL THEN {_present(source, kind)} END"))
    values |= {f"{end}_zone_id": f"{end}_zone" for end in trips.mapping.needs_zones}
    parts = [f"{values.get(column.name, f'NULL::{column.type}')} AS {column.name}" for column in RAW_COLUMNS]
    others = [(name, _strict(trips.source(name), types[name])) for name in trips.mapping.unknown]
    parts.append(f"{_json_object(others) if others else 'NULL::JSON'} AS other_columns")
    parts.append(f"{_unreadable(kept)} AS unreadable")
    return ",\n".join(parts)


def _json_object(values: Sequence[tuple[str, str]]) -> str:
    return f"json_object({', '.join(f'{quote_literal(name)}, {value}' for name, value in values)})"


def _unreadable(values: Sequence[tuple[str, str]]) -> str:
    """SQL of the unreadable values as JSON by column; NULL if there is none."""
    if not values:
        return "NULL::JSON"
    return f"nullif(json_merge_patch('{{}}', {_json_object(values)}), '{{}}')"  # the merge drops null values


def _cast(column: RawColumn, value: str, kind: str, reading: TimeReading | None) -> str:
    if kind == "null":
        return f"NULL::{column.type}"
    if kind.startswith(_NESTED):
        raise TaxiError(f"column {column.name} has values of type {kind}: check that it is a TLC trip file")
    if column.type == "TIMESTAMP":
        return _time(column, value, kind, reading)
    if column.type == "VARCHAR":
        return word(value)
    return _number(column, value, kind)


def word(value: str) -> str:
    """SQL of the trimmed text; NULL for spellings of a missing value, such as `nan`."""
    text = f"trim(CAST({value} AS VARCHAR))"
    # Not `NOT IN`: DuckDB makes a join of it, which runs even in queries that do not read the column.
    nulls = ", ".join(map(quote_literal, _NULL_WORDS))
    return f"CASE WHEN NOT list_contains([{nulls}], lower({text})) THEN {text} END"


def _present(value: str, kind: str) -> str:
    """SQL of the value as text; NULL if it is missing or not a finite number."""
    return f"CASE WHEN isfinite({value}) THEN CAST({value} AS VARCHAR) END" if kind.startswith(_REAL) else word(value)


def read_number(
    column: RawColumn, value: str, kind: str, bounds: tuple[int, int] | None = None
) -> tuple[str, str] | None:
    """SQL of the number and of its text; None if every value of the type can be read.

    Args:
        column: a number column.
        value: SQL of the published value.
        kind: Arrow's type name.
        bounds: the least and the greatest value, if known.
    """
    limit = _WHOLE.get(column.type)
    fits = limit is None or (bounds is not None and -limit <= bounds[0] <= bounds[1] < limit)
    is_sure = fits if not kind.startswith(_REAL) else limit is None
    if kind in ("null", "bool") or kind.startswith(_NESTED) or (is_sure and not is_text(kind)):
        return None
    return _number(column, value, kind), _present(value, kind)


def _strict(value: str, kind: str) -> str:
    """SQL of a value that is valid in JSON: NaN and infinity are not, though DuckDB writes them."""
    if kind.startswith(_REAL):
        return f"CASE WHEN isfinite({value}) THEN {value} END"
    if kind.startswith(_NESTED):
        json = f"to_json({value})"
        has_none = f"contains({json}, 'NaN') OR contains({json}, 'Infinity')"
        return f"CASE WHEN {has_none} THEN to_json({value}::VARCHAR) ELSE {json} END"
    return value


def is_text(kind: str) -> bool:
    """True for Arrow types whose values DuckDB reads as text."""
    return kind.startswith(_TEXT)


def _time(column: RawColumn, value: str, kind: str, reading: TimeReading | None) -> str:
    if kind.startswith("timestamp"):
        return read_typed(kind).expression.replace("{}", value)
    if is_text(kind):
        return (reading or UNDECIDED).expression.replace("{}", word(value))
    if kind.startswith("date"):
        raise TaxiError(
            f"column {column.name} has dates without a time of day ({kind}): replace the file with TLC's own"
        )
    raise TaxiError(f"column {column.name} has values of type {kind}, which are not times: check that it is TLC's file")


def _number(column: RawColumn, value: str, kind: str) -> str:
    is_real = kind.startswith(_REAL)
    if not (is_text(kind) or is_real):
        return f"TRY_CAST({value} AS {column.type})"
    real = f"TRY_CAST({f'CAST({value} AS VARCHAR)' if is_text(kind) else value} AS DOUBLE)"
    # A plain cast would round 7.5 to a zone id and pass NaN and infinity.
    fits = f"{real} = trunc({real})" if column.type in _WHOLE else f"isfinite({real})"
    number = f"CASE WHEN {fits} THEN TRY_CAST({real} AS {column.type}) END"
    if not (column.words and is_text(kind)):
        return number
    words = " ".join(f"WHEN {quote_literal(word)} THEN {code}::{column.type}" for word, code in column.words.items())
    return f"coalesce({number}, CASE lower(trim(CAST({value} AS VARCHAR))) {words} END)"
