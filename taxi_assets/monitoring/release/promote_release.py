"""Carries a verified revision from one environment to the next, and takes it back.

It copies the Bento and the evidence pack, byte by byte, and writes a record. It copies no data and no state of Dagster,
builds nothing, and starts neither sensors nor schedules.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of, write_atomically
from taxi_assets.monitoring.evidence_pack.bill_of_materials import LOCK
from taxi_assets.monitoring.release.release_log import Release, append, current_release, read_log
from taxi_assets.monitoring.release.revision import Revision, current_revision, folder_sha256
from taxi_assets.registry import model_versions
from taxi_assets.registry.code_revision import git_commit
from taxi_assets.registry.model_files import DIGEST_TAG
from taxi_assets.serving.packaging.bento_build import bento_folder, latest, model_store
from taxi_assets.settings import Environment, Settings

STAGES: tuple[Environment, ...] = ("dev", "test", "prod")
FailedChecks = Callable[[Settings, str], list[str]]


def stage_before(settings: Settings) -> Settings:
    """The settings of the environment before this one, in the same home.

    Raises:
        TaxiError: dev is the first.
    """
    if settings.env == "dev":
        raise TaxiError("nothing is promoted to dev: name test or prod")
    return settings.model_copy(update={"env": STAGES[STAGES.index(settings.env) - 1]})


def verify(settings: Settings, failed_checks: FailedChecks, by: str, why: str, image: str | None = None) -> Release:
    """Check the revision of an environment, and record that it is green.

    Args:
        settings: The environment.
        failed_checks: Returns the failed blocking checks of a Dagster run.
        by: The person or the pipeline that verifies.
        why: The reason.
        image: The digest of the image that is verified, if any.

    Raises:
        TaxiError: there is no revision, or a check is not green.
    """
    revision = _revision(settings, image)
    findings = _findings(settings, revision, failed_checks)
    faults = [f"{name}: {found}" for name, (is_green, found) in findings.items() if not is_green]
    if faults:
        raise TaxiError(f"{settings.env} is not green, so nothing was recorded: {'; '.join(faults)}")
    checks = {name: found for name, (_, found) in findings.items()}
    return append(settings, "verified", settings.env, revision, checks=checks, by=by, why=why)


def promote(target: Settings, by: str, why: str) -> Release:
    """Make the verified revision of the environment before the release of this one.

    Raises:
        TaxiError: the revision there is not verified, or was changed since.
    """
    source = stage_before(target)
    verified = next((each for each in reversed(read_log(source)) if each.action == "verified"), None)
    if verified is None or verified.revision is None:
        raise TaxiError(f"{source.env} has no verified revision: run `TAXI_ENV={source.env} taxi release verify`")
    revision = verified.revision
    changed = _changes(revision, _revision(source, revision.image))
    if changed:
        raise TaxiError(
            f"the revision of {source.env} changed since it was verified ({', '.join(changed)}): run "
            f"`TAXI_ENV={source.env} taxi release verify` again"
        )
    _copy(bento_folder(source, revision.bento), bento_folder(target, revision.bento), revision.bento_sha256)
    _copy(_pack(source, revision), _pack(target, revision), revision.evidence_sha256)
    release = append(target, "promoted", source.env, revision, checks=verified.checks, by=by, why=why)
    _serve(target, revision)
    return release


def undo(target: Settings, by: str, why: str) -> Release:
    """Restore the release before the current one; without one, the environment has no release.

    Raises:
        TaxiError: there is no release to take back.
    """
    current = current_release(target)
    if current is None:
        raise TaxiError(f"{target.env} has no release: nothing to undo")
    before = _before(read_log(target))
    if before and folder_sha256(bento_folder(target, before.bento)) != before.bento_sha256:
        raise TaxiError(f"the Bento of the release before, {before.bento}, is missing or damaged: promote it again")
    release = append(target, "undone", target.env, before, checks={}, by=by, why=why)
    _serve(target, before)
    return release


def _before(log: list[Release]) -> Revision | None:
    """The revision before the current one: promotions are a stack, and an undo takes the last."""
    stack: list[Revision] = []
    for each in log:
        if each.action == "promoted" and each.revision:
            stack.append(each.revision)
        elif each.action == "undone":
            stack.pop()
    return stack[-2] if len(stack) > 1 else None


def _revision(settings: Settings, image: str | None) -> Revision:
    """The revision of an environment: trained in dev, received elsewhere."""
    if settings.env == "dev":
        return current_revision(settings, image)
    release = current_release(settings)
    if release is None or release.revision is None:
        raise TaxiError(f"{settings.env} has no release: run `taxi release promote --to {settings.env}` first")
    return release.revision


def _findings(settings: Settings, revision: Revision, failed_checks: FailedChecks) -> Mapping[str, tuple[bool, str]]:
    """Each check of a revision: whether it is green, and what was found."""
    trained_in = settings.model_copy(update={"env": "dev"})
    commit, bento = git_commit(), latest(settings)
    version = model_versions.find_number(trained_in, revision.model_version)
    is_trained = version is not None and version.tags.get(DIGEST_TAG) == revision.model_sha256 != ""
    is_whole = version is not None and is_trained and model_versions.is_usable(trained_in, version)
    failed = failed_checks(trained_in, revision.training_run)
    is_clean = commit == revision.commit and "+dirty" not in commit and commit != "unknown"
    is_served = bento is not None and bento.tag == revision.bento
    return {
        "code": (is_clean, f"commit {commit}" if is_clean else f"commit {commit} is not a clean {revision.commit}"),
        "packages": (sha256_of(LOCK) == revision.lock_sha256, f"requirements.lock {revision.lock_sha256[:12]}"),
        "model": (is_whole, f"{revision.model} version {revision.model_version}"),
        "bento": (
            is_served and folder_sha256(bento_folder(settings, revision.bento)) == revision.bento_sha256,
            revision.bento,
        ),
        "evidence": (folder_sha256(_pack(settings, revision)) == revision.evidence_sha256, revision.evidence),
        "checks": (not failed, ", ".join(failed) or f"every blocking check of run {revision.training_run}"),
    }


def _changes(verified: Revision, now: Revision) -> list[str]:
    one, other = verified.as_record(), now.as_record()
    return [name for name in one if one[name] != other[name]]


def _pack(settings: Settings, revision: Revision) -> Path:
    return settings.evidence / revision.evidence


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a folder, unless it is there, and compare its digest.

    Raises:
        TaxiError: the source changed since it was verified.
    """
    if target.is_dir() and folder_sha256(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(source, draft, ignore=shutil.ignore_patterns("__pycache__"))
    if folder_sha256(draft) != sha256:
        shutil.rmtree(draft)
        raise TaxiError(f"{source} is not the verified one: verify the environment before again")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)


def _serve(settings: Settings, revision: Revision | None) -> None:
    """Make the revision's Bento the one that the environment's endpoint serves at its next start."""
    pointer = model_store(settings) / "latest"
    if revision is None:
        pointer.unlink(missing_ok=True)
    else:
        write_atomically(pointer, revision.bento.partition(":")[2])
