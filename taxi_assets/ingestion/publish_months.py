"""Publishes months of a table for every service in use and writes their Data Docs. No Dagster here."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from taxi_assets.ingestion.publishing import Publication
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult, write_data_docs
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.write_audit_publish import MonthRefused

Publish = Callable[[Warehouse, str, Month, str | None], Publication]


@dataclass
class MonthResult:
    """A table's month: publications and suite results by service, and the last one's refusal, if any."""

    month: Month
    published: list[Publication] = field(default_factory=list)
    suite_results: list[tuple[str, SuiteResult]] = field(default_factory=list)
    data_docs: str = ""  # the newest page, below the reports
    refusal: MonthRefused | None = None


def publish_months(
    warehouse: Warehouse, publish: Publish, months: Iterable[Month], run_id: str | None
) -> Iterator[MonthResult]:
    """Publish each month for every service in use; a refused month is the last.

    Raises:
        TaxiError: a month failed for a reason other than its rows; months published before it stay.
    """
    for month in months:
        result = MonthResult(month)
        for service in warehouse.settings.services:
            _publish_service(warehouse, publish, service, result, run_id)
            if result.refusal:
                break
        yield result
        if result.refusal:
            return


def _publish_service(
    warehouse: Warehouse, publish: Publish, service: str, result: MonthResult, run_id: str | None
) -> None:
    try:
        done = publish(warehouse, service, result.month, run_id)
        result.published.append(done)
        suite_result = done.suite_result
    except MonthRefused as refusal:
        result.refusal, suite_result = refusal, refusal.suite_result
    result.suite_results.append((service, suite_result))
    reports = warehouse.settings.reports
    page = write_data_docs(suite_result, suite_result.table, service, result.month, reports / "data_docs")
    result.data_docs = page.relative_to(reports).as_posix()
