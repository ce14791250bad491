"""The running code: its commit and digests of its source files."""

import hashlib
import os
import subprocess
from pathlib import Path

from taxi_assets.files import sha256_of

_PACKAGE = Path(__file__).parents[1]


def git_commit(package: Path = _PACKAGE) -> str:
    """The commit of the package's checkout, with `+dirty` if files differ; `unknown` outside a checkout.

    An image has the commit of its build in the file `COMMIT` beside the package, a released wheel in the package.
    """
    try:
        # The second name fails if the package is inside another project's checkout, as in its environment.
        commit = _git(package, "rev-parse", "HEAD", "HEAD:./__init__.py").split()[0]
        return f"{commit}+dirty" if _git(package, "status", "--porcelain", ":/") else commit
    except (OSError, subprocess.SubprocessError):
        recorded = [path for path in (package.with_name("COMMIT"), package / "_checkout" / "COMMIT") if path.is_file()]
        return recorded[0].read_text().strip() if recorded else "unknown"


def source_digest(*patterns: str, package: Path = _PACKAGE) -> str:
    """The SHA-256 of source files, in hexadecimal; it changes with a file's content or name.

    Args:
        patterns: Paths below the package, such as `evaluation/*.py`.
        package: The folder of the package.

    Raises:
        FileNotFoundError: a pattern matches no file.
    """
    digest = hashlib.sha256()
    for pattern in patterns:
        paths = sorted(package.glob(pattern))
        if not paths:
            raise FileNotFoundError(f"no source file matches {pattern} in {package}")
        for path in paths:
            name = path.relative_to(package).as_posix()
            digest.update(f"{name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    # In a git hook these variables name the hook's repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "--no-optional-locks", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout
