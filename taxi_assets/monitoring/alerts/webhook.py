"""Posts alerts to a webhook as JSON that Slack accepts. The URL is a secret and is in no message."""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

POST_SECONDS = 5.0  # for one alert, from connecting to the end of the response's headers
_MAX_TEXT = 3_000  # characters; Slack cuts a text at 40,000 and shows a few lines of it

Alert = Mapping[str, Any]


def post_alerts(url: str, alerts: Sequence[Alert], post_seconds: float = POST_SECONDS) -> list[str | None]:
    """Posts each alert once, one after the other; stops after the first that gets no response.

    Args:
        url: The webhook.
        alerts: Rows of `alerts`.
        post_seconds: Time limit of one alert.

    Returns:
        The error of each alert that was tried, in the order of `alerts`; None if the webhook accepted it.
    """
    with _quiet_loggers():
        return asyncio.run(_post_all(url, alerts, post_seconds))


def payload(alert: Alert) -> dict[str, Any]:
    """The JSON of an alert: `text`, and its columns as fields. A receiver may recognise it by `id`."""
    named = {
        "kind": alert["kind"],
        "subject": alert["subject"],
        "since": f"{alert['last_seen_at']:%Y-%m-%d %H:%M:%S} UTC",
        "times": alert["times"],
        "id": f"{alert['key']}-{alert['times']}",
    }
    fields = [{"title": name, "value": _escape(str(value)), "short": True} for name, value in named.items()]
    return {"text": _escape(f"taxi: {alert['kind']}: {alert['text']}"), "attachments": [{"fields": fields}]}


async def _post_all(url: str, alerts: Sequence[Alert], post_seconds: float) -> list[str | None]:
    import httpx

    errors: list[str | None] = []
    # Redirects are not followed: they would send the alert to an address that no person set.
    async with httpx.AsyncClient(timeout=post_seconds, follow_redirects=False) as client:
        for alert in alerts:
            try:
                # httpx limits each read, so a webhook that sends a byte now and then needs a limit of the whole.
                status = await asyncio.wait_for(_post(client, url, alert), post_seconds)
            except (TimeoutError, httpx.TimeoutException):
                return [*errors, f"no response within {post_seconds:g} seconds"]
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                return [*errors, f"no response ({type(error).__name__})"]  # its message may contain the URL
            errors.append(None if 200 <= status < 300 else f"the webhook answered with status {status}")
    return errors


async def _post(client: "httpx.AsyncClient", url: str, alert: Alert) -> int:
    """The status; the body is not read, however long it is."""
    async with client.stream("POST", url, json=payload(alert)) as response:
        return response.status_code


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Keep the URL, which httpx logs with each request, out of the log."""
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _escape(text: str) -> str:
    """The text without Slack's own signs: a file's name must not address a channel."""
    short = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} …"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
