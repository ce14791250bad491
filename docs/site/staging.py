"""Copies the documents to the folder that the site is built from; linked files of source become pages."""

import re
import shutil
from pathlib import Path

# Documents outside docs/; README.md is the first page.
OUTSIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bento/README.md")
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")
_LANGUAGES = {".py": "python", ".sql": "sql", ".toml": "toml", ".yml": "yaml"}


def stage(root: Path, target: Path) -> None:
    """Copies the documents of a checkout, with their pictures and the files they link to.

    Args:
        root: The checkout.
        target: New folder for the pages, which keep their paths.
    """
    shutil.copytree(root / "docs", target / "docs", ignore=shutil.ignore_patterns("site", "__pycache__"))
    for name in OUTSIDE:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    for page in sorted(target.rglob("*.md")):
        _link_source_pages(page, root, target)


def _link_source_pages(page: Path, root: Path, target: Path) -> None:
    """Writes a page for each linked file that is no document, and changes the links to it."""

    def replaced(match: re.Match[str]) -> str:
        path = (root / page.relative_to(target).parent / match[1]).resolve()
        is_source = path.is_file() and path.is_relative_to(root) and path.suffix not in {".md", ".png"}
        if not is_source:
            return match[1]
        _write_source_page(path, path.relative_to(root), target)
        return f"{match[1]}.md"

    page.write_text(_LINK.sub(replaced, page.read_text()))


def _write_source_page(path: Path, name: Path, target: Path) -> None:
    text = path.read_text()
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text) or [""]))
    copy = target / f"{name}.md"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(f"# {name}\n\n{fence}{_LANGUAGES.get(name.suffix, 'text')}\n{text}{fence}\n")
