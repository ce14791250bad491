"""Summarises a month's scores and its promotion decision: facts from the warehouse and lines of text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from taxi_assets.months import Month
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES, PRIMARY_SCOPE

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Facts = dict[str, Any]


def score_lines(score: Facts) -> list[tuple[str, str]]:
    """Lines on the model's errors, the baselines' on the same trips, and the other conditions."""
    lines = [(f"model on {score['month']}", f"{_errors(score['model'])} minutes ({PRIMARY_SCOPE.label})")]
    lines.append(("", f"bias {score['model']['bias']:+.2f}, {score['condition'].replace('_', ' ')}"))
    lines += [(name, _errors(found)) for name, found in score["baselines"].items()]
    for name, found in score["other_conditions"].items():
        # With few months the encoding is out of fold and traffic ratios are NaN in training: they change no prediction.
        same = (
            " (the same: recent traffic needs more training months)" if found["rmse"] == score["model"]["rmse"] else ""
        )
        lines.append((f"model {name.replace('_', ' ')}", _errors(found) + same))
    return lines


def _errors(found: Mapping[str, float]) -> str:
    return f"RMSE {found['rmse']:.3f}, MAE {found['mae']:.3f}"


def decision_line(decision: Facts | None) -> str:
    """The deciding metric and its figures."""
    if decision is None:
        return "no decision yet: materialise champion_model"
    metric = f"RMSE on {EVALUATION_SCOPES[decision['scope']].label}, {str(decision['condition']).replace('_', ' ')}"
    ours = "" if decision["rmse"] is None else f": {decision['rmse']:.3f} minutes"
    if decision["difference_minutes"] is None:
        return f"{metric}{ours}"
    low, high = decision["difference_low"], decision["difference_high"]
    theirs = f"champion {decision['champion_version']} had {decision['champion_rmse']:.3f}"
    return f"{metric}{ours}; {theirs}: {decision['difference_minutes']:+.3f}, between {low:+.3f} and {high:+.3f}"


def rmse_facts(connection: "DuckDBPyConnection", version: int) -> Facts | None:
    """A version's RMSE by condition, minutes, on its newest scored month; None without one."""
    query = (
        "SELECT strftime(month, '%Y-%m') AS scored, condition, rmse FROM evaluations WHERE model_version = $version "
        "AND model = 'duration_model' AND slice = 'overall' AND scope = $scope "
        "QUALIFY month = max(month) OVER () ORDER BY condition DESC"
    )
    rows = connection.execute(query, {"version": version, "scope": PRIMARY_SCOPE.name}).fetchall()
    if not rows:
        return None
    rmse = {condition: round(value, 3) for _, condition, value in rows}
    return {"month": rows[0][0], "scope": PRIMARY_SCOPE.name, "rmse_minutes": rmse}


def score_facts(connection: "DuckDBPyConnection", month: Month, version: int | None, condition: str) -> Facts:
    """Reads the overall scores of a version on a month; by default, of its newest evaluated version."""
    query = (
        "SELECT condition, model, rmse, mae, bias FROM evaluations "
        "WHERE month = $month AND slice = 'overall' AND scope = $scope "
        "AND model_version = coalesce($version, (SELECT max(model_version) FROM evaluations WHERE month = $month))"
    )
    chosen = {"month": month.first_day, "version": version, "scope": PRIMARY_SCOPE.name}
    found: dict[str, Facts] = {condition: {}}
    for each, name, *errors in connection.execute(query, chosen).fetchall():
        found.setdefault(each, {})[name] = dict(zip(("rmse", "mae", "bias"), errors, strict=True))
    scores = found.pop(condition)
    return {
        "month": str(month),
        "scope": PRIMARY_SCOPE.name,
        "condition": condition,
        "model": scores.pop("duration_model"),
        "baselines": scores,
        "other_conditions": {name: models["duration_model"] for name, models in found.items()},
    }
