"""Fixtures: servers of PostgreSQL and S3 on loopback, started for the first test that needs them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import postgres_server
import pytest
import s3_server
from postgres_server import PostgresServer
from s3_server import BUCKET, S3Server
from shared_lakes import SharedLakes

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    if postgres_server.missing():
        pytest.skip(postgres_server.missing())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user passes through
        server = PostgresServer(Path(folder) / "postgres", free_port())
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


@pytest.fixture(scope="session")
def _s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if s3_server.missing():
        pytest.skip(s3_server.missing())
    server = S3Server(tmp_path_factory.mktemp("s3"), free_port())
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(autouse=True, scope="session")
def _shared_lakes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _copied_warehouses: None
) -> Iterator[None]:
    """With `--shared-lake`, the warehouses of all tests are in PostgreSQL and S3."""
    if not request.config.getoption("shared_lake"):
        yield
        return
    lakes = SharedLakes(request.getfixturevalue("server"), tmp_path_factory.mktemp("empty"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in request.getfixturevalue("_s3").environment.items():
            patch.setenv(name, value)
        patch.setattr(Settings, "__init__", lakes.settings_init())
        patch.setattr(Warehouse, "_initialise", lakes.warehouse_initialise())
        yield


@pytest.fixture
def s3(_s3: S3Server, monkeypatch: pytest.MonkeyPatch, created_warehouses: None) -> S3Server:
    """The S3 server; the standard variables name it and its keys."""
    for name, value in _s3.environment.items():
        monkeypatch.setenv(name, value)
    return _s3


@pytest.fixture
def data_path(s3: S3Server) -> str:
    """An empty prefix of the bucket."""
    return f"s3://{BUCKET}/{uuid4().hex}"


@pytest.fixture
def own_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "")  # restored afterwards
