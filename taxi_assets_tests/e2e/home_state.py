"""The final state of a home, to compare an interrupted run with an uninterrupted one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from table_digests import table_digests

from taxi_assets.defs.instance import open_instance
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

EQUAL = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}


@dataclass(frozen=True)
class HomeState:
    """The parts of a home's state that interruptions must not change. Ids, times and snapshots may differ."""

    tables: dict[str, str]
    champion: int
    versions: int
    training_key: str
    model: dict[str, str]


def home_state(settings: Settings, bento: Path) -> HomeState:
    """The state of a home whose champion is in this Bento; every run in it has ended."""
    champion = model_versions.champion(settings)
    assert champion
    assert_runs_agree(settings)
    return HomeState(
        # Whether an interruption is an alert depends on the minute at which the sensor sees its failed run.
        tables={name: digest for name, digest in table_digests(Warehouse(settings)).items() if name != "alerts"},
        champion=champion.version,
        versions=len(client(settings).search_model_versions("")),
        training_key=champion.tags["training_key"],
        model=digests(bento / "src" / "model"),
    )


def digests(model: Path) -> dict[str, str]:
    """Digests of a Bento's model files, except the manifest: it names the run, which differs each time."""
    files = [file for file in sorted(model.rglob("*")) if file.is_file() and file.suffix != ".json"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def assert_runs_agree(settings: Settings) -> None:
    """Asserts that every run has ended, and that Dagster and MLflow agree on its status."""
    api = client(settings)
    experiments = [experiment.experiment_id for experiment in api.search_experiments()]
    ended = {run.data.tags["dagster_run_id"]: run.info.status for run in api.search_runs(experiments)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(settings) as instance:
            statuses = {run.run_id: EQUAL.get(run.status) for run in instance.get_runs()}
    assert None not in statuses.values()
    assert all(statuses[run_id] == status for run_id, status in ended.items())
