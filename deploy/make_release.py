"""Makes a release of the checkout: `make release VERSION=0.2.0`.

A temporary worktree gets the new version and the commit, and the files are built there. The checkout gets files, tag
and commit in the last step, each undone if a later one fails.
"""

import argparse
import shlex
import shutil
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from packaging.version import Version

from deploy import release_files, release_text
from deploy.release_files import git
from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings


def make_release(checkout: Path, version: Version, check: list[str], settings: Settings) -> list[str]:
    """Make a release.

    Args:
        checkout: The checkout, whose branch gets the commit.
        version: The version of the release.
        check: The command that must succeed first: lint.
        settings: The home with the Bento.

    Returns:
        What was made, in lines.

    Raises:
        TaxiError: the release is refused, or a step failed; the checkout is as it was.
    """
    target = checkout / "dist" / str(version)
    _refuse(checkout, version, target, check)
    tag = f"v{version}"
    with release_files.worktree(checkout) as tree, ExitStack() as undo:
        _commit(tree, version)
        built = tree.with_name("built")
        built.mkdir()
        release_files.build_files(tree, built)
        bento = release_files.export_bento(settings, built)
        release_files.write_checksums(built)
        commit = git(tree, "rev-parse", "HEAD").strip()
        undo.callback(_remove, target)  # also of a copy that fails
        shutil.copytree(built, target)
        git(checkout, "tag", "--annotate", "--message", f"Release {version}", tag, commit)
        undo.callback(git, checkout, "tag", "--delete", tag)
        undo.callback(_undo_fast_forward, checkout, commit)
        git(checkout, "merge", "--quiet", "--ff-only", commit)
        undo.pop_all()
    files = [f"  {path.name}" for path in sorted(target.iterdir())]
    return [f"released {version}: commit {commit[:12]}, tag {tag}, files in {target}", *files, bento]


def _undo_fast_forward(checkout: Path, commit: str) -> None:
    """Take back a fast-forward; git changes the files before the branch, and leaves them if that fails."""
    if git(checkout, "rev-parse", "HEAD").strip() == commit:
        git(checkout, "reset", "--quiet", "--keep", f"{commit}^")
    elif not git(checkout, "diff", "--cached", "--name-only", commit):
        git(checkout, "read-tree", "-m", "-u", commit, "HEAD")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def _refuse(checkout: Path, version: Version, target: Path, check: list[str]) -> None:
    """Everything that forbids a release, the cheap checks first."""
    release_text.require_higher(version, release_text.current_version(checkout), git(checkout, "tag").split())
    changed = git(checkout, "status", "--porcelain").splitlines()
    if changed:
        raise TaxiError(f"the checkout has changes ({changed[0].strip()}): commit them, or take them back")
    release_text.release_changelog((checkout / "CHANGELOG.md").read_text(encoding="utf-8"), version, "")
    if target.exists():
        raise TaxiError(f"{target} exists: remove it")
    try:
        release_files.run(check, checkout, {})
    except TaxiError as error:
        raise TaxiError(f"lint is red, so nothing was released: {error}") from error


def _commit(tree: Path, version: Version) -> None:
    changelog = tree / "CHANGELOG.md"
    text = release_text.release_changelog(
        changelog.read_text(encoding="utf-8"), version, f"{datetime.now(UTC):%Y-%m-%d}"
    )
    changelog.write_text(text, encoding="utf-8")
    release_text.set_version(tree, version)
    # The hooks look for the environment in the checkout; lint was green there.
    git(tree, "commit", "--quiet", "--all", "--no-verify", "--message", f"Release {version}")


def main(arguments: list[str]) -> int:
    """Make the release that the command line names."""
    parser = argparse.ArgumentParser(prog="make release", description="Make a release of the checkout.")
    parser.add_argument("version", help="MAJOR.MINOR.PATCH, such as 0.2.0")
    parser.add_argument("--check", default="make lint", help="the command that must succeed first")
    given = parser.parse_args(arguments)
    try:
        version = release_text.parse_version(given.version)
        lines = make_release(Path.cwd(), version, shlex.split(given.check), Settings())
    except TaxiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped: nothing was released", file=sys.stderr)
        return 130
    print("\n".join([*lines, f"publish it: git push --follow-tags origin HEAD, or git push origin v{version}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
