"""Checks ports: free or taken, by which process, ready or not."""

import errno
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from taxi_assets.errors import TaxiError

POLL_SECONDS = 0.1
REQUEST_TIMEOUT_SECONDS = 5.0
# Below the ports that systems give to outgoing connections: one of those could be taken before the server binds to it.
_FIRST_FREE, _LAST_FREE, _FREE_TRIES = 20_000, 32_767, 20


def require_free(host: str, port: int, setting: str) -> None:
    """Check that a server can bind to the port.

    Args:
        host: The address it will bind to.
        port: The port.
        setting: The variable that sets the port, for the error message.

    Raises:
        TaxiError: the port is taken or not allowed, or the address is not one of this machine.
    """
    _bind(host, port, setting).close()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free now, and that no outgoing connection will take before a server binds to it.

    Raises:
        TaxiError: the address is not one of this machine.
    """
    with _bind(host, 0) as listener:
        fallback = int(listener.getsockname()[1])
    for _ in range(_FREE_TRIES):
        # Not from `random`: processes with the same seed would choose the same ports.
        port = _FIRST_FREE + secrets.randbelow(_LAST_FREE - _FIRST_FREE + 1)
        with suppress(TaxiError), _bind(host, port):
            return port
    return fallback


def wait_until_ready(url: str, timeout: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Send requests until the URL responds without an error.

    Args:
        url: The address to request.
        timeout: Seconds to wait.
        alive: Returns False once the server has ended, which ends the wait.

    Returns:
        True if it responded in time.
    """
    import httpx

    deadline = time.monotonic() + timeout
    while alive() and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            # Requests to this machine must not go through an internet proxy.
            if httpx.get(url, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False).status_code < 400:
                return True
        time.sleep(POLL_SECONDS)
    return False


def _bind(host: str, port: int, setting: str = "") -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        remedy = "set TAXI_HOST to an address of this machine" + f" and {setting} to a port above 1023" * bool(port)
        message = f"cannot listen on host {host}, port {port or 'any'} ({error.strerror or error}): {remedy}"
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is taken{_holder(port)}: stop what listens there, or set {setting} to a free port"
        raise TaxiError(message) from error


def _holder(port: int) -> str:
    with suppress(psutil.Error):  # some systems hide other users' connections
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return f" by {psutil.Process(each.pid).name()} (process {each.pid})"
    return ""
