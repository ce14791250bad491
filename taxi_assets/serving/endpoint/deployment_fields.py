"""Fields of deployments and of the routing; errors name the field, the value and the remedy."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request

from taxi_assets.errors import TaxiError
from taxi_assets.serving.deployments.deployment_changes import (
    LostVersion,
    RefusedModel,
    RoutedVersion,
    TooManyDeployed,
    UnknownVersion,
)
from taxi_assets.serving.deployments.deployment_store import Deployment, Refusal
from taxi_assets.serving.deployments.routing import InvalidRouting
from taxi_assets.serving.deployments.routing_store import DamagedRouting, NoEarlierRouting, RoutingRevision
from taxi_assets.serving.deployments.serving_state import StateLocked
from taxi_assets.serving.endpoint.problem_details import (
    RETRY_AFTER_SECONDS,
    FieldError,
    InvalidFields,
    Problem,
    as_json,
)

DEPLOYMENTS, ROUTING = "/deployments", "/routing"
MAX_VERSION = 10**9
_DIGITS = re.compile("[0-9]{1,9}")
_VERSION = "model_version"
_REMEDY = "give the number of a model version, such as 12"
_STATUSES: Mapping[type[TaxiError], int] = {
    UnknownVersion: 404,
    RefusedModel: 422,
    RoutedVersion: 409,
    TooManyDeployed: 409,
    NoEarlierRouting: 409,
    DamagedRouting: 409,
    LostVersion: 409,
    StateLocked: 409,
}


def read_version(request: Request) -> int:
    """The model version in the address.

    Raises:
        Problem: it is no number.
    """
    text = request.path_params["version"]
    if not _DIGITS.fullmatch(text):
        raise Problem(404, f"{as_json(text)} is no model version: GET {DEPLOYMENTS} lists those that are deployed")
    return int(text)


def not_deployed(version: int) -> Problem:
    """The problem of a version that is not deployed."""
    return Problem(404, f"version {version} is not deployed: GET {DEPLOYMENTS} lists those that are")


def parse_version(body: object) -> int:
    """The version in a body `{"model_version": 12}`.

    Raises:
        InvalidFields: it is missing or wrong, or there is another field.
    """
    if not isinstance(body, Mapping):
        raise InvalidFields([FieldError("body", as_json(body), f"send a JSON object with {_VERSION}")])
    value = body.get(_VERSION)
    errors = [
        FieldError(as_json(name).strip('"'), as_json(body[name]), f"no field here, use {_VERSION}")
        for name in body
        if name != _VERSION
    ][:3]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MAX_VERSION:
        errors.append(FieldError(_VERSION, None if value is None else as_json(value), _REMEDY))
    if errors:
        raise InvalidFields(errors)
    return value  # type: ignore[return-value]  # an error otherwise


def problem_of(error: TaxiError, body: object) -> Problem:
    """The problem that answers for a change that failed.

    Args:
        error: Its reason.
        body: The request's parsed body.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, InvalidRouting):
        return Problem(422, str(error), [_field_error(name, text, body) for name, text in error.fields.items()])
    status = _STATUSES.get(type(error), 503)
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 503 or type(error) is StateLocked else None
    return Problem(status, str(error), headers=headers)


def deployment_json(deployment: Deployment, base_url: str) -> dict[str, Any]:
    """A deployment as responses show it, with the address of its predictions."""
    url = f"{base_url}{DEPLOYMENTS}/{deployment.version}/predict"
    about = {name: getattr(deployment, name) for name in ("manifest_sha256", "by", "at")}
    return {_VERSION: deployment.version, "url": url, **about}


def refusals_json(refusals: Collection[Refusal]) -> list[dict[str, Any]]:
    """Refusals as responses show them."""
    return [{_VERSION: each.version, **{k: v for k, v in asdict(each).items() if k != "version"}} for each in refusals]


def routing_json(revision: RoutingRevision) -> dict[str, Any]:
    """A routing as responses show it."""
    return {"revision": revision.revision, **revision.routing.as_json(), "at": revision.at, "by": revision.by}


def _field_error(name: str, text: str, body: object) -> FieldError:
    value: Any = body
    try:
        for part in re.findall(r"[^.\[\]]+", "" if name == "body" else name):
            value = value[int(part) if isinstance(value, list) else part]
        shown = as_json(value)
    except (LookupError, TypeError, ValueError):
        shown = None
    return FieldError(name, shown, text.rpartition(": ")[2])
