"""The store that machines share: objects by key, in S3 or in a folder that all of them mount."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings
from taxi_assets.warehouse.s3_secret import read_options

if TYPE_CHECKING:
    from obstore.store import LocalStore, S3Store

StoreSetting = Literal["serving_store", "shared_files", "mlflow_artifacts"]
_CHUNK_BYTES = 8 * 1024**2


class SharedStoreUnavailable(TaxiError):
    """The shared store cannot be reached, or refuses the request; nothing was lost."""


class SharedStore:
    """Objects by key.

    Args:
        settings: the store's address, and the data kind, which has a part of its own.
        setting: the name of the address in the settings.

    Raises:
        TaxiError: the setting or a package is missing, or the keys of S3 are.
    """

    def __init__(self, settings: Settings, setting: StoreSetting = "serving_store") -> None:
        self._variable = f"TAXI_{setting.upper()}"
        place: str | None = getattr(settings, setting)
        if place is None:
            raise TaxiError(f"this needs a shared store: set {self._variable} to s3://bucket/prefix or to a folder")
        self.address = f"{place}/{settings.space}"
        try:
            import obstore
        except ImportError:
            raise TaxiError(f"{self._variable} needs more packages: run `make env-scale`") from None
        self._obstore = obstore
        self._store = _open(self.address, self._variable)

    def read(self, key: str) -> bytes | None:
        """The content of an object; None if there is none."""
        with self._clear_errors():
            try:
                return bytes(self._obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):  # nothing is known of the object
                    raise unavailable(self.address, self._variable, error) from None
                return None

    def fetch(self, key: str, path: Path) -> None:
        """Write an object's content to a file.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with self._clear_errors(), path.open("wb") as file:
            for chunk in self._obstore.get(self._store, key).stream(min_chunk_size=_CHUNK_BYTES):
                file.write(chunk)

    def write(self, key: str, content: bytes | Path) -> None:
        """Create or replace an object, all or nothing."""
        with self._clear_errors():
            self._obstore.put(self._store, key, content)

    def has(self, key: str) -> bool:
        """True if there is such an object."""
        with self._clear_errors():
            try:
                self._obstore.head(self._store, key)
            except FileNotFoundError:
                return False
            return True

    def names(self, folder: str) -> frozenset[str]:
        """The names of the objects whose keys are `<folder>/<name>`."""
        with self._clear_errors():
            found = [each["path"] for batch in self._obstore.list(self._store, f"{folder}/") for each in batch]
        return frozenset(path.removeprefix(f"{folder}/") for path in found)

    def require_reachable(self) -> None:
        """Check that the store can be used, by the first page of its list."""
        with self._clear_errors():
            next(iter(self._obstore.list(self._store)), None)

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        with self._clear_errors():
            try:
                self._obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except (exceptions.BaseError, PermissionError) as error:
            raise unavailable(self.address, self._variable, error) from None


def unavailable(address: str, variable: str, error: Exception) -> SharedStoreUnavailable:
    """The error of a store that cannot be used, in one line."""
    reason = str(error).partition("\n")[0]
    return SharedStoreUnavailable(
        f"the shared store {address} cannot be used ({reason[:300]}): check {variable}, and for "
        "S3 the address, the bucket and the rights of the keys"
    )


def _open(address: str, variable: str) -> "LocalStore | S3Store":
    from obstore.store import LocalStore, S3Store

    if not address.startswith("s3://"):
        return LocalStore(address, mkdir=True)
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    keys = read_options(variable)
    optional: dict[str, Any] = {}
    if "endpoint" in keys:
        optional["endpoint"] = f"{'https' if keys['use_ssl'] else 'http'}://{keys['endpoint']}"
    if "session_token" in keys:
        optional["session_token"] = keys["session_token"]
    return S3Store(
        bucket,
        prefix=prefix,
        access_key_id=keys["key_id"],
        secret_access_key=keys["secret"],
        region=keys["region"],
        client_options={"timeout": "60s", "connect_timeout": "5s", "allow_http": not keys.get("use_ssl", True)},
        retry_config={"max_retries": 2},  # the caller goes on trying, and says so meanwhile
        **optional,
    )
