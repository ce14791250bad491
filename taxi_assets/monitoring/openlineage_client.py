"""Sends OpenLineage events to the address of `TAXI_OPENLINEAGE_URL` by the standard's client."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from taxi_assets.errors import TaxiError
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport import Transport

SECONDS = 5.0  # for a connection, and for each read of a response
_PATH = "api/v1/lineage"  # of the standard, unless the address has a path


class EventNotSent(TaxiError):
    """An event was not accepted; it has to be sent again."""


@contextmanager
def lineage_client(settings: Settings) -> Iterator[Callable[["RunEvent"], None]]:
    """A function that sends an event and raises `EventNotSent` if it is not accepted.

    Raises:
        TaxiError: the setting or a package is missing.
    """
    if settings.openlineage_url is None:
        raise TaxiError("TAXI_OPENLINEAGE_URL is unset: set it to an HTTP endpoint or a file")
    try:
        from openlineage.client import OpenLineageClient
    except ImportError:
        raise TaxiError("TAXI_OPENLINEAGE_URL needs more packages: run `make env-scale`") from None
    # The client would run git in the current folder to describe the code.
    config = {"facets": {"source_code_location": {"disabled": True}}}
    try:
        client = OpenLineageClient(transport=_transport(settings.openlineage_url.get_secret_value()), config=config)
    except OSError as error:
        raise EventNotSent(f"the file's folder cannot be made: {_reason(error)}") from None

    def send(event: "RunEvent") -> None:
        try:
            client.emit(event)
        except (OSError, RuntimeError) as error:  # those of requests are OSErrors
            raise EventNotSent(f"{event.job.name} {event.run.runId} was not accepted: {_reason(error)}") from None

    try:
        yield send
    finally:
        client.close()


def _transport(address: str) -> "Transport":
    from openlineage.client.transport.file import FileConfig, FileTransport
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

    if Path(address).is_absolute():
        Path(address).parent.mkdir(parents=True, exist_ok=True)
        return FileTransport(FileConfig(address, append=True))
    key = os.environ.get("OPENLINEAGE_API_KEY")
    auth = ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({})
    path = urlsplit(address).path.strip("/")
    transport = HttpTransport(HttpConfig(address, "" if path else _PATH, SECONDS, auth=auth, retry={"total": 0}))
    transport.session.max_redirects = 0  # a redirected POST becomes a GET: the event would be lost
    return transport


def _reason(error: Exception) -> str:
    """The error without its message, which may contain the address."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"status {status}" if status else type(error).__name__
