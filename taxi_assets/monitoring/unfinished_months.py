"""Finds months with missing or stale assets in tables, registry and Bento store. Imports no Dagster.

The newest month, if there is an earlier one to train on, needs a drift report, the champion's errors and a decision
whether it trains. If it trains, it needs a version trained on the current files, its evaluation and a decision on it.
The champion needs a Bento and a deployment.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.source_files import SourceFile, read_source_files
from taxi_assets.monitoring.record_retraining import current_retraining, published_snapshot
from taxi_assets.months import Month
from taxi_assets.promotion.decision import decision_state, read_decision
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.deployments.version_history import is_decided
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings
from taxi_assets.training.superseded_files import superseded_files
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse

# Of the champion, not of a month.
RELEASE = ("duration_bento", "deployment")
# In the order of the assets: if one is stale, those after it are stale too.
_TRAINING_CHAIN = ("duration_model", "model_evaluation", "champion_model", *RELEASE)


@dataclass(frozen=True)
class UnfinishedMonth:
    """A month that lacks assets.

    Attributes:
        month: The month.
        missing_assets: The assets to materialise, in their order.
        reason: The cause, if an asset has to be materialised again; else empty.
        key: Digest of the inputs and the missing assets; a changed file and a further step change it.
    """

    month: Month
    missing_assets: tuple[str, ...]
    reason: str = ""
    key: str = ""

    def sentence(self) -> str:
        """States the missing assets and the reason."""
        return f"{self.month} lacks {', '.join(self.missing_assets)}" + (f": {self.reason}" if self.reason else "")

    def as_json(self) -> dict[str, Any]:
        """The facts, and the sentence."""
        facts = {"month": str(self.month), "lacks": list(self.missing_assets), "reason": self.reason}
        return facts | {"sentence": self.sentence()}


def unfinished_months(settings: Settings, warehouse: Warehouse) -> tuple[UnfinishedMonth, ...]:
    """The unfinished months in the warehouse, oldest first."""
    with warehouse.reading() as connection:
        ingested = [
            r for r in read_source_files(connection) if r.state == "ingested" and r.service in settings.services
        ]
        available = available_months(connection, settings.services)
        newest = _newest_month(settings, connection, available[-1], ingested) if len(available) > 1 else None
    return (newest,) if newest else ()


def _newest_month(
    settings: Settings, connection: DuckDBPyConnection, month: Month, records: Sequence[SourceFile]
) -> UnfinishedMonth | None:
    """The newest month's missing assets; None if there are none."""
    version = model_versions.get_month_version(settings, month)
    published = published_snapshot(connection, settings, month)
    decision = current_retraining(connection, settings, month)
    # A month that does not train by decision is finished without a version.
    trains = decision is None or decision["is_retraining"]
    superseded = superseded_files(connection, version) if version and trains else ()
    if version and not superseded:
        first_stale = _first_stale_asset(connection, month, version, published)
    else:
        first_stale = "duration_model" if trains else None
    stale_assets = _TRAINING_CHAIN[_TRAINING_CHAIN.index(first_stale) :] if first_stale else ()
    missing_assets = [
        *(["drift_report"] if _drift_snapshot(connection, month) < published else []),
        *_missing_decision(connection, month, decision),
        *(stale_assets or _missing_release(settings)),
    ]
    if not missing_assets:
        return None
    reason = f"version {version.version} was trained on superseded files" if version and superseded else ""
    return UnfinishedMonth(month, tuple(missing_assets), reason, _key(settings, month, records, missing_assets))


def _missing_decision(
    connection: DuckDBPyConnection, month: Month, decision: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """The assets before a training that the month lacks."""
    if decision is None:
        return ("champion_performance", "retraining")
    query = "SELECT count(*) FROM champion_performance WHERE month = ? AND model_version = ?"
    ((rows,),) = connection.execute(query, [month.first_day, decision["model_version"]]).fetchall()
    return ("champion_performance",) if decision["model_version"] and not rows else ()


def _first_stale_asset(connection: DuckDBPyConnection, month: Month, version: Version, published: int) -> str | None:
    """The first asset, evaluation or decision, that is older than the month's current file."""
    scored = int(version.tags.get("evaluation_snapshot", -1))
    key = [month.first_day, version.version]
    rows = connection.execute("SELECT count(*) FROM evaluations WHERE month = ? AND model_version = ?", key).fetchall()
    if not rows[0][0] or scored < published:
        return "model_evaluation"
    decision = read_decision(connection, version.version, month)
    # A decision writes its tags last: if they belong to another decision, this one was interrupted.
    if not decision or version.tags.get("decision_snapshot") != str(decision["snapshot"]):
        return "champion_model"
    if version.tags.get("decision") != decision_state(decision):  # so was this approval or rejection
        return "champion_model"
    # A promoted version is not decided on again.
    is_stale = decision["snapshot"] < published and not decision["is_promoted"]
    return "champion_model" if is_stale else None


def _missing_release(settings: Settings) -> tuple[str, ...]:
    """The assets after the decision that the champion lacks."""
    champion, bento = model_versions.champion(settings), bento_build.latest(settings)
    if champion is None:
        return ()
    if bento is None or bento.model_version != champion.version:
        return RELEASE
    # A routing that a person set after it, such as a rollback, is no lack.
    return () if is_decided(ServingState(settings.serving_state), champion.version) else RELEASE[1:]


def _drift_snapshot(connection: DuckDBPyConnection, month: Month) -> int:
    query = "SELECT coalesce(max(snapshot_id), -1) FROM drift_reports WHERE month = ?"
    return int(connection.execute(query, [month.first_day]).fetchall()[0][0])


def _key(settings: Settings, month: Month, records: Sequence[SourceFile], missing_assets: Sequence[str]) -> str:
    files: Iterator[list[str]] = ([str(r.service), str(r.month), str(r.sha256)] for r in records)
    champion = model_versions.champion(settings) if set(missing_assets) <= set(RELEASE) else None
    parts = [str(month), sorted(files), champion.version if champion else None, list(missing_assets)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
