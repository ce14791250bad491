"""The models in one worker's memory, each loaded once for a deployment."""

import gc
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_store import Deployment, new_deployment
from taxi_assets.serving.deployments.model_checks import load_checked
from taxi_assets.serving.served_model import ServedModel

# Called with a version, the seconds of its load, and the reason if it was refused.
LoadHook = Callable[[int, float, str | None], None]


@dataclass(frozen=True)
class _Loaded:
    """A loaded model and the key of its deployment."""

    key: str
    model: ServedModel


class LoadedModels:
    """Loads models, and remembers those that fail so that they are not tried again.

    Attributes:
        failed: The deployment's key and the reason of each version whose newest deployment failed.
    """

    def __init__(self, on_load: LoadHook) -> None:
        self._on_load = on_load
        self._loaded: dict[int, _Loaded] = {}
        self.failed: dict[int, tuple[str, str]] = {}

    @property
    def models(self) -> dict[int, ServedModel]:
        """The models by version."""
        return {version: each.model for version, each in self._loaded.items()}

    @property
    def keys(self) -> dict[int, str]:
        """The keys of the loaded deployments by version."""
        return {version: each.key for version, each in self._loaded.items()}

    def update(self, deployments: Mapping[int, Deployment]) -> None:
        """Load each new deployment; where one fails, an earlier model of its version stays."""
        keys = {version: each.key for version, each in deployments.items()}
        self.failed = {version: each for version, each in self.failed.items() if keys.get(version) == each[0]}
        for version, deployment in deployments.items():
            if version not in self.failed and self.keys.get(version) != deployment.key:
                try:
                    self.load(deployment)
                except TaxiError as error:
                    self.failed[version] = (deployment.key, str(error))

    def load(self, deployment: Deployment) -> None:
        """Load and check one deployment.

        Raises:
            TaxiError: it fails a check.
        """
        started = time.perf_counter()
        try:
            model = _load_unchanged(deployment)
        except TaxiError as error:
            self._on_load(deployment.version, time.perf_counter() - started, str(error))
            raise
        self._loaded[deployment.version] = _Loaded(deployment.key, model)
        gc.collect()  # not frozen: that would keep the circular references of the requests of this time for ever
        self._on_load(deployment.version, time.perf_counter() - started, None)

    def keep(self, versions: Collection[int]) -> None:
        """Forget the other models; each is freed once no request uses it."""
        self._loaded = {version: each for version, each in self._loaded.items() if version in versions}

    def require(self, versions: Collection[int]) -> None:
        """Check that these versions are loaded.

        Raises:
            TaxiError: one is not.
        """
        for version in versions:
            if version not in self._loaded:
                _, reason = self.failed.get(version, ("", f"version {version} is not deployed: deploy it first"))
                raise TaxiError(reason)


def _load_unchanged(deployment: Deployment) -> ServedModel:
    folder, version = Path(deployment.folder), deployment.version
    if new_deployment(folder, version, "").manifest_sha256 != deployment.manifest_sha256:
        raise TaxiError(f"version {version} is refused: the manifest in {folder} has changed: deploy it again")
    return load_checked(folder, version).model
