"""An endpoint of small models in this process, and requests to it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import model_store_samples
import small_model

from taxi_assets.serving.deployments.follow import Follower
from taxi_assets.serving.deployments.serving_state import ServingState
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.app import create_app, start
from taxi_assets.serving.endpoint.endpoint_state import EndpointState, follow_routing
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
TOKEN = "a-token-of-this-test"  # noqa: S105  # of no other endpoint


class Api:
    """An endpoint in this process, and requests to it."""

    def __init__(self, folder: Path, versions: int) -> None:
        self.store, self.state = folder / "store", ServingState(folder / "serving")
        for version in range(1, versions + 1):
            model_store_samples.add_version(self.store, version)
        log, traffic = AnswerLog(self.state.folder), TrafficFeed(self.state.folder)
        packaged = self.store / "v1-000000000001" / "src" / "model"
        self.follower: Follower = follow_routing(log, self.store, packaged, traffic)
        self.follower.start(poll_seconds=0.02)
        self.endpoint = EndpointState(self.follower, "taxi_duration:v1", log, traffic, self.store)
        self.app = create_app(small_model.PAGE)
        start(self.app, self.endpoint)
        self.state.token.write_text(f"{TOKEN}\n")

    def __call__(self, method: str, path: str, body: Any = None, token: str | bytes = TOKEN, **sent: Any) -> Any:
        """The response; a token in bytes may have any character."""
        secret = token if isinstance(token, bytes) else token.encode()
        headers = {"authorization": b"Bearer " + secret, **sent.pop("headers", {})}
        sent |= {} if body is None else {"json": body}

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://endpoint:3001") as client:
                return await client.request(method, path, headers=headers, **sent)

        return asyncio.run(send())

    def versions(self, rides: Sequence[Any]) -> list[int]:
        """The versions that answer these rides, one request after the other."""

        async def send() -> list[int]:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://endpoint:3001") as client:
                found = []
                for ride in rides:
                    found.append((await client.post("/predict", json=ride)).json()["model_version"])
                    await asyncio.sleep(0)  # within this process, requests would never leave the event loop
                return found

        return asyncio.run(send())

    def close(self) -> None:
        self.follower.close()
        self.endpoint.close()


def detail(response: httpx.Response, status: int) -> str:
    """The detail of the problem in a response."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem = response.json()
    assert problem["status"] == status
    return str(problem["detail"])
