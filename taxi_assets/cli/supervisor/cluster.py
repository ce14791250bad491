"""The programs that `taxi up --cluster` adds: two workers, and two endpoints behind a proxy."""

import sys
from pathlib import Path

from taxi_assets.cli.supervisor.local_services import WORKERS
from taxi_assets.cli.supervisor.programs import Endpoint, Program, environment, replica_programs
from taxi_assets.errors import TaxiError
from taxi_assets.settings import CHECKOUT, Settings

_REPLICAS = 2
_CONFIGURATION = CHECKOUT / "deploy" / "traefik"
_ADDRESS = "127.0.0.1:3080"


def cluster_programs(settings: Settings) -> tuple[Program, ...]:
    """The replicas' programs, the proxy and the workers; each replica and worker has a home of its own.

    Raises:
        TaxiError: a folder cannot be created, or the proxy's configuration is missing.
    """
    programs: list[Program] = []
    endpoints = []
    for number in range(1, _REPLICAS + 1):
        own = _own_home(settings, f"replica-{number}", bento_port=settings.bento_port + 10 + number)
        programs += replica_programs(own, f"-{number}")
        endpoints.append(own.url(own.bento_port))
    workers = (_worker(settings, f"worker-{number}") for number in range(1, WORKERS + 1))
    return (*programs, _proxy(settings, endpoints), *workers)


def _own_home(settings: Settings, name: str, **changes: object) -> Settings:
    return settings.model_copy(update={"home": settings.home.absolute() / "cluster" / name, **changes})


def _worker(settings: Settings, name: str) -> Program:
    command = (sys.executable, "-m", "taxi_assets", "worker")
    return Program(name, command, environment(_own_home(settings, name)), "ingests months")


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
