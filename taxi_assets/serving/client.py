"""The HTTP client of a running endpoint."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError

if TYPE_CHECKING:
    import httpx

REQUEST_TIMEOUT_SECONDS = 10.0
MODEL_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Ride:
    """A ride to predict.

    Attributes:
        pickup_zone_id: TLC zone of its start, by id or name.
        dropoff_zone_id: TLC zone of its end, by id or name.
        pickup_at: Start time, such as `2023-03-01T08:30`, in New York time unless it has an offset.
        service: The kind of taxi; None means the endpoint's default.
        passenger_count: Number of passengers, if known.
        vendor_id: TLC's id of the vendor, if known.
        rider_key: Your name of the rider, who gets the same variant of the model in every request.
    """

    pickup_zone_id: int | str
    dropoff_zone_id: int | str
    pickup_at: str
    service: str | None = None
    passenger_count: int | None = None
    vendor_id: int | None = None
    rider_key: str | None = None


def predict(url: str, ride: Ride) -> dict[str, Any]:
    """Request the prediction for a ride.

    Args:
        url: The endpoint's URL, such as `http://127.0.0.1:3001`.
        ride: The ride.

    Returns:
        The fields of the response, such as `duration_minutes`.

    Raises:
        TaxiError: no endpoint responds, another program does, or the ride is invalid.
    """
    import httpx

    try:
        # Requests to this machine must not go through an internet proxy.
        response = httpx.post(f"{url}/predict", json=asdict(ride), timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        remedy = "start it with `make up`, after `make run` has built a Bento, or set TAXI_BENTO_PORT to its port"
        raise TaxiError(f"no endpoint at {url}: {remedy}") from error
    except httpx.TransportError as error:
        raise TaxiError(f"the endpoint at {url} does not answer ({error}): see the output of `make up`") from error
    content = _content(response)
    if response.is_success and "duration_minutes" in content:
        return content
    if response.is_client_error and "detail" in content:
        raise TaxiError(f"the endpoint refuses the ride: {content['detail']}")
    raise TaxiError(f"{url} answers with status {response.status_code} and no duration: {_remedy(response)}")


def get_served_version(url: str) -> dict[str, Any] | None:
    """`version` and `bento` of the running endpoint; None if no endpoint responds."""
    import httpx

    try:
        response = httpx.get(f"{url}/model", timeout=MODEL_TIMEOUT_SECONDS, trust_env=False)
    except (httpx.TransportError, httpx.InvalidURL):
        return None
    content = _content(response)
    if not response.is_success or not {"version", "bento"} <= set(content):
        return None
    return {name: content[name] for name in ("version", "bento")}


def _content(response: "httpx.Response") -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _remedy(response: "httpx.Response") -> str:
    if response.is_server_error:
        return "see the output of `make up`"
    return "another program listens there; set TAXI_BENTO_PORT to the endpoint's port"
