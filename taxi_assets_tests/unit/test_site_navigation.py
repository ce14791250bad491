"""The navigation of the documents' site."""

from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CONFIG = CHECKOUT / "docs" / "site" / "mkdocs.yml"


def test_every_document_is_in_the_navigation() -> None:
    """Decisions are listed on their own page."""
    text = CONFIG.read_text()
    pages = [path for path in (CHECKOUT / "docs").rglob("*.md") if "decisions" not in path.parts]
    assert {page.name for page in pages if f"{page.relative_to(CHECKOUT)}\n" not in text} == set()
