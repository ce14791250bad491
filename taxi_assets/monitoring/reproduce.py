"""Retrains a registered version from its training snapshot and compares data and metrics to 1e-9."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.evaluate import rescore, services_of, window_of
from taxi_assets.evaluation.metrics import MODEL
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.code_revision import git_commit
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.training.conditions import WITH_RECENT_TRAFFIC
from taxi_assets.training.dataset import TrainingData
from taxi_assets.training.estimators import BOOSTED_TREES
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES
from taxi_assets.training.train import fit, library_versions, read_data
from taxi_assets.warehouse.connection import Warehouse

TOLERANCE = 1e-9
_MEASURES = ("rmse", "mae", "bias")
# Logged as MLflow params, but not parameters of the model.
_NOT_PARAMETERS = {"window", "services", "trips"}


@dataclass(frozen=True)
class ComparedValue:
    """A value as recorded and as rebuilt."""

    name: str
    recorded: str
    rebuilt: str
    is_same: bool


@dataclass(frozen=True)
class Reproduction:
    """Result of rebuilding a version.

    Attributes:
        version: The version's number.
        compared_values: The data digest, the number of trips and every metric; they must be equal.
        notes: Possible causes of a difference: code commit, library versions, expired snapshots.
    """

    version: int
    compared_values: tuple[ComparedValue, ...]
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """True if all compared values are equal."""
        return all(finding.is_same for finding in self.compared_values)


def reproduce(settings: Settings, warehouse: Warehouse, number: int) -> Reproduction:
    """Retrains a version from its snapshot, window, parameters and seeds, rescores it, and compares.

    It registers, writes and changes nothing.

    Raises:
        TaxiError: There is no such version, its snapshot has expired, or it was never evaluated.
    """
    version = model_versions.require(settings, number)
    run = tracking.get_logged_run(settings, version.run_id)
    recorded = _recorded_metrics(version, run.metrics)
    data = _reread_training_data(warehouse, version)
    compared_values = [_compare("data digest", version.tags["data_digest"], data.digest)]
    compared_values.append(_compare("training trips", run.params["trips"], str(data.row_count)))
    model = fit(data, _parameters(run.params))
    month, notes = Month.parse(version.tags["scored_month"]), _notes(version)
    scored, snapshot_notes = _evaluation_warehouse(warehouse, version)
    # Versions without this tag are from before conditions existed: they were scored with recent traffic.
    condition = version.tags.get("evaluation_condition", WITH_RECENT_TRAFFIC.name)
    rebuilt = rescore(scored, model, services_of(version), month, condition)
    for name, value in recorded.items():
        scope, _, measure = name.split("/")
        rebuilt_value = float(getattr(rebuilt[scope], measure))
        close = abs(rebuilt_value - value) <= TOLERANCE
        compared_values.append(ComparedValue(name, repr(value), repr(rebuilt_value), close))
    return Reproduction(number, tuple(compared_values), (*notes, *snapshot_notes))


def _reread_training_data(warehouse: Warehouse, version: Version) -> TrainingData:
    snapshot = int(version.tags["data_snapshot"])
    if snapshot not in warehouse.snapshots():
        raise TaxiError(
            f"snapshot {snapshot}, the training data of version {version.version}, is no longer kept: "
            "only versions whose snapshots are kept can be rebuilt"
        )
    scope = EVALUATION_SCOPES[version.tags["scope"]]
    estimator = version.tags.get("estimator", BOOSTED_TREES)
    return read_data(estimator, warehouse.at(snapshot), services_of(version), window_of(version), scope)


def _evaluation_warehouse(warehouse: Warehouse, version: Version) -> tuple[Warehouse, tuple[str, ...]]:
    """The warehouse at the version's evaluation snapshot, or the newest one with a note."""
    snapshot = int(version.tags["evaluation_snapshot"])
    if snapshot in warehouse.snapshots():
        return warehouse.at(snapshot), ()
    return warehouse, (f"snapshot {snapshot} of the evaluation is no longer kept: scored on the newest one.",)


def _recorded_metrics(version: Version, metrics: Mapping[str, float]) -> dict[str, float]:
    names = [f"{scope}/{MODEL}/{measure}" for scope in EVALUATION_SCOPES for measure in _MEASURES]
    if "evaluation_snapshot" not in version.tags or not set(names) <= set(metrics):
        raise TaxiError(
            f"version {version.version} has no metrics to compare: materialise model_evaluation of "
            f"{version.tags['scored_month']} first"
        )
    return {name: metrics[name] for name in names}


def _parameters(params: Mapping[str, str]) -> dict[str, Any]:
    """Parses the model's parameters, which MLflow stores as text."""
    return {name: _value(text) for name, text in params.items() if name not in _NOT_PARAMETERS}


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a plain name, such as the estimator's


def _notes(version: Version) -> list[str]:
    notes = []
    commit, before = git_commit(), version.tags["git_commit"]
    if commit != before:
        notes.append(f"the code is at commit {commit}, the version was trained at {before}.")
    for name, number in library_versions(version.tags.get("estimator", BOOSTED_TREES)).items():
        then = dict(each.split(" ") for each in version.tags.get("libraries", "").split(", ") if each).get(name)
        if then and then != number:
            notes.append(f"{name} is {number}, the version was trained with {then}.")
    return notes


def _compare(name: str, recorded: str, rebuilt: str) -> ComparedValue:
    return ComparedValue(name, recorded, rebuilt, recorded == rebuilt)
