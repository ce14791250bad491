"""The documents' pictures are made by a command, shown and small; the README's statements hold."""

import re
import tomllib
from pathlib import Path

from readme_pictures import MOST_BYTES, PICTURES, REFUSED

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
EVALUATE = (CHECKOUT / "docs" / "how-to" / "evaluate.md").read_text()


def test_every_picture_is_shown_and_made_by_a_command() -> None:
    pages = [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")]
    shown = {name for page in pages for name in re.findall(r"images/(\w+)\.png\)", page.read_text())}
    made = {picture.name for picture in (*PICTURES, *REFUSED)}
    assert shown == made | {"backtest", "replay", "training_growth", "beyond_memory"}
    assert shown == {file.stem for file in (CHECKOUT / "docs" / "images").iterdir()}
    for name, page in (("backtest", README), ("replay", EVALUATE)):
        assert f"images/{name}.png)" in page
        assert f"--picture docs/images/{name}.png" in page
    assert (
        "PYTHONPATH=. $(BIN)/python taxi_assets_tests/e2e/readme_pictures.py docs/images"
        in (CHECKOUT / "Makefile").read_text()
    )


def test_every_picture_is_small() -> None:
    files = sorted((CHECKOUT / "docs" / "images").iterdir())
    assert files
    assert {file.name: file.stat().st_size for file in files if file.stat().st_size >= MOST_BYTES} == {}


def test_readme_shows_own_months_before_the_comparison() -> None:
    assert README.index("\n## Your own months") < README.index("\n## Compared with the course")


def test_readme_names_disk_and_platforms_before_the_first_result() -> None:
    before = README[: README.index("\n## Results")]
    assert re.search(r"2\.3 GB of disk", before)
    assert all(name in before for name in ("Linux", "macOS", "WSL"))


def test_the_licence_is_apache_2_in_full() -> None:
    text = (CHECKOUT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert all(f"\n   {number}. " in text for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
