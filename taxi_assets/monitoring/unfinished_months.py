"""Which months in the lake are not finished, told by the tables, the registry and the Bento store. Knows no Dagster.

Of every month the lake needs features. Of the newest, where an earlier one is there to learn from, it needs a version
that learned from the files in force, its evaluation, a decision, the drift report and the champion's Bento.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from duckdb import DuckDBPyConnection

from taxi_assets.ingestion.source_files import Record, read_records
from taxi_assets.monitoring.superseded_versions import superseded_files
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_versions import Version
from taxi_assets.serving import bento_build
from taxi_assets.settings import Settings
from taxi_assets.warehouse.available_months import features_snapshots, held_months
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["Unfinished", "unfinished_months"]

# In the order of the assets: what is made of another is made anew with it.
_AFTER_TRAINING = ("duration_model", "model_evaluation", "champion_model", "duration_bento")


@dataclass(frozen=True)
class Unfinished:
    """A month that lacks assets.

    Attributes:
        month: The month.
        lacks: The assets to be made for it, in their order.
        reason: Why one of them has to be made again; empty where they were never made.
        key: Digest of what they would be made from: another file makes it another.
    """

    month: Month
    lacks: tuple[str, ...]
    reason: str = ""
    key: str = ""

    def sentence(self) -> str:
        """What the month lacks, for people."""
        return f"{self.month} lacks {', '.join(self.lacks)}" + (f": {self.reason}" if self.reason else "")

    def as_json(self) -> dict[str, Any]:
        """The facts, and the sentence."""
        facts = {"month": str(self.month), "lacks": list(self.lacks), "reason": self.reason}
        return facts | {"sentence": self.sentence()}


def unfinished_months(settings: Settings, warehouse: Warehouse) -> tuple[Unfinished, ...]:
    """The months in the lake that are not finished, oldest first."""
    with warehouse.reading() as connection:
        ours = [r for r in read_records(connection) if r.state == "ingested" and r.service in settings.services]
        behind = _without_features(connection, ours)
        held = held_months(connection, settings.services)
        # A later month that is about to get its features is the one to train for.
        is_newest = len(held) > 1 and not any(month >= held[-1] for month in behind)
        newest = _newest(settings, connection, held[-1], ours) if is_newest else None
    found = [Unfinished(month, ("trip_features",)) for month in sorted(behind)]
    return (*found, newest) if newest else tuple(found)


def _without_features(connection: DuckDBPyConnection, records: Sequence[Record]) -> set[Month]:
    made = features_snapshots(connection)
    return {r.month for r in records if r.month and made.get((str(r.service), r.month), -1) < (r.snapshot or 0)}


def _newest(
    settings: Settings, connection: DuckDBPyConnection, month: Month, records: Sequence[Record]
) -> Unfinished | None:
    """What the newest month lacks; None where it lacks nothing."""
    version = model_versions.chosen_for(settings, month)
    published = max(record.snapshot or 0 for record in records if record.month == month)
    replaced = superseded_files(connection, version) if version else ()
    first = "duration_model" if version is None or replaced else _first_undecided(connection, month, version, published)
    again = _AFTER_TRAINING[_AFTER_TRAINING.index(first) :] if first else ()
    lacks = list(again or (["duration_bento"] if _bento_is_missing(settings) else []))
    if first == "duration_model" or _drift_snapshot(connection, month) < published:
        lacks.insert(lacks.index("model_evaluation") if "model_evaluation" in lacks else 0, "drift_report")
    if not lacks:
        return None
    reason = f"version {version.version} learned from superseded files" if version and replaced else ""
    return Unfinished(month, tuple(lacks), reason, _key(settings, month, records, lacks))


def _first_undecided(connection: DuckDBPyConnection, month: Month, version: Version, published: int) -> str | None:
    """The first of evaluation and decision that was not made of the month's file in force."""
    scored = int(version.tags.get("evaluation_snapshot", -1))
    key = [month.first_day, version.version]
    rows = connection.execute("SELECT count(*) FROM evaluations WHERE month = ? AND model_version = ?", key).fetchall()
    if not rows[0][0] or scored < published:
        return "model_evaluation"
    query = "SELECT is_promoted, snapshot FROM promotions WHERE month = ? AND model_version = ?"
    decided = connection.execute(query, key).fetchone()
    # The tags are the last thing a decision does: where they tell of another one, it was interrupted.
    if not decided or version.tags.get("decision_snapshot") != str(decided[1]):
        return "champion_model"
    is_of_another_file = decided[1] < published and not decided[0]  # what is champion is not decided on again
    return "champion_model" if is_of_another_file else None


def _bento_is_missing(settings: Settings) -> bool:
    champion, bento = model_versions.champion(settings), bento_build.latest(settings)
    return champion is not None and (bento is None or bento.labels.get("version") != str(champion.version))


def _drift_snapshot(connection: DuckDBPyConnection, month: Month) -> int:
    query = "SELECT coalesce(max(snapshot_id), -1) FROM drift_reports WHERE month = ?"
    return int(connection.execute(query, [month.first_day]).fetchall()[0][0])


def _key(settings: Settings, month: Month, records: Sequence[Record], lacks: Sequence[str]) -> str:
    files: Iterator[list[str]] = ([str(r.service), str(r.month), str(r.sha256)] for r in records)
    champion = model_versions.champion(settings) if list(lacks) == ["duration_bento"] else None
    parts = [str(month), sorted(files), champion.version if champion else None]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
