"""A release goes from dev to test to prod as it was verified, and can be taken back."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from platform_harness import PlatformHarness

from taxi_assets.defs.check_results import failed_blocking_checks
from taxi_assets.errors import TaxiError
from taxi_assets.monitoring.release import promote_release, revision
from taxi_assets.monitoring.release.promote_release import promote, undo, verify
from taxi_assets.monitoring.release.release_log import Release, current_release, log_file, read_log
from taxi_assets.serving.packaging.bento_build import bento_folder, latest
from taxi_assets.settings import Environment, Settings

BY = {"by": "Ada", "why": "planned"}
Stage = Callable[[Environment], Settings]


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commit of the running code: the last of a list."""
    known = ["a" * 40]
    for module in (revision, promote_release):
        monkeypatch.setattr(module, "git_commit", lambda: known[-1])
    return known


@pytest.fixture
def stage(platform: PlatformHarness, commits: list[str]) -> Iterator[Stage]:
    """The settings of an environment of the small platform's home, which is as before afterwards."""

    def settings(env: Environment) -> Settings:
        return platform.settings.model_copy(update={"env": env})

    yield settings
    for folder in (settings("dev").releases, settings("test").root, settings("prod").root):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def verified(platform: PlatformHarness, stage: Stage) -> Callable[[Environment], Release]:
    def green(env: Environment) -> Release:
        def failed(_: Settings, run_id: str) -> list[str]:
            return failed_blocking_checks(platform.instance, run_id)

        return verify(stage(env), failed, **BY)

    return green


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.iterdir()} if folder.is_dir() else set()


def test_a_verified_revision_goes_from_dev_to_prod_byte_by_byte(
    stage: Stage, verified: Callable[[Environment], Release]
) -> None:
    known = verified("dev").revision
    assert known
    for env in ("test", "prod"):
        release = promote(stage(env), **BY)
        assert (release.action, release.revision) == ("promoted", known)
        served = latest(stage(env))
        assert served
        assert served.tag == known.bento
        assert revision.folder_sha256(bento_folder(stage(env), known.bento)) == known.bento_sha256
        assert revision.folder_sha256(stage(env).evidence / known.evidence) == known.evidence_sha256
        # Neither data nor Dagster's state.
        assert files(stage(env).root) == {"bentoml", "evidence", "releases"}
        assert verified(env).revision == known
    assert [each.action for each in read_log(stage("prod"))] == ["promoted", "verified"]


def test_an_unverified_revision_is_refused(
    stage: Stage, verified: Callable[[Environment], Release], commits: list[str]
) -> None:
    with pytest.raises(TaxiError, match="dev has no verified revision"):
        promote(stage("test"), **BY)
    verified("dev")
    promote(stage("test"), **BY)
    with pytest.raises(TaxiError, match="test has no verified revision"):
        promote(stage("prod"), **BY)
    commits.append("b" * 40)
    with pytest.raises(TaxiError, match=r"the revision of dev changed since it was verified \(commit\)"):
        promote(stage("test"), **BY)
    assert not stage("prod").root.exists()


def test_a_revision_that_is_not_green_is_not_verified(
    stage: Stage, verified: Callable[[Environment], Release], commits: list[str]
) -> None:
    commits.append(f"{'a' * 40}+dirty")
    with pytest.raises(TaxiError, match="is not a clean"):
        verified("dev")
    commits.pop()
    with pytest.raises(TaxiError, match=r"checks: clean_trips\.durations"):
        verify(stage("dev"), lambda *_: ["clean_trips.durations"], **BY)
    verified("dev")
    promote(stage("test"), **BY)
    commits.append("b" * 40)
    with pytest.raises(TaxiError, match=f"commit {'b' * 40} is not a clean {'a' * 40}"):
        verified("test")
    assert [each.action for each in read_log(stage("test"))] == ["promoted"]


def test_a_changed_bento_or_pack_is_not_carried(stage: Stage, verified: Callable[[Environment], Release]) -> None:
    known = verified("dev").revision
    assert known
    card = stage("dev").evidence / known.evidence / "model_card.md"
    text = card.read_text()
    card.write_text(text + "changed\n")
    with pytest.raises(TaxiError, match="evidence_sha256"):
        promote(stage("test"), **BY)
    card.write_text(text)
    assert current_release(stage("test")) is None


def test_an_undo_restores_the_release_before(
    stage: Stage, verified: Callable[[Environment], Release], commits: list[str]
) -> None:
    first = verified("dev").revision
    promote(stage("test"), **BY)
    commits.append("b" * 40)
    verified("dev")
    promote(stage("test"), **BY)
    assert undo(stage("test"), **BY).revision == first
    restored = current_release(stage("test"))
    assert restored
    assert restored.revision == first
    assert undo(stage("test"), **BY).revision is None
    assert (current_release(stage("test")), latest(stage("test"))) == (None, None)
    with pytest.raises(TaxiError, match="test has no release: nothing to undo"):
        undo(stage("test"), **BY)
    assert [each.action for each in read_log(stage("test"))] == ["promoted", "promoted", "undone", "undone"]


def test_a_damaged_log_is_named(stage: Stage) -> None:
    path = log_file(stage("test"))
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(TaxiError, match="is damaged"):
        read_log(stage("test"))
