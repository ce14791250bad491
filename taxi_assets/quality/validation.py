"""Evaluates a suite with Great Expectations on rows nobody else can see yet."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from duckdb import DuckDBPyConnection

from taxi_assets.expectations import Expectation, Suite
from taxi_assets.quality.verdict import Outcome, Verdict, json_safe

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

    from taxi_assets.quality.dialect import Loan

__all__ = ["validate"]

_VIEW = "rows_under_validation"
_SEVERITIES = {"error": "critical", "warning": "warning"}


def validate(connection: DuckDBPyConnection, relation: str, suite: Suite) -> Verdict:
    """Evaluate `suite` on the rows of `relation` as `connection` sees them, uncommitted ones included.

    Nothing is written but a temporary view, which is dropped again; no transaction is begun, committed or
    rolled back, and the connection stays open.

    Args:
        connection: Where to look; within its transaction, if one is under way.
        relation: A table or view the connection sees: one service's month of the suite's table.
        suite: What is expected.

    Raises:
        RuntimeError: an expectation could not be evaluated at all: the suite does not fit the relation.
    """
    derived = "".join(f", {sql} AS {name}" for name, sql in suite.derived.items())
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {_VIEW} AS SELECT *{derived} FROM {relation}")  # noqa: S608
    rows = int(connection.table(_VIEW).count("*").fetchall()[0][0])
    document = _evaluate(connection, suite)
    connection.execute(f"DROP VIEW {_VIEW}")
    results = {result.expectation_config.meta["name"]: result for result in document.results}
    outcomes = tuple(_outcome(expectation, results[expectation.name]) for expectation in suite.expectations)
    return Verdict(suite.table, rows, outcomes, document)


def _evaluate(connection: DuckDBPyConnection, suite: Suite) -> Any:
    with _quietly():
        from taxi_assets.quality.dialect import borrow

        with borrow(connection) as loan:
            document = _run(loan, suite)
    if loan.failures:
        raise RuntimeError(f"the suite of {suite.table} cannot be evaluated: {loan.failures[0]}") from loan.failures[0]
    return document


def _run(loan: "Loan", suite: Suite) -> "ExpectationSuiteValidationResult":
    source = _context().data_sources.add_sql("warehouse", **loan.source())
    asset = source.add_table_asset(suite.table, table_name=_VIEW)
    batch = asset.add_batch_definition_whole_table(suite.table).get_batch()
    # Counts tell what is to be known; examples of unexpected values would cost a scan for each expectation.
    only_counts = {"result_format": "BASIC", "partial_unexpected_count": 0}
    return batch.validate(_translate(suite), result_format=only_counts)


def _context() -> "EphemeralDataContext":
    """A context that lives in memory, reports to nobody and shows no progress bars."""
    import great_expectations
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return great_expectations.get_context(mode="ephemeral", project_config=config)


def _translate(suite: Suite) -> "ExpectationSuite":
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as kinds

    translated = [
        getattr(kinds, e.kind)(**e.arguments, severity=_SEVERITIES[e.severity], meta={"name": e.name})
        for e in suite.expectations
    ]
    return ExpectationSuite(suite.table, expectations=translated)


def _outcome(expectation: Expectation, evaluated: Any) -> Outcome:
    problems = list(_exceptions(evaluated.exception_info or {}))
    if problems:
        raise RuntimeError(f"the expectation {expectation.name} cannot be evaluated: {problems[0]}")
    result = json_safe(evaluated.result)
    count, percent = result.get("unexpected_count"), result.get("unexpected_percent")
    expected_share = None if percent is None else round(1 - percent / 100, 6)
    return Outcome(
        name=expectation.name,
        severity=expectation.severity,
        passed=bool(evaluated.success),
        observed=result.get("observed_value", expected_share),
        unexpected_count=count,
        unexpected_percent=percent,
        description=expectation.description,
    )


def _exceptions(info: Mapping[str, Any]) -> Iterator[str]:
    """Messages of what was raised: Great Expectations keeps one, or several under their metrics' ids."""
    if info.get("raised_exception"):
        yield str(info["exception_message"])
    elif "raised_exception" not in info:
        for one in info.values():
            yield from _exceptions(one)


@contextmanager
def _quietly() -> Iterator[None]:
    """No warnings of Great Expectations' own making, nor its log of failures: the first of them is raised."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            # Importing Great Expectations 1.24 imports the standard library's deprecated `sre_constants`.
            warnings.filterwarnings("ignore", "module 'sre_", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)
