"""A model is loaded only from this home, and unpickled only after its digest is checked."""

import pickle
from contextlib import closing
from pathlib import Path

import pytest
import registered_models
from registered_models import Register, connect, model_pickle

from taxi_assets.errors import TaxiError
from taxi_assets.registry import model_versions
from taxi_assets.registry.database import initialise
from taxi_assets.settings import Settings

REMEDY = "materialise duration_model of 2023-03 to train it again"


class Planted:
    """Creates a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[type[Path.touch], tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Another registry, with a version 1 of the same name."""
    settings = Settings(home=tmp_path_factory.mktemp("foreign"))
    initialise(settings)
    registered_models.register(settings, "key", "the foreign model", scored_month="2023-03")
    return settings


@pytest.mark.parametrize("names", [("MLFLOW_REGISTRY_URI",), ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")])
def test_registry_of_the_environment_is_not_used(
    settings: Settings, foreign: Settings, register: Register, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    import mlflow

    version = register("key", "the model of this home", scored_month="2023-03")
    mlflow.set_registry_uri(None)  # as in a new process
    for name in names:
        monkeypatch.setenv(name, foreign.mlflow_uri)
    assert model_versions.load_sklearn(settings, version) == "the model of this home"


def test_changed_pickle_is_refused_before_unpickling(settings: Settings, register: Register, tmp_path: Path) -> None:
    version = register("key", scored_month="2023-03")
    model_pickle(settings, version).write_bytes(pickle.dumps(Planted(tmp_path / "planted")))
    with pytest.raises(TaxiError, match=f"version 1 at .* differs from the trained one .*: {REMEDY}") as refused:
        model_versions.load_sklearn(settings, version)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "planted").exists()
    pickle.loads(model_pickle(settings, version).read_bytes())  # noqa: S301 - shows that unpickling has this effect
    assert (tmp_path / "planted").exists()


def test_missing_pickle_is_reported_with_the_remedy(settings: Settings, register: Register) -> None:
    version = register("key", scored_month="2023-03")
    model_pickle(settings, version).unlink()
    with pytest.raises(TaxiError, match=f"the model of version 1 is not at .*model.pkl: {REMEDY}"):
        model_versions.load_sklearn(settings, version)


def test_a_version_without_a_digest_is_refused(settings: Settings, register: Register) -> None:
    version = register("key", scored_month="2023-03")
    with closing(connect(settings)) as database, database:
        database.execute("DELETE FROM model_version_tags WHERE key = 'model_sha256'")
    with pytest.raises(TaxiError, match=f"logged none.*{REMEDY}"):
        model_versions.load_sklearn(settings, version)


@pytest.mark.parametrize("place", ["file:///elsewhere", "s3://bucket/models", "http://127.0.0.1:9/models"])
def test_version_outside_the_home_is_refused(settings: Settings, register: Register, place: str) -> None:
    version = register("key")
    with closing(connect(settings)) as database, database:
        database.execute("UPDATE model_versions SET storage_location = ?", [place])
    with pytest.raises(TaxiError, match=f"version 1 is at {place}, outside .*artifacts: only models trained in this"):
        model_versions.load_sklearn(settings, version)


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_version_with_an_incomplete_model_is_not_reused(settings: Settings, register: Register, harm: str) -> None:
    version = register("key")
    assert model_versions.is_usable(settings, version)
    model_pickle(settings, version).unlink() if harm == "missing" else model_pickle(settings, version).write_bytes(b"x")
    assert not model_versions.is_usable(settings, version)
    assert model_versions.find(settings, "key") is None
    again = register("key")
    assert again.version == 2
    assert model_versions.find(settings, "key") == again
