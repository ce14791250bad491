"""Builds the files of a release from a commit: sdist, wheel, notes, checksums, and the home's Bento.

`make dist` builds those of the checkout's commit. Nothing is downloaded: uv builds with the environment's setuptools.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.release_text import current_version, release_notes
from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.serving.packaging.bento_build import latest
from taxi_assets.settings import Settings

NOTES, CHECKSUMS = "release-notes.md", "SHA256SUMS"
_HOOK_VARIABLES = {"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"}  # in a hook they name the hook's repository


@contextmanager
def worktree(checkout: Path) -> Iterator[Path]:
    """A copy of the checkout's commit in a temporary folder, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="taxi-release-") as folder:
        tree = Path(folder, "tree")
        git(checkout, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD")
        try:
            yield tree
        finally:
            git(checkout, "worktree", "remove", "--force", str(tree))


def build_files(tree: Path, folder: Path) -> None:
    """Build sdist and wheel of a worktree's commit, and write its notes.

    Raises:
        TaxiError: the build fails.
    """
    # Only in the built files: a wheel cannot ask git for its commit.
    (tree / "COMMIT").write_text(git(tree, "rev-parse", "HEAD"))
    epoch = git(tree, "log", "-1", "--format=%ct").strip()
    command = [_program("uv"), "build", "--quiet", "--offline", "--no-build-isolation", "--no-create-gitignore"]
    command += ["--python", sys.executable, "--out-dir", str(folder), str(tree)]
    run(command, tree, {"SOURCE_DATE_EPOCH": epoch})
    version = current_version(tree)
    (folder / NOTES).write_text(release_notes((tree / "CHANGELOG.md").read_text(encoding="utf-8"), version))


def export_bento(settings: Settings, folder: Path) -> str:
    """Write the home's newest Bento into the folder, as it was built and checked; returns what was done."""
    bento = latest(settings)
    if bento is None:
        return f"no Bento: {settings.home} has no packaged model"
    run([_program("bentoml"), "export", bento.tag, f"{folder}/"], folder, {"BENTOML_HOME": str(settings.bentoml_home)})
    return f"Bento {bento.tag}, model version {bento.model_version}"


def write_checksums(folder: Path) -> None:
    lines = [f"{sha256_of(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != CHECKSUMS]
    (folder / CHECKSUMS).write_text("".join(lines))


def git(folder: Path, *arguments: str) -> str:
    """The output of git in a folder."""
    return run(["git", *arguments], folder, {})


def run(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    """The output of a command.

    Raises:
        TaxiError: it fails.
    """
    environment = {key: value for key, value in os.environ.items() if key not in _HOOK_VARIABLES} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        message = " ".join((done.stdout + done.stderr).split())[-500:]
        raise TaxiError(f"{Path(command[0]).name} {command[1]} failed: {message}")
    return done.stdout


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def main(checkout: Path) -> int:
    """Build the files of the checkout's commit in `dist`."""
    try:
        with worktree(checkout) as tree:
            folder = checkout / "dist" / str(current_version(tree))
            folder.mkdir(parents=True, exist_ok=True)
            build_files(tree, folder)
            write_checksums(folder)
    except TaxiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"built {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
