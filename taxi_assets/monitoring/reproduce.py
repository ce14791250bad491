"""Rebuilds a registered version from the lake's snapshot it learned from, and compares the two to the last digits."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.conditions import WITH_RECENT_TRAFFIC
from taxi_assets.evaluation.evaluate import MODEL, rescore, services_of, window_of
from taxi_assets.months import Month
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.code_revision import git_commit
from taxi_assets.registry.model_versions import Version
from taxi_assets.settings import Settings
from taxi_assets.training.dataset import TrainingData, read_training_data
from taxi_assets.training.evaluation_scope import EVALUATION_SCOPES
from taxi_assets.training.train import fit, library_versions
from taxi_assets.warehouse.connection import Warehouse

__all__ = ["TOLERANCE", "ComparedValue", "Reproduction", "reproduce"]

TOLERANCE = 1e-9
_MEASURES = ("rmse", "mae", "bias")
# What a run says of its training that is no parameter of it.
_NOT_PARAMETERS = {"window", "services", "trips"}


@dataclass(frozen=True)
class ComparedValue:
    """One thing looked at: what was recorded, what came of rebuilding it, and whether they are the same."""

    name: str
    recorded: str
    rebuilt: str
    is_same: bool


@dataclass(frozen=True)
class Reproduction:
    """What rebuilding a version came to.

    Attributes:
        version: The version's number.
        compared_values: What must be the same: the data, every metric.
        notes: What may differ and explains a difference: the code's commit, the libraries, what is no longer kept.
    """

    version: int
    compared_values: tuple[ComparedValue, ...]
    notes: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """The data and every metric are the same."""
        return all(finding.is_same for finding in self.compared_values)


def reproduce(settings: Settings, warehouse: Warehouse, number: int) -> Reproduction:
    """Learn again from the version's snapshot, window, parameters and seeds; score again on its month; compare.

    Nothing is registered, kept or changed.

    Raises:
        TaxiError: there is no such version, its snapshot is no longer kept, or it was never evaluated.
    """
    version = model_versions.require(settings, number)
    run = tracking.get_logged_run(settings, version.run_id)
    recorded = _recorded_metrics(version, run.metrics)
    data = _reread_training_data(warehouse, version)
    compared_values = [_compare("data digest", version.tags["data_digest"], data.digest)]
    compared_values.append(_compare("trips learned from", run.params["trips"], str(len(data.trips))))
    model = fit(data, _parameters(run.params))
    month, notes = Month.parse(version.tags["scored_month"]), _notes(version)
    scored, snapshot_notes = _evaluation_warehouse(warehouse, version)
    # Versions evaluated before there were conditions were scored with recent traffic.
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
            f"snapshot {snapshot}, from which version {version.version} learned, is no longer kept: "
            "only versions whose snapshots are kept can be rebuilt"
        )
    scope = EVALUATION_SCOPES[version.tags["scope"]]
    return read_training_data(warehouse.at(snapshot), services_of(version), window_of(version), scope)


def _evaluation_warehouse(warehouse: Warehouse, version: Version) -> tuple[Warehouse, tuple[str, ...]]:
    """The lake as it was when the version was evaluated."""
    snapshot = int(version.tags["evaluation_snapshot"])
    if snapshot in warehouse.snapshots():
        return warehouse.at(snapshot), ()
    return warehouse, (f"snapshot {snapshot}, on which it was scored, is no longer kept: scored on the newest one.",)


def _recorded_metrics(version: Version, metrics: Mapping[str, float]) -> dict[str, float]:
    names = [f"{scope}/{MODEL}/{measure}" for scope in EVALUATION_SCOPES for measure in _MEASURES]
    if "evaluation_snapshot" not in version.tags or not set(names) <= set(metrics):
        raise TaxiError(
            f"version {version.version} has no metrics to compare with: materialise model_evaluation of "
            f"{version.tags['scored_month']} first"
        )
    return {name: metrics[name] for name in names}


def _parameters(params: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as they were given: MLflow keeps them as text."""
    return {name: _value(text) for name, text in params.items() if name not in _NOT_PARAMETERS}


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text  # a name, such as that of the estimator


def _notes(version: Version) -> list[str]:
    notes = []
    commit, before = git_commit(), version.tags["git_commit"]
    if commit != before:
        notes.append(f"the code is of commit {commit}, the version was made by {before}.")
    for name, number in library_versions().items():
        then = dict(each.split(" ") for each in version.tags.get("libraries", "").split(", ") if each).get(name)
        if then and then != number:
            notes.append(f"{name} is {number}, the version was made with {then}.")
    return notes


def _compare(name: str, recorded: str, rebuilt: str) -> ComparedValue:
    return ComparedValue(name, recorded, rebuilt, recorded == rebuilt)
