"""`dagster-webserver` with the route `/go/<program>/<path>`, which redirects to the other servers.

Asset metadata never changes. So its links name a program, and the server adds that program's current port.
"""

from typing import Any

from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from taxi_assets.settings import Settings


def follow_link(request: Request) -> Response:
    """Redirect to the program on the host of the request; a browser keeps the fragment."""
    settings = Settings()
    ports = {"mlflow": settings.mlflow_port, "bento": settings.bento_port, "reports": settings.data_docs_port}
    program = request.path_params["program"]
    if program not in ports:
        return PlainTextResponse(f"no program is named {program}: use one of {', '.join(ports)}", status_code=404)
    return RedirectResponse(request.url.replace(port=ports[program], path=f"/{request.path_params['path']}"))


LINKS = Route("/go/{program}/{path:path}", follow_link)


class LinkingWebserver(DagsterWebserver[Any, Any]):
    """Dagster's webserver with the links."""

    def build_routes(self) -> list[Any]:
        # First, since Dagster's last route catches every path.
        return [LINKS, *super().build_routes()]  # type: ignore[no-untyped-call]


def main() -> None:
    """Run `dagster-webserver` with the command-line arguments."""
    app.DagsterWebserver = LinkingWebserver  # type: ignore[attr-defined]
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
