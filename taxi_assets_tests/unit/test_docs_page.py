"""The endpoint's page of addresses is the project's own and names no other host."""

import asyncio
import re

import httpx
from starlette.applications import Starlette
from starlette.routing import Route

from taxi_assets.serving.endpoint.docs_page import PAGE, show_docs


def test_docs_page_names_no_other_host_and_forbids_requests_to_others() -> None:
    transport = httpx.ASGITransport(Starlette(routes=[Route("/docs", show_docs)]))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/docs")

    response = asyncio.run(send())
    assert response.text == PAGE
    assert not re.search(r"https?:|=\"//", response.text)
    assert response.headers["content-security-policy"].startswith("default-src 'self'")
