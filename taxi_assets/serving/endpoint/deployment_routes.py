"""Deployments and the routing over HTTP; every request needs the deployment token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deploy_token import TOKEN_VARIABLE, is_token, read_token
from taxi_assets.serving.deployments.deployment_changes import DeploymentChanges
from taxi_assets.serving.deployments.deployment_store import read_deployments, read_refusals
from taxi_assets.serving.deployments.model_store import STORE_VARIABLE
from taxi_assets.serving.deployments.routing_store import PACKAGED, newest_readable
from taxi_assets.serving.deployments.serving_state import STATE_VARIABLE
from taxi_assets.serving.endpoint.deployment_fields import (
    DEPLOYMENTS,
    ROUTING,
    deployment_json,
    parse_version,
    problem_of,
    read_version,
    refusals_json,
    routing_json,
)
from taxi_assets.serving.endpoint.endpoint_state import EndpointState
from taxi_assets.serving.endpoint.problem_details import Problem
from taxi_assets.serving.endpoint.request_body import MAX_RIDE_BYTES, parse_json, read_body

REQUESTED_BY, DEFAULT_BY = "x-requested-by", "api"
_MAX_BY_CHARACTERS = 100
_BODY_EXAMPLE = '{"model_version": 12}'
_BODY_REMEDY = "send one version or one routing"


@dataclass(frozen=True)
class _Call:
    """An allowed request.

    Attributes:
        request: The request.
        body: Its parsed body.
        changes: Changes in the name of the client.
    """

    request: Request
    body: Any
    changes: DeploymentChanges

    @property
    def base_url(self) -> str:
        """The address by which the client reached this endpoint."""
        try:
            return str(self.request.base_url).rstrip("/")
        except ValueError:  # of its header `Host`
            return ""


def deployment_routes() -> list[Route]:
    """The routes of the deployments and the routing."""
    return [
        _route(DEPLOYMENTS, GET=_list_deployments, POST=_deploy),
        _route(f"{DEPLOYMENTS}/{{version}}", DELETE=_undeploy),
        _route(ROUTING, GET=_show_routing, PUT=_set_routing),
        _route(f"{ROUTING}/champion", PUT=_make_champion),
        _route(f"{ROUTING}/rollback", POST=_roll_back),
    ]


def require_token(request: Request) -> None:
    """Check the header `Authorization: Bearer TOKEN`.

    Raises:
        Problem: 403 if this endpoint has no token or no model store, 401 for another token or none, 503 if the
            token's file cannot be read.
    """
    endpoint: EndpointState = request.app.state.endpoint
    if endpoint.store is None:
        remedy = f"start it with `taxi up`, or set {STORE_VARIABLE} and {STATE_VARIABLE}"
        raise Problem(403, f"this endpoint serves its packaged model only: {remedy}")
    try:
        token = read_token(endpoint.serving_state)
    except TaxiError as error:
        remedy = f"set {TOKEN_VARIABLE}, or remove the file `token` of the serving state"
        raise Problem(503, f"the deployment token cannot be read: {remedy}") from error
    if token is None:
        remedy = f"start it with `taxi up`, or set {TOKEN_VARIABLE}"
        raise Problem(403, f"this endpoint has no deployment token: {remedy}")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # Starlette decodes headers as Latin-1.
    if scheme.lower() != "bearer" or not is_token(given.strip().encode("latin-1"), token):
        remedy = f"send `Authorization: Bearer TOKEN` with {TOKEN_VARIABLE} or the content of the file `token`"
        detail = f"the deployment token is missing or wrong: {remedy}"
        raise Problem(401, detail, headers={"www-authenticate": "Bearer"})


def _route(path: str, **handlers: Callable[[_Call], Response]) -> Route:
    async def handle(request: Request) -> Response:
        require_token(request)
        content = await read_body(request, MAX_RIDE_BYTES, _BODY_REMEDY)
        endpoint: EndpointState = request.app.state.endpoint
        changes = DeploymentChanges(endpoint.serving_state, endpoint.store, _requested_by(request))  # type: ignore[arg-type]
        call = _Call(request, parse_json(content, _BODY_EXAMPLE), changes)
        try:
            # A change waits for the workers: never on the event loop.
            return await run_in_threadpool(handlers[request.method.replace("HEAD", "GET")], call)
        except TaxiError as error:
            raise problem_of(error, call.body) from error
        except OSError as error:
            detail = f"cannot use the serving state ({error.strerror}): make its folder readable and writable"
            raise problem_of(TaxiError(detail), call.body) from error

    return Route(path, handle, methods=list(handlers))


def _requested_by(request: Request) -> str:
    name = request.headers.get(REQUESTED_BY, "")[:_MAX_BY_CHARACTERS]
    # At its start the endpoint replaces a routing of this name.
    is_name = name.isprintable() and name.strip() and name != PACKAGED
    return name if is_name else DEFAULT_BY


def _list_deployments(call: _Call) -> JSONResponse:
    state = call.changes.state
    routing = newest_readable(state)
    routed = routing.routing.versions if routing else ()
    deployments = [
        {**deployment_json(each, call.base_url), "is_routed": version in routed}
        for version, each in read_deployments(state).items()
    ]
    return JSONResponse({"deployments": deployments, "refusals": refusals_json(read_refusals(state))})


def _deploy(call: _Call) -> JSONResponse:
    deployment = call.changes.deploy(parse_version(call.body))
    return JSONResponse(deployment_json(deployment, call.base_url), 201)


def _undeploy(call: _Call) -> Response:
    call.changes.undeploy(read_version(call.request))
    return Response(status_code=204)


def _show_routing(call: _Call) -> JSONResponse:
    routing = newest_readable(call.changes.state)
    if routing is None:
        raise Problem(404, f"there is no routing: set one with PUT {ROUTING}")
    return JSONResponse(routing_json(routing))


def _set_routing(call: _Call) -> JSONResponse:
    return JSONResponse(routing_json(call.changes.set_routing(call.body)))


def _make_champion(call: _Call) -> JSONResponse:
    return JSONResponse(routing_json(call.changes.make_champion(parse_version(call.body))))


def _roll_back(call: _Call) -> JSONResponse:
    return JSONResponse(routing_json(call.changes.roll_back()))
