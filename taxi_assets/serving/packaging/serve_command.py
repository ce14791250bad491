"""The command that serves one Bento of the store without touching the endpoint of `taxi up`."""

import shlex
import sys
from itertools import count
from pathlib import Path

from taxi_assets.serving.packaging import bento_build
from taxi_assets.settings import Settings


def bento_command(settings: Settings, tag: str) -> str:
    """A shell command that serves one Bento of the store, also while `taxi up` runs."""
    home = f"BENTOML_HOME={home_beside(settings, 'serve_with')}"
    command = serve_command(settings, tag, _port_beside(settings))
    return shlex.join(["env", home, "BENTOML_DO_NOT_TRACK=True", *command])


def serve_command(settings: Settings, tag: str, port: int) -> tuple[str, ...]:
    """The program and arguments that serve one Bento of the store on a port."""
    folder = str(bento_build.bento_folder(settings, tag).absolute())
    return (binary("bentoml"), "serve", folder, "--host", settings.host, "--port", str(port))


def home_beside(settings: Settings, name: str) -> Path:
    """A separate `BENTOML_HOME`, since BentoML removes the metrics of its home when it starts."""
    return settings.bentoml_home.absolute() / name


def _port_beside(settings: Settings) -> int:
    """A port near the endpoint's that no program of `taxi up` uses."""
    ports = {settings.dagster_port, settings.bento_port, settings.data_docs_port, settings.mlflow_port}
    step = 1 if settings.bento_port <= 65535 - len(ports) else -1
    return next(port for port in count(settings.bento_port, step) if port not in ports)


def binary(name: str) -> str:
    return str(Path(sys.executable).parent / name)
