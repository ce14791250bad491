"""A month is published only if its clean and rejected trips together equal its raw trips."""

from datetime import datetime
from typing import Any

import pytest
from month_content import JANUARY, content

from taxi_assets.ingestion.completeness import Extent
from taxi_assets.ingestion.publish_month import MonthRefused, publish_month
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.ingestion.table_checks import AuditedMonth, run_table_checks
from taxi_assets.warehouse.connection import Warehouse

CHECK = "kept_and_rejected_are_raw"


def test_published_month_passes_the_reconciliation(full: Warehouse, good: SourceFile) -> None:
    publication = publish_month(full, good).tables["clean_trips"]
    (outcome,) = [outcome for outcome in publication.suite_result.outcomes if outcome.name == CHECK]
    assert (outcome.severity, outcome.passed) == ("error", True)
    rows = content(full)
    raw, kept, rejected = (rows[table][0] for table in ("raw_trips", "clean_trips", "rejected_trips"))
    assert outcome.observed == f"{kept:,} kept + {rejected:,} rejected of {raw:,}"


@pytest.mark.parametrize(
    ("raw", "kept", "rejected", "passed"),
    [
        ([0, 1, 2], [0, 2], [1], True),
        ([], [], [], True),
        ([0, 1], [], [1, 0], True),
        ([0, 1, 2], [0, 2], [], False),  # lost
        ([0, 1, 2], [0, 1, 2], [1], False),  # in both
        ([0, 1, 2], [0, 0], [1], False),  # twice, and another lost
        ([0, 1, 2], [0, 3], [1], False),  # made up
        ([0, 1], [0, 0, 1], [], False),
    ],
)
def test_lost_row_is_detected(memory: Any, raw: list[int], kept: list[int], rejected: list[int], passed: bool) -> None:
    for table, numbers in (("month_trips", raw), ("month_kept", kept), ("month_rejections", rejected)):
        query = f"CREATE TEMP TABLE {table} AS SELECT unnest($numbers::BIGINT[]) AS source_row"
        memory.execute(query, {"numbers": numbers})
    file = SourceFile("green 2023-01", "file", "ingested", datetime(2025, 1, 1), "green", JANUARY)
    audited = AuditedMonth(file, True, len(raw), Extent(JANUARY, 0, 0), (), ())
    (outcome,) = run_table_checks(memory, "clean_trips", audited)
    assert (outcome.name, outcome.severity, outcome.passed) == (CHECK, "error", passed)
    assert outcome.observed == f"{len(kept)} kept + {len(rejected)} rejected of {len(raw)}"


def test_month_with_a_lost_row_is_refused(full: Warehouse, good: SourceFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(full)

    def lose_one(connection: Any, table: str, audited: AuditedMonth) -> Any:
        query = "DELETE FROM month_rejections WHERE source_row = (SELECT min(source_row) FROM month_rejections)"
        if table == "clean_trips":
            connection.execute(query)
        return run_table_checks(connection, table, audited)

    monkeypatch.setattr("taxi_assets.ingestion.publish_month.run_table_checks", lose_one)
    with pytest.raises(MonthRefused, match=f"{CHECK}: observed .* kept . .* rejected of 6,000 over"):
        publish_month(full, good)
    assert content(full) == before
