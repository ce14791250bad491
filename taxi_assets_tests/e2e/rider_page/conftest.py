"""Fixtures: a Bento whose map has a hostile name, and a browser in which no page may ask another host."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_model
from browser_tour import observe
from playwright.sync_api import Browser, Page
from rider_browser import DESKTOP, HOST, PLANTED, PLANTED_ZONE, OpenPage, is_expected

from benchmarks.chromium import chromium
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings


@pytest.fixture(scope="module")
def packaged(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a Bento whose map has a zone with a hostile name."""
    settings = Settings(home=tmp_path_factory.mktemp("page"), data_kind="synthetic", bento_port=free_port(HOST))
    city = json.loads(small_model.drawn_city())
    next(zone for zone in city["zones"] if zone["id"] == PLANTED_ZONE)["name"] = PLANTED
    build_bento(settings, model, {"version": "3"}, json.dumps(city))
    return settings


@pytest.fixture(scope="module")
def page_url(packaged: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(bento_program(packaged), tmp_path_factory.mktemp("logs") / "bento.log") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a page in a context of its own; no page may log an error or ask another host."""
    contexts = []

    def opened(url: str, **options: Any) -> Page:
        contexts.append(context := browser.new_context(**{"viewport": DESKTOP, **options}))
        page = context.new_page()
        seen.append(observe(page))
        page.goto(url)
        return page

    seen: list[Any] = []
    yield opened
    for each in seen:
        assert each.hosts <= {HOST}
        assert [error for error in each.errors if not is_expected(error)] == []
    for context in contexts:
        context.close()
