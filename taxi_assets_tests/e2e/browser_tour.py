"""Visits the pages of the running platform in a browser and records requests and errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request

HOST = "127.0.0.1"
MONTHLY = (
    "raw_trips",
    "clean_trips",
    "trip_features",
    "duration_model",
    "model_evaluation",
    "champion_model",
    "drift_report",
    "champion_performance",
    "retraining",
)


@dataclass(frozen=True)
class Stop:
    """A page of the tour: the text that shows it has loaded, and the text to click then, if any.

    A page that `polls` sends requests without end, so its network never becomes idle.
    """

    name: str
    url: str
    shows: str
    click: str | None = None
    polls: bool = False


@dataclass
class BrowserLog:
    """The requests, console messages and errors of a tour."""

    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(parts.hostname or "")

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url')})")


def observe(page: Page) -> BrowserLog:
    """Records the page's requests and errors from now on."""
    seen = BrowserLog()
    page.context.on("request", seen.note_request)
    page.context.on("console", seen.note_console)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    return seen


def visit(page: Page, stop: Stop, folder: Path) -> Path:
    """Opens the page as a new visitor, waits for its text, clicks, and saves a screenshot."""
    page.goto("about:blank")  # else a page that differs only in the URL's fragment is not reloaded
    page.goto(stop.url)
    visible(page, stop.shows).wait_for()
    if stop.click:
        visible(page, stop.click).click()
    if not stop.polls:
        page.wait_for_load_state("networkidle")
    picture = folder / f"{stop.name}.png"
    page.screenshot(path=picture)
    return picture


def visible(page: Page, text: str) -> Locator:
    """The first visible element with the text; pages contain hidden ones, too."""
    return page.get_by_text(text).filter(visible=True).first


def stops(urls: Mapping[str, str], month: str, run_id: str) -> tuple[Stop, ...]:
    """The pages in the order a newcomer meets them.

    Args:
        urls: The URLs of `dagster`, `mlflow`, `data_docs` and `bento`.
        month: A month that was trained for and scored.
        run_id: The champion's MLflow run.
    """
    return (*_dagster(urls["dagster"], month), *_mlflow(urls["mlflow"], run_id), *_pages(urls, month))


def _dagster(url: str, month: str) -> tuple[Stop, ...]:
    assets = f"{url}/assets"
    return (
        Stop("lineage", f"{url}/asset-groups", "ingestion"),
        *(
            Stop(name, f"{assets}/{name}?view=partitions&partition={month}", "Latest materialization")
            for name in MONTHLY
        ),
        *(Stop(f"{name}_overview", f"{assets}/{name}?view=overview", "Latest materialization") for name in MONTHLY),
        Stop("taxi_zones", f"{assets}/taxi_zones?view=overview", "Latest materialization"),
        Stop("duration_bento", f"{assets}/duration_bento?view=overview", "Latest materialization"),
        Stop("pictures", f"{assets}/model_evaluation?view=partitions&partition={month}", "pictures", "[Show Markdown]"),
        Stop("trends", f"{assets}/model_evaluation?view=overview", "rmse_minutes", "Plots"),
        *(
            Stop(f"checks_{name}", f"{assets}/{name}?view=checks", "Latest execution")
            for name in (*MONTHLY, "taxi_zones", "duration_bento", "deployment")
        ),
        Stop("automation", f"{url}/automation", "landing_sensor"),
        Stop("runs", f"{url}/runs", "Runs"),
        Stop("jobs", f"{url}/jobs", "train_month"),
        Stop("timeline", f"{url}/overview", "Timeline"),
    )


def _mlflow(url: str, run_id: str) -> tuple[Stop, ...]:
    return (
        Stop("mlflow", f"{url}/", "taxi-duration", polls=True),
        Stop("mlflow_runs", f"{url}/#/experiments/1/runs?workflowType=machine_learning", "Run Name", polls=True),
        Stop("mlflow_charts", f"{url}/#/experiments/1/runs?compareRunsMode=CHART", "Training runs", polls=True),
        Stop("mlflow_run", f"{url}/#/experiments/1/runs/{run_id}", "rmse_minutes", polls=True),
        Stop("mlflow_models", f"{url}/#/models?workflowType=machine_learning", "taxi-duration", polls=True),
        Stop("mlflow_version", f"{url}/#/models/taxi-duration/versions/1", "Version 1", polls=True),
    )


def _pages(urls: Mapping[str, str], month: str) -> tuple[Stop, ...]:
    docs = f"{urls['data_docs']}/data_docs"
    return (
        Stop("reports", urls["data_docs"], "model_evaluation"),
        Stop("report_of_a_month", f"{urls['dagster']}/go/reports/model_evaluation/{month}.html", "errors by hour"),
        Stop("data_docs", f"{docs}/", "Data Docs"),
        Stop("data_docs_month", f"{docs}/raw_trips/green_{month}.html", "median_duration_is_plausible"),
        Stop("rider_page", urls["bento"], "How long will the ride take?"),
        Stop("endpoint", f"{urls['bento']}/docs", "/predict"),
    )
