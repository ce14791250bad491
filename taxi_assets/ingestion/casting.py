"""SQL that casts a file's columns to the canonical types.

A value that does not fit becomes NULL; its text is kept in `unreadable`. Cleaning, not casting, rejects rows.
"""

from collections.abc import Collection, Mapping, Sequence

from taxi_assets.errors import TaxiError
from taxi_assets.ingestion.file_times import UNDECIDED, TimeReading, read_typed
from taxi_assets.tlc.columns import RAW_COLUMNS, RawColumn
from taxi_assets.tlc.contract import ColumnMapping

__all__ = ["identifier", "is_text", "read_number", "select_list", "word"]

_WHOLE = {"SMALLINT": 2**15, "INTEGER": 2**31}
_NESTED = ("struct", "list", "large_list", "fixed_size_list", "map", "union")
_TEXT = ("string", "large_string", "string_view", "binary", "large_binary", "fixed_size_binary", "dictionary")
_REAL = ("float", "double", "halffloat", "decimal")
_NULL_WORDS = ("", "nan", "null", "none", "\\n", "<na>", "nat")  # common spellings of a missing value


def select_list(
    mapping: ColumnMapping,
    types: Mapping[str, str],
    sources: Mapping[str, str] | None = None,
    placed: Mapping[str, str] | None = None,
    times: Mapping[str, TimeReading] | None = None,
    unreadable: Collection[str] = (),
) -> str:
    """SQL expressions in the order of `RAW_COLUMNS`, then `other_columns` and `unreadable` as JSON.

    Args:
        mapping: the canonical column of each published one.
        types: Arrow's type name of each published column.
        sources: SQL identifier of each published column, if not its name.
        placed: SQL identifier of `pickup_zone_id` and `dropoff_zone_id`, if they come from coordinates.
        times: the readings of text times, by published name.
        unreadable: published columns whose unreadable values are kept.

    Raises:
        TaxiError: a known column has a type that cannot be cast, such as a list.
    """
    sources, placed, times = sources or {}, placed or {}, times or {}
    parts, kept = [], []
    for column in RAW_COLUMNS:
        published = mapping.known.get(column.name)
        if published is None:
            value = placed.get(column.name, f"NULL::{column.type}")
        else:
            source = sources.get(published, identifier(published))
            value = _cast(column, source, types[published], times.get(published))
            if published in unreadable:
                kept.append((column.name, f"CASE WHEN {value} IS NULL THEN {_present(source, types[published])} END"))
        parts.append(f"{value} AS {column.name}")
    pairs = ", ".join(
        f"{_text(name)}, {_strict(sources.get(name, identifier(name)), types[name])}" for name in mapping.unknown
    )
    parts.append(f"json_object({pairs}) AS other_columns" if pairs else "NULL::JSON AS other_columns")
    parts.append(f"{_unreadable(kept)} AS unreadable")
    return ",\n".join(parts)


def identifier(name: str) -> str:
    """The name quoted as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _unreadable(values: Sequence[tuple[str, str]]) -> str:
    """SQL of the unreadable values as JSON by column; NULL if there is none."""
    if not values:
        return "NULL::JSON"
    pairs = ", ".join(f"{_text(name)}, {value}" for name, value in values)
    return f"nullif(json_merge_patch('{{}}', json_object({pairs})), '{{}}')"  # the merge drops null values


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
    return f"CASE WHEN lower({text}) NOT IN ({', '.join(map(_text, _NULL_WORDS))}) THEN {text} END"


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
    words = " ".join(f"WHEN {_text(word)} THEN {code}" for word, code in column.words.items())
    return f"coalesce({number}, CASE lower(trim(CAST({value} AS VARCHAR))) {words} END)"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
