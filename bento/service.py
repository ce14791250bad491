"""The endpoint that tells how long a ride will take; `taxi_assets/serving/bento_build.py` puts it into a Bento.

What it answers from lies beside it there: `model/`, checked at the start, and `release.json`, its tag.
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
from taxi_assets.serving.index_page import show_index
from taxi_assets.serving.openapi import PREDICTION_SCHEMA, REQUEST_TIMEOUT_SECONDS, describe, example_ride
from taxi_assets.serving.request_limits import RequestLimits, parse_json
from taxi_assets.serving.ride_request import RIDE_SCHEMA, InvalidRide, RideRequest, arrival_time, parse_ride
from taxi_assets.serving.served_model import ServedModel

FOLDER = Path(__file__).parent
MODEL = FOLDER / "model"

PredictionBody = Annotated[dict[str, Any], WithJsonSchema(PREDICTION_SCHEMA)]


class RideBody(bentoml.IODescriptor):
    """The body as it was sent: `parse_ride` checks it, and says in a sentence what is allowed."""

    ride: Any

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "RideBody":  # noqa: ARG003
        return cls.model_construct(ride=parse_json(await request.body()))

    @classmethod
    def model_json_schema(cls, *_: object, **__: object) -> dict[str, Any]:
        return copy.deepcopy(RIDE_SCHEMA)  # BentoML writes in what it is given


async def info(request: Request) -> JSONResponse:
    """What the model was made of and from, and what it may be asked."""
    return JSONResponse(request.app.state.info)


async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI document, in place of BentoML's."""
    return JSONResponse(request.app.state.openapi)


PAGES = Starlette(routes=[Route("/", show_index), Route("/info", info), Route("/docs.json", openapi)])


@bentoml.service(
    name="TaxiDuration",
    workers=1,
    # BentoML keeps all there is of a request until its time is over, answered or not: so it must be short.
    traffic={"timeout": REQUEST_TIMEOUT_SECONDS},
    http={"host": "127.0.0.1", "port": 3001},
    logging={"access": {"enabled": False}},  # /metrics counts and times what is asked
)
class TaxiDuration:
    """Minutes of a taxi ride in New York, from what is known when it starts."""

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
        """End with one line where the model cannot be served; a worker would be started again and again."""
        try:
            ServedModel.load(MODEL)
        except TaxiError as error:
            raise SystemExit(f"error: {error}") from error

    @bentoml.on_startup
    def freeze_gc(self) -> None:
        """Keep the garbage collector off what stays for good: a full round would stop answers for long."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

    @bentoml.api(input_spec=RideBody)
    async def predict(self, ride: object) -> PredictionBody:
        """How long the ride will take, when it ends, and which model says so."""
        try:
            request = parse_ride(ride, self.model.services)
        except InvalidRide as refusal:
            return _json({"error": str(refusal), "fields": refusal.fields}, 422)
        return _json(self._predict(request))

    def _predict(self, request: RideRequest) -> dict[str, Any]:
        prediction = self.model.predict_request_intervals([request])
        minutes = float(prediction.minutes[0])
        return {
            "duration_minutes": round(minutes, 2),
            "interval_90": [round(float(prediction.low[0]), 2), round(float(prediction.high[0]), 2)],
            "arrives_at": arrival_time(request, minutes).isoformat(),
            "service": request.service,
            "warnings": request.warnings,
            **self.source,
        }


# A response of its own: for anything else BentoML works out the answer's JSON schema anew each time.
def _json(content: dict[str, Any], status: int = 200) -> Any:
    return JSONResponse(content, status)


TaxiDuration.add_asgi_middleware(RequestLimits)
TaxiDuration.mount_asgi_app(PAGES)
