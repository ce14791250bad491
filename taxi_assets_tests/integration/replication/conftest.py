"""A shared store, in a folder and in S3, and homes that use it."""

from collections.abc import Callable
from pathlib import Path

import model_store_samples
import pytest

from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.packaging.bento_build import model_store
from taxi_assets.serving.replication.replica import Replica
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStore

Home = Callable[[str], Settings]


@pytest.fixture(params=["folder", "S3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty shared store."""
    pytest.importorskip("obstore", reason="obstore is missing: run `make env-scale`")
    return str(tmp_path / "store") if request.param == "folder" else str(request.getfixturevalue("data_path"))


@pytest.fixture
def home(tmp_path: Path, address: str) -> Home:
    """Settings of a home by its name."""
    return lambda name: Settings(
        home=tmp_path / name, data_kind="synthetic", serving_store=address, threads=1, memory_limit="1GB"
    )


@pytest.fixture
def store(home: Home) -> SharedStore:
    return SharedStore(home("source"))


@pytest.fixture
def source(home: Home) -> Settings:
    """A home whose model store has the versions 1 to 3."""
    settings = home("source")
    for version in (1, 2, 3):
        model_store_samples.add_version(model_store(settings), version)
    return settings


@pytest.fixture
def changes(source: Settings) -> DeploymentChanges:
    """Changes of the source's routing."""
    return DeploymentChanges(ServingState(source.serving_state), model_store(source), "a test", timeout=120)


@pytest.fixture
def replica(home: Home, store: SharedStore) -> Replica:
    return Replica(home("replica"), store)
