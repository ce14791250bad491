"""`make release` in a copy of the repository: what it makes, refuses and undoes; the wheel runs."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version
from repository_copy import copy_repository

from deploy import release_files
from deploy.make_release import make_release
from deploy.release_files import git
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
VERSION = Version("0.7.0")
GREEN = [sys.executable, "-c", ""]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the files here, with one commit."""
    return copy_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(repository, tmp_path / "checkout")
    return tmp_path / "checkout"


def state(checkout: Path) -> tuple[object, ...]:
    """Everything that a failed release leaves as it was."""
    files = sorted(path for path in checkout.rglob("*") if ".git" not in path.parts and "__pycache__" not in path.parts)
    refs = git(checkout, "for-each-ref")
    return files, refs, *(git(checkout, *each) for each in (["status", "--porcelain"], ["worktree", "list"]))


def release(checkout: Path, home: Path, check: list[str] = GREEN, version: Version = VERSION) -> list[str]:
    return make_release(checkout, version, check, Settings(home=home))


def test_a_release_is_a_commit_a_tag_and_files(checkout: Path, tmp_path: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD").strip()
    lines = release(checkout, tmp_path / "home")
    assert lines[-1] == f"no Bento: {tmp_path / 'home'} has no packaged model"
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert git(checkout, "rev-parse", "HEAD^", "v0.7.0^{commit}", "main").split() == [before, commit, commit]
    assert git(checkout, "cat-file", "-t", "v0.7.0").strip() == "tag"
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "-1", "--format=%s").strip() == "Release 0.7.0"
    assert "## [Unreleased]\n\n## [0.7.0] - 20" in (checkout / "CHANGELOG.md").read_text()
    assert 'version = "0.7.0"' in (checkout / "pyproject.toml").read_text()
    folder = checkout / "dist" / "0.7.0"
    wheel, sdist = "taxi_assets-0.7.0-py3-none-any.whl", "taxi_assets-0.7.0.tar.gz"
    assert {path.name for path in folder.iterdir()} == {wheel, sdist, "release-notes.md", "SHA256SUMS"}
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False).returncode == 0
    assert (folder / "release-notes.md").read_text().startswith("The first version")
    require_complete(folder / wheel)
    require_running(folder / wheel, tmp_path, commit)
    with pytest.raises(TaxiError, match=r"the tag v0\.7\.0 exists"):
        release(checkout, tmp_path / "home")


def require_complete(wheel: Path) -> None:
    """Each file of the package is in the wheel, and each file of the Bento and the proxy."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name for name in git(ROOT, "ls-files", "taxi_assets").split() if (ROOT / name).is_file()}
    for folder in ("bento", "deploy/traefik", "workspace.yaml", "requirements.lock"):
        wanted |= {f"taxi_assets/_checkout/{name}" for name in git(ROOT, "ls-files", folder).split()}
    assert wanted - names == set()
    assert not any(name.startswith(("taxi_assets_tests", "deploy", "docs", "bento")) for name in names)


def require_running(wheel: Path, folder: Path, commit: str) -> None:
    """The wheel starts in a new environment, which has the packages of this one but not its project."""
    venv.create(folder / "new", symlinks=True)
    python = folder / "new" / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True, cwd=folder, env=environment)
    (packages,) = (folder / "new" / "lib").glob("*/site-packages")
    # A line of a path does not run the .pth files there, so this checkout's project stays out.
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "libraries.pth").write_text(f"{libraries}\n")

    def output(*command: str | Path) -> str:
        return subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True, text=True).stdout

    taxi = folder / "new" / "bin" / "taxi"
    assert "Usage: taxi" in output(taxi, "--help")
    assert "0.7.0" in output(taxi, "--version")
    script = (
        "import taxi_assets, taxi_assets.settings as s; from taxi_assets.registry.code_revision import git_commit\n"
        "from taxi_assets.serving.packaging.bento_build import _SERVICE, _imported_modules\n"
        "print(taxi_assets.__file__, git_commit(), s.WORKSPACE.is_file(), len(_imported_modules(_SERVICE)) > 9)"
    )
    file, recorded, workspace, service = output(python, "-c", script).split()
    assert Path(file).is_relative_to(packages)
    assert (recorded, workspace, service) == (commit, "True", "True")


def test_an_unfit_checkout_is_refused(checkout: Path, tmp_path: Path) -> None:
    """Each refusal leaves the checkout as it was, and says what is wrong."""
    before = state(checkout)
    with pytest.raises(TaxiError, match=r"0\.0\.1 is not higher than"):
        release(checkout, tmp_path, version=Version("0.0.1"))
    with pytest.raises(TaxiError, match=r"lint is red, so nothing was released: .* E501 somewhere"):
        release(checkout, tmp_path, [sys.executable, "-c", "import sys; sys.exit('E501 somewhere')"])
    assert state(checkout) == before
    (checkout / "new.txt").write_text("new")
    with pytest.raises(TaxiError, match=r"the checkout has changes \(\?\? new\.txt\)"):
        release(checkout, tmp_path)
    (checkout / "new.txt").unlink()
    text = (checkout / "CHANGELOG.md").read_text()
    (checkout / "CHANGELOG.md").write_text(
        text.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n")
    )
    git(checkout, "commit", "--quiet", "--all", "--message", "Empty the section")
    with pytest.raises(TaxiError, match="no entry under"):
        release(checkout, tmp_path)


@pytest.mark.parametrize("step", ["build", "Bento", "tag", "branch"])
def test_a_failed_step_leaves_the_checkout_as_it_was(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    if step in ("tag", "branch"):
        prefix = {"tag": "refs/tags/", "branch": "refs/heads/"}[step]
        hook = checkout / ".git" / "hooks" / "reference-transaction"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            "#!/bin/sh\n[ $1 = prepared ] || exit 0\n"
            f'while read old new name; do case "$new $name" in 00000000*) ;; *" {prefix}"*) exit 1 ;; esac; done\n'
        )
        hook.chmod(0o755)
        monkeypatch.setattr(release_files, "build_files", build_nothing)
    error: type[BaseException] = TaxiError
    if step == "build":
        (checkout / "setup.py").write_text("raise SystemExit('broken')\n")
        git(checkout, "commit", "--quiet", "--all", "--message", "Break the build")
    if step == "Bento":
        error = KeyboardInterrupt
        monkeypatch.setattr(release_files, "build_files", build_nothing)
        monkeypatch.setattr(release_files, "export_bento", stopped)
    before = state(checkout)
    with pytest.raises(error):
        release(checkout, tmp_path / "home")
    assert state(checkout) == before


def build_nothing(tree: Path, folder: Path) -> None:
    (folder / "wheel").write_text(tree.name)


def stopped(settings: Settings, folder: Path) -> str:
    raise KeyboardInterrupt
