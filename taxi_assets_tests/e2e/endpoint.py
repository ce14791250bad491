"""Sends requests to a running endpoint."""

from typing import Any

import httpx

RIDE = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30:00"}


def post(url: str, path: str = "/predict", **sent: Any) -> httpx.Response:
    return httpx.post(url + path, trust_env=False, **sent)


def refusal(url: str, status: int, **sent: Any) -> str:
    response = post(url, **sent)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    error: str = response.json()["error"]
    assert "\n" not in error
    return error
