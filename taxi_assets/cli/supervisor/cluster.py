"""The programs that `taxi up --cluster` adds: two endpoints that share only S3, behind a proxy."""

import sys
from pathlib import Path

from taxi_assets.cli.supervisor.programs import Endpoint, Program, replica_programs
from taxi_assets.errors import TaxiError
from taxi_assets.settings import CHECKOUT, Settings

_REPLICAS = 2
_CONFIGURATION = CHECKOUT / "deploy" / "traefik"
_ADDRESS = "127.0.0.1:3080"


def cluster_programs(settings: Settings) -> tuple[Program, ...]:
    """The replicas' programs and the proxy; each replica has a home of its own.

    Raises:
        TaxiError: a folder cannot be created, or the proxy's configuration is missing.
    """
    programs: list[Program] = []
    endpoints = []
    for number in range(1, _REPLICAS + 1):
        home = settings.home.absolute() / "cluster" / f"replica-{number}"
        own = settings.model_copy(update={"home": home, "bento_port": settings.bento_port + 10 + number})
        programs += replica_programs(own, f"-{number}")
        endpoints.append(own.url(own.bento_port))
    return (*programs, _proxy(settings, endpoints))


def _proxy(settings: Settings, endpoints: list[str]) -> Program:
    folder = settings.home.absolute() / "cluster" / "traefik"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        content = (_CONFIGURATION / "traefik.yaml").read_text()
    except FileNotFoundError:
        raise TaxiError(f"{_CONFIGURATION} is missing: start the cluster from a checkout of the project") from None
    address = f"{settings.host}:{settings.proxy_port}"
    routes = str(_CONFIGURATION / "routes.yaml")
    written = content.replace(_ADDRESS, address).replace("deploy/traefik/routes.yaml", routes)
    (folder / "traefik.yaml").write_text(written)
    return Program(
        "proxy",
        (str(Path(sys.executable).with_name("traefik")), f"--configFile={folder / 'traefik.yaml'}"),
        {"RIDE_ENDPOINTS": ",".join(endpoints)},
        f"rides: POST /predict, by {_REPLICAS} endpoints",
        Endpoint(settings.host, settings.proxy_port, "TAXI_PROXY_PORT", "/ping"),
    )
