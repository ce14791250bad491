"""Checks of the site's reachability, and HTTPS."""

import socket
from pathlib import Path

import pytest
from tlc_site import NAME, PATH, Client, Site, parquet, silent, status

from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.download import RetryPolicy


def test_responding_site_is_reachable_without_the_month(client: Client) -> None:
    client.check()
    client.site.faults.extend([status(503), status(429)])
    client.check()
    assert client.slept == [0, 0, 1]


def test_closed_port_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening
        with pytest.raises(tlc_source.SourceUnreachable, match=r"cannot be reached .*refused.*TAXI_TLC_SOURCE"):
            tlc_source.check_reachable(f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_unknown_host_is_unreachable() -> None:
    with pytest.raises(tlc_source.SourceUnreachable, match=r"https://taxi\.invalid cannot be reached"):
        tlc_source.check_reachable("https://taxi.invalid", RetryPolicy(probe_seconds=1))


@pytest.mark.parametrize("waits", [{"connect_seconds": 0.1}, {"probe_seconds": 0.1}])
def test_silent_server_is_unreachable(client: Client, waits: dict[str, float]) -> None:
    client.site.faults.append(silent)
    with pytest.raises(tlc_source.SourceUnreachable, match=r"timed out|no answer within 0\.1 s"):
        client.check(**waits)


@pytest.mark.parametrize("code", [407, 502, 504])
def test_gateway_error_is_unreachable(client: Client, code: int) -> None:
    client.site.faults.extend([status(code)] * 3)
    with pytest.raises(tlc_source.SourceUnreachable, match=f"it answers {code}"):
        client.check()


def test_trusted_certificate_is_accepted(secure: Client, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    secure.check()
    assert secure.fetch().read_bytes() == parquet()


def test_untrusted_certificate_is_rejected(secure: Client) -> None:
    with pytest.raises(tlc_source.SourceUnreachable, match="certificate verify failed"):
        secure.check()
    assert secure.site.requests == []


def test_redirect_from_https_to_http_is_rejected(
    secure: Client, site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    secure.site.faults.append(status(302, Location=site.url + PATH))
    secure.refuse("it redirects from HTTPS")
    assert not (secure.landing / NAME).exists()
