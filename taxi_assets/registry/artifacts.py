"""Locates MLflow's artifacts: in the home, or below a prefix in S3 (`TAXI_MLFLOW_ARTIFACTS`).

MLflow writes them and shows them on its pages. The platform itself reads and deletes only the models' pickles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.shared_store import SharedStore, unavailable

_VARIABLE = "TAXI_MLFLOW_ARTIFACTS"
_MLFLOWS_S3_LIBRARIES = {"boto3", "botocore", "s3transfer"}


def artifacts_uri(settings: Settings) -> str:
    """The address of all artifacts; real and synthetic runs have one each."""
    if settings.mlflow_artifacts:
        return f"{settings.mlflow_artifacts}/{settings.space}"
    return _folder(settings).as_uri()


def prepare_artifacts(settings: Settings) -> None:
    """Create the folder of the artifacts, or check that their prefix in S3 can be reached.

    Raises:
        TaxiError: packages or keys are missing, or S3 cannot be used.
    """
    if settings.mlflow_artifacts is None:
        _folder(settings).mkdir(parents=True, exist_ok=True)
        return
    if find_spec("boto3") is None:
        raise TaxiError(f"{_VARIABLE} needs more packages: run `make env-scale`")
    _store(settings).require_reachable()
    settings.mlflow_home.mkdir(parents=True, exist_ok=True)


def require_same_place(settings: Settings, recorded_uri: str) -> None:
    """Check that MLflow's database records the artifacts where the settings have them.

    Raises:
        TaxiError: they are elsewhere.
    """
    recorded = urlsplit(recorded_uri)
    if recorded.scheme == "s3" or settings.mlflow_artifacts:
        if recorded_uri == artifacts_uri(settings):
            return
        remedy = f"unset {_VARIABLE}"
        if recorded.scheme == "s3":
            remedy = f"set {_VARIABLE}={recorded_uri.removesuffix(f'/{settings.space}')}"
        raise TaxiError(
            f"MLflow's database records artifacts in {recorded_uri}: {remedy}, or use a new home or database; "
            "artifacts are not moved"
        )
    folder, artifacts = Path(url2pathname(recorded.path)), _folder(settings)
    if not (folder.is_dir() and folder.samefile(artifacts)):
        raise TaxiError(
            f"'{artifacts.parent}' was moved or copied from '{folder.parent}', the path in MLflow's "
            "database: move it back, or remove it and train again"
        )


@dataclass(frozen=True)
class ArtifactFile:
    """A file of the artifacts, by its path or its address in S3."""

    settings: Settings
    place: str

    def read(self) -> bytes | None:
        """The content; None if there is no such file.

        Raises:
            SharedStoreUnavailable: S3 cannot be used.
        """
        if self.settings.mlflow_artifacts:
            return _store(self.settings).read(self._key)
        path = Path(self.place)
        return path.read_bytes() if path.is_file() else None

    def delete(self) -> None:
        """Delete the file, if it exists.

        Raises:
            SharedStoreUnavailable: S3 cannot be used.
        """
        if self.settings.mlflow_artifacts:
            _store(self.settings).delete(self._key)
        else:
            Path(self.place).unlink(missing_ok=True)

    @property
    def _key(self) -> str:
        return self.place.removeprefix(f"{artifacts_uri(self.settings)}/")


def find_artifact(settings: Settings, uri: str, name: str, what: str) -> ArtifactFile:
    """The file `name` in a folder of the artifacts, which may be missing.

    Args:
        settings: Location of the artifacts.
        uri: The folder's address in MLflow.
        name: The file's name.
        what: What the file belongs to, for messages.

    Raises:
        TaxiError: the folder is not one of the artifacts.
    """
    parts = urlsplit(uri)
    if settings.mlflow_artifacts:
        if not uri.startswith(f"{artifacts_uri(settings)}/") or ".." in parts.path.split("/"):
            place = artifacts_uri(settings)
            raise TaxiError(f"{what} is at {uri}, outside {place}: only models that were trained there are loaded")
        return ArtifactFile(settings, f"{uri.rstrip('/')}/{name}")
    folder, artifacts = Path(url2pathname(parts.path)).resolve(), _folder(settings).resolve()
    if parts.scheme not in {"", "file"} or not folder.is_relative_to(artifacts):
        raise TaxiError(f"{what} is at {uri}, outside {artifacts}: only models trained in this home are loaded")
    return ArtifactFile(settings, str(folder / name))


@contextmanager
def clear_upload_errors(settings: Settings) -> Iterator[None]:
    """Turns errors of MLflow's library for S3 into one line with the remedy.

    Raises:
        SharedStoreUnavailable: the artifacts cannot be written.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _MLFLOWS_S3_LIBRARIES:
            raise
        raise unavailable(artifacts_uri(settings), _VARIABLE, error) from None


def _folder(settings: Settings) -> Path:
    return settings.mlflow_home / "artifacts"


def _store(settings: Settings) -> SharedStore:
    return SharedStore(settings, "mlflow_artifacts")
