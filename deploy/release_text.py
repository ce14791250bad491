"""The texts of a release: its version, its section of the changelog, the files that name the version."""

import re
from pathlib import Path

from packaging.version import Version

from taxi_assets.errors import TaxiError

_NUMBER = r"(?:0|[1-9]\d*)"
_VERSION = re.compile(rf"(?a){_NUMBER}\.{_NUMBER}\.{_NUMBER}")
_UNRELEASED = re.compile(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_NAMING_FILES = ("pyproject.toml", "deploy/**/*.yaml", "docs/how-to/*.md")
# How these files name the version: the project's, the image's, and the image's tag in Kustomize and compose.
_PREFIXES = (r'^version = "', "taxi-assets:", "newTag: ", "TAXI_VERSION:-")


def parse_version(text: str) -> Version:
    """The version of a release, by Semantic Versioning and without a suffix.

    Raises:
        TaxiError: it is something else.
    """
    if not _VERSION.fullmatch(text):
        raise TaxiError(f"{text!r} is no version of a release: write MAJOR.MINOR.PATCH, such as 0.2.0")
    return Version(text)


def require_higher(version: Version, current: Version, tags: list[str]) -> None:
    """Refuse a version that does not follow the released ones.

    Args:
        version: The version of the release.
        current: The version in pyproject.toml, which may be that of the first release.
        tags: Names of all tags.

    Raises:
        TaxiError: the version is released, or lower than one that is.
    """
    if f"v{version}" in tags:
        raise TaxiError(f"the tag v{version} exists: choose a higher version")
    released = [Version(tag[1:]) for tag in tags if tag.startswith("v") and _VERSION.fullmatch(tag[1:])]
    newest = max([*released, current])
    if version < newest or version in released:
        raise TaxiError(f"{version} is not higher than {newest}: choose a higher version")


def current_version(root: Path) -> Version:
    """The version in pyproject.toml."""
    found = re.search(r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise TaxiError(f'{root / "pyproject.toml"} has no version: write one, such as version = "0.1.0"')
    return Version(found[1])


def release_changelog(text: str, version: Version, day: str) -> str:
    """The changelog with the unreleased entries in a section of the version.

    Raises:
        TaxiError: there are no unreleased entries.
    """
    found = _UNRELEASED.search(text)
    if not found or not re.search(r"^- ", found[1], re.MULTILINE):
        raise TaxiError("CHANGELOG.md has no entry under [Unreleased]: write what a user notices")
    section = f"## [Unreleased]\n\n## [{version}] - {day}\n{found[1]}"
    return text[: found.start()] + section + text[found.end() :]


def release_notes(text: str, version: Version) -> str:
    """The entries of a version in the changelog; empty without a section."""
    found = re.search(rf"^## \[{re.escape(str(version))}\] - .*?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found else ""


def set_version(root: Path, version: Version) -> None:
    """Write the version into every file that names it."""
    old = re.escape(str(current_version(root)))
    pattern = re.compile(rf"({'|'.join(_PREFIXES)}){old}(?![\w.])", re.MULTILINE)
    for path in sorted({path for glob in _NAMING_FILES for path in root.glob(glob)}):
        text = path.read_text(encoding="utf-8")
        path.write_text(pattern.sub(rf"\g<1>{version}", text), encoding="utf-8")
