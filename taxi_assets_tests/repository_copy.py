"""A git repository of the checkout's files, with one commit, to release and promote from."""

import shutil
from pathlib import Path

from deploy.release_files import git

ROOT = Path(__file__).resolve().parents[1]


def copy_repository(folder: Path) -> Path:
    """Makes the repository in this folder, also of files that are not committed here."""
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "user.name", "A person")
    git(folder, "config", "user.email", "person@example.com")
    commit_all(folder, "Start")
    return folder


def commit_all(folder: Path, message: str, changed: Path | None = None, text: str = "") -> str:
    """The commit of all files there, one of them with another text."""
    if changed:
        changed.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD").strip()
