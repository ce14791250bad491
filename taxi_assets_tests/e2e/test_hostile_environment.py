"""`taxi run` uses only its own home, even if the environment names other registries, homes or proxies."""

import pickle
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from cli_user import make_cli_user, write_months
from hostile_environment import HOSTILE

from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client, initialise
from taxi_assets.settings import Settings

PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


def foreign_registry(home: Path) -> Settings:
    """Creates a registry in which version 1 of `taxi-duration` is champion."""
    settings = Settings(home=home)
    initialise(settings)
    run_id, api = tracking.open_run(settings, "foreign", "job", {}), client(settings)
    logged = api.create_logged_model(api.get_run(run_id).info.experiment_id, source_run_id=run_id)
    folder = Path(url2pathname(urlsplit(logged.artifact_location).path))
    folder.mkdir(parents=True)
    (folder / "model.pkl").write_bytes(pickle.dumps("the foreign model"))
    model_versions.register(settings, run_id, logged.model_uri, "foreign", {})
    model_versions.promote(settings, 1, "the foreign champion")
    return settings


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_in_a_hostile_environment_uses_its_own_stores_only(tmp_path: Path) -> None:
    foreign = foreign_registry(tmp_path / "foreign")
    cli_user = make_cli_user(tmp_path, write_months(tmp_path / "months", rows=3_000), "synthetic")
    database = (foreign.mlflow_home / "mlflow.db").read_bytes()
    registries = dict.fromkeys(("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI"), foreign.mlflow_uri)
    months = ("--months", "2023-01..2023-02")
    done = cli_user.run("run", *months, "--json", str(tmp_path / "run.json"), **{**HOSTILE, **registries, **PROXIES})
    assert done.returncode == 0, done.stderr

    champion = model_versions.champion(cli_user.settings)
    assert champion
    own = client(cli_user.settings).get_run(champion.run_id)
    assert own.data.tags["scored_month"] == "2023-02"
    assert model_versions.load_sklearn(cli_user.settings, champion).trees_
    assert (foreign.mlflow_home / "mlflow.db").read_bytes() == database
    assert model_versions.load_sklearn(foreign, model_versions.champion(foreign)) == "the foreign model"
    assert not Path("/nowhere").exists()
