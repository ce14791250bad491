"""Sends requests to a running endpoint."""

from typing import Any

import httpx

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30:00"}


def post(url: str, path: str = "/predict", **sent: Any) -> httpx.Response:
    return httpx.post(url + path, trust_env=False, **sent)


def refusal(url: str, status: int, path: str = "/predict", **sent: Any) -> str:
    """The detail of the problem with which the endpoint refuses a request."""
    response = post(url, path, **sent)
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    detail: str = problem["detail"]
    assert "\n" not in detail
    return detail
