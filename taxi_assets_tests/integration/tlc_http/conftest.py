"""Fixtures: the site over HTTP and HTTPS, and their clients."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from self_signed import write_certificate
from tlc_site import Client, Site, serve


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve(Site())


@pytest.fixture
def client(site: Site, tmp_path: Path) -> Client:
    return Client(site, tmp_path / "landing")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and key for 127.0.0.1."""
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def secure(certificate: Path, tmp_path: Path) -> Iterator[Client]:
    site = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.scheme = "https"
    for served in serve(site):
        yield Client(served, tmp_path / "landing")
