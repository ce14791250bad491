"""The deployments and the routing in the OpenAPI document."""

import copy
from collections.abc import Mapping
from typing import Any

from taxi_assets.serving.deployments.deployment_changes import MAX_DEPLOYED
from taxi_assets.serving.endpoint.deployment_fields import DEPLOYMENTS, MAX_VERSION, ROUTING
from taxi_assets.serving.endpoint.problem_details import MEDIA_TYPE
from taxi_assets.serving.endpoint.schemas import (
    AT,
    BY,
    MODEL_VERSION,
    PROBLEM_SCHEMA,
    REFUSALS,
    REVISION,
    object_schema,
)

TOKEN = {"type": "http", "scheme": "bearer", "description": "The deployment token"}
VERSION_PARAMETER = {
    "name": "version",
    "in": "path",
    "required": True,
    "description": "The model version",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_VERSION - 1},
    "example": 3,
}
_SECURITY = [{"token": list[str]()}]
_ERRORS = {
    400: "The body is not JSON in UTF-8",
    401: "The deployment token is missing or wrong",
    403: "The endpoint has no deployment token, or no model store",
    404: "The version is not deployed, or not in the model store",
    409: "Another change is under way, or the change contradicts the present state; `detail` has the remedy",
    413: "The body is longer than 65536 bytes",
    415: "The body's media type is not JSON, its charset is not UTF-8, or it is compressed",
    422: "A field is wrong, or the model fails a check; the routing before stays",
    500: "The endpoint failed; its log has the error",
    503: "The serving state cannot be read or written to",
}
_SHARE = {"type": "number", "minimum": 0.001, "maximum": 1, "multipleOf": 0.001, "example": 0.1}
_ROUTING = {
    "champion": {**MODEL_VERSION, "minimum": 1, "description": "The version that answers all other riders"},
    "challengers": {
        "type": "array",
        "description": "Versions that answer a share of the riders",
        "items": object_schema("Challenger", {"version": {**MODEL_VERSION, "minimum": 1}, "share": _SHARE}),
        "example": [],
    },
    "shadows": {
        "type": "array",
        "description": "Versions that predict every ride and never answer",
        "items": {**MODEL_VERSION, "minimum": 1},
        "example": [],
    },
}
_ROUTING_BODY = {**object_schema("Routing", _ROUTING), "required": ["champion"]}
_ROUTING_REVISION = object_schema("RoutingRevision", {"revision": REVISION, **_ROUTING, "at": AT, "by": BY})
_VERSION_BODY = object_schema("ModelVersion", {"model_version": {**MODEL_VERSION, "minimum": 1}})
_DEPLOYMENT = {
    "model_version": MODEL_VERSION,
    "url": {"type": "string", "description": "The address by which exactly this version answers"},
    "manifest_sha256": {"type": "string", "description": "The checksum of the model's manifest"},
    "by": BY,
    "at": AT,
}
_IS_ROUTED = {"type": "boolean", "description": "True if the routing names it"}
_DEPLOYMENTS = object_schema(
    "Deployments",
    {
        "deployments": {
            "type": "array",
            "items": object_schema("ListedDeployment", {**_DEPLOYMENT, "is_routed": _IS_ROUTED}),
        },
        "refusals": REFUSALS,
    },
)


def deployment_paths() -> dict[str, Any]:
    """The addresses of the deployments and of the routing."""
    champion, rollback = f"{ROUTING}/champion", f"{ROUTING}/rollback"
    routed = "The routing, by which every worker answers now"
    return {
        DEPLOYMENTS: {
            "get": _operation("deployments", "The deployed model versions, and those refused last", _DEPLOYMENTS),
            "post": _operation(
                "deploy",
                f"Load and check a model version in every worker, at most {MAX_DEPLOYED}",
                object_schema("Deployment", _DEPLOYMENT),
                body=_VERSION_BODY,
                success="201",
            ),
        },
        f"{DEPLOYMENTS}/{{version}}": {
            "delete": {
                **_operation("undeploy", "Remove a version that is not routed", None, success="204"),
                "parameters": [VERSION_PARAMETER],
            },
        },
        ROUTING: {
            "get": _operation("routing", "The versions that answer", _ROUTING_REVISION),
            "put": _operation(
                "set_routing",
                "Set the versions that answer; deploys those that are not",
                _ROUTING_REVISION,
                routed,
                _ROUTING_BODY,
            ),
        },
        champion: {
            "put": _operation(
                "make_champion", "Deploy a version and make it the champion", _ROUTING_REVISION, routed, _VERSION_BODY
            )
        },
        rollback: {"post": _operation("roll_back", "Restore the routing before", _ROUTING_REVISION, routed)},
    }


def _operation(
    name: str,
    sentence: str,
    schema: Mapping[str, Any] | None,
    result: str | None = None,
    body: Mapping[str, Any] | None = None,
    success: str = "200",
) -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": copy.deepcopy(schema)}}} if schema else {}
    problem = {MEDIA_TYPE: {"schema": copy.deepcopy(PROBLEM_SCHEMA)}}
    errors = {str(status): {"description": text, "content": problem} for status, text in _ERRORS.items()}
    operation = {
        "summary": sentence,
        "operationId": name,
        "security": copy.deepcopy(_SECURITY),
        "responses": {success: {"description": result or sentence, **content}, **errors},
    }
    if body:
        sent = {"application/json": {"schema": copy.deepcopy(body)}}
        operation["requestBody"] = {"required": True, "content": sent}
    return operation
