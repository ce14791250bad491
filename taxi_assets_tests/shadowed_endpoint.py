"""An endpoint in this process: version 3 answers, version 4 shadows it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import small_model
from model_store_samples import FixedModel

from taxi_assets.serving.deployments.routed_variants import RoutedVariants
from taxi_assets.serving.deployments.routing import Routing
from taxi_assets.serving.deployments.routing_store import RoutingRevision
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.app import create_app, start
from taxi_assets.serving.endpoint.endpoint_state import EndpointState
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, LoggedPrediction, decode_record
from taxi_assets.serving.served_model import ServedModel

CHAMPION_VERSION, SHADOW_VERSION = 3, 4
RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30", "service": "green"}


def slower(model: ServedModel, factor: float = 1.3) -> ServedModel:
    """The model with longer past durations."""
    tables = {
        service: {name: values * factor if name.endswith("_minutes") else values for name, values in of_service.items()}
        for service, of_service in model.tables.items()
    }
    return replace(model, tables=tables)


class ShadowedEndpoint:
    """The endpoint and requests to it."""

    def __init__(self, model: ServedModel, shadow: ServedModel, folder: Path, sync: str = "process") -> None:
        models = {CHAMPION_VERSION: model, SHADOW_VERSION: shadow}
        models = {version: replace(each, facts={**each.facts, "version": version}) for version, each in models.items()}
        variants = RoutedVariants.of(RoutingRevision(1, Routing(CHAMPION_VERSION, shadows=(SHADOW_VERSION,))), models)
        self.state = EndpointState(FixedModel(variants), "v3", AnswerLog(folder, sync), TrafficFeed(folder))
        self.app = create_app(small_model.PAGE)
        start(self.app, self.state)

    def post(self, path: str, *bodies: Any) -> list[httpx.Response]:
        """The responses to requests that are sent together."""
        return self.send_together(*((path, body) for body in bodies))

    def send_together(self, *requests: tuple[str, Any]) -> list[httpx.Response]:
        """The responses to requests, each an address and a body, once their shadows are done."""

        async def send() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
                responses = await asyncio.gather(*(client.post(path, json=body) for path, body in requests))
                await self.state.batches.finish()
            return responses

        return asyncio.run(send())

    def records(self) -> list[LoggedPrediction | LoggedBatch]:
        """The prediction log."""
        folder = self.state.log.folder
        paths = [
            folder / f"{name}{suffix}"
            for suffix in (segments.SEALED, segments.OPEN)
            for name in segments.names(folder, suffix)
        ]
        return [decode_record(line) for path in paths for line in path.read_bytes().splitlines()]


def pairs(
    records: Sequence[LoggedPrediction | LoggedBatch],
) -> list[tuple[LoggedPrediction | LoggedBatch, LoggedPrediction | LoggedBatch]]:
    """Each answer with its shadow; fails if one has none or two, or a shadow has no answer."""
    answers = {each.request_id: each for each in records if each.shadow_of is None}
    shadows = {each.shadow_of: each for each in records if each.shadow_of is not None}
    assert len(answers) + len(shadows) == len(records)
    assert set(answers) == set(shadows)
    return [(answer, shadows[request_id]) for request_id, answer in answers.items()]
