"""The pages of `make up` after a run, opened in a real browser."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from browser_tour import MONTHLY, observe, stops, visit
from cli_user import CliUser, make_cli_user, write_months
from playwright.sync_api import Browser, Page, expect
from readme_pictures import MOST_BYTES, PICTURES, photograph
from terminal import CHECKOUT, CTRL_C, MAKE_UP, Terminal, processes_of, terminal

from benchmarks.chromium import chromium
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.program_logs import terminal_line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HOST = "127.0.0.1"
PAGE_TIMEOUT = 90_000  # milliseconds, for a page's first load on a machine that also runs five servers
SCORED = "2023-02"  # the last month of the run
# MLflow's UI asks for the logged-in user and logs an error because there are no users. On a slow machine Chromium
# warns that the layout of its run table takes two frames.
KNOWN_ERRORS = re.compile(r"404 .*/mlflow/users/current|ResizeObserver loop completed .*/static-files/")
LONG_NAMES = {"champion_performance"}  # Dagster shortens them in a graph
ASSETS = {*MONTHLY, "taxi_zones", "duration_bento", "deployment"}


@dataclass(frozen=True)
class Up:
    """`make up` in a terminal, with the URLs of its servers."""

    screen: Terminal
    cli_user: CliUser
    urls: dict[str, str]


@pytest.fixture(scope="module")
def cli_user(tmp_path_factory: pytest.TempPathFactory) -> CliUser:
    """A user who has run `taxi run` once."""
    found = make_cli_user(tmp_path_factory.mktemp("browser"), write_months(tmp_path_factory.mktemp("months"), 2_500))
    found.run_json("run", "--months", "2023-01..2023-02")
    return found


@pytest.fixture(scope="module")
def up(cli_user: CliUser) -> Iterator[Up]:
    ports = {name: free_port(HOST) for name in ("dagster", "mlflow", "data_docs")} | {"bento": cli_user.port}
    variables = {f"TAXI_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    environment = {**cli_user.environment, **variables}
    with terminal(MAKE_UP, environment, CHECKOUT) as screen:
        screen.wait_for("Ctrl-C stops all of them")
        assert len(processes_of(cli_user.home)) >= 5
        yield Up(screen, cli_user, {name: f"http://{HOST}:{port}" for name, port in ports.items()})
        screen.press(CTRL_C)
        screen.wait_for("all stopped")
        screen.process.wait(30)
        assert processes_of(cli_user.home) == []
        assert "Traceback" not in screen.text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 2200, "height": 1000})
    context.set_default_timeout(PAGE_TIMEOUT)
    expect.set_options(timeout=PAGE_TIMEOUT)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        ("deployment?view=lineage&lineageScope=upstream", ASSETS - LONG_NAMES),
        ("raw_trips?view=lineage&lineageScope=downstream", ASSETS - LONG_NAMES - {"taxi_zones"}),
    ],
    ids=["what a deployment is made from", "what comes of raw trips"],
)
def test_the_lineage_shows_the_assets(up: Up, page: Page, view: str, shown: set[str]) -> None:
    page.set_viewport_size({"width": 4000, "height": 1200})  # Dagster hides the names of a graph that it scales down
    page.goto(f"{up.urls['dagster']}/assets/{view}&lineageDepth=10")
    for asset in shown:
        expect(page.get_by_text(asset, exact=True).first).to_be_visible()


def test_first_page_shows_no_community_dialog(up: Up, page: Page) -> None:
    page.goto(f"{up.urls['dagster']}/asset-groups")
    for group in ("ingestion", "training", "monitoring", "serving"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    expect(page.get_by_text("Join the Dagster community")).to_have_count(0)


def test_an_asset_shows_its_checks(up: Up, page: Page) -> None:
    page.goto(f"{up.urls['dagster']}/assets/raw_trips?view=checks")
    expect(page.get_by_text("median_duration_is_plausible").first).to_be_visible()


def test_one_click_shows_every_plot_of_an_asset(up: Up, page: Page) -> None:
    page.goto(f"{up.urls['dagster']}/assets/model_evaluation?view=partitions&partition={SCORED}")
    expect(page.get_by_text("[Show Markdown]")).to_have_count(1)
    page.get_by_text("[Show Markdown]").click()
    pictures = page.locator("img[src^='data:image/png']")
    expect(pictures.first).to_be_visible()
    assert pictures.count() >= 10
    assert all(pictures.nth(number).evaluate("image => image.naturalWidth") > 100 for number in range(pictures.count()))


def test_stored_link_opens_the_report_on_the_current_port(up: Up, page: Page) -> None:
    page.goto(f"{up.urls['dagster']}/assets/model_evaluation?view=partitions&partition={SCORED}")
    with page.context.expect_page() as opened:
        page.get_by_text(f"/go/reports/model_evaluation/{SCORED}.html").first.click()
    expect(opened.value.get_by_text("errors by hour").first).to_be_visible()
    assert opened.value.url == f"{up.urls['data_docs']}/model_evaluation/{SCORED}.html"


def test_browser_tour_contacts_no_other_host_and_has_no_errors(up: Up, page: Page, tmp_path: Path) -> None:
    seen = observe(page)
    run_id = up.cli_user.run_json("status")["champion"]["run_id"]
    for stop in stops(up.urls, SCORED, run_id):
        visit(page, stop, tmp_path)
        assert seen.hosts == {HOST}, stop.name
        assert [error for error in seen.errors if not KNOWN_ERRORS.search(error)] == [], stop.name


def test_mlflow_ui_telemetry_is_off(up: Up) -> None:
    response = httpx.get(f"{up.urls['mlflow']}/ajax-api/3.0/mlflow/ui-telemetry", trust_env=False, timeout=60)
    assert response.json()["disable_ui_telemetry"] is True


def test_request_to_another_host_and_error_are_recorded(page: Page) -> None:
    seen = observe(page)
    page.goto("data:text/html,<script src='http://elsewhere.invalid/tag.js'></script><script>undefined_name()</script>")
    assert seen.hosts == {"elsewhere.invalid"}
    assert any("undefined_name" in error for error in seen.errors)


def test_terminal_shows_the_table_and_no_stray_lines(up: Up) -> None:
    after = up.screen.text.partition("Ctrl-C stops all of them")[2]
    assert "INFO" not in up.screen.text
    assert [line for line in after.splitlines()[1:] if terminal_line(line) is None] == []


def test_mlflow_shows_the_run_and_the_version(up: Up, page: Page) -> None:
    status = up.cli_user.run_json("status")
    page.goto(f"{up.urls['mlflow']}/#/models/taxi-duration/versions/1?workflowType=machine_learning")
    expect(page.get_by_text("Version 1").first).to_be_visible()
    page.goto(f"{up.urls['mlflow']}/#/experiments/1/runs/{status['champion']['run_id']}")
    expect(page.get_by_text("1_to_60_minutes/duration_model/rmse").first).to_be_visible()


def test_data_docs_show_a_month(up: Up, page: Page) -> None:
    page.goto(f"{up.urls['data_docs']}/data_docs/raw_trips/green_2023-01.html")
    expect(page.get_by_text("median_duration_is_plausible").first).to_be_visible()


def test_bento_responds(up: Up) -> None:
    ride = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30:00"}
    response = httpx.post(f"{up.urls['bento']}/predict", json=ride, trust_env=False, timeout=60)
    assert response.status_code == 200
    assert response.json()["duration_minutes"] > 0
    result = up.cli_user.run("predict", "--pickup", "74", "--dropoff", "75", "--at", "2023-03-01T08:30")
    assert result.returncode == 0
    assert f"{response.json()['duration_minutes']:.1f} minutes" in result.stdout


def test_the_pictures_of_the_readme_can_be_taken(up: Up, page: Page, tmp_path: Path) -> None:
    run_id = up.cli_user.run_json("status")["champion"]["run_id"]
    for picture in PICTURES:
        file = photograph(page, picture, up.urls, tmp_path, month="2023-02", run_id=run_id)
        assert 5_000 < file.stat().st_size < MOST_BYTES
