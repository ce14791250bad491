"""Ports: is one free, who holds it, does something answer there."""

import errno
import socket
import time
from collections.abc import Callable

import psutil

from taxi_assets.errors import TaxiError

__all__ = ["free_port", "require_free", "wait_until_ready"]

POLL_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 5.0


def require_free(host: str, port: int, setting: str) -> None:
    """Make sure a server can bind to the port.

    Args:
        host: The address it will bind to.
        port: The port.
        setting: The variable that sets the port, for the remedy.

    Raises:
        TaxiError: the port is taken or not allowed, or the address is not one of this machine.
    """
    try:
        _bind(host, port).close()
    except socket.gaierror as error:
        raise TaxiError(f"host {host} is unknown: set TAXI_HOST to an address of this machine") from error
    except OSError as error:
        raise TaxiError(_bind_error_message(error, host, port, setting)) from error


def free_port(host: str) -> int:
    """A port nobody listens on at the moment.

    Raises:
        TaxiError: the address is not one of this machine.
    """
    try:
        with _bind(host, 0) as listener:
            port: int = listener.getsockname()[1]
            return port
    except OSError as error:
        why = error.strerror or error
        raise TaxiError(f"cannot listen on host {host} ({why}): set TAXI_HOST to an address of this machine") from error


def wait_until_ready(url: str, timeout: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Ask until the URL answers without an error.

    Args:
        url: What to ask.
        timeout: Seconds to go on for.
        alive: Whether the server still runs: asking ends when it does not.

    Returns:
        Whether it answered.
    """
    deadline = time.monotonic() + timeout
    while alive() and time.monotonic() < deadline:
        if _answers(url):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _answers(url: str) -> bool:
    import httpx

    try:
        # A proxy set for the internet must not be asked for what runs on this machine.
        return httpx.get(url, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False).status_code < 400
    except httpx.TransportError:
        return False


def _bind(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family)


def _bind_error_message(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken{_holder(port)}: stop what listens there, or set {setting} to a free port"
    remedy = f"set TAXI_HOST to an address of this machine and {setting} to a port above 1023"
    return f"cannot listen on {host}, port {port} ({error.strerror}): {remedy}"


def _holder(port: int) -> str:
    try:
        listening = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
        ]
        return f" by {psutil.Process(listening[0]).name()} (process {listening[0]})" if listening else ""
    except psutil.Error:  # some systems do not tell other people's connections; the remedy stands without the name
        return ""
