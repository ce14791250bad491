"""A planted bad champion is rolled back while the endpoint runs, which then answers by the one before."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import model_store_samples
import numpy as np
import pytest
from cli_user import MONTHS, SEED, CliUser, make_cli_user, write_months
from terminal import wait_until

from taxi_assets.cli.supervisor.programs import Program, bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.defs.serving.prediction_log import prediction_log_sensor
from taxi_assets.registry import model_versions
from taxi_assets.serving import client
from taxi_assets.serving.champion_deployment import DEPLOYED_BY, deploy_champion
from taxi_assets.serving.deployments.deploy_token import create_token
from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.synthetic.law import expected_minutes
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROWS, RIDES = 4_000, 1_000
RIDE = client.Ride(74, 75, "2023-03-01T08:30")


def register_bad_champion(user: CliUser) -> int:
    """Registers the model of version 1 once more, as champion; returns its version."""
    first = model_versions.require(user.settings, 1)
    tags = {**first.tags, "training_key": "planted"}
    api = model_versions.client(user.settings)
    version = int(api.create_model_version(first.name, first.source, first.run_id, tags=tags).version)
    model_versions.promote(user.settings, version, "planted")
    return version


@contextmanager
def newest_bento(user: CliUser) -> Iterator[None]:
    """Version 2 is the newest Bento during the block; BentoML could not serve its folder."""
    store = model_store(user.settings)
    latest = (store / "latest").read_text()
    model = model_store_samples.add_version(store, 2)
    bento = model.parents[1]
    model.with_name("release.json").write_text(json.dumps({"tag": f"taxi_duration:{bento.name}", "labels": {}}))
    (store / "latest").write_text(bento.name)
    yield
    (store / "latest").write_text(latest)
    shutil.rmtree(bento)


def serve_command(user: CliUser, folder: Path) -> Program:
    """The endpoint of version 1, with a store of its own in which version 2 has a model of another city."""
    store = folder / "store"
    shutil.copytree(model_store(user.settings), store, symlinks=True)
    model_store_samples.add_version(store, 2)
    create_token(ServingState(user.settings.serving_state))
    program = bento_program(user.settings)
    return replace(program, env={**program.env, STORE_VARIABLE: str(store)})


def ride(url: str, slower: float = 1) -> None:
    """Rides of the synthetic city with their durations, longer by a factor in a slower city."""
    draw = np.random.default_rng(3)
    starts, ends = draw.integers(1, 250, (2, 4 * RIDES))
    at = np.datetime64("2023-03-01T08:30") + draw.integers(0, 10_000, 4 * RIDES).astype("timedelta64[m]")
    minutes = slower * expected_minutes(SEED, starts, ends, at.astype("datetime64[ns]"), "green")
    chosen = np.flatnonzero((minutes > 2) & (minutes < 55))[:RIDES]
    rides = [
        {
            "pickup_zone_id": int(starts[at_row]),
            "dropoff_zone_id": int(ends[at_row]),
            "pickup_at": str(at[at_row]),
            "service": "green",
        }
        for at_row in chosen
    ]
    answer = post(url, "/predict_many", {"rides": rides})
    known = [
        {"request_id": f"{answer['request_id']}.{row}", "actual_minutes": float(minutes[at_row])}
        for row, at_row in enumerate(chosen)
    ]
    assert post(url, "/feedback", {"rides": known})["accepted"] == len(known)


def post(url: str, path: str, body: object) -> dict[str, Any]:
    response = httpx.post(url + path, json=body, timeout=30, trust_env=False)
    assert response.is_success, response.text
    found: dict[str, Any] = response.json()
    return found


def tick(user: CliUser) -> object:
    """A tick of the log's sensor, which also has the newest records sealed for the next one."""
    resources = {"warehouse": Warehouse(user.settings)}
    with open_instance(user.settings) as instance, dg.build_sensor_context(instance, resources=resources) as context:
        return prediction_log_sensor(context)


def run_job(user: CliUser, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs the job as its sensor does; returns the metadata of `rollback`."""
    monkeypatch.setenv("DAGSTER_HOME", str(user.settings.dagster_home))
    with open_instance(user.settings) as instance:
        result = build(user.settings).resolve_job_def("ingest_predictions").execute_in_process(instance=instance)
    (event,) = result.asset_materializations_for_node("rollback")
    return {name: value.value for name, value in event.metadata.items()}


def test_a_planted_bad_champion_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_cli_user(tmp_path, write_months(tmp_path / "months", ROWS), "synthetic")
    user.run_json("run", "--months", f"{MONTHS[0]}..{MONTHS[-1]}")
    program = serve_command(user, tmp_path)
    with running(program, tmp_path / "bento.log") as url:
        assert client.predict(url, RIDE)["model_version"] == 1
        assert register_bad_champion(user) == 2
        with newest_bento(user):
            done = deploy_champion(user.settings, DEPLOYED_BY)
        assert (done.is_followed, done.routing["champion"], done.routing["shadows"]) == (True, 2, [1])
        assert client.predict(url, RIDE)["model_version"] == 2
        ride(url)
        # The workers seal their segments one by one, so the first run may miss some.
        wait_until(
            lambda: isinstance(tick(user), dg.RunRequest) and run_job(user, monkeypatch)["state"] == "rolled back"
        )
        wait_until(lambda: client.predict(url, RIDE)["model_version"] == 1)
        assert user.run_json("route")["routing"]["champion"] == 1
        assert user.run_json("status")["champion"]["version"] == 1
        assert run_job(user, monkeypatch)["state"] == "none"
        assert client.predict(url, RIDE)["model_version"] == 1
