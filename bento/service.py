"""The prediction endpoint, packaged into a Bento by `taxi_assets/serving/packaging/bento_build.py`.

The Bento also contains `model/`, checked at the start, and `release.json` with the Bento's tag.
"""

import copy
import gc
import json
from pathlib import Path
from typing import Annotated, Any

import bentoml
from pydantic import WithJsonSchema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from taxi_assets.errors import TaxiError
from taxi_assets.serving.endpoint.index_page import show_index
from taxi_assets.serving.endpoint.openapi import PREDICTION_SCHEMA, REQUEST_TIMEOUT_SECONDS, describe, example_ride
from taxi_assets.serving.endpoint.request_limits import RequestLimits, parse_json
from taxi_assets.serving.endpoint.ride_request import RIDE_SCHEMA, InvalidRide, RideRequest, arrival_time, parse_ride
from taxi_assets.serving.served_model import ServedModel

FOLDER = Path(__file__).parent
MODEL = FOLDER / "model"

PredictionBody = Annotated[dict[str, Any], WithJsonSchema(PREDICTION_SCHEMA)]


class RideBody(bentoml.IODescriptor):
    """The unchecked request body: `parse_ride` checks it, with errors that name the allowed values."""

    ride: Any

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "RideBody":  # noqa: ARG003
        return cls.model_construct(ride=parse_json(await request.body()))

    @classmethod
    def model_json_schema(cls, *_: object, **__: object) -> dict[str, Any]:
        return copy.deepcopy(RIDE_SCHEMA)  # BentoML changes the returned object


async def info(request: Request) -> JSONResponse:
    """The model's origin and its kinds of taxi."""
    return JSONResponse(request.app.state.info)


async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document, in place of BentoML's."""
    return JSONResponse(request.app.state.openapi)


PAGES = Starlette(routes=[Route("/", show_index), Route("/info", info), Route("/docs.json", openapi)])


@bentoml.service(
    name="TaxiDuration",
    workers=1,
    # Short, since BentoML keeps a request in memory until its timeout, even after the response.
    traffic={"timeout": REQUEST_TIMEOUT_SECONDS},
    http={"host": "127.0.0.1", "port": 3001},
    logging={"access": {"enabled": False}},  # /metrics has counts and times of requests
)
class TaxiDuration:
    """Predicts the duration of a taxi ride in New York from data known at pickup."""

    def __init__(self) -> None:
        self.model = ServedModel.load(MODEL)
        self.bento = json.loads((FOLDER / "release.json").read_text())["tag"]
        facts = self.model.facts
        self.source = {
            "model": {name: facts[name] for name in ("name", "version", "run_id")},
            "synthetic": facts["synthetic"],
            "data_snapshot": facts["data_snapshot"],
            "bento": self.bento,
        }
        PAGES.state.info = {"bento": self.bento, "services": self.model.services, "facts": facts}
        services = self.model.services
        example = self._predict(parse_ride(example_ride(services), services))
        PAGES.state.openapi = describe(self.bento, services, example)

    @bentoml.on_deployment
    @staticmethod
    def check_model() -> None:
        """Exit with one line if the model cannot be served; otherwise BentoML would restart workers forever."""
        try:
            ServedModel.load(MODEL)
        except TaxiError as error:
            raise SystemExit(f"error: {error}") from error

    @bentoml.on_startup
    def freeze_gc(self) -> None:
        """Exclude permanent objects from garbage collection, whose full rounds would delay responses."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    @bentoml.api(input_spec=RideBody)
    async def predict(self, ride: object) -> PredictionBody:
        """Predict the duration and the end of a ride."""
        try:
            request = parse_ride(ride, self.model.services)
        except InvalidRide as refusal:
            return _json({"error": str(refusal), "fields": refusal.fields}, 422)
        return _json(self._predict(request))

    def _predict(self, request: RideRequest) -> dict[str, Any]:
        prediction = self.model.predict_ride(request)
        minutes = float(prediction.minutes[0])
        return {
            "duration_minutes": round(minutes, 2),
            "interval_90": [round(float(prediction.low[0]), 2), round(float(prediction.high[0]), 2)],
            "arrives_at": arrival_time(request, minutes).isoformat(),
            "service": request.service,
            "warnings": request.warnings,
            **self.source,
        }


# Returns a response object: for other types BentoML computes the JSON schema on each request.
def _json(content: dict[str, Any], status: int = 200) -> Any:
    return JSONResponse(content, status)


TaxiDuration.add_asgi_middleware(RequestLimits)
TaxiDuration.mount_asgi_app(PAGES)
