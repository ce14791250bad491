"""The feedback log: actual durations of rides, shared by the workers of an endpoint.

Feedback on an answer is logged once, whichever workers receive it: one holds a lock while it reads what the others
logged and appends.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from taxi_assets.serving.prediction_log.feedback_record import (
    FEEDBACK_ID,
    REMEMBERED_DAYS,
    FeedbackRecord,
    decode_feedback,
)
from taxi_assets.serving.prediction_log.log_tail import LogTail
from taxi_assets.serving.prediction_log.log_writer import LogUnavailable, LogWriter, SyncMode

FEEDBACK_FOLDER = "feedback"
MAX_REMEMBERED = 1_000_000  # ids of answers, 100 bytes each

_LOCK_FILE = ".lock"


class FeedbackLog:
    """The feedback log of one worker; safe to use from several threads.

    Args:
        state: The serving state folder, shared by the workers.
        sync: `process` or `disk`; see `LogWriter`.
        max_remembered: Number of answers whose feedback is refused when it is repeated.

    Raises:
        LogUnavailable: the folder cannot be written to.
    """

    def __init__(self, state: Path, sync: SyncMode = "process", max_remembered: int = MAX_REMEMBERED) -> None:
        self._folder = state / FEEDBACK_FOLDER
        self._writer = LogWriter(self._folder, sync, FEEDBACK_ID)
        self._tail = LogTail(self._folder, time.time() - REMEMBERED_DAYS * 86_400)
        self._thread_lock = threading.Lock()
        self._max_remembered = max_remembered
        self._answered: dict[str, None] = {}  # in the order of their feedback
        self._read_others()

    def append_new(self, records: Sequence[FeedbackRecord]) -> int:
        """Log the records whose answer has no feedback yet, and return their number.

        Raises:
            LogUnavailable: none is logged.
        """
        with self._thread_lock, self._lock_of_workers():
            self._read_others()
            fresh: dict[str, FeedbackRecord] = {}
            for number, record in enumerate(records):
                if record.request_id is None:
                    fresh[f" {number}"] = record
                elif record.request_id not in self._answered:
                    fresh.setdefault(record.request_id, record)
            if fresh:
                self._writer.append_many(list(fresh.values()))
            return len(fresh)

    async def durable(self) -> None:
        """Wait until the records logged so far are as safe as `sync` promises; see `LogWriter.durable`."""
        await self._writer.durable()

    def close(self) -> None:
        """Seal the worker's segment."""
        self._writer.close()
        with self._thread_lock:
            self._tail.close()

    def _read_others(self) -> None:
        """Remember the answers with feedback in the log, this worker's own included."""
        while lines := self._tail.read():
            for line in lines:
                with contextlib.suppress(msgspec.MsgspecError):
                    request_id = decode_feedback(line.content).request_id
                    if request_id is not None:
                        self._answered[request_id] = None
        for request_id in list(self._answered)[: max(len(self._answered) - self._max_remembered, 0)]:
            del self._answered[request_id]

    @contextlib.contextmanager
    def _lock_of_workers(self) -> Iterator[None]:
        try:
            descriptor = os.open(self._folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError as error:
            raise LogUnavailable(self._folder, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
