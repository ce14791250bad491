"""An evaluation with its plots, made once for the same model, trips, code and libraries.

The second of two equal runs reads the first one's file: evaluating and drawing a month takes five seconds.
"""

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version as library_version
from pathlib import Path

from taxi_assets.evaluation.evaluate import (
    Evaluation,
    count_unscored_trips,
    evaluate,
    require_month_version,
    services_of,
    window_of,
)
from taxi_assets.files import write_atomically
from taxi_assets.months import Month
from taxi_assets.plots.evaluation_plots import draw_evaluation
from taxi_assets.registry import model_versions
from taxi_assets.registry.code_revision import source_digest
from taxi_assets.registry.model_files import DIGEST_TAG, Version, is_intact
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import read_zones
from taxi_assets.training.train import library_versions
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

_CODE = ("features/*.py", "training/*.py", "evaluation/*.py", "plots/*.py", "tlc/local_time.py", "*/*.sql")
_DRAWING_LIBRARIES = ("matplotlib", "pandas", "scipy")
_KEY_TAG, _SHA_TAG = "evaluation_key", "evaluation_sha256"


@dataclass(frozen=True)
class DrawnEvaluation:
    """An evaluation without its trips, and its plots as PNG by name, in the order to show."""

    evaluation: Evaluation
    pictures: Mapping[str, bytes]


def evaluate_and_draw(settings: Settings, warehouse: Warehouse, month: Month) -> DrawnEvaluation:
    """Evaluates and draws the month's version, or reads the stored evaluation of the same inputs.

    The number of scored trips is compared with the warehouse in both cases.

    Raises:
        TaxiError: No version was trained for the month, or the month has no trips.
    """
    version, snapshot = require_month_version(settings, month), warehouse.snapshot()
    key = _key(settings, warehouse, version, month)
    found = _read(settings, version, key)
    if found is None:
        found = _evaluate_and_draw(settings, warehouse, month)
        _write(settings, version, key, found)
        return found
    unscored = count_unscored_trips(warehouse, services_of(version), month, found.evaluation.scores)
    return replace(
        found, evaluation=replace(found.evaluation, version=version, snapshot=snapshot, unscored_trips=unscored)
    )


def _evaluate_and_draw(settings: Settings, warehouse: Warehouse, month: Month) -> DrawnEvaluation:
    evaluation = evaluate(settings, warehouse, month)
    pictures = draw_evaluation(evaluation, read_zones(warehouse, shapes=True))
    # Only the plots use the trips, which would be a gigabyte in a large month.
    return DrawnEvaluation(replace(evaluation, trips=evaluation.trips.head(0)), pictures)


def _key(settings: Settings, warehouse: Warehouse, version: Version, month: Month) -> str:
    """Digest of all that decides the evaluation: model, trips, zones, condition, code and libraries."""
    values = {
        "services": list(services_of(version)),
        "months": [each.first_day for each in (*window_of(version), month)],
    }
    with warehouse.reading() as connection:
        rows = connection.execute(sql("evaluated_rows_checksums"), values).fetchall()
    parts = [
        [version.version, version.run_id, version.tags.get(DIGEST_TAG), version.tags["months"], str(month)],
        [rows, settings.served_condition, source_digest(*_CODE), sorted(library_versions().items())],
        [library_version(name) for name in _DRAWING_LIBRARIES],
    ]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _read(settings: Settings, version: Version, key: str) -> DrawnEvaluation | None:
    """The evaluation with this key; None if there is none, or if its file or the model's file is damaged."""
    file = _file(settings, version)
    if version.tags.get(_KEY_TAG) != key or not file.is_file() or not is_intact(settings, version):
        return None
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != version.tags.get(_SHA_TAG):
        return None
    # Safe to unpickle: the digest shows that this platform wrote the bytes.
    return pickle.loads(content)  # type: ignore[no-any-return]  # noqa: S301


def _write(settings: Settings, version: Version, key: str, drawn: DrawnEvaluation) -> None:
    content, file = pickle.dumps(drawn), _file(settings, version)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, content)
    tags = {_SHA_TAG: hashlib.sha256(content).hexdigest(), _KEY_TAG: key}
    model_versions.tag_decision(settings, version.version, tags)


def _file(settings: Settings, version: Version) -> Path:
    return settings.root / "evaluations" / f"version_{version.version}.pickle"
