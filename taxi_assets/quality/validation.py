"""Evaluates a suite on uncommitted rows: DuckDB counts, Great Expectations evaluates."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb import DuckDBPyConnection

from taxi_assets.quality.results import ExpectationResult, SuiteResult, json_safe
from taxi_assets.quality.suite_metrics import Metrics, count_metrics
from taxi_assets.quality.suites import Expectation, Suite

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import BatchExpectation

_VIEW = "rows_under_validation"
_SEVERITIES = {"error": "critical", "warning": "warning"}


@dataclass(frozen=True)
class CountedRows:
    """The number of rows under validation, and the metrics of each expectation by its name."""

    rows: int
    metrics: Mapping[str, Metrics]


def validate(connection: DuckDBPyConnection, relation: str, suite: Suite) -> SuiteResult:
    """Counts the rows and evaluates the suite: see `count_rows` and `evaluate`.

    Raises:
        RuntimeError: an expectation cannot be evaluated, because the suite does not fit the relation.
    """
    return evaluate(suite, count_rows(connection, relation, suite))


def count_rows(connection: DuckDBPyConnection, relation: str, suite: Suite) -> CountedRows:
    """The metrics of `suite` on the rows of `relation` that `connection` sees, including uncommitted ones.

    Creates and drops a temporary view. Does not begin, commit or roll back a transaction. May run in a thread, on a
    connection of its own.

    Args:
        connection: A DuckDB connection, with or without an open transaction.
        relation: A table or view: one service's month of the suite's table.
        suite: The expectations.

    Raises:
        RuntimeError: an expectation cannot be evaluated, because the suite does not fit the relation.
    """
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {_VIEW} AS FROM {suite.with_derived(relation)}")
    rows = int(connection.table(_VIEW).count("*").fetchall()[0][0])
    try:
        metrics = count_metrics(connection, _VIEW, suite)
    except duckdb.Error as error:
        raise RuntimeError(f"the suite of {suite.table} cannot be evaluated: {error}") from error
    connection.execute(f"DROP VIEW {_VIEW}")
    return CountedRows(rows, metrics)


def evaluate(suite: Suite, counted: CountedRows) -> SuiteResult:
    """Evaluates the metrics of a suite with Great Expectations; not in several threads."""
    with _silenced():
        document = _evaluate_metrics(suite, counted.metrics)
    outcomes = tuple(_outcome(*each) for each in zip(suite.expectations, document.results, strict=True))
    return SuiteResult(suite.table, counted.rows, outcomes, document)


def _evaluate_metrics(suite: Suite, metrics: Mapping[str, Metrics]) -> "ExpectationSuiteValidationResult":
    """Evaluates the metrics with Great Expectations' own validators."""
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.validator.validation_statistics import calc_validation_statistics

    # Counts only: examples of unexpected values would cost one scan per expectation.
    only_counts = {"result_format": {"result_format": "BASIC", "partial_unexpected_count": 0}}
    results = [
        gx_expectation._build_evr(gx_expectation._validate(dict(metrics[expectation.name]), dict(only_counts)))
        for expectation, gx_expectation in zip(suite.expectations, _translate(suite), strict=True)
    ]
    statistics = calc_validation_statistics(results)
    return ExpectationSuiteValidationResult(
        success=statistics.success, results=results, suite_name=suite.table, statistics=statistics._asdict()
    )


def _translate(suite: Suite) -> "Sequence[BatchExpectation]":
    from great_expectations import expectations as kinds

    return [
        getattr(kinds, e.kind)(**e.arguments, severity=_SEVERITIES[e.severity], meta={"name": e.name})
        for e in suite.expectations
    ]


def _outcome(expectation: Expectation, evaluated: Any) -> ExpectationResult:
    result = json_safe(evaluated.result)
    count, percent = result.get("unexpected_count"), result.get("unexpected_percent")
    expected_share = None if percent is None else round(1 - percent / 100, 6)
    return ExpectationResult(
        name=expectation.name,
        severity=expectation.severity,
        passed=bool(evaluated.success),
        observed=result.get("observed_value", expected_share),
        unexpected_count=count,
        unexpected_percent=percent,
        description=expectation.description,
    )


@contextmanager
def _silenced() -> Iterator[None]:
    """Silences Great Expectations' log and its deprecation warning."""
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
