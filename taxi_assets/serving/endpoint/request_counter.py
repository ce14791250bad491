"""Counts every response by its address and status."""

from collections.abc import Collection

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taxi_assets.serving.endpoint.metrics import OTHER_ADDRESS, count_request


class RequestCounter:
    """ASGI middleware that counts responses.

    Args:
        app: The wrapped app.
        routes: The known addresses, counted by the route's path. All others are counted as one, so that no client
            can add metrics.
    """

    def __init__(self, app: ASGIApp, routes: Collection[Route]) -> None:
        self.app = app
        self.addresses = frozenset(route.path for route in routes)
        self._templates = {route.endpoint: route.path for route in routes if "{" in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                count_request(self._address(scope), message["status"])
            await send(message)

        await self.app(scope, receive, counting)

    def _address(self, scope: Scope) -> str:
        """The path of the route that answers."""
        if scope["path"] in self.addresses:
            return str(scope["path"])
        return self._templates.get(scope.get("endpoint"), OTHER_ADDRESS)  # type: ignore[arg-type]
