"""Reads the results of asset checks from Dagster's event log."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from taxi_assets.months import Month

Facts = dict[str, Any]


def check_result_reader(instance: dg.DagsterInstance) -> Callable[[str, str, Month, str | None], Facts]:
    """Return a function that reads the suite results of a table, service and month in a run."""
    runs: dict[str, list[Any]] = {}

    def read(table: str, service: str, month: Month, run_id: str | None) -> Facts:
        if run_id is None:
            return {"run_id": None, "passed": 0, "warned": [], "failed": []}
        if run_id not in runs:
            runs[run_id] = _evaluations(instance, run_id)
        of_table = [each for each in runs[run_id] if each.asset_key == dg.AssetKey(table)]
        own = [(each, _passed(each, f"{service} {month}")) for each in of_table]
        failures = {each.check_name: each.severity for each, passed in own if passed is False}
        errors = {name for name, severity in failures.items() if severity == dg.AssetCheckSeverity.ERROR}
        return {
            "run_id": run_id,
            "passed": sum(passed is True for _, passed in own),
            "warned": sorted(failures.keys() - errors),
            "failed": sorted(errors),
        }

    return read


def summarise_checks(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Facts:
    """Check results of these runs: the number passed, and those that failed as `asset.check month`."""
    results = [each for run_id in run_ids for each in _evaluations(instance, run_id)]
    failed = [each for each in results if not each.passed]
    names = [f"{each.asset_key.to_user_string()}.{each.check_name} {each.partition or ''}".strip() for each in failed]
    return {"passed": len(results) - len(failed), "not_passed": sorted(set(names))}


def failed_blocking_checks(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Names of the checks of severity error that failed in a run; also if the run has none at all."""
    results = _evaluations(instance, run_id) if run_id else []
    failed = {
        f"{each.asset_key.to_user_string()}.{each.check_name}"
        for each in results
        if not each.passed and each.severity == dg.AssetCheckSeverity.ERROR
    }
    return sorted(failed) if results else [f"run {run_id or 'unknown'} has no checks"]


def _evaluations(instance: dg.DagsterInstance, run_id: str) -> list[Any]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]


def _passed(evaluation: Any, label: str) -> bool | None:
    """The check's result for the month; None if it has none."""
    months = evaluation.metadata.get("months")
    # Some checks of the asset, such as that on overdue months, are of no single month.
    for record in months.records if isinstance(months, dg.TableMetadataValue) else ():
        if record.data["month"] == label:
            return bool(record.data["passed"])
    return None
