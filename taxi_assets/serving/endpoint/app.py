"""The endpoint's Starlette app: its addresses, its errors and the state that its handlers share."""

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taxi_assets.serving.endpoint.admission import Admission
from taxi_assets.serving.endpoint.answer_log import AnswerLog
from taxi_assets.serving.endpoint.batch_fields import parse_batch
from taxi_assets.serving.endpoint.direct_route import DirectRoute
from taxi_assets.serving.endpoint.feedback import feedback
from taxi_assets.serving.endpoint.feedback_log import FeedbackLog
from taxi_assets.serving.endpoint.index_page import show_index
from taxi_assets.serving.endpoint.metrics import CONTENT_TYPE, exposition
from taxi_assets.serving.endpoint.openapi import describe, example_batch, example_ride
from taxi_assets.serving.endpoint.predict import MODEL_FACTS, answer, predict
from taxi_assets.serving.endpoint.predict_many import BatchWorker, answer_batch, predict_many
from taxi_assets.serving.endpoint.problem_details import RETRY_AFTER_SECONDS, Problem, problem_response
from taxi_assets.serving.endpoint.request_counter import RequestCounter
from taxi_assets.serving.endpoint.ride_fields import parse_ride
from taxi_assets.serving.endpoint.traffic_feed import TrafficFeed
from taxi_assets.serving.prediction_log.log_writer import LogUnavailable
from taxi_assets.serving.variants import Variants

_HTTP_ERRORS = {
    404: "there is nothing at this address: GET /docs describes every address",
    405: "this address has another method: GET /docs describes every address",
}
_EXAMPLE_ID = "650a1b2c3d4e5f60-1f0"
PREDICT = "/predict"
_SERVER_ERROR = "the endpoint failed: its log has the error"


@dataclass
class EndpointState:
    """State of one worker.

    Attributes:
        variants: The served models; a hot swap replaces them as a whole, and a request reads them once.
        bento: Tag of the running Bento.
        log: The prediction log, which has each answer before it is sent.
        batches: Predicts batches beside single rides.
        feedback: The feedback log, beside the prediction log.
        traffic: The recent traffic that all workers' feedback tells.
    """

    variants: Variants
    bento: str
    log: AnswerLog
    batches: BatchWorker = field(default_factory=BatchWorker)
    feedback: FeedbackLog = field(init=False)
    traffic: TrafficFeed = field(init=False)

    def __post_init__(self) -> None:
        self.feedback = FeedbackLog(self.log.state, self.log.sync)
        self.traffic = TrafficFeed(self.log.state)

    def close(self) -> None:
        """Seal the worker's segments of the logs."""
        self.log.close()
        self.feedback.close()
        self.traffic.close()


def create_app() -> Starlette:
    """The app, which answers once `start` has given it its state."""
    admission = Admission()
    limited_predict = admission.limit(predict)
    routes = [
        Route("/", show_index),
        Route("/docs", show_index),
        Route("/docs.json", show_openapi),
        Route("/openapi.json", show_openapi),
        Route(PREDICT, limited_predict, methods=["POST"]),
        Route("/predict_many", admission.limit(predict_many), methods=["POST"]),
        Route("/feedback", admission.limit(feedback), methods=["POST"]),
        Route("/model", show_model),
        Route("/variants", show_variants),
        Route("/metrics", show_metrics),
    ]
    middleware = [Middleware(RequestCounter, [route.path for route in routes])]
    handlers: dict[Any, Any] = {
        Problem: _problem,
        LogUnavailable: _log_unavailable,
        ClientDisconnect: _disconnected,
        HTTPException: _http_error,
        Exception: _server_error,
    }
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    app.state.predict = limited_predict
    return app


def answer_directly(app: Starlette) -> DirectRoute:
    """The app with a shorter way to `POST /predict`."""
    return DirectRoute(app, PREDICT, app.state.predict)


def start(app: Starlette, state: EndpointState) -> None:
    """Give the app its state and predict an example, so that the first request finds everything ready."""
    variants, services, names = state.variants, state.variants.services, state.variants.zone_names
    ride, batch = parse_ride(example_ride(services), services, names), example_batch(services)
    state.traffic.follow()  # the rides known before a restart
    live = state.traffic.of(variants.champion).predict_ride(ride)
    prediction = answer(variants.champion, ride, live, _example_id)
    predictions = answer_batch(variants.champion, parse_batch(batch, services, names), _example_id)
    app.state.endpoint = state
    app.state.openapi = describe(state.bento, services, prediction, predictions)


def _example_id(*_: object) -> str:
    return _EXAMPLE_ID


async def show_openapi(request: Request) -> JSONResponse:
    """The OpenAPI document."""
    return JSONResponse(request.app.state.openapi)


async def show_model(request: Request) -> JSONResponse:
    """The champion's origin and its kinds of taxi."""
    endpoint: EndpointState = request.app.state.endpoint
    model = endpoint.variants.champion.model
    named = {name: model.facts[name] for name in MODEL_FACTS}
    return JSONResponse({**named, "bento": endpoint.bento, "services": model.services, "facts": model.facts})


async def show_variants(request: Request) -> JSONResponse:
    """The model versions that answer."""
    endpoint: EndpointState = request.app.state.endpoint
    return JSONResponse(endpoint.variants.as_json())


def show_metrics(_: Request) -> Response:
    """The metrics of all workers; not async, so that Starlette reads the files in a thread."""
    return Response(exposition(), media_type=CONTENT_TYPE)


async def _problem(_: Request, problem: Problem) -> JSONResponse:
    return problem_response(problem)


async def _log_unavailable(_: Request, error: LogUnavailable) -> JSONResponse:
    return problem_response(Problem(503, str(error), headers={"retry-after": str(RETRY_AFTER_SECONDS)}))


async def _disconnected(_: Request, _error: ClientDisconnect) -> JSONResponse:
    return problem_response(Problem(400, "the client closed the connection before the end of the body"))


async def _http_error(_: Request, error: HTTPException) -> JSONResponse:
    detail = _HTTP_ERRORS.get(error.status_code, error.detail)
    return problem_response(Problem(error.status_code, detail, headers=error.headers))


async def _server_error(_: Request, _error: Exception) -> JSONResponse:
    return problem_response(Problem(500, _SERVER_ERROR))
