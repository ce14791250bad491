"""Requests runs for unfinished months and reports them as a check. `monitoring` finds the months."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.storage.tags import PARTITION_NAME_TAG

from taxi_assets.defs.jobs import train_month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from taxi_assets.monitoring.unfinished_months import UnfinishedMonth

MAX_ATTEMPTS = 3  # of runs that fail for a reason other than their file, such as a full disk

_TAG = ".dagster/taxi_unfinished"  # Dagster's UI hides tags with this prefix
_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.asset_check(
    asset="deployment",
    additional_deps=["drift_report", "champion_performance"],
    description="Every available month has features; the newest has a drift report, the champion's errors and a "
    "decision whether it trains; if it trains, a model of its current files, an evaluation and a decision on it; the "
    "champion has its Bento and deployment. A failure is a warning: the sensor finishes the month.",
    metadata={"severity": "warning"},
)
def every_month_is_finished(
    settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    """Finds assets that an interrupted run left missing; `landing_sensor` finishes them."""
    from taxi_assets.monitoring.unfinished_months import unfinished_months

    return dg.AssetCheckResult(**_result(unfinished_months(settings, warehouse)))


def finished_check_event(found: Sequence["UnfinishedMonth"]) -> dg.AssetCheckEvaluation:
    """The check's result, as reported by a sensor outside any run."""
    (key,) = every_month_is_finished.check_keys
    return dg.AssetCheckEvaluation(asset_key=key.asset_key, check_name=key.name, **_result(found))


def unfinished_month_requests(
    instance: dg.DagsterInstance, found: Sequence["UnfinishedMonth"], messages: list[str]
) -> list[dg.RunRequest]:
    """Request the run that finishes the newest month; add a message for each month without a request.

    Earlier months get their features through their files' runs. While any run is queued or in progress, nothing is
    requested, since that run may make the missing assets.
    """
    requests: list[dg.RunRequest] = []
    is_busy = bool(instance.get_runs(dg.RunsFilter(statuses=_IN_PROGRESS), limit=1))
    for each in found:
        runs = instance.get_runs(dg.RunsFilter(tags={_TAG: each.key})) if each.key else []
        if is_busy or not each.key:
            messages.append(f"{each.sentence()} (it is finished after the runs in progress)")
        elif len(runs) >= MAX_ATTEMPTS:
            remedy = f"see them, then materialise the job `{train_month.name}` for {each.month} in Dagster"
            messages.append(f"{each.sentence()}; {len(runs)} runs to finish it failed: {remedy}")
        else:
            requests.append(_request(each, len(runs)))
    return requests


def not_in_progress(instance: dg.DagsterInstance, found: Sequence["UnfinishedMonth"]) -> list["UnfinishedMonth"]:
    """The months without a run in progress, which would make a warning false."""
    return [
        each
        for each in found
        if not instance.get_runs(
            dg.RunsFilter(tags={PARTITION_NAME_TAG: str(each.month)}, statuses=_IN_PROGRESS), limit=1
        )
    ]


def _request(unfinished: "UnfinishedMonth", attempt: int) -> dg.RunRequest:
    from taxi_assets.monitoring.unfinished_months import RELEASE

    # Assets of the champion have no partitions, nor has a run of them alone.
    is_of_month = not set(unfinished.missing_assets) <= set(RELEASE)
    return dg.RunRequest(
        run_key=f"finish-{unfinished.month}-{unfinished.key}.{attempt}",
        job_name=train_month.name,
        partition_key=str(unfinished.month) if is_of_month else None,
        asset_selection=[dg.AssetKey(asset) for asset in unfinished.missing_assets],
        tags={_TAG: unfinished.key, "dagster/priority": "-1"},
    )


def _result(found: Sequence["UnfinishedMonth"]) -> dict[str, Any]:
    text = "; ".join(each.sentence() for each in found) or "every month is finished"
    return {"passed": not found, "severity": dg.AssetCheckSeverity.WARN, "description": text}
