"""Which commit of this code is running."""

import os
import subprocess
from pathlib import Path

__all__ = ["git_commit"]


def git_commit(package: Path = Path(__file__).parents[1]) -> str:
    """The commit this code is of, `+dirty` added where files differ from it; `unknown` outside a checkout."""
    try:
        # The second name fails where the package lies in a checkout of something else, as in its environment.
        commit = _git(package, "rev-parse", "HEAD", "HEAD:./__init__.py").split()[0]
        return f"{commit}+dirty" if _git(package, "status", "--porcelain", ":/") else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    # A git hook that runs this has its own repository in these variables.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout
