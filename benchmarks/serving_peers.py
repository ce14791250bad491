"""Starts the Bento and the servers it is compared with, one process each, on the first core."""

import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.cli.supervisor.programs import Endpoint, Program, bento_program
from taxi_assets.cli.supervisor.supervisor import running
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from taxi_assets.training.model import DurationModel

HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[1]
_EMPTY_SERVICE = """\
import bentoml

@bentoml.service(http={"host": "127.0.0.1"})
class Empty:
    @bentoml.api
    async def predict(self, minutes: float) -> float:
        return minutes
"""


@dataclass(frozen=True)
class Peer:
    """A server, and the body of a request to `path`."""

    program: Program
    path: str
    body: dict[str, object]


def bento(folder: Path, model: Path, city: str | None = None) -> Program:
    """The Bento of a served model, built in the folder; only its page shows the `city`'s map."""
    settings = Settings(home=folder / "home", data_kind="synthetic", bento_port=free_port(HOST))
    no_map = json.dumps({"width": 0, "height": 0, "zones": []})
    build_bento(settings, model, {"version": "1"}, city or no_map)
    return bento_program(settings)


def empty_bento(folder: Path) -> Program:
    """A BentoML service that does nothing."""
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "empty" / "service.py").write_text(_EMPTY_SERVICE)
    command = (_binary("bentoml"), "serve", "service:Empty", "--working-dir", str(folder / "empty"))
    return _program("empty", command, {"BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"}, "/readyz")


def fastapi(model: Path) -> Program:
    """The same model in plain FastAPI."""
    command = (sys.executable, "-m", "uvicorn", "benchmarks.bare_fastapi:app", "--no-access-log")
    return _program("fastapi", (*command, "--log-level", "warning"), _environment(BENCH_MODEL=str(model)), "/readyz")


def course(folder: Path, trips: "pd.DataFrame") -> Program:
    """The course's model in Flask under gunicorn."""
    from benchmarks.peers.course_flask import write_model

    write_model(trips, folder / "course.bin")
    # A plain worker would wait two seconds for the next request of a connection, while the others stand still.
    command = (_binary("gunicorn"), "--workers", "1", "--keep-alive", "0", "benchmarks.peers.course_flask:app")
    return _program("course", command, _environment(BENCH_COURSE_MODEL=str(folder / "course.bin")), "/readyz")


def mlflow(folder: Path, model: "DurationModel", inputs: "pd.DataFrame") -> Peer:
    """The fitted scikit-learn model in `mlflow models serve`."""
    import mlflow.sklearn
    from mlflow.models import infer_signature

    path, row = folder / "mlflow_model", inputs.head(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on types
        signature = infer_signature(inputs, np.zeros(1))  # by which the server converts the time
        mlflow.sklearn.save_model(model, str(path), serialization_format="cloudpickle", signature=signature)
    command = (_binary("mlflow"), "models", "serve", "-m", str(path), "--env-manager", "local", "--workers", "1")
    body: dict[str, object] = {
        "dataframe_split": json.loads(row.to_json(orient="split", date_format="iso", index=False))
    }
    path_variable = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts `uvicorn` by its name
    return Peer(_program("mlflow", command, _environment(PATH=path_variable), "/ping"), "/invocations", body)


@contextmanager
def serving(program: Program, folder: Path) -> Iterator[str]:
    """Serves on the first core during the block, so that the load tool has the others; yields the URL."""
    pinned = (shutil.which("taskset") or "", "-c", "0") if shutil.which("taskset") and _cores() > 1 else ()
    with running(replace(program, command=(*pinned, *program.command)), folder / f"{program.name}.log") as url:
        yield url


def _program(name: str, command: tuple[str, ...], env: dict[str, str], ready_path: str) -> Program:
    port = free_port(HOST)
    is_gunicorn = "gunicorn" in command[0]
    address = ("--bind", f"{HOST}:{port}") if is_gunicorn else ("--host", HOST, "--port", str(port))
    return Program(name, (*command, *address), env, name, Endpoint(HOST, port, "no setting", ready_path))


def _environment(**variables: str) -> dict[str, str]:
    return {"PYTHONPATH": str(_ROOT), **variables}


def _cores() -> int:
    return os.cpu_count() or 1


def _binary(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
