"""Shadows predict what was answered, from the same recent traffic, and change no answer."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_model
from forget_metrics import forget_variant_metrics
from prometheus_client.parser import text_string_to_metric_families
from shadowed_endpoint import RIDE, SHADOW_VERSION, ShadowedEndpoint, pairs, slower

from taxi_assets.serving.endpoint.metrics import exposition
from taxi_assets.serving.prediction_log.prediction_record import LoggedBatch, LoggedPrediction
from taxi_assets.serving.served_model import ServedModel

Serve = Callable[..., ShadowedEndpoint]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    return ServedModel.load(small_model.write_one_service(tmp_path_factory.mktemp("model") / "serving"))


@pytest.fixture
def serve(model: ServedModel, tmp_path: Path) -> Iterator[Serve]:
    """Start an endpoint with a shadow, which is the champion's model unless another is given."""
    started = []

    def start(shadow: ServedModel | None = None, sync: str = "process") -> ShadowedEndpoint:
        forget_variant_metrics()
        started.append(ShadowedEndpoint(model, shadow or model, tmp_path, sync))
        return started[-1]

    yield start
    for each in started:
        each.state.close()


def metric(name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    families = text_string_to_metric_families(exposition().decode())
    samples = [each for family in families for each in family.samples if each.name == name]
    return sum(each.value for each in samples if labels.items() <= each.labels.items())


def test_each_answer_has_one_shadow_in_the_log(serve: Serve, model: ServedModel) -> None:
    endpoint = serve(slower(model))
    rides = [{**RIDE, "dropoff_zone_id": zone} for zone in range(1, 21)]
    answers = [*endpoint.post("/predict", *rides), *endpoint.post("/predict_many", {"rides": rides})]
    assert {answer.json()["variant"] for answer in answers} == {"champion"}
    found = pairs(endpoint.records())
    assert len(found) == 21
    for answer, shadow in found:
        assert (shadow.variant, shadow.model_version) == ("shadow", SHADOW_VERSION)
        assert (shadow.pickup_at, shadow.dropoff_zone_id) == (answer.pickup_at, answer.dropoff_zone_id)
    ((batch, of_batch),) = [each for each in found if isinstance(each[0], LoggedBatch)]
    assert isinstance(of_batch, LoggedBatch)
    single = sorted(
        (answer.dropoff_zone_id, shadow.duration_minutes)
        for answer, shadow in found
        if isinstance(answer, LoggedPrediction) and isinstance(shadow, LoggedPrediction)
    )
    assert of_batch.duration_minutes == pytest.approx([minutes for _, minutes in single], abs=1e-3)
    assert min(own / other for own, other in zip(of_batch.duration_minutes, batch.duration_minutes, strict=True)) > 1.2
    assert metric("taxi_predictions_total", variant="shadow", version=str(SHADOW_VERSION)) == 40


@pytest.mark.parametrize("sync", ["process", "disk"])
def test_a_shadow_sees_the_traffic_that_its_answer_saw(serve: Serve, sync: str) -> None:
    """Answer and shadow are one model here, so their inputs are equal if the traffic is."""
    endpoint = serve(sync=sync)
    rides, batch = [("/predict", RIDE)] * 4, ("/predict_many", {"rides": [RIDE] * 3})
    for minute in range(10, 40):
        completed = {**RIDE, "pickup_at": f"2023-03-01T07:{minute}", "actual_minutes": minute}
        endpoint.send_together(*rides, batch, ("/feedback", completed), *rides, batch, *rides)
    found = pairs(endpoint.records())
    assert len(found) == 30 * 14
    assert len({repr(answer.features) for answer, _ in found}) > 30
    assert all(answer.features == shadow.features for answer, shadow in found)


def test_a_shadow_predicts_after_its_answer_is_sent(serve: Serve) -> None:
    endpoint, records_at = serve(), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(RIDE).encode(), "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        records_at.append((message["type"], len(endpoint.records())))

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    asyncio.run(endpoint.app(scope, receive, send))  # type: ignore[arg-type]
    assert records_at == [("http.response.start", 1), ("http.response.body", 1)]
    assert len(endpoint.records()) == 2


def test_a_failing_shadow_leaves_answers_alone(
    serve: Serve, model: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = serve(replace(model, session=None))  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        answers = [*endpoint.post("/predict", *[RIDE] * 3), *endpoint.post("/predict_many", {"rides": [RIDE]})]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [record.shadow_of for record in endpoint.records()] == [None] * 4
    assert metric("taxi_shadow_failures_total", version=str(SHADOW_VERSION)) == 4
    assert [record.message for record in caplog.records] == [
        f"shadow version {SHADOW_VERSION} fails; later failures are only counted"
    ]


def test_shadows_are_left_out_and_counted_while_requests_are_refused(serve: Serve) -> None:
    endpoint = serve()
    statuses = [response.status_code for response in endpoint.post("/predict", *[RIDE] * 150)]
    assert set(statuses) == {200, 503}
    before, omitted = len(endpoint.records()), metric("taxi_shadow_omissions_total")
    answers = [*endpoint.post("/predict", RIDE), *endpoint.post("/predict_many", {"rides": [RIDE] * 5})]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(endpoint.records()) == before + 2
    assert metric("taxi_shadow_omissions_total") == omitted + 6
