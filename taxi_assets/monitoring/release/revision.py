"""A revision: code, packages, model, Bento and evidence of an environment, each by a digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.monitoring.evidence_pack.bill_of_materials import LOCK
from taxi_assets.monitoring.evidence_pack.write_pack import INDEX, pack_name
from taxi_assets.months import Month
from taxi_assets.registry import model_versions
from taxi_assets.registry.code_revision import git_commit
from taxi_assets.registry.model_files import DIGEST_TAG
from taxi_assets.serving.packaging.bento_build import bento_folder, latest
from taxi_assets.settings import Settings


@dataclass(frozen=True)
class Revision:
    """Digests of everything that a promotion carries to the next environment.

    Attributes:
        commit: The commit of the code.
        lock_sha256: The digest of `requirements.lock`.
        image: The digest of the image, if the platform runs in one.
        model: The registered model of the environment that trained it.
        model_version: The champion there.
        model_sha256: The digest of its pickle.
        training_run: The Dagster run that trained it.
        bento: The tag of its Bento.
        bento_sha256: A digest of all files of the Bento.
        evidence: The name of the evidence pack of the decision on it.
        evidence_sha256: A digest of all files of the pack.
    """

    commit: str
    lock_sha256: str
    image: str | None
    model: str
    model_version: int
    model_sha256: str
    training_run: str
    bento: str
    bento_sha256: str
    evidence: str
    evidence_sha256: str

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Revision":
        """The revision that `as_record` wrote."""
        return cls(**record)

    def as_record(self) -> dict[str, Any]:
        return asdict(self)


def current_revision(settings: Settings, image: str | None) -> Revision:
    """The revision that an environment trained and serves: its champion, with what belongs to it.

    Raises:
        TaxiError: there is no champion, or its Bento or its evidence pack is missing.
    """
    champion = model_versions.champion(settings)
    if champion is None:
        raise TaxiError(f"{settings.env} has no champion: nothing to promote before `taxi run`")
    bento = latest(settings)
    if bento is None or bento.model_version != champion.version:
        raise TaxiError(f"the newest Bento is not of version {champion.version}: materialise duration_bento first")
    month = champion.tags.get("scored_month", "")
    pack = settings.evidence / pack_name(Month.parse(month), champion.version) if month else settings.evidence / INDEX
    if not (pack / INDEX).is_file():
        raise TaxiError(f"version {champion.version} has no evidence pack: materialise champion_model for its month")
    return Revision(
        commit=git_commit(),
        lock_sha256=sha256_of(LOCK),
        image=image,
        model=champion.name,
        model_version=champion.version,
        model_sha256=champion.tags.get(DIGEST_TAG, ""),
        training_run=champion.tags.get("dagster_run_id", ""),
        bento=bento.tag,
        bento_sha256=folder_sha256(bento_folder(settings, bento.tag)),
        evidence=pack.name,
        evidence_sha256=folder_sha256(pack),
    )


def folder_sha256(folder: Path) -> str:
    """A digest of the names and contents of all files below a folder; bytecode is left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
