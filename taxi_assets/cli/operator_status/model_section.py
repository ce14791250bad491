"""The champion, its error and drift by month, and the versions that wait for a person."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from taxi_assets.cli.operator_status.status_section import Figure, Section, State, Table
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

_SHOWN_MONTHS = 12
# The champion of each month's trips, and the model trained for the month, which they have not seen.
_HISTORY = """
SELECT strftime(month, '%Y-%m'), model_version, rmse, inside / trips, challenger, challenger_rmse, verdict
FROM (
    SELECT month, model_version, rmse, inside, trips FROM champion_performance
    WHERE slice = 'overall' AND scope = '1_to_60_minutes' AND condition = $condition
) FULL JOIN (
    SELECT month, model_version AS challenger, rmse AS challenger_rmse FROM evaluations
    WHERE model = 'duration_model' AND slice = 'overall' AND scope = '1_to_60_minutes' AND condition = $condition
) USING (month) FULL JOIN (SELECT month, verdict FROM drift_verdicts) USING (month)
ORDER BY month DESC, challenger DESC LIMIT $months
"""
_COLUMNS = ("month", "champion", "its RMSE", "in its 90 % interval", "trained for it", "its RMSE", "drift")
_VERDICTS: dict[str | None, State] = {"watch": "watch", "retrain": "watch", "fix data": "bad"}


class _Month(NamedTuple):
    """A row of the history."""

    month: str
    champion: int | None
    champion_rmse: float | None
    coverage: float | None
    challenger: int | None
    challenger_rmse: float | None
    verdict: str | None


def model_section(settings: Settings, warehouse: Warehouse) -> Section:
    """The champion and since when, what waits for a person, and the months it was measured on."""
    from taxi_assets.promotion.approval import approval_commands, waiting_decisions
    from taxi_assets.promotion.champion_history import champion_at
    from taxi_assets.promotion.decision import decision_sentence, newest_decision
    from taxi_assets.registry import model_versions

    champion = model_versions.champion(settings)
    with warehouse.reading() as connection:
        change, waiting = champion_at(connection), waiting_decisions(settings, connection)
        months = connection.execute(
            _HISTORY, {"condition": settings.served_condition, "months": _SHOWN_MONTHS}
        ).fetchall()
        decision = newest_decision(connection)
    if champion is None:
        figures = [Figure("champion", "none yet", "watch")]
    else:
        since = (
            f" since {change.changed_at:%Y-%m-%d %H:%M} UTC, {change.change} by {change.decided_by}" if change else ""
        )
        is_recorded = change is not None and change.model_version == champion.version
        shown = f"version {champion.version}{since if is_recorded else ', set by hand'}"
        figures = [Figure("champion", shown, url=model_versions.version_url(settings, champion.version))]
    figures += [
        Figure(
            "waits for a person", f"version {row['model_version']}: {approval_commands(row['model_version'])}", "watch"
        )
        for row in waiting
    ]
    if decision:
        page = _page(settings, "champion_model", decision["month"])
        figures.append(Figure("last decision", decision_sentence(decision), url=page))
    rows = [_row(settings, _Month(*each)) for each in months]
    return Section("model", [*figures, *_newest(rows)], Table(_COLUMNS, rows) if rows else None)


def _newest(rows: Sequence[Sequence[Figure]]) -> list[Figure]:
    """The newest month's error, coverage and drift, which give the section its state."""
    shown = [*rows[0][2:4], rows[0][6]] if rows else []
    return [replace(each, label=f"{each.label}, {rows[0][0].value}") for each in shown if each.value]


def _row(settings: Settings, found: _Month) -> list[Figure]:
    from taxi_assets.evaluation.coverage import TOLERANCE  # with pandas, so not at the start
    from taxi_assets.training.intervals import COVERAGE

    month = found.month
    performance, evaluation = (_page(settings, asset, month) for asset in ("champion_performance", "model_evaluation"))
    is_covered = found.coverage is None or abs(found.coverage - COVERAGE) <= TOLERANCE
    coverage = "" if found.coverage is None else f"{found.coverage:.1%}"
    return [
        Figure("month", month),
        Figure("champion", str(found.champion or "")),
        Figure("champion's RMSE", _minutes(found.champion_rmse), url=performance),
        Figure("in the interval", coverage, "ok" if is_covered else "watch", performance),
        Figure("trained for it", str(found.challenger or "")),
        Figure("its RMSE", _minutes(found.challenger_rmse), url=evaluation),
        Figure(
            "drift", found.verdict or "", _VERDICTS.get(found.verdict, "ok"), _page(settings, "drift_report", month)
        ),
    ]


def _minutes(error: float | None) -> str:
    return "" if error is None else f"{error:.2f} minutes"


def _page(settings: Settings, asset: str, month: str) -> str:
    return f"{settings.url(settings.dagster_port)}/assets/{asset}?view=partitions&partition={month}"
