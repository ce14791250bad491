"""Pages of plots and their server: one click to each page, no folder listing, no other host."""

import asyncio
import base64
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from taxi_assets.cli.operator_status.operator_status import OperatorStatus
from taxi_assets.cli.report_server import ReportHandler
from taxi_assets.cli.supervisor.webserver import LINKS
from taxi_assets.months import Month
from taxi_assets.plots.report_page import write_report_page
from taxi_assets.settings import Settings

MARCH = Month(2023, 3)
PNG = b"\x89PNG not really"


@pytest.fixture
def page(settings: Settings) -> Path:
    facts = {"rmse_minutes": "5.189", "why": "<b>better</b>"}
    return settings.reports / write_report_page(settings, "model_evaluation", MARCH, facts, {"errors_by_hour": PNG})


@pytest.fixture
def served(settings: Settings) -> Iterator[httpx.Client]:
    """A browser at the address of the reports."""
    settings.reports.mkdir(parents=True, exist_ok=True)
    handler = partial(ReportHandler, status=OperatorStatus(settings), directory=str(settings.reports))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False) as client:
            yield client
        server.shutdown()
        thread.join()


def test_a_page_contains_every_figure_and_picture(page: Path) -> None:
    text = page.read_text()
    assert "rmse minutes" in text
    assert "&lt;b&gt;better" in text
    assert base64.b64encode(PNG).decode() in text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)


def test_a_page_is_replaced_whole(page: Path, settings: Settings) -> None:
    write_report_page(settings, "model_evaluation", MARCH, {}, {})
    assert "errors by hour" not in page.read_text()
    assert [each.name for each in page.parent.iterdir()] == ["2023-03.html"]


def test_the_first_page_links_to_every_report(page: Path, settings: Settings, served: httpx.Client) -> None:
    (settings.reports / "data_docs").mkdir()
    (settings.reports / "data_docs" / "index.html").write_text("the Data Docs")
    response = served.get("/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'<a href="([^"]+)"', response.text)
    assert links == ["status", "data_docs/", f"model_evaluation/{page.name}"]
    assert [served.get(f"/{link}").status_code for link in links] == [200, 200, 200]
    assert "Directory listing" not in response.text


def test_the_first_page_of_an_empty_home_states_the_next_step(served: httpx.Client) -> None:
    assert "make run" in served.get("/").text


def test_evidence_packs_are_served_and_listed_newest_first(settings: Settings, served: httpx.Client) -> None:
    for name in ("2023-03-v1", "2023-04-v2", ".2023-05-v3.draft.1"):
        (settings.evidence / name).mkdir(parents=True)
        (settings.evidence / name / "index.html").write_text(f"the pack {name}")
    links = re.findall(r'<a href="([^"]+)"', served.get("/").text)
    assert links[1:] == ["evidence/2023-04-v2/index.html", "evidence/2023-03-v1/index.html"]
    assert [served.get(f"/{link}").text for link in links[1:]] == ["the pack 2023-04-v2", "the pack 2023-03-v1"]


def test_names_of_evidence_packs_are_shown_as_text(settings: Settings, served: httpx.Client) -> None:
    pack = settings.reports.with_name("evidence") / "<script>x"
    pack.mkdir(parents=True)
    (pack / "index.html").write_text("a pack")
    assert "<script>" not in served.get("/").text
    assert served.get("/evidence/%3Cscript%3Ex/index.html").text == "a pack"


@pytest.mark.parametrize("path", ["/%00", "/evidence/%00", "/model_evaluation/a%00.html"])
def test_an_address_with_a_null_byte_is_not_found(served: httpx.Client, path: str) -> None:
    assert served.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/model_evaluation/", "/evidence/", "/evidence/../../serving/token", "/nothing.html", "/../settings.py"]
)
def test_folders_are_not_listed_and_nothing_outside_is_served(page: Path, served: httpx.Client, path: str) -> None:
    assert page.is_file()
    assert served.get(path).status_code == 404


@pytest.mark.parametrize(
    ("link", "leads_to"),
    [
        ("/go/reports/drift_report/2023-03.html", "http://localhost:7002/drift_report/2023-03.html"),
        ("/go/mlflow/?workflowType=machine_learning", "http://localhost:7003/?workflowType=machine_learning"),
        ("/go/bento/", "http://localhost:7001/"),
    ],
)
def test_a_stored_link_leads_to_the_current_port(monkeypatch: pytest.MonkeyPatch, link: str, leads_to: str) -> None:
    for name, port in {"BENTO": 7001, "DATA_DOCS": 7002, "MLFLOW": 7003}.items():
        monkeypatch.setenv(f"TAXI_{name}_PORT", str(port))
    response = follow(link)
    assert (response.status_code, response.headers["location"]) == (307, leads_to)


def test_a_link_to_an_unknown_program_lists_the_known_ones() -> None:
    response = follow("/go/grafana/x")
    assert (response.status_code, response.text) == (
        404,
        "no program is named grafana: use one of mlflow, bento, reports",
    )


def follow(link: str) -> httpx.Response:
    """The response of Dagster's web server to a local browser, with the links' routes only."""
    transport = httpx.ASGITransport(Starlette(routes=[LINKS]))

    async def response() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as client:
            return await client.get(link)

    return asyncio.run(response())
