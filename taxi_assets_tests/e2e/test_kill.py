"""A `taxi run` killed at any moment, and run again, ends as one that was never disturbed."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
import pytest
from command_line import TAXI, Person, content, person, write_months
from terminal import living_in, terminal, wait_until

from taxi_assets.defs.instance import open_instance
from taxi_assets.mlflow_store import registry
from taxi_assets.mlflow_store.mlflow_database import client
from taxi_assets.serving import packaging
from taxi_assets.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 2_500
RUN = ("run", "--months", "2023-01..2023-02")
EQUAL = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}

# What shows on the screen at the moment, and how many seconds later the kill comes.
MOMENTS = [
    ("$", 0.0),  # before anything shows
    ("$", 1.5),
    ("$", 3.0),
    ("raw_trips 2023-01", 0.0),
    ("raw_trips 2023-01", 1.0),
    ("clean_trips 2023-01", 0.0),
    ("trip_features 2023-01", 0.3),
    ("raw_trips 2023-02", 0.0),
    ("trip_features 2023-02", 0.0),
    ("duration_model 2023-02", 0.0),
    ("duration_model 2023-02", 2.0),
    ("drift_report 2023-02", 0.0),
    ("model_evaluation 2023-02", 0.0),
    ("model_evaluation 2023-02", 1.5),
    ("champion_model 2023-02", 0.0),
    ("duration_bento 2023-02", 0.0),
    ("duration_bento 2023-02", 2.0),
    ("✓ duration_bento 2023-02", 0.5),
]


@dataclass(frozen=True)
class State:
    """What must not depend on what happened on the way. Ids, times and snapshots may."""

    tables: dict[str, str]
    champion: int
    versions: int
    training_key: str
    model: dict[str, str]
    bentos: int
    minutes: float
    score: dict[str, Any]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_months(tmp_path_factory.mktemp("months"), ROWS)


@pytest.fixture(scope="module")
def undisturbed(months: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    return state(person(tmp_path_factory.mktemp("undisturbed"), months))


def state(somebody: Person) -> State:
    """The state after a run that nothing disturbs."""
    facts = somebody.asks(*RUN)
    settings = Settings(home=somebody.home, data="synthetic")
    champion = registry.champion(settings)
    assert champion
    store = settings.bentoml_home / "bentos" / packaging.BENTO_NAME
    (bento,) = [folder for folder in store.iterdir() if folder.is_dir() and facts["bento"].endswith(folder.name)]
    assert_runs_agree(settings)
    assert client(settings).get_run(champion.run_id).data.metrics["course/duration_model/rmse"] > 0
    return State(
        tables=content(settings),
        champion=champion.version,
        versions=len(client(settings).search_model_versions("")),
        training_key=champion.tags["training_key"],
        model=digests(bento / "src" / "model"),
        bentos=len([folder for folder in store.iterdir() if folder.is_dir()]),
        minutes=facts["prediction"]["duration_minutes"],
        score=facts["score"],
    )


def digests(model: Path) -> dict[str, str]:
    """Of what a Bento's model is made of; the manifest names the run, which is another each time."""
    files = [file for file in sorted(model.rglob("*")) if file.is_file() and file.suffix != ".json"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def assert_runs_agree(settings: Settings) -> None:
    """Every run has ended, in Dagster as in MLflow, where each that trained has one."""
    api = client(settings)
    experiments = [experiment.experiment_id for experiment in api.search_experiments()]
    ended = {run.data.tags["dagster_run_id"]: run.info.status for run in api.search_runs(experiments)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(settings) as instance:
            statuses = {run.run_id: EQUAL.get(run.status) for run in instance.get_runs()}
    assert None not in statuses.values()
    assert all(statuses[run_id] == status for run_id, status in ended.items())


@pytest.mark.parametrize(("shown", "later"), MOMENTS, ids=[f"{shown} +{later:g} s" for shown, later in MOMENTS])
def test_a_killed_run_is_made_good_by_the_next(
    months: Path, undisturbed: State, tmp_path: Path, shown: str, later: float
) -> None:
    somebody = person(tmp_path, months)
    with terminal([*TAXI, *RUN], somebody.environment) as screen:
        screen.wait_for(shown)
        Event().wait(later)  # within a step nothing shows by which to know the moment
        was_under_way = screen.process.poll() is None
        screen.kill()
    assert was_under_way, f"it had ended before the kill: {screen.text}"
    wait_until(lambda: not living_in(somebody.home))
    assert asdict(state(somebody)) == asdict(undisturbed)


def test_a_run_killed_while_the_bento_serves_leaves_no_server(months: Path, undisturbed: State, tmp_path: Path) -> None:
    somebody = person(tmp_path, months)
    log = Settings(home=somebody.home, data="synthetic").root / "logs" / "bento.log"
    with terminal([*TAXI, *RUN], somebody.environment) as screen:
        wait_until(lambda: log.is_file() or screen.process.poll() is not None)
        screen.kill()
    wait_until(lambda: not living_in(somebody.home))
    assert asdict(state(somebody)) == asdict(undisturbed)
