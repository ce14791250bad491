"""A month is published only if its clean and rejected trips together equal its raw trips."""

from typing import Any

import pytest
from month_content import JANUARY, content

from taxi_assets.ingestion import table_checks
from taxi_assets.ingestion.publishing import publish_clean
from taxi_assets.ingestion.table_checks import run_table_checks
from taxi_assets.months import Month
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.write_audit_publish import MonthRefused

CHECK = "kept_and_rejected_are_raw"
KEY = {"service": "green", "month": JANUARY.first_day}


def test_published_month_passes_the_reconciliation(full: Warehouse) -> None:
    publication = publish_clean(full, "green", JANUARY)
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
def test_lost_row_is_detected(
    memory: Any, put: Any, raw: list[int], kept: list[int], rejected: list[int], passed: bool
) -> None:
    for table, numbers in (("raw_trips", raw), ("clean_trips", kept), ("rejected_trips", rejected)):
        put(memory, table, *(KEY | {"source_row": number} for number in numbers))
        put(
            memory,
            table,
            KEY | {"source_row": 99, "service": "yellow"} if table == "raw_trips" else KEY | {"month": None},
        )
    (outcome,) = run_table_checks(memory, "clean_trips", "green", JANUARY)
    assert (outcome.name, outcome.severity, outcome.passed) == (CHECK, "error", passed)
    assert outcome.observed == f"{len(kept)} kept + {len(rejected)} rejected of {len(raw)}"


def test_month_with_a_lost_row_is_refused(full: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(full)

    def lose_one(connection: Any, table: str, service: str, month: Month) -> Any:
        connection.execute(
            "DELETE FROM clean_trips WHERE service = $service AND month = $month "
            "AND source_row = (SELECT min(source_row) FROM clean_trips WHERE service = $service AND month = $month)",
            {"service": service, "month": month.first_day},
        )
        return run_table_checks(connection, table, service, month)

    monkeypatch.setattr(table_checks, "run_table_checks", lose_one)
    with pytest.raises(MonthRefused, match=f"{CHECK}: observed .* kept . .* rejected of 6,000 over"):
        publish_clean(full, "green", JANUARY)
    assert content(full) == before
