"""Publishes months of every service in use and writes their Data Docs. No Dagster here."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.publish_month import MonthRefused
from taxi_assets.ingestion.published_months import Publication
from taxi_assets.months import Month
from taxi_assets.quality import SuiteResult, write_data_docs
from taxi_assets.quality.data_docs import month_page
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dataclass
class MonthResult:
    """A month's publications, suite results by table and service, and the refusal that ended it, if any."""

    month: Month
    published: list[Publication] = field(default_factory=list)
    suite_results: dict[str, list[tuple[str, SuiteResult]]] = field(default_factory=dict)
    refusal: MonthRefused | None = None


def ingest_months(warehouse: Warehouse, months: Iterable[Month], run_id: str | None) -> Iterator[MonthResult]:
    """Ingest each month of every service in use; a refused month is the last.

    Raises:
        TaxiError: a month failed for a reason other than its rows; months published before it stay.
    """
    for month in months:
        result = MonthResult(month)
        for service in warehouse.settings.services:
            try:
                done = ingest_month(warehouse, service, month, run_id)
                result.published.append(done)
                found: Mapping[str, SuiteResult] = {name: t.suite_result for name, t in done.tables.items()}
            except MonthRefused as refusal:
                result.refusal, found = refusal, refusal.suite_results
            _report(warehouse.settings, service, month, found)
            for table, suite_result in found.items():
                result.suite_results.setdefault(table, []).append((service, suite_result))
            if result.refusal:
                break
        yield result
        if result.refusal:
            return


def data_docs_page(settings: Settings, table: str, month: Month) -> str:
    """The page of the last service in use, relative to the reports."""
    page = month_page(settings.reports / "data_docs", table, settings.services[-1], month)
    return page.relative_to(settings.reports).as_posix()


def _report(settings: Settings, service: str, month: Month, suite_results: Mapping[str, SuiteResult]) -> None:
    for table, suite_result in suite_results.items():
        if suite_result.document:  # an unchanged month has its pages
            write_data_docs(suite_result, table, service, month, settings.reports / "data_docs")
