"""Packs a Bento into an archive, the same bytes each time, and unpacks one into a model store."""

import shutil
import tarfile
import tempfile
from pathlib import Path

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.warehouse.shared_store import SharedStore

_FOLDER = "bentos"


class ArchivedBento(msgspec.Struct, frozen=True):
    """A Bento in the shared store.

    Attributes:
        name: Its folder's name in a model store, `v<version>-<digest>`.
        sha256: The checksum of its archive.
    """

    name: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.tar"


def upload_bento(store: SharedStore, folder: Path) -> ArchivedBento:
    """Put a Bento's folder into the shared store.

    Raises:
        SharedStoreUnavailable: it is not there.
    """
    with tempfile.TemporaryDirectory(prefix="taxi-archive-") as outside:
        archive = Path(outside, "bento.tar")
        with tarfile.open(archive, "w") as tar:
            for path in sorted(folder.rglob("*")):
                tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_without_owner_and_time)
        bento = ArchivedBento(folder.name, sha256_of(archive))
        store.write(f"{_FOLDER}/{bento.file_name}", archive)
    return bento


def download_bento(store: SharedStore, bento: ArchivedBento, model_store: Path) -> Path:
    """Put a Bento of the shared store into a model store, complete or not at all; one that is there stays.

    Returns:
        Its folder.

    Raises:
        SharedStoreUnavailable: the store cannot be reached.
        TaxiError: it is missing or damaged.
    """
    target = model_store / bento.name
    if target.is_dir():
        return target
    model_store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=model_store) as beside:
        archive, folder = Path(beside, "bento.tar"), Path(beside, "bento")
        try:
            store.fetch(f"{_FOLDER}/{bento.file_name}", archive)
        except FileNotFoundError:
            raise TaxiError(f"{bento.file_name} is missing in {store.address}: `taxi up` uploads it again") from None
        if (found := sha256_of(archive)) != bento.sha256:
            raise TaxiError(f"{bento.file_name} in {store.address} is damaged, its SHA-256 is {found}")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        folder.rename(target)
    return target


def remove_bentos(store: SharedStore, kept: frozenset[str]) -> None:
    """Delete the archives of all Bentos but these, by name."""
    for name in store.names(_FOLDER):
        if name.removesuffix(".tar") not in kept:
            store.delete(f"{_FOLDER}/{name}")


def uploaded_bentos(store: SharedStore) -> frozenset[str]:
    """The names of the Bentos in the shared store."""
    return frozenset(name.removesuffix(".tar") for name in store.names(_FOLDER))


def remove_downloaded(model_store: Path, kept: frozenset[str]) -> None:
    """Delete the folders of all Bentos but these, by name, and what killed downloads left."""
    for path in (*model_store.glob("v*-*"), *model_store.glob(".download-*")):
        if path.name not in kept:
            shutil.rmtree(path)


def _without_owner_and_time(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return member
