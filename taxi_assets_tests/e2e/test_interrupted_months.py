"""A month's run that is interrupted at any step of `taxi up` is completed after a restart.

The 16 cases take more than half an hour; CI runs two of them. Run all with `pytest -m slow` and this file's name.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

import dagster as dg
import psutil
import pytest
from cli_user import HOST, MONTHS, TAXI, write_months
from home_state import HomeState, home_state
from terminal import CTRL_C, Terminal, processes_of, terminal, wait_until

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.defs.runs import run_job
from taxi_assets.ingestion.file_stability import ScanPolicy
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.monitoring.unfinished_months import unfinished_months
from taxi_assets.registry import model_versions
from taxi_assets.serving.deployments.routing_store import read_routing
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings
from taxi_assets.tlc.month_file import file_name
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = 2_500
STEPS = (
    "taxi_zones",
    "published_months",
    "drift_report",
    "retraining",
    "duration_model",
    "model_evaluation",
    "champion_model",
    "duration_bento",
    "deployment",
)
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


@dataclass(frozen=True)
class State(HomeState):
    is_finished: bool
    routed_champion: int | None


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_months(tmp_path_factory.mktemp("months"), ROWS)


@pytest.fixture(scope="module")
def january(months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with January in the warehouse and February's file in the landing folder."""
    settings = Settings(home=tmp_path_factory.mktemp("january") / "home", data_kind="synthetic", tlc_source=str(months))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(settings) as instance:
            run_job(build(settings), instance, "ingest_months", [MONTHS[0]], {}, lambda *_: None)
    shutil.copy(months / file_name("green", MONTHS[1]), settings.landing)
    for _ in range(2):
        scan_landing(Warehouse(settings), ScanPolicy(seconds_between=0))
    return settings.home


@pytest.fixture(scope="module")
def uninterrupted(january: Path, months: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    settings = settings_of(january, tmp_path_factory.mktemp("uninterrupted"), months)
    with up(settings) as screen:
        finish(settings, screen)
    return state(settings)


@pytest.mark.parametrize("end", ["interrupted", "killed"])
@pytest.mark.parametrize("step", STEPS)
def test_month_interrupted_at_any_step_is_completed_after_restart(
    january: Path, months: Path, uninterrupted: State, tmp_path: Path, step: str, end: str
) -> None:
    settings = settings_of(january, tmp_path, months)
    with up(settings) as screen:
        wait_for(screen, lambda: has_begun(settings, step))
        if end == "killed":
            cut_power(settings, screen)
        else:
            screen.press(CTRL_C)
            screen.wait_for("all stopped")
    wait_until(lambda: not processes_of(settings.home))
    with up(settings) as screen:
        finish(settings, screen)
    assert asdict(state(settings)) == asdict(uninterrupted)


def settings_of(january: Path, folder: Path, months: Path) -> Settings:
    """Copies January's home to a new one with its own ports."""
    home = Path(shutil.copytree(january, folder / "home"))
    ports = {f"{name}_port": free_port(HOST) for name in ("dagster", "bento", "data_docs", "mlflow")}
    return Settings(home=home, data_kind="synthetic", tlc_source=str(months)).model_copy(update=ports)


@contextmanager
def up(settings: Settings) -> Iterator[Terminal]:
    names = ("home", "data_kind", "tlc_source", "dagster_port", "bento_port", "data_docs_port", "mlflow_port")
    variables = {f"TAXI_{name.upper()}": str(getattr(settings, name)) for name in names}
    with terminal([*TAXI, "up"], {**environment(), **variables}) as screen:
        screen.wait_for("starting dagster")  # before that, Ctrl-C ends it without a word
        yield screen
        if screen.process.poll() is None:
            screen.press(CTRL_C)
            screen.wait_for("all stopped")
    wait_until(lambda: not processes_of(settings.home))


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}


def runs(settings: Settings) -> list[dg.DagsterRun]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(settings) as instance:
            return list(instance.get_runs(dg.RunsFilter(job_name="train_month")))


def has_begun(settings: Settings, step: str) -> bool:
    """True once a run of the month has started this step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(settings) as instance:
            found = instance.get_runs(dg.RunsFilter(job_name="train_month"))
            events = [e for run in found for e in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)]
    return any(event.step_key == step for event in events)


def finish(settings: Settings, screen: Terminal) -> None:
    """Waits until no run is active and no asset is missing."""
    warehouse = Warehouse(settings)

    def is_done() -> bool:
        found = runs(settings)
        over = bool(found) and all(run.status in ENDED for run in found)
        return over and model_versions.champion(settings) is not None and not unfinished_months(settings, warehouse)

    wait_for(screen, is_done)


def wait_for(screen: Terminal, condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(2_000):
        assert screen.process.poll() is None, screen.text
        if condition():
            return
        pause.wait(0.3)
    raise AssertionError(f"it did not happen in time: {screen.text}")


def cut_power(settings: Settings, screen: Terminal) -> None:
    """Kills every process that uses the home with SIGKILL, until none is left."""
    while found := processes_of(settings.home):
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    screen.process.wait()


def state(settings: Settings) -> State:
    store = settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    found = home_state(settings, store / (store / "latest").read_text().strip())
    routing = read_routing(ServingState(settings.serving_state))
    return State(
        **vars(found),
        is_finished=not unfinished_months(settings, Warehouse(settings)),
        routed_champion=routing and routing.routing.champion,
    )
