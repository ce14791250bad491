"""A city that slows down, and a bad champion, are healed while riders ask."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from cli_user import HOST, SEED, TAXI, CliUser, make_cli_user, write_months
from constant_load import loading
from terminal import CTRL_C, Terminal, processes_of, terminal, wait_until
from test_automatic_rollback import register_bad_champion, ride
from test_interrupted_months import ENDED, runs, wait_for

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.months import Month, month_range
from taxi_assets.registry import model_versions
from taxi_assets.serving import client
from taxi_assets.settings import Settings
from taxi_assets.synthetic import parse_shift
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

ROWS = 6_000
PER_SECOND = 5.0
APRIL, MAY, JUNE = (Month(2023, number) for number in (4, 5, 6))
SLOWER = 1.4
RIDE = client.Ride(74, 75, "2023-06-01T08:30")


@pytest.fixture
def cli_user(tmp_path: Path) -> CliUser:
    """A user whose champion was trained on January to March."""
    months = tuple(month_range(Month(2023, 1), APRIL))
    found = make_cli_user(tmp_path, write_months(tmp_path / "months", ROWS, months))
    found.run_json("run", "--months", f"{months[0]}..{months[-1]}")
    return found


@pytest.fixture
def up(cli_user: CliUser) -> Iterator[Terminal]:
    ports = {f"TAXI_{name}_PORT": str(free_port(HOST)) for name in ("DAGSTER", "MLFLOW", "DATA_DOCS")}
    with terminal([*TAXI, "up"], {**cli_user.environment, **ports, "TAXI_RETRAIN": "drift"}) as screen:
        screen.wait_for("Ctrl-C stops all of them")
        yield screen
        screen.press(CTRL_C)
        screen.wait_for("all stopped")
    wait_until(lambda: not processes_of(cli_user.home))


def land(settings: Settings, folder: Path, month: Month) -> None:
    """Lands the month of the slower city."""
    file = synthetic.write_month(folder, "green", month, ROWS, SEED, None, [parse_shift(f"slower_city={SLOWER}")])
    file.replace(settings.landing / file.name)


def decisions(settings: Settings) -> dict[str, tuple[bool, str]]:
    """True for each month that trained, and the reasons, by month."""
    query = "SELECT strftime(month, '%Y-%m'), is_retraining, reason FROM retraining_decisions ORDER BY decided_at"
    with Warehouse(settings).reading() as connection:
        return {month: (trains, reason) for month, trains, reason in connection.execute(query).fetchall()}


def is_decided(settings: Settings, month: Month) -> bool:
    return str(month) in decisions(settings) and all(run.status in ENDED for run in runs(settings))


def champion(settings: Settings) -> int:
    found = model_versions.champion(settings)
    assert found
    return found.version


def test_a_slower_city_and_a_bad_champion_are_healed_under_load(
    cli_user: CliUser, up: Terminal, tmp_path: Path
) -> None:
    settings = cli_user.settings
    url = settings.url(settings.bento_port)
    assert client.predict(url, RIDE)["model_version"] == 1
    with loading(url, PER_SECOND, tmp_path / "replies") as load:
        land(settings, tmp_path, MAY)
        wait_for(up, lambda: is_decided(settings, MAY))
        assert not decisions(settings)[str(MAY)][0]
        assert client.predict(url, RIDE)["model_version"] == 1

        land(settings, tmp_path, JUNE)
        wait_for(up, lambda: client.predict(url, RIDE)["model_version"] == 2)
        trains, reason = decisions(settings)[str(JUNE)]
        assert (trains, "the month and the one before drifted" in reason) == (True, True)
        assert champion(settings) == 2
        wait_for(up, lambda: is_decided(settings, JUNE))

        # A planted champion: the old model, which does not know that the city is slower.
        assert register_bad_champion(cli_user) == 3
        wait_for(up, lambda: client.predict(url, RIDE)["model_version"] == 3)
        ride(url, SLOWER)
        wait_for(up, lambda: client.predict(url, RIDE)["model_version"] == 2)
        wait_until(lambda: champion(settings) == 2)
    assert {run.status for run in runs(settings)} == {dg.DagsterRunStatus.SUCCESS}
    assert len(load.replies) > 100
    assert [reply for reply in load.replies if reply.status != 200] == []
    assert {reply.version for reply in load.replies} == {1, 2, 3}
