"""Reads a recorded replay from the tables that the platform wrote in its home."""

from collections.abc import Mapping, Sequence
from typing import Any

from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.monitoring.replay.replay import policy_facts
from taxi_assets.months import Month
from taxi_assets.training.evaluation_scope import PRIMARY_SCOPE
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

Facts = dict[str, Any]


def recorded_facts(warehouse: Warehouse, months: Sequence[Month], seconds: Mapping[Month, float]) -> Facts:
    """The facts of `replay` for the policy of the home, with the champion's `model_version` in each row.

    Args:
        warehouse: The warehouse of the home.
        months: The replayed months.
        seconds: Seconds of each month's run.
    """
    settings = warehouse.settings
    values = {
        "months": [month.first_day for month in months],
        "scope": PRIMARY_SCOPE.name,
        "model": MODEL,
        "condition": settings.served_condition,
    }
    with warehouse.reading() as connection:
        found = connection.execute(sql("recorded_months"), values)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    taken = [row | {"seconds": round(seconds.get(Month.parse(row["month"]), 0.0), 2)} for row in rows]
    return policy_facts(settings.retrain, taken) | {"missing": []}
