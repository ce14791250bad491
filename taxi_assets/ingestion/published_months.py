"""Reads and writes the table `published_months`: what a month was made from, and its check results."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.errors import TaxiError
from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.ingestion.ingestion_sources import publication_code
from taxi_assets.ingestion.schema_changes import ColumnChange, read_schema_changes
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult
from taxi_assets.warehouse.connection import month_key


class MissingZones(TaxiError):
    """The warehouse has no taxi zones yet: no fault of the file."""


@dataclass(frozen=True)
class PublishedTable:
    """One service's month of one table."""

    suite_result: SuiteResult
    counts: Mapping[str, int] = field(default_factory=dict)  # rows rejected, by reason; unknown columns, by name

    @property
    def rows(self) -> int:
        return self.suite_result.rows


@dataclass(frozen=True)
class Publication:
    """One service's month, as published: `raw_trips`, `clean_trips` and `trip_features`."""

    service: str
    month: Month
    source_file: SourceFile
    tables: Mapping[str, PublishedTable]
    schema_changes: tuple[ColumnChange, ...] = ()  # since the previous available month
    difference: Mapping[str, Any] | None = None  # of a republished month, from its previous rows
    is_unchanged: bool = False  # its file, code and zones are those of the published rows: nothing was written
    refused: tuple[str, ...] = ()  # one sentence for each newer file of the month that was refused


@dataclass(frozen=True)
class PublishedMonth:
    """A row of `published_months`."""

    sha256: str
    inputs: str
    raw_table: str
    publication: Publication


def record_publication(
    connection: DuckDBPyConnection,
    source_file: SourceFile,
    inputs: str,
    raw_table: str,
    tables: Mapping[str, PublishedTable],
) -> None:
    """Write the month's row."""
    service, month = source_file.require_month()
    results = {name: {**table.suite_result.as_json(), "counts": dict(table.counts)} for name, table in tables.items()}
    values = (service, month.first_day, source_file.sha256, inputs, raw_table, json.dumps(results))
    connection.execute(
        "INSERT INTO published_months SELECT $1, $2, $3, $4, $5, rows, days, hours, $6 FROM month_extent", values
    )


def read_published_month(connection: DuckDBPyConnection, source_file: SourceFile) -> PublishedMonth | None:
    """The row of the file's month; None if the month is new."""
    service, month = source_file.require_month()
    query = (
        "SELECT sha256, inputs, raw_table, results FROM published_months WHERE service = $service AND month = $month"
    )
    row = connection.execute(query, month_key(service, month)).fetchone()
    if row is None:
        return None
    tables = {
        name: PublishedTable(SuiteResult.from_json(found), found["counts"])
        for name, found in json.loads(row[3]).items()
    }
    changes = read_schema_changes(connection, service, month)
    sha256, inputs, raw_table, _ = row
    publication = Publication(service, month, source_file, tables, changes, is_unchanged=True)
    return PublishedMonth(sha256, inputs, raw_table, publication)


def inputs_digest(connection: DuckDBPyConnection, source_file: SourceFile) -> str:
    """A digest of what makes a month's rows and checks, such as its file, the code and the zones.

    Raises:
        MissingZones: the warehouse has no taxi zones.
    """
    count, content = connection.execute("SELECT count(*), bit_xor(hash(z)) FROM taxi_zones AS z").fetchall()[0]
    if not count:
        raise MissingZones("the warehouse has no taxi_zones: materialise taxi_zones first")
    holidays = [str(day) for day in holiday_dates()]
    parts = (source_file.sha256, publication_code(), str(content), holidays, source_file.accepted_by)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
