"""Declares asset checks and reports a month's results to Dagster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from taxi_assets.defs.partitions import MONTHS
from taxi_assets.months import Month
from taxi_assets.quality.suites import SUITES, Expectation, Severity, TableCheck

if TYPE_CHECKING:
    from taxi_assets.quality import ExpectationResult, SuiteResult

_NOT_PUBLISHED = "A month that fails is not published: its transaction is rolled back and the run fails."
_STOPS = "A failure fails the run before the next asset is made."
_WARNS = "A failure is a warning: the run goes on."

_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}

# A service and the suite result of its month.
ServiceVerdict = tuple[str, "SuiteResult"]


def check_spec(
    name: str, asset: str, description: str, severity: Severity = "error", *, is_monthly: bool = True, stops: str = ""
) -> dg.AssetCheckSpec:
    """Declare a check that runs with its asset; its description ends with the consequence of a failure.

    Args:
        name: A sentence, true when the check passes.
        asset: The asset it checks.
        description: What is expected, without a full stop.
        severity: `error` stops the run, `warning` does not.
        is_monthly: True if each month has its own result.
        stops: Consequence of a failure of severity `error`, if it is more than the end of the run.
    """
    is_error = severity == "error"
    consequence = (stops or _STOPS) if is_error else _WARNS
    return dg.AssetCheckSpec(
        name,
        asset=asset,
        description=f"{description}. {consequence}",
        blocking=is_error,
        metadata={"severity": severity},
        partitions_def=MONTHS if is_monthly else None,
    )


def suite_checks(table: str) -> list[dg.AssetCheckSpec]:
    """One asset check for each expectation and each table check of the suite."""
    return [check_spec(e.name, table, e.description, e.severity, stops=_NOT_PUBLISHED) for e in _checked(table)]


def report_checks(table: str, month: Month, verdicts: Sequence[ServiceVerdict]) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield one evaluation for each check of the table's suite on one month, with a row for each service.

    `dagster.AssetCheckResult` names no month where the run has several.
    """
    for outcomes in zip(*(suite_result.outcomes for _, suite_result in verdicts), strict=True):
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(table),
            check_name=outcomes[0].name,
            passed=all(outcome.passed for outcome in outcomes),
            partition=str(month),
            severity=_SEVERITIES[outcomes[0].severity],
            blocking=outcomes[0].severity == "error",
            description=outcomes[0].description,
            metadata=_result_metadata(
                month, [(service, o) for (service, _), o in zip(verdicts, outcomes, strict=True)]
            ),
        )


def finish_checks(context: dg.AssetExecutionContext, table: str) -> Iterator[dg.Output[None]]:
    """Yield the outputs of the suite's checks, which the next asset waits for; call it after all months."""
    names = {each.name for each in _checked(table)}
    for output, spec in context.assets_def.node_check_specs_by_output_name.items():
        is_ours = spec.asset_key == dg.AssetKey(table) and spec.name in names
        if is_ours and spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=output)


def table_metadata(records: Iterable[Mapping[str, Any]]) -> dg.MetadataValue:
    """A table, with a row for each record."""
    return dg.MetadataValue.table([dg.TableRecord(dict(record)) for record in records])


def _checked(table: str) -> tuple[Expectation | TableCheck, ...]:
    return (*SUITES[table].expectations, *SUITES[table].table_checks)


def _result_metadata(month: Month, outcomes: Sequence[tuple[str, "ExpectationResult"]]) -> dict[str, dg.MetadataValue]:
    """A row for each service; for a single service also its numbers, which Dagster plots over the months."""
    records = [
        {
            "month": f"{service} {month}",
            "passed": outcome.passed,
            "observed": _readable(outcome.observed),
            "unexpected_rows": outcome.unexpected_count or 0,
        }
        for service, outcome in outcomes
    ]
    metadata: dict[str, dg.MetadataValue] = {"months": table_metadata(records)}
    observed = outcomes[0][1].observed
    if len(outcomes) == 1 and isinstance(observed, int | float):
        metadata["observed"] = dg.MetadataValue.float(round(float(observed), 6))
    return metadata


def _readable(observed: object) -> str:
    if isinstance(observed, int):
        return f"{observed:,}"
    return f"{observed:.6g}" if isinstance(observed, float) else str(observed)
