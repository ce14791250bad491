"""A `taxi run` that is killed at any time and run again gives the result of an uninterrupted run."""

from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cli_user import TAXI, CliUser, make_cli_user, write_months
from home_state import HomeState, home_state
from terminal import processes_of, terminal, wait_until

from taxi_assets.registry import model_versions
from taxi_assets.registry.database import client
from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 2_500
RUN = ("run", "--months", "2023-01..2023-02")
TRIES = 4
# The text on the screen, and the seconds from then to the kill.
FAULT_POINTS = [
    ("$", 0.0),  # before any output
    ("$", 1.5),
    ("$", 3.0),
    ("published_months 2023-01", 0.0),
    ("published_months 2023-01", 0.3),
    ("published_months 2023-01", 1.0),
    ("published_months 2023-02", 0.0),
    ("published_months 2023-02", 0.2),
    ("duration_model 2023-02", 0.0),
    ("duration_model 2023-02", 2.0),
    ("drift_report 2023-02", 0.0),
    ("model_evaluation 2023-02", 0.0),
    ("model_evaluation 2023-02", 1.5),
    ("champion_model 2023-02", 0.0),
    ("duration_bento 2023-02", 0.0),
    ("duration_bento 2023-02", 2.0),
    ("✓ duration_bento 2023-02", 0.0),
    ("✓ deployment 2023-02", 0.5),
]


@dataclass(frozen=True)
class State(HomeState):
    bentos: int
    minutes: float
    score: dict[str, Any]


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_months(tmp_path_factory.mktemp("months"), ROWS)


@pytest.fixture(scope="module")
def uninterrupted(months: Path, tmp_path_factory: pytest.TempPathFactory) -> State:
    return state(make_cli_user(tmp_path_factory.mktemp("uninterrupted"), months))


def state(cli_user: CliUser) -> State:
    """The state after an uninterrupted run."""
    facts = cli_user.run_json(*RUN)
    settings = Settings(home=cli_user.home, data_kind="synthetic")
    store = settings.bentoml_home / "bentos" / bento_build.BENTO_NAME
    (bento,) = [folder for folder in store.iterdir() if folder.is_dir() and facts["bento"].endswith(folder.name)]
    found = home_state(settings, bento)
    champion = model_versions.champion(settings)
    assert champion
    assert client(settings).get_run(champion.run_id).data.metrics["1_to_60_minutes/duration_model/rmse"] > 0
    return State(
        **vars(found),
        bentos=len([folder for folder in store.iterdir() if folder.is_dir()]),
        minutes=facts["prediction"]["duration_minutes"],
        score=facts["score"],
    )


@pytest.mark.parametrize(
    ("shown", "later"), FAULT_POINTS, ids=[f"{shown} +{later:g} s" for shown, later in FAULT_POINTS]
)
def test_killed_run_is_completed_by_the_next(
    months: Path, uninterrupted: State, tmp_path: Path, shown: str, later: float
) -> None:
    for attempt in range(TRIES):
        cli_user = make_cli_user(tmp_path / str(attempt), months)
        with terminal([*TAXI, *RUN], cli_user.environment) as screen:
            screen.wait_for(shown)
            Event().wait(later / 2**attempt)  # nothing is printed within a step, so only the time selects the point
            if screen.kill():
                break
    else:
        raise AssertionError(f"each of {TRIES} runs had ended before the kill: {screen.text}")
    wait_until(lambda: not processes_of(cli_user.home))
    assert asdict(state(cli_user)) == asdict(uninterrupted)


def test_a_run_killed_while_the_bento_serves_leaves_no_server(
    months: Path, uninterrupted: State, tmp_path: Path
) -> None:
    cli_user = make_cli_user(tmp_path, months)
    log = Settings(home=cli_user.home, data_kind="synthetic").root / "logs" / "bento.log"
    with terminal([*TAXI, *RUN], cli_user.environment) as screen:
        wait_until(lambda: log.is_file() or screen.process.poll() is not None)
        assert screen.kill(), f"it had ended before the kill: {screen.text}"
    wait_until(lambda: not processes_of(cli_user.home))
    assert asdict(state(cli_user)) == asdict(uninterrupted)
