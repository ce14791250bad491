"""The rider's page: its own files and no others, under a policy without inline code or other hosts."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
import small_model
from starlette.applications import Starlette

from taxi_assets.serving.endpoint.rider_page import page_routes

TYPES = {"index.html": "text/html; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


@pytest.fixture(scope="module")
def app() -> Starlette:
    return Starlette(routes=page_routes(small_model.PAGE))


def get(app: Starlette, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


@pytest.mark.parametrize(("path", "name"), [("/", "index.html"), ("/page/page.js", "page.js")])
def test_each_file_has_its_type_and_the_policy(app: Starlette, path: str, name: str) -> None:
    response = get(app, path)
    assert (response.status_code, response.headers["content-type"]) == (200, TYPES[name])
    assert response.content == (small_model.PAGE / name).read_bytes()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_every_file_that_the_page_names_is_there(app: Starlette) -> None:
    made_by_the_build = {"page/city_map.json"}
    named = set(re.findall(r'(?:href|src)="(page/[^"]+)"', get(app, "/").text))
    assert {"page/page.js", "page/page.css", "page/icon.svg"} <= named
    assert {name for name in named if get(app, f"/{name}").status_code != 200} == made_by_the_build
    imported = {
        name for path in small_model.PAGE.glob("*.js") for name in re.findall(r'from "\./(\S+)"', path.read_text())
    }
    assert {name for name in imported if get(app, f"/page/{name}").status_code != 200} == set()


def test_no_file_has_inline_code_or_names_another_host() -> None:
    for path in small_model.PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|=\"//", text), path.name
    html = (small_model.PAGE / "index.html").read_text()
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=", html)


def test_an_unchanged_file_is_not_sent_again(app: Starlette) -> None:
    first = get(app, "/page/page.css")
    again = get(app, "/page/page.css", {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(app, "/page/page.css", {"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/", "/page/index.html", "/page/..%2fservice.py", "/page/../service.py", "/page/.hidden"]
)
def test_no_other_file_is_served(app: Starlette, path: str) -> None:
    assert get(app, path).status_code == 404


def test_files_of_other_kinds_are_not_served(tmp_path: Path) -> None:
    for path in small_model.PAGE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "secret.key").write_text("secret")
    assert get(Starlette(routes=page_routes(tmp_path)), "/page/secret.key").status_code == 404
