"""Asks questions on the rider's page in a browser."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

HOST = "127.0.0.1"
PLANTED = "<img src=x onerror='window.planted=1'><script>window.planted=1</script>"
PLANTED_ZONE = 99
AT = "2023-03-01T08:30"
QUESTION = f"?pickup=74&dropoff=75&at={AT}"
DESKTOP, PHONE = {"width": 1366, "height": 860}, {"width": 390, "height": 844}
OpenPage = Callable[..., Page]


def is_expected(error: str) -> bool:
    """Chromium logs each refused or failed request."""
    return "Failed to load resource" in error


def shows_answer(page: Page) -> dict[str, str]:
    """Waits for an answer; its texts."""
    expect(page.locator("#minutes")).to_have_text(re.compile(r"^(\d+ h )?\d+ min$"))
    expect(page.locator("#sentence")).to_have_text(
        re.compile(r"^About \d+ minutes, nine times in ten between \d+ and \d+\.$")
    )
    return {name: page.locator(f"#{name}").inner_text() for name in ("minutes", "sentence", "dropoff-time")}


def shows_no_answer(page: Page) -> None:
    """Neither figures nor colours of another question are left."""
    expect(page.locator("#sentence")).to_have_text("There is no answer to this question.")
    for name in ("minutes", "dropoff-time", "notes"):
        expect(page.locator(f"#{name}")).to_be_hidden()
    assert page.locator("#zones path").evaluate_all("all => all.filter(path => path.style.fill).length") == 0


def ask_by_link(open_page: OpenPage, page_url: str) -> dict[str, str]:
    return shows_answer(open_page(f"{page_url}/{QUESTION}"))


def set_time(page: Page) -> None:
    page.locator("#at").fill("2023-03-01T08:30")
    page.locator("#at").dispatch_event("change")
