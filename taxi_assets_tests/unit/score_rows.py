"""Rows of `evaluations` and `promotions`, as a run writes them: version 2 on 2023-02, not promoted."""

from datetime import date
from typing import Any

SERVED, OTHER = "without_recent_traffic", "with_recent_traffic"
DECISION: dict[str, Any] = {
    "month": date(2023, 2, 1),
    "model_version": 2,
    "champion_version": 1,
    "is_promoted": False,
    "reasons": ["Champion 1 is no worse."],
    "rmse": 4.0,
    "champion_rmse": 3.9,
    "difference_minutes": 0.1,
    "difference_low": -0.1,
    "difference_high": 0.3,
    "scope": "1_to_60_minutes",
    "condition": SERVED,
    "bias": -0.25,
}


def scored(model: str, rmse: float, condition: str = SERVED, **values: Any) -> dict[str, Any]:
    """A row of `evaluations`."""
    found = {
        "month": date(2023, 2, 1),
        "model_version": 2,
        "scope": "1_to_60_minutes",
        "slice": "overall",
        "value": "all",
    }
    errors = {"trips": 3, "rmse": rmse, "mae": rmse / 2, "bias": -0.25}
    return {**found, **errors, "model": model, "condition": condition, **values}
