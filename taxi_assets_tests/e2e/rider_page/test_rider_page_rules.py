"""Rules of the rider's page: accessible, light, and free of foreign code, on a desktop and a phone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_tour import observe
from playwright.sync_api import Browser, Page, Response, expect
from readme_pictures import MOST_BYTES
from rider_browser import DESKTOP, PHONE, PLANTED, PLANTED_ZONE, QUESTION, OpenPage, shows_answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MAX_PAGE_BYTES = 300_000
DEVICES = {"desktop": {"viewport": DESKTOP}, "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("device", "options"),
    [("desktop", {"viewport": DESKTOP}), ("phone", {"viewport": PHONE, "is_mobile": True, "has_touch": True})],
)
def test_axe_finds_nothing(
    open_page: OpenPage, page_url: str, device: str, options: Mapping[str, Any], scheme: str, tmp_path: Path
) -> None:
    page = open_page(page_url, color_scheme=scheme, **options)
    expect(page.locator("#model")).to_contain_text("Model version 3")
    page.locator("#pickup").fill("zone")
    expect(page.locator("#pickup-list [role=option]").first).to_be_visible()
    assert violations(page) == []
    page.goto(f"{page_url}/{QUESTION}")
    shows_answer(page)
    expect(page.locator("#city")).to_have_attribute("data-at", "2023-03-01T08:30")
    assert violations(page) == []
    page.screenshot(path=tmp_path / f"{device}_{scheme}.png", full_page=True)
    assert (tmp_path / f"{device}_{scheme}.png").stat().st_size < MOST_BYTES


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def test_axe_finds_a_planted_fault(open_page: OpenPage, page_url: str) -> None:
    page = open_page(page_url)
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(each.startswith("image-alt") for each in violations(page))


def test_a_hostile_name_stays_text(open_page: OpenPage, page_url: str) -> None:
    page = open_page(page_url)
    page.locator("#pickup").fill("script")
    expect(page.locator("#pickup-list [role=option]")).to_contain_text(PLANTED)
    page.keyboard.press("Enter")
    page.locator("#dropoff").fill("75")
    page.keyboard.press("Enter")
    shows_answer(page)
    page.locator(f"[data-zone='{PLANTED_ZONE}']").hover()
    expect(page.locator("#hover")).to_contain_text(PLANTED)
    assert page.evaluate("window.planted") is None
    assert page.locator("#panel img, #city img").count() == 0


def test_inline_code_does_not_run(page_url: str, browser: Browser) -> None:
    page = browser.new_page()
    seen = observe(page)
    page.goto(page_url)
    page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.planted = 1';"
        " document.body.append(script); }"
    )
    assert page.evaluate("window.planted") is None
    page.close()
    assert ["Content Security Policy" in error for error in seen.errors] == [True]


def test_the_page_is_light(page_url: str, browser: Browser) -> None:
    context = browser.new_context(viewport=DESKTOP)
    page, sizes = context.new_page(), dict[str, int]()

    def weigh(response: Response) -> None:
        sizes[response.url] = len(response.body())

    page.on("response", weigh)
    page.goto(f"{page_url}/{QUESTION}")
    shows_answer(page)
    expect(page.locator("#city")).to_have_attribute("data-at", "2023-03-01T08:30")
    page.wait_for_load_state("networkidle")
    context.close()
    assert {name for name in sizes if name.endswith(("/page/page.js", "/page/city_map.json", "/predict_many"))} != set()
    assert sum(sizes.values()) <= MAX_PAGE_BYTES
