"""A Bento with two workers, its model store and its state, and changes of its deployments."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from endpoint import RIDE

from taxi_assets.cli.supervisor.programs import Program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.deployments.deploy_token import read_token
from taxi_assets.serving.deployments.serving_state import ServingState


class Deployed:
    """Changes of a running endpoint, and the versions that answer."""

    def __init__(self, url: str, state: ServingState) -> None:
        self.url = url
        # Made once, since its certificates take 20 ms of a processor. Each request has a connection of its own.
        headers = {"authorization": f"Bearer {read_token(state, {})}", "connection": "close"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False)

    def __call__(self, method: str, path: str, body: object = None) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return self._client.request(method, path, **content)  # type: ignore[arg-type]

    def close(self) -> None:
        self._client.close()

    def answering(self, path: str = "/predict", **fields: Any) -> set[int]:
        """Versions of 20 answers, each over a new connection, so that every worker answers some."""
        with httpx.Client(trust_env=False, headers={"connection": "close"}) as client:
            answers = [client.post(self.url + path, json={**RIDE, **fields}) for _ in range(20)]
        return {answer.json()["model_version"] for answer in answers}


@dataclasses.dataclass(frozen=True)
class Platform:
    """A Bento of version 3 with two workers, its model store and its state."""

    program: Program
    store: Path
    state: ServingState

    @contextmanager
    def serving(self, log: Path) -> Iterator[Deployed]:
        with running(self.program, log) as url:
            endpoint = Deployed(url, self.state)
            yield endpoint
            endpoint.close()
