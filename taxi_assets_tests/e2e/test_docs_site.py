"""`make docs` in a copy of the documents, and the built site in a browser."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_tour import HOST, observe

from benchmarks.chromium import chromium
from docs.site.build import build
from docs.site.staging import OUTSIDE
from taxi_assets.warehouse.schema import TABLES

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).parents[2]
PAGES = ("index", "docs/tutorial/index", "docs/how-to/add-a-month", "docs/reference/assets", "docs/architecture")
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    assert build(CHECKOUT, folder) == []
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer((HOST, 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A copy of everything that the site is built from."""
    shutil.copytree(CHECKOUT / "docs", tmp_path / "docs")
    for name in (*OUTSIDE, "LICENSE"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(CHECKOUT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("link", ["nothing.md", "settings.md#nothing", "../taxi_assets/nothing.py"])
def test_a_planted_dead_link_fails_the_build(documents: Path, link: str) -> None:
    page = documents / "docs" / "glossary.md"
    page.write_text(f"{page.read_text()}\n[planted]({link})\n")
    assert any(link.rpartition("#")[2].rpartition("/")[2] in fault for fault in build(documents, documents / "build"))


def test_the_reference_has_every_table(site: Path) -> None:
    text = (site / "docs" / "reference" / "tables.html").read_text()
    assert {name for name in TABLES if f'id="{name}"' not in text} == set()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_the_screen_and_contact_no_other_host(address: str, size: str, scheme: str) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport=SIZES[size], color_scheme=scheme)  # type: ignore[arg-type]
        seen = observe(page)
        for name in PAGES:
            page.goto(f"{address}/{name}.html", wait_until="networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (ground == "rgb(255, 255, 255)") is (scheme == "light")
    assert (seen.hosts, seen.errors) == ({HOST}, [])
