"""Asks for what unfinished months lack, and shows it as a check. What a month needs is not said here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from taxi_assets.defs.jobs import month as month_job
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.monitoring.unfinished_months import Unfinished

__all__ = [
    "FINISHED_CHECK",
    "MOST_ATTEMPTS",
    "every_month_is_finished",
    "finish_months",
    "finished_event",
    "not_being_made",
]

MOST_ATTEMPTS = 3  # of what fails for another reason than its file, such as a full disk
FINISHED_CHECK = "every_month_is_finished"

_TAG = ".dagster/taxi_unfinished"  # of this prefix Dagster's pages show none
_BENTO = "duration_bento"
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.asset_check(
    asset=_BENTO,
    name=FINISHED_CHECK,
    additional_deps=["drift_report"],
    description="Every month held has features; the newest has a model of the files in force, its evaluation, a "
    "decision, a drift report and the champion's Bento. A failure is a warning: the sensor finishes the month.",
    metadata={"severity": "warning"},
)
def every_month_is_finished(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """What a run leaves undone when it is interrupted; the sensor `landing_sensor` finishes it."""
    from taxi_assets.monitoring.unfinished_months import unfinished_months

    passed, text = _verdict(unfinished_months(settings, warehouse))
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, description=text)


def finished_event(found: Sequence["Unfinished"]) -> dg.AssetCheckEvaluation:
    """The check's result as a sensor reports it, outside any run."""
    passed, text = _verdict(found)
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(_BENTO),
        check_name=FINISHED_CHECK,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=text,
    )


def finish_months(instance: dg.DagsterInstance, found: Sequence["Unfinished"], told: list[str]) -> list[dg.RunRequest]:
    """The run that finishes the newest month; adds a sentence to `told` for each month for which none is asked.

    Features of earlier months are asked for with their files. While anything runs or is queued, nothing is asked for:
    it may make what is lacking.
    """
    requests: list[dg.RunRequest] = []
    is_busy = bool(instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=1))
    for each in found:
        runs = instance.get_runs(dg.RunsFilter(tags={_TAG: each.key})) if each.key else []
        if is_busy or not each.key:
            told.append(f"{each.sentence()} (it is finished after the runs that are under way)")
        elif len(runs) >= MOST_ATTEMPTS:
            remedy = f"see them, then materialise the job `{month_job.name}` for {each.month} in Dagster"
            told.append(f"{each.sentence()}; {len(runs)} runs to finish it failed: {remedy}")
        else:
            requests.append(_request(each, len(runs)))
    return requests


def not_being_made(instance: dg.DagsterInstance, found: Sequence["Unfinished"]) -> list["Unfinished"]:
    """Those of the months that no run works on: a month that is being made is no warning."""
    return [
        each
        for each in found
        if not instance.get_runs(
            dg.RunsFilter(tags={PARTITION_NAME_TAG: str(each.month)}, statuses=_UNDER_WAY), limit=1
        )
    ]


def _request(unfinished: "Unfinished", attempt: int) -> dg.RunRequest:
    # The Bento belongs to no month: a run of it alone has no partition.
    is_of_month = unfinished.lacks != (_BENTO,)
    return dg.RunRequest(
        run_key=f"finish-{unfinished.month}-{unfinished.key}.{attempt}",
        job_name=month_job.name,
        partition_key=str(unfinished.month) if is_of_month else None,
        asset_selection=[dg.AssetKey(asset) for asset in unfinished.lacks],
        tags={_TAG: unfinished.key, "dagster/priority": "-1"},
    )


def _verdict(found: Sequence["Unfinished"]) -> tuple[bool, str]:
    return not found, "; ".join(each.sentence() for each in found) or "every month is finished"
