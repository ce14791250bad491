"""The rider's page: its files, read once, under a policy that allows no other host and no inline code."""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taxi_assets.serving.packaged_files import PAGE_FOLDER
from taxi_assets.serving.page_policy import content_security_policy

_INDEX = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "content-security-policy": content_security_policy("'self'"),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # a browser asks whether its copy is still the current one
}


def page_routes(folder: Path) -> list[Route]:
    """Routes of the page at `/` and of its files below `/page/`.

    Args:
        folder: The folder with the page's files; others than its own are not served.
    """
    files = {path.name: _PageFile(path) for path in sorted(folder.iterdir()) if path.suffix in _MEDIA_TYPES}
    return [
        Route("/", files[_INDEX].show),
        *(Route(f"/{PAGE_FOLDER}/{name}", file.show) for name, file in files.items() if name != _INDEX),
    ]


class _PageFile:
    def __init__(self, path: Path) -> None:
        self.content, self.media_type = path.read_bytes(), _MEDIA_TYPES[path.suffix]
        self.etag = f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    async def show(self, request: Request) -> Response:
        headers = {**HEADERS, "etag": self.etag}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)
