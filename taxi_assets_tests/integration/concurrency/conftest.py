"""Fixtures: a PostgreSQL server, an S3 server, and a lake on each kind of catalogue and files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import postgres_server
import pytest
import s3_server
from postgres_server import PostgresServer, free_port
from s3_server import BUCKET, S3Server
from shared_lake import warehouse_at

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


@pytest.fixture(
    params=[
        "sqlite",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("postgresql", "sqlite+s3", "postgresql+s3")),
    ]
)
def lake(request: pytest.FixtureRequest, tmp_path: Path, own_password: None) -> Warehouse:
    url = request.getfixturevalue("server").url if "postgresql" in request.param else None
    data_path = request.getfixturevalue("data_path") if "s3" in request.param else None
    return warehouse_at(tmp_path / "home", url, data_path)
