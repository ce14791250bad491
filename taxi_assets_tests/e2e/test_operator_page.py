"""The operator's page in a real browser: its figures, its links, hostile names, a server that is down."""

import re
import shutil
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_tour import observe
from cli_user import MONTHS, TAXI, CliUser, make_cli_user, write_months
from playwright.sync_api import Browser, Page, expect
from readme_pictures import MOST_BYTES
from rich.console import Console
from terminal import CTRL_C, terminal

from benchmarks.chromium import chromium
from taxi_assets.cli.operator_status.operator_status import OperatorStatus
from taxi_assets.cli.operator_status.terminal_status import draw_sections
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Program, programs
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.ingestion.file_stability import IMMEDIATE
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HOST = "127.0.0.1"
PLANTED = "<img src=x onerror=window.planted=1>.parquet"
DEVICES = {
    "desktop": {"viewport": {"width": 1366, "height": 860}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
}


@pytest.fixture(scope="module")
def cli_user(tmp_path_factory: pytest.TempPathFactory) -> CliUser:
    """A user with a champion, and a file with a hostile name in quarantine."""
    found = make_cli_user(tmp_path_factory.mktemp("operator"), write_months(tmp_path_factory.mktemp("months"), 2_500))
    found.run_json("run", "--months", f"{MONTHS[0]}..{MONTHS[-1]}")
    landing = found.settings.landing
    landing.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(found.source) / "green_tripdata_2023-02.parquet", landing / PLANTED)
    scan_landing(Warehouse(found.settings), IMMEDIATE)
    return found


@pytest.fixture(scope="module")
def settings(cli_user: CliUser) -> Settings:
    return cli_user.settings.model_copy(update={"data_docs_port": free_port(HOST)})


@pytest.fixture(scope="module")
def program(settings: Settings) -> Program:
    return next(each for each in programs(settings) if each.name == "reports")


@pytest.fixture(scope="module")
def url(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(program, tmp_path_factory.mktemp("logs") / "reports.log") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


def open_status(browser: Browser, url: str, **options: Any) -> Page:
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/status")
    expect(page.locator("section")).to_have_count(5, timeout=60_000)
    return page


def test_the_page_shows_what_taxi_status_says(browser: Browser, url: str, cli_user: CliUser) -> None:
    page, facts = open_status(browser, url), cli_user.run_json("status")
    assert f"version {facts['champion']['version']} since" in page.locator("#model").inner_text()
    assert f"{len(facts['months'])}: {facts['months'][0]['month']} to" in page.locator("#data").inner_text()
    assert PLANTED in facts["files"]["quarantined"]
    expect(page.locator("#data")).to_have_attribute("data-state", "bad")
    expect(page.locator("#summary")).to_contain_text("It needs a person.")
    champion = page.locator("#model dd a").first.get_attribute("href")
    assert champion
    assert champion.startswith(f"http://{HOST}:{cli_user.settings.mlflow_port}/#/models/taxi-duration/versions/")
    page.context.close()


def test_the_pages_figures_are_read_again(browser: Browser, url: str, cli_user: CliUser) -> None:
    page = open_status(browser, url)
    landing = cli_user.settings.landing
    (landing / "holiday.parquet").write_bytes(b"no parquet")
    scan_landing(Warehouse(cli_user.settings), IMMEDIATE)
    expect(page.locator("#data")).to_contain_text("holiday.parquet", timeout=30_000)
    page.context.close()


def test_a_hostile_name_stays_text_and_no_other_host_is_asked(browser: Browser, url: str) -> None:
    page = browser.new_page()
    seen = observe(page)
    page.goto(f"{url}/status")
    expect(page.locator("#data")).to_contain_text(PLANTED, timeout=60_000)
    assert page.evaluate("window.planted") is None
    assert page.locator("img").count() == 0
    page.close()
    assert (seen.hosts, seen.errors) == ({HOST}, [])


def test_the_policy_allows_no_inline_code(url: str) -> None:
    policy = httpx.get(f"{url}/status", trust_env=False).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "unsafe" not in policy


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "options"), DEVICES.items())
def test_axe_finds_nothing(
    browser: Browser, url: str, device: str, options: Mapping[str, Any], scheme: str, tmp_path: Path
) -> None:
    page = open_status(browser, url, color_scheme=scheme, **options)
    violations = Axe().run(page).response["violations"]
    assert [f"{each['id']}: {node['html']}" for each in violations for node in each["nodes"]] == []
    page.screenshot(path=tmp_path / f"{device}_{scheme}.png", full_page=True)
    assert (tmp_path / f"{device}_{scheme}.png").stat().st_size < MOST_BYTES
    page.context.close()


def test_a_report_server_that_is_down_is_said(browser: Browser, settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"data_docs_port": free_port(HOST)})
    program = next(each for each in programs(other) if each.name == "reports")
    with running(program, tmp_path / "reports.log") as url:
        page = open_status(browser, url)
    expect(page.locator("#summary")).to_contain_text("does not answer", timeout=30_000)
    expect(page.locator("section")).to_have_count(5)
    page.context.close()


def test_the_terminal_shows_the_same(url: str, cli_user: CliUser) -> None:
    with terminal([*TAXI, "status", "--watch"], cli_user.environment) as screen:
        screen.wait_for("quarantined")
        screen.wait_for("does not answer")
        screen.press(CTRL_C)
        assert screen.process.wait(30) == 0
    console = Console(width=400, record=True, file=StringIO())
    console.print(draw_sections(OperatorStatus(cli_user.settings).sections()))
    text = re.sub(r"\s+", " ", console.export_text())
    shown = httpx.get(f"{url}/status.json", trust_env=False, timeout=60).json()
    values = [figure["value"] for section in shown["sections"] for figure in section["figures"]]
    assert len(values) > 8
    assert [value for value in values if re.sub(r"\s+", " ", value) not in text] == []
