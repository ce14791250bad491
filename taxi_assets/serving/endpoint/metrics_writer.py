"""Writes a worker's counts every second, so that a scrape of any worker has them."""

import threading

from taxi_assets.serving.endpoint.metrics import write_counted

WRITE_SECONDS = 1.0


class MetricsWriter:
    """A thread that writes what the worker counts, until `close`.

    Args:
        seconds: Time between two writes.
    """

    def __init__(self, seconds: float = WRITE_SECONDS) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(seconds,), name="metrics-writer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and write the last counts."""
        self._closed.set()
        self._thread.join()
        write_counted()

    def _run(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            write_counted()
