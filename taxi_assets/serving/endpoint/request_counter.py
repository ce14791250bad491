"""Counts every response by its address and status."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_assets.serving.endpoint.metrics import OTHER_ADDRESS, count_request


class RequestCounter:
    """ASGI middleware that counts responses.

    Args:
        app: The wrapped app.
        addresses: The known addresses; all others are counted as one, so that no client can add metrics.
    """

    def __init__(self, app: ASGIApp, addresses: Collection[str]) -> None:
        self.app = app
        self.addresses = frozenset(addresses)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = scope["path"] if scope["path"] in self.addresses else OTHER_ADDRESS

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                count_request(address, message["status"])
            await send(message)

        await self.app(scope, receive, counting)
