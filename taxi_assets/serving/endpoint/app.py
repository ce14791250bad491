"""The endpoint's Starlette app: its addresses, its errors and the state that its handlers share."""

from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taxi_assets.serving.deployments.deployment_store import read_refusals
from taxi_assets.serving.endpoint.admission import Admission
from taxi_assets.serving.endpoint.deployment_fields import refusals_json
from taxi_assets.serving.endpoint.deployment_routes import deployment_routes
from taxi_assets.serving.endpoint.direct_route import DirectRoute
from taxi_assets.serving.endpoint.docs_page import show_docs
from taxi_assets.serving.endpoint.endpoint_state import EndpointState
from taxi_assets.serving.endpoint.feedback import feedback
from taxi_assets.serving.endpoint.metrics import CONTENT_TYPE, exposition
from taxi_assets.serving.endpoint.openapi_example import describe_served
from taxi_assets.serving.endpoint.predict import PREDICT, PREDICT_BY_VERSION, predict, predict_by_version
from taxi_assets.serving.endpoint.predict_many import predict_many
from taxi_assets.serving.endpoint.problem_details import RETRY_AFTER_SECONDS, Problem, problem_response
from taxi_assets.serving.endpoint.request_counter import RequestCounter
from taxi_assets.serving.endpoint.rider_page import page_routes
from taxi_assets.serving.prediction_log.log_writer import LogUnavailable

_HTTP_ERRORS = {
    404: "there is nothing at this address: GET /docs describes every address",
    405: "this address has another method: GET /docs describes every address",
}
MODEL_FACTS = ("name", "version", "run_id", "data_snapshot", "synthetic")
SHOWN_REFUSALS = 10
_SERVER_ERROR = "the endpoint failed: its log has the error"


def create_app(page: Path) -> Starlette:
    """The app, which answers once `start` has given it its state.

    Args:
        page: The folder of the rider's page.
    """
    admission = Admission()
    limited_predict = admission.limit(predict)
    routes = [
        *page_routes(page),
        Route("/docs", show_docs),
        Route("/docs.json", show_openapi),
        Route("/openapi.json", show_openapi),
        Route(PREDICT, limited_predict, methods=["POST"]),
        Route("/predict_many", admission.limit(predict_many), methods=["POST"]),
        Route("/feedback", admission.limit(feedback), methods=["POST"]),
        Route(PREDICT_BY_VERSION, admission.limit(predict_by_version), methods=["POST"]),
        *deployment_routes(),
        Route("/model", show_model),
        Route("/variants", show_variants),
        Route("/metrics", show_metrics),
    ]
    middleware = [Middleware(RequestCounter, routes)]
    handlers: dict[Any, Any] = {
        Problem: _problem,
        LogUnavailable: _log_unavailable,
        ClientDisconnect: _disconnected,
        HTTPException: _http_error,
        Exception: _server_error,
    }
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    app.state.predict, app.state.admission = limited_predict, admission
    return app


def answer_directly(app: Starlette) -> DirectRoute:
    """The app with a shorter way to `POST /predict`."""
    return DirectRoute(app, PREDICT, app.state.predict)


def start(app: Starlette, state: EndpointState) -> None:
    """Give the app its state, with everything ready for the first request."""
    state.traffic.follow()  # the rides known before a restart
    state.traffic.of(state.variants.champion)
    app.state.endpoint = state
    app.state.openapi = (state.variants, describe_served(state.bento, state.variants))


def show_openapi(request: Request) -> JSONResponse:
    """The OpenAPI document of the current models; not async, since it predicts examples after a swap."""
    endpoint: EndpointState = request.app.state.endpoint
    variants = endpoint.variants
    described, document = request.app.state.openapi
    if described is not variants:
        document = describe_served(endpoint.bento, variants)
        request.app.state.openapi = (variants, document)
    return JSONResponse(document)


async def show_model(request: Request) -> JSONResponse:
    """The champion's origin and its kinds of taxi."""
    endpoint: EndpointState = request.app.state.endpoint
    model = endpoint.variants.champion.model
    named = {name: model.facts[name] for name in MODEL_FACTS}
    known = {"services": model.services, "evaluation": model.facts.get("evaluation"), "facts": model.facts}
    return JSONResponse({**named, "bento": endpoint.bento, **known})


def show_variants(request: Request) -> JSONResponse:
    """The model versions that answer, and those refused last; not async, since it reads files."""
    endpoint: EndpointState = request.app.state.endpoint
    refusals = read_refusals(endpoint.serving_state, SHOWN_REFUSALS) if endpoint.store else []
    shown = {**endpoint.variants.as_json(), "problems": list(endpoint.served.routing_problems)}
    return JSONResponse({**shown, "refusals": refusals_json(refusals)})


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
