"""Small programs for the tests of the supervisor, and whether a process is alive."""

import threading
import time
from collections.abc import Callable

import psutil

HOST = "127.0.0.1"
FOREVER = "import os, signal; print('WARNING pid', os.getpid(), flush=True); signal.pause()"


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.02)
