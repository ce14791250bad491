"""A file lands while `taxi up` runs: its model answers at the same endpoint, whose processes go on."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from cli_user import HOST, MONTHS, SEED, TAXI, CliUser, make_cli_user, write_months
from terminal import CTRL_C, Terminal, processes_of, terminal, wait_until
from test_interrupted_months import ENDED, runs, wait_for

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.serving import client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 2_500
MARCH = Month(2023, 3)
RIDE = client.Ride(74, 75, "2023-03-01T08:30")


@pytest.fixture
def cli_user(tmp_path: Path) -> CliUser:
    """A user whose home has version 1 as champion."""
    found = make_cli_user(tmp_path, write_months(tmp_path / "months", ROWS), "synthetic")
    found.run_json("run", "--months", f"{MONTHS[0]}..{MONTHS[-1]}")
    assert found.run_json("status")["champion"]["version"] == 1
    return found


@pytest.fixture
def up(cli_user: CliUser) -> Iterator[Terminal]:
    ports = {f"TAXI_{name}_PORT": str(free_port(HOST)) for name in ("DAGSTER", "MLFLOW", "DATA_DOCS")}
    with terminal([*TAXI, "up"], {**cli_user.environment, **ports}) as screen:
        screen.wait_for("Ctrl-C stops all of them")
        yield screen
        screen.press(CTRL_C)
        screen.wait_for("all stopped")
    wait_until(lambda: not processes_of(cli_user.home))


def endpoint_processes(home: Path) -> set[int]:
    return {process.pid for process in processes_of(home) if any("bentoml" in part for part in process.cmdline())}


def test_a_landed_months_model_answers_without_a_restart(cli_user: CliUser, up: Terminal, tmp_path: Path) -> None:
    settings = cli_user.settings
    url = settings.url(settings.bento_port)
    before = endpoint_processes(cli_user.home)
    assert before
    assert client.predict(url, RIDE)["model_version"] == 1
    file = synthetic.write_month(tmp_path, "green", MARCH, ROWS, SEED)
    file.replace(settings.landing / file.name)

    def month_is_trained() -> bool:
        """True once the month's run has ended; the endpoint answers all the while."""
        assert client.predict(url, RIDE)["duration_minutes"] > 0
        return len(model_versions.versions(settings)) == 2 and all(run.status in ENDED for run in runs(settings))

    wait_for(up, month_is_trained)
    # Whatever the decision on it: a champion that a person chose is packaged and deployed by the sensor, too.
    model_versions.promote(settings, 2, "for the test")
    wait_for(up, lambda: client.predict(url, RIDE)["model_version"] == 2)
    assert cli_user.run_json("status")["served"]["version"] == 2
    assert cli_user.run_json("route")["routing"]["champion"] == 2
    assert endpoint_processes(cli_user.home) == before
    assert {run.status for run in runs(settings)} == {dg.DagsterRunStatus.SUCCESS}

    assert cli_user.run_json("rollback")["routing"]["champion"] == 1
    assert client.predict(url, RIDE)["model_version"] == 1
    alone = cli_user.run_json("deploy", "2")["deployment"]["url"]
    assert client.predict(alone.removesuffix("/predict"), RIDE)["model_version"] == 2
    assert cli_user.run_json("undeploy", "2")["is_followed"]
    other_token = {"TAXI_DEPLOY_TOKEN": "of another endpoint".replace(" ", "-")}
    assert "refuses the token" in cli_user.run("rollback", **other_token).stderr
