"""Checks that the evidence of a waiting decision still holds."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError
from taxi_assets.promotion.record_decision import usable_champion, version_number
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.superseded_files import superseded_files

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class StaleEvidence(TaxiError):
    """The evidence of a waiting version is not valid any more."""


def again(row: Mapping[str, Any], assets: str = "champion_model") -> str:
    """The remedy: the assets to materialise again for the decision's month."""
    return f"materialise {assets} of {row['month']:%Y-%m} again"


def require_valid(
    settings: Settings, connection: "DuckDBPyConnection", version: Version, row: Mapping[str, Any]
) -> None:
    """Checks that the evidence of a waiting decision still holds.

    Args:
        settings: Location of MLflow, and the served condition.
        connection: The newest snapshot of the warehouse.
        version: The version that waits.
        row: Its row of `promotions`.

    Raises:
        StaleEvidence: the champion, the month's newest decision, a file, the model or the served condition changed.
    """
    problems = [*_training_problems(settings, connection, version), *_problems(settings, connection, version, row)]
    if problems:
        raise StaleEvidence(f"version {version.version} cannot be approved, {problems[0]}")


def _training_problems(settings: Settings, connection: "DuckDBPyConnection", version: Version) -> Iterator[str]:
    """Reasons for which the version must be trained again."""
    month = version.tags.get("scored_month", "its month")
    remedy = f"materialise duration_model, model_evaluation and champion_model of {month} again"
    files = superseded_files(connection, version)
    if files:
        yield f"it was trained on files that were replaced since, {', '.join(files)}: {remedy}"
    if not model_versions.is_usable(settings, version):
        yield f"its model is missing or damaged: {remedy}"


def _problems(
    settings: Settings, connection: "DuckDBPyConnection", version: Version, row: Mapping[str, Any]
) -> Iterator[str]:
    """Reasons for which the comparison must be made again."""
    current, compared = version_number(usable_champion(settings)), row["champion_version"]
    if current != compared:
        yield f"it was compared with {_champion(compared)}, now it is {_champion(current)}: {again(row)}"
    newer = connection.execute(
        "SELECT model_version FROM promotions WHERE month = ? AND model_version <> ? AND decided_at > ? "
        "ORDER BY decided_at DESC LIMIT 1",
        [row["month"], version.version, row["decided_at"]],
    ).fetchone()
    if newer:
        yield f"version {newer[0]} was decided on for {row['month']:%Y-%m} after it: decide on that one"
    published = connection.execute(
        "SELECT max(snapshot) FROM source_files WHERE month = ? AND state = 'ingested' "
        "AND service IN (SELECT unnest(?))",
        [row["month"], version.tags.get("services", "").split(",")],
    ).fetchone()
    if published and (published[0] or 0) > row["snapshot"]:
        yield f"{row['month']:%Y-%m} was published again since: {again(row, 'model_evaluation and champion_model')}"
    if row["condition"] != settings.served_condition:
        yield f"it was compared {row['condition'].replace('_', ' ')}, which is not TAXI_SERVED_CONDITION: {again(row)}"


def _champion(version: int | None) -> str:
    return "no champion" if version is None else f"champion {version}"
