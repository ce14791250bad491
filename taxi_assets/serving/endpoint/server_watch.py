"""Ends a worker whose server has ended.

BentoML's first process ends its workers, unless it is killed by SIGKILL. Unwatched, they would answer on and keep the
port.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import MutableMapping

# Set by the first process, as a worker may see another parent from its start.
SERVER_VARIABLE = "SERVED_BY"
POLL_SECONDS = 0.5
_LOGGER = logging.getLogger("uvicorn.error")


def note_server(environment: MutableMapping[str, str] = os.environ) -> None:
    """Name this process as the server of the workers that it starts."""
    environment[SERVER_VARIABLE] = str(os.getpid())


def end_with_server(poll_seconds: float = POLL_SECONDS) -> None:
    """End this process once its server has ended, by SIGTERM, so that it answers what it has begun.

    A process that no server has started runs on.
    """
    server = os.environ.get(SERVER_VARIABLE)
    if server:
        threading.Thread(target=_watch, args=(int(server), poll_seconds), name="watch-server", daemon=True).start()


def _watch(server: int, poll_seconds: float) -> None:
    while os.getppid() == server:
        time.sleep(poll_seconds)
    _LOGGER.error("the server's first process has ended, so this worker ends")
    os.kill(os.getpid(), signal.SIGTERM)
