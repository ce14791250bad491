"""Reads the commit of the running code with a real git."""

import shutil
import subprocess
from pathlib import Path

import pytest

from taxi_assets.registry.code_revision import git_commit, source_digest

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "first")
    return package


def test_commit_of_an_unchanged_checkout(package):
    assert git_commit(package) == git(package, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["package/__init__.py", "notes.txt"], ids=["changed", "untracked"])
def test_checkout_that_differs_is_dirty(package, name):
    (package.parent / name).write_text("new = True")
    assert git_commit(package) == git(package, "rev-parse", "HEAD") + "+dirty"


def test_package_inside_another_checkout_is_unknown(package):
    installed = package.parent / "site-packages"
    installed.mkdir()
    (installed / "__init__.py").write_text("")
    assert git_commit(installed) == "unknown"


def test_folder_without_git_is_unknown(tmp_path):
    assert git_commit(tmp_path) == "unknown"


def test_machine_without_git_is_unknown(package, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_commit(package) == "unknown"


def test_repository_of_a_running_hook_is_ignored(package, monkeypatch):
    commit = git(package, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(package))
    assert git_commit(package) == commit


def test_source_digest_changes_with_content_and_name(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text("a = 1")
    first = source_digest("*.py", package=tmp_path)
    file.write_text("a = 2")
    second = source_digest("*.py", package=tmp_path)
    file.rename(tmp_path / "renamed.py")
    assert len({first, second, source_digest("*.py", package=tmp_path)}) == 3


def test_source_pattern_without_a_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no source file matches gone\.py"):
        source_digest("gone.py", package=tmp_path)
