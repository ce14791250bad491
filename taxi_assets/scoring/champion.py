"""Lets a month's version become champion, or says why not, and keeps the decision. Knows no Dagster."""

from typing import TYPE_CHECKING

from taxi_assets.lake.warehouse import Warehouse
from taxi_assets.learning.training_data import read_scored
from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.registry import Version
from taxi_assets.months import Month
from taxi_assets.rides.features import MODEL_INPUTS
from taxi_assets.scoring.evaluation import CONVENTIONS, Score, score
from taxi_assets.scoring.judging import MODEL, version_for, window_of
from taxi_assets.scoring.promotion import Candidate, Decision, decide
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["choose_champion"]

_CONVENTION = CONVENTIONS["all"]  # a rider to the airport at rush hour deserves a good answer too


def choose_champion(settings: Settings, warehouse: Warehouse, month: Month, run_id: str | None = None) -> Decision:
    """Decide on the month's version, on rides neither it nor the champion saw; tag, alias and keep the decision.

    Raises:
        TaxiError: no version was trained for the month.
    """
    challenger, current = version_for(settings, month), registry.champion(settings)
    with warehouse.reading() as connection:
        kept = _kept_decision(connection, month, challenger)
        scores = _kept_scores(connection, month, challenger)
    if kept and kept.promote and current and current.version == challenger.version:
        return kept
    decision = decide(
        Candidate(str(challenger.version), scores.pop(MODEL), window_of(challenger)[-1]),
        _candidate(settings, warehouse, month, current, challenger),
        scores,
        month,
    )
    # Kept first: killed in between, the next run finds the old champion and decides again, with the same row.
    _keep(warehouse, month, challenger, current, decision, run_id)
    if decision.promote:
        registry.promote(settings, challenger.version, " ".join(decision.reasons))
    else:
        registry.note_refusal(settings, challenger.version, " ".join(decision.reasons))
    return decision


def _kept_decision(connection: "DuckDBPyConnection", month: Month, version: Version) -> Decision | None:
    row = connection.execute(
        "SELECT is_promoted, reasons FROM promotions WHERE month = ? AND model_version = ?",
        [month.first_day, version.version],
    ).fetchone()
    return Decision(row[0], tuple(row[1])) if row else None


def _kept_scores(connection: "DuckDBPyConnection", month: Month, version: Version) -> dict[str, Score]:
    rows = connection.execute(
        "SELECT model, rides, rmse, mae, bias FROM evaluations "
        "WHERE month = ? AND model_version = ? AND convention = ? AND slice = 'overall'",
        [month.first_day, version.version, _CONVENTION.name],
    ).fetchall()
    return {name: Score(*values) for name, *values in rows}


def _candidate(
    settings: Settings, warehouse: Warehouse, month: Month, current: Version | None, challenger: Version
) -> Candidate | None:
    """The champion on the challenger's rides."""
    if current is None:
        return None
    rides = read_scored(warehouse, challenger.tags["services"].split(","), month, _CONVENTION)
    predicted = registry.load_sklearn(settings, current).predict(rides[list(MODEL_INPUTS)])
    found = score(rides["duration_minutes"].to_numpy(), predicted)
    return Candidate(str(current.version), found, window_of(current)[-1])


def _keep(
    warehouse: Warehouse,
    month: Month,
    challenger: Version,
    current: Version | None,
    decision: Decision,
    run_id: str | None,
) -> None:
    key = [month.first_day, challenger.version]
    before = None if current is None or current.version == challenger.version else current.version
    with warehouse.publishing(f"promotions {month} version {challenger.version}", run_id) as connection:
        connection.execute("DELETE FROM promotions WHERE month = ? AND model_version = ?", key)
        connection.execute(
            "INSERT INTO promotions VALUES (?, ?, ?, ?, ?)",
            [*key, before, decision.promote, list(decision.reasons)],
        )
