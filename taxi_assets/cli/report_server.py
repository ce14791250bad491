"""Serves reports, evidence packs and the operator's page over HTTP, without directory listings."""

import json
import socket
import sys
from functools import partial
from html import escape
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from taxi_assets.cli.operator_status.operator_status import OperatorStatus
from taxi_assets.plots.report_page import ICON, STYLE
from taxi_assets.serving.page_policy import content_security_policy
from taxi_assets.settings import Settings

_DOCS = "data_docs"
_EVIDENCE = "evidence"
_STATUS_PAGE = Path(__file__).parent / "operator_status" / "page"
_STATUS_FILES = {
    "/status": ("status.html", "text/html; charset=utf-8"),
    "/status/status.css": ("status.css", "text/css; charset=utf-8"),
    "/status/status.js": ("status.js", "text/javascript; charset=utf-8"),
}
_STATUS_HEADERS = {
    "Content-Security-Policy": content_security_policy("data:"),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def index_page(folder: Path) -> str:
    """The index page: Data Docs, evidence packs and the pages of each asset, newest month first."""
    docs = f'<li><a href="{_DOCS}/">Data Docs</a>: the expectations of each month and their results</li>'
    assets = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name != _DOCS]
    found = _evidence_section(_packs_beside(folder)) + "".join(_asset_section(path) for path in assets)
    status = '<li><a href="status">Status</a>: whether the platform is well</li>'
    listed = docs if (folder / _DOCS / "index.html").is_file() else "<li>none yet: run <code>make run</code></li>"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">{ICON}<title>Reports</title>'
        f"<style>{STYLE}</style></head><body><h1>Reports</h1><ul>{status}{listed}</ul>{found}</body></html>\n"
    )


def _asset_section(folder: Path) -> str:
    pages = sorted(folder.glob("[!.]*.html"), reverse=True)
    links = " · ".join(f'<a href="{quote(folder.name)}/{quote(page.name)}">{escape(page.stem)}</a>' for page in pages)
    return f"<h2>{escape(folder.name)}</h2><p>{links}</p>" if pages else ""


def _evidence_section(folder: Path) -> str:
    packs = sorted(folder.glob("[!.]*/index.html"), reverse=True)
    names = [pack.parent.name for pack in packs]
    links = " · ".join(f'<a href="{_EVIDENCE}/{quote(name)}/index.html">{escape(name)}</a>' for name in names)
    return f"<h2>evidence of each decision</h2><p>{links}</p>" if packs else ""


def _packs_beside(folder: Path) -> Path:
    """The evidence packs, which are beside the reports: they outlive them."""
    return folder.with_name(_EVIDENCE)


class ReportHandler(SimpleHTTPRequestHandler):
    """Serves files of the folder by path, packs below `evidence/`, and `/status`; logs errors only.

    Args:
        status: The state that the operator's page shows.
    """

    def __init__(self, *arguments: Any, status: OperatorStatus, **options: Any) -> None:
        self.status = status
        super().__init__(*arguments, **options)  # answers the request

    def do_GET(self) -> None:
        """Send the operator's page and its figures, or a file."""
        path = self.path.partition("?")[0]
        if path == "/status.json":
            self._send_status(json.dumps(self.status.as_json()).encode(), "application/json")
        elif path in _STATUS_FILES:
            name, media_type = _STATUS_FILES[path]
            self._send_status((_STATUS_PAGE / name).read_bytes(), media_type)
        else:
            super().do_GET()

    def _send_status(self, body: bytes, media_type: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(body)), **_STATUS_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def translate_path(self, path: str) -> str:
        """The file of a path; the parent class has removed `..` from it."""
        reports = Path(self.directory)
        file = super().translate_path(path)
        if "\0" in file:  # open() raises ValueError for it, which the parent class does not catch
            return str(reports / ".none")
        first, *rest = Path(file).relative_to(reports).parts or ("",)
        return str(_packs_beside(reports).joinpath(*rest)) if first == _EVIDENCE else file

    def list_directory(self, path: "str | Path") -> BinaryIO | None:  # type: ignore[override]
        """Send the index page for the root folder, and 404 for any other."""
        if Path(path) != Path(self.directory):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        body = index_page(Path(path)).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log no requests."""


def main(host: str, port: int) -> None:
    """Serve until the process ends."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    server_class = type("ReportServer", (ThreadingHTTPServer,), {"address_family": family})
    settings = Settings()
    handler = partial(ReportHandler, status=OperatorStatus(settings), directory=str(settings.reports))
    with server_class(address[:2], handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
