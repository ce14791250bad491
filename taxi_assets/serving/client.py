"""Asks a running endpoint about a ride, over HTTP."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from taxi_assets.errors import TaxiError

if TYPE_CHECKING:
    import httpx

__all__ = ["Ride", "get_served_version", "predict"]

REQUEST_TIMEOUT_SECONDS = 10.0
INFO_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Ride:
    """A ride to ask about.

    Attributes:
        pickup_zone_id: TLC zone of its start.
        dropoff_zone_id: TLC zone of its end.
        pickup_at: When it starts, such as `2023-03-01T08:30`, on New York's clock unless it has an offset.
        service: The kind of taxi; None leaves it to the endpoint.
        passenger_count: How many ride, where that is known.
    """

    pickup_zone_id: int
    dropoff_zone_id: int
    pickup_at: str
    service: str | None = None
    passenger_count: int | None = None


def predict(url: str, ride: Ride) -> dict[str, Any]:
    """What the endpoint answers about the ride.

    Args:
        url: Where it listens, such as `http://127.0.0.1:3001`.
        ride: What to ask.

    Returns:
        The answer's fields, `duration_minutes` among them.

    Raises:
        TaxiError: nothing answers there, something else does, or it refuses the ride.
    """
    import httpx

    try:
        # A proxy set for the internet must not be asked for what runs on this machine.
        response = httpx.post(f"{url}/predict", json=asdict(ride), timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise TaxiError(f"no endpoint at {url}: start it with `make up`, or set TAXI_BENTO_PORT to its port") from error
    except httpx.TransportError as error:
        raise TaxiError(f"the endpoint at {url} does not answer ({error}): look at what `make up` prints") from error
    content = _content(response)
    if response.is_success and "duration_minutes" in content:
        return content
    if response.is_client_error and "error" in content:
        raise TaxiError(f"the endpoint refuses the ride: {content['error']}")
    raise TaxiError(f"{url} answers with status {response.status_code} and no ride's duration: {_remedy(response)}")


def get_served_version(url: str) -> dict[str, Any] | None:
    """What the endpoint that runs there serves: `version` and `bento`; None where none answers as one."""
    import httpx

    try:
        response = httpx.get(f"{url}/info", timeout=INFO_TIMEOUT_SECONDS, trust_env=False)
    except (httpx.TransportError, httpx.InvalidURL):
        return None
    content = _content(response)
    facts = content.get("facts")
    if not response.is_success or not isinstance(facts, dict) or "version" not in facts:
        return None
    return {"version": facts["version"], "bento": content.get("bento")}


def _content(response: "httpx.Response") -> dict[str, Any]:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _remedy(response: "httpx.Response") -> str:
    if response.is_server_error:
        return "look at what `make up` prints"
    return "something else listens there; set TAXI_BENTO_PORT to the endpoint's port"
