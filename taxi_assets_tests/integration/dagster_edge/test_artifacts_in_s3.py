"""MLflow's artifacts in S3: written by one home, used by another that has nothing on its disk."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from platform_harness import FEBRUARY, JANUARY, MARCH, PlatformHarness, settings_in
from postgres_server import PostgresServer
from s3_server import BUCKET, SECRET_KEY, S3Server

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import programs
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions, tracking
from taxi_assets.registry.database import client, initialise
from taxi_assets.serving.champion_deployment import DEPLOYED_BY, deploy_champion
from taxi_assets.serving.deployments.routing_store import newest_readable
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.serving.packaging.release import package_version
from taxi_assets.serving.packaging.retention import remove_old_models
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStoreUnavailable

pytestmark = pytest.mark.slow
if importlib.util.find_spec("boto3") is None:
    pytest.skip("the packages for S3 are missing: run `make env-scale`", allow_module_level=True)


@pytest.fixture
def artifacts(data_path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of their own, so that a test can take it away."""
    address = f"s3://runs/{data_path.rpartition('/')[2]}"
    monkeypatch.setenv("TAXI_MLFLOW_ARTIFACTS", address)  # otherwise the keys are removed from the environment
    for name in ("AWS_CONFIG_FILE", "AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"):
        monkeypatch.setenv(name, "")  # restored afterwards
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return address


@pytest.fixture
def bucket(s3: S3Server) -> Path:
    folder = s3.folder / "runs"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def shared(server: PostgresServer, data_path: str, artifacts: str, bucket: Path) -> dict[str, object]:
    """The stores of two homes."""
    assert bucket.is_dir()
    server.execute("DROP SCHEMA IF EXISTS taxi_synthetic CASCADE")
    stores = {"catalog": server.secret, "mlflow_store": server.empty_mlflow_store()}
    return {**stores, "data_path": data_path, "mlflow_artifacts": artifacts, "mlflow_port": free_port()}


@pytest.fixture
def first(
    tmp_path: Path, months_folder: Path, shared: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[PlatformHarness]:
    """A platform that has a champion."""
    for name in ("PGPASSWORD", "DAGSTER_STORAGE_URL", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")
    settings = settings_in(tmp_path / "first", months_folder).model_copy(update=shared)
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with open_instance(settings) as instance:
        platform = PlatformHarness(settings, build(settings), instance)
        platform.run("ingest_months", [JANUARY, FEBRUARY])
        platform.run("train_month", [MARCH])
        yield platform


def tiny_model(settings: Settings, key: str) -> model_versions.Version:
    """Logs and registers a model of a few bytes, as a training does."""
    import numpy as np
    import pandas as pd
    from sklearn.dummy import DummyRegressor

    example = pd.DataFrame({"hour": np.linspace(0, 23, 4)})
    run_id = tracking.open_run(settings, f"run of {key}", "job", {})
    client(settings)
    import mlflow

    with mlflow.start_run(run_id):
        uri = tracking.log_model(DummyRegressor().fit(example, example.hour), example)
    return model_versions.register(settings, run_id, uri, key, {"scored_month": "2023-03"})


def shown_by_mlflow(settings: Settings, run_id: str, path: str) -> bytes:
    """An artifact as MLflow's pages get it."""
    (server,) = (program for program in programs(settings) if program.name == "mlflow")
    with running(server, settings.logs / "mlflow.log") as url:
        asked = {"path": path, "run_uuid": run_id}
        return httpx.get(f"{url}/get-artifact", params=asked, trust_env=False, timeout=60).raise_for_status().content


@pytest.mark.timeout(400)
def test_a_home_with_an_empty_disk_serves_and_rolls_back(first: PlatformHarness, bucket: Path, tmp_path: Path) -> None:
    champion = model_versions.champion(first.settings)
    assert champion
    second = first.settings.model_copy(update={"home": tmp_path / "second"})
    assert model_versions.is_usable(second, champion)
    for version in (first.train(MARCH, max_iter=2), champion):  # a new champion, and back
        model_versions.promote(second, version.version, "For the test.")
        assert package_version(second).largest_difference_minutes <= 1e-3
        deploy_champion(second, DEPLOYED_BY)
        found = newest_readable(ServingState(second.serving_state))
        assert found
        assert found.routing.champion == version.version
    csv = shown_by_mlflow(second, champion.run_id, "evaluation/errors_by_slice.csv")
    assert csv.startswith(b"slice")
    assert remove_old_models(second.model_copy(update={"keep_models": 1})) == {
        "removed_models": (),
        "removed_bentos": (),
    }
    assert list(model_store(second).iterdir())
    assert list(bucket.rglob("model.pkl"))
    for home in (first.settings, second):
        assert not (home.mlflow_home / "artifacts").exists()
        files = [path.read_bytes() for path in home.home.rglob("*") if path.is_file()]
        assert not any(SECRET_KEY.encode() in content for content in files)
    before = model_versions.latest(second)
    bucket.rename(bucket.with_name("gone"))  # the warehouse can be used, the artifacts cannot
    bucket.touch()  # otherwise the server makes the bucket again
    try:
        result = first.materialise(MARCH, "duration_model", max_iter=3)
        assert not result.success
        assert "check TAXI_MLFLOW_ARTIFACTS" in str(result.all_events)
    finally:
        bucket.unlink()
        bucket.with_name("gone").rename(bucket)
    assert model_versions.latest(second) == before
    assert first.train(MARCH, max_iter=3).version > champion.version


@pytest.mark.timeout(200)
def test_a_server_that_is_down_is_named_and_loses_nothing(
    s3: S3Server, artifacts: str, bucket: Path, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", data_kind="synthetic", mlflow_artifacts=artifacts)
    version = tiny_model(settings, "key")
    assert (bucket / artifacts.rpartition("/")[2] / "synthetic").is_dir()
    s3.kill()
    try:
        for use in (
            lambda: model_versions.load_sklearn(settings, version),
            lambda: model_versions.find(settings, "key"),  # not None: it would be trained again
            lambda: tracking.log_folder(settings, version.run_id, Path(__file__).parent, "tests"),
            lambda: initialise(settings.model_copy(update={"home": tmp_path / "new"})),
        ):
            with pytest.raises(SharedStoreUnavailable, match="check TAXI_MLFLOW_ARTIFACTS") as refused:
                use()
            assert SECRET_KEY not in str(refused.value)
    finally:
        s3.start()
    assert model_versions.find(settings, "key") == version
    assert model_versions.load_sklearn(settings, version).predict([[1]]) == pytest.approx([11.5])


def test_artifacts_are_not_moved_by_the_setting(
    s3: S3Server, artifacts: str, bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3.objects() is not None
    assert bucket.is_dir()
    in_home = Settings(home=tmp_path / "home", data_kind="synthetic", mlflow_artifacts=None)
    in_s3 = in_home.model_copy(update={"home": tmp_path / "other", "mlflow_artifacts": artifacts})
    for settings, changed, remedy in (
        (in_home, artifacts, "unset TAXI_MLFLOW_ARTIFACTS, or use a new home"),
        (in_s3, None, f"set TAXI_MLFLOW_ARTIFACTS={artifacts}, or"),
        (in_s3, f"s3://{BUCKET}/elsewhere", f"set TAXI_MLFLOW_ARTIFACTS={artifacts}, or"),
    ):
        initialise(settings)
        with pytest.raises(TaxiError, match=remedy):
            initialise(settings.model_copy(update={"mlflow_artifacts": changed}))
        initialise(settings)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for place in (artifacts, "s3://no-such-bucket/runs"):
        other = in_home.model_copy(update={"home": tmp_path / "third", "mlflow_artifacts": place})
        with pytest.raises(TaxiError, match="check TAXI_MLFLOW_ARTIFACTS"):
            initialise(other)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(TaxiError, match="TAXI_MLFLOW_ARTIFACTS needs keys"):
        initialise(other)
