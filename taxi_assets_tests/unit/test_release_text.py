"""The texts of a release: version, changelog and the files that name the version."""

import re
from pathlib import Path

import pytest
from packaging.version import Version

from deploy.release_text import (
    current_version,
    parse_version,
    release_changelog,
    release_notes,
    require_higher,
    set_version,
)
from taxi_assets.errors import TaxiError

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A page.\n\n## [0.1.0] - 2026-01-01\n\n- All.\n"
EMPTY = CHANGELOG.replace("- A page.\n\n", "")


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-rc.1", "1.2.3 ", "1.2.x", "\u0661.2.3"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(TaxiError, match="no version of a release: write MAJOR"):
        parse_version(text)


@pytest.mark.parametrize(
    ("version", "tags", "error"),
    [
        ("0.1.0", [], None),
        ("0.2.0", ["v0.1.0", "v0.1.0-rc.1", "nightly"], None),
        ("0.10.0", ["v0.9.0"], None),
        ("0.0.9", [], "0.0.9 is not higher than 0.1.0"),
        ("0.1.0", ["v0.1.0"], "the tag v0.1.0 exists"),
        ("0.9.1", ["v0.10.0"], "0.9.1 is not higher than 0.10.0"),
    ],
)
def test_a_version_must_be_higher(version: str, tags: list[str], error: str | None) -> None:
    if error is None:
        require_higher(Version(version), Version("0.1.0"), tags)
    else:
        with pytest.raises(TaxiError, match=re.escape(error)):
            require_higher(Version(version), Version("0.1.0"), tags)


def test_unreleased_entries_move_into_a_dated_section() -> None:
    text = release_changelog(CHANGELOG, Version("0.2.0"), "2026-02-01")
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-02-01\n\n### Added\n\n- A page.\n\n## [0.1.0] - 2026-01-01" in text
    assert release_notes(text, Version("0.2.0")) == "### Added\n\n- A page.\n"
    assert release_notes(text, Version("0.1.0")) == "- All.\n"
    assert release_notes(text, Version("0.3.0")) == ""


@pytest.mark.parametrize("text", ["# Changelog\n", EMPTY, "## [Unreleased]\n"])
def test_a_changelog_without_entries_is_refused(text: str) -> None:
    with pytest.raises(TaxiError, match="no entry under"):
        release_changelog(text, Version("0.2.0"), "2026-02-01")


def test_every_place_that_names_the_version_is_written(tmp_path: Path) -> None:
    old = current_version(ROOT)
    names = ["pyproject.toml", *(path.relative_to(ROOT) for path in (ROOT / "deploy").rglob("*.yaml"))]
    for name in [*names, Path("docs/how-to/containers.md")]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())
    set_version(tmp_path, Version("7.6.5"))
    assert current_version(tmp_path) == Version("7.6.5")
    texts = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert [path for path, text in texts.items() if re.search(rf"[:\s]-?{re.escape(str(old))}\b", text)] == []
    assert "newTag: 7.6.5" in texts[tmp_path / "deploy/kubernetes/overlays/prod/kustomization.yaml"]
    assert "taxi-assets:${TAXI_VERSION:-7.6.5}" in texts[tmp_path / "deploy/compose.yaml"]
