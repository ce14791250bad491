"""Appends records to a log: each has left the process before `append` returns.

With `process`, a killed process loses nothing. With `disk`, a record that `durable` has waited for outlives a loss of
power too; one thread syncs the records of all waiting requests at once.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from taxi_assets.errors import TaxiError
from taxi_assets.serving.prediction_log.segments import (
    ID_FIELD,
    create_segment,
    newest_request,
    record_id,
    seal_segment,
)

SyncMode = Literal["process", "disk"]
MAX_BYTES = 32 * 1024 * 1024
MAX_AGE_SECONDS = 600.0
_REQUEST_SECONDS = 1.0  # a request to seal is noticed after at most this time

_Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class LogUnavailable(TaxiError):
    """The log cannot be written, so a prediction must not be answered: 503 with this sentence."""

    def __init__(self, folder: Path, error: OSError, remedy: str = "make room or repair that folder") -> None:
        super().__init__(
            f"the log in {folder} cannot be written ({error.strerror}): {remedy}; "
            "requests are refused meanwhile, since none is answered without a record"
        )


@dataclass
class _Segment:
    name: str
    descriptor: int
    begun_at: float = field(default_factory=time.monotonic)
    size: int = 0
    has_synced_entry: bool = False


class LogWriter:
    """Appends JSON lines to segments of its own; safe to use from several threads.

    A thread seals a segment by age or by `request_seal`; `append` begins a new one by size.

    Args:
        folder: The folder of the log, shared with other writers and readers.
        sync: `process`, or `disk` for a `durable` that waits for the disk.
        id_field: The field with the record's id, the first of each line.
        max_bytes: Size from which a segment is sealed.
        max_age_seconds: Age of the first record from which a segment is sealed.

    Raises:
        LogUnavailable: the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        sync: SyncMode = "process",
        id_field: str = ID_FIELD,
        max_bytes: int = MAX_BYTES,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        self._folder, self._sync, self._id_field = folder, sync, id_field
        self._max_bytes, self._max_age_seconds = max_bytes, max_age_seconds
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._segment: _Segment | None = None
        self._retired: list[_Segment] = []
        self._waiters: list[_Waiter] = []
        self._failure: LogUnavailable | None = None  # of a sync; no later record is safe
        self._is_closed = False
        self._seen_request = newest_request(folder)
        try:
            name, descriptor = create_segment(folder)
        except OSError as error:
            raise LogUnavailable(folder, error) from error
        self._segment = _Segment(name, descriptor)
        self._thread = threading.Thread(target=self._maintain, name="log-writer", daemon=True)
        self._thread.start()

    def append(self, record: object) -> str:
        """Write a record and return its id.

        Args:
            record: A mapping, dataclass or Struct with at least one field, without the id.

        Raises:
            LogUnavailable: it is not written; nothing of it is in the log.
        """
        return self.append_many((record,))[0]

    def append_many(self, records: Sequence[object]) -> list[str]:
        """Write records with one call of the system, adjacent in one segment, and return their ids.

        Raises:
            LogUnavailable: none is written.
        """
        encode = self._encoder.encode
        contents = [encode(record) for record in records]
        with self._lock:
            segment = self._current()
            prefix, offset = b'{"%b":"%b-' % (self._id_field.encode(), segment.name.encode()), segment.size
            ids, lines = [], []
            for content in contents:
                line = b'%b%x",%b\n' % (prefix, offset, content[1:])
                ids.append(record_id(segment.name, offset))
                lines.append(line)
                offset += len(line)
            self._write(segment, b"".join(lines))
        return ids

    async def durable(self) -> None:
        """Return once each record appended so far is as safe as `sync` promises; at once with `process`.

        Raises:
            LogUnavailable: the disk refused a record, which may be missing after a loss of power.
        """
        if self._sync == "process":
            return
        loop = asyncio.get_running_loop()
        synced: asyncio.Future[None] = loop.create_future()
        with self._wake:
            self._require_usable()
            self._waiters.append((loop, synced))
            self._wake.notify()
        await synced

    def close(self) -> None:
        """Seal the segment; later records are refused."""
        with self._wake:
            self._retire()
            self._is_closed = True
            self._wake.notify()
        self._thread.join()

    def _require_usable(self) -> None:
        if self._failure:
            raise self._failure
        if self._is_closed:
            raise LogUnavailable(self._folder, OSError(0, "the writer is closed"))

    def _current(self) -> _Segment:
        self._require_usable()
        if self._segment is None:
            try:
                self._segment = _Segment(*create_segment(self._folder))
            except OSError as error:
                raise LogUnavailable(self._folder, error) from error
        if not self._segment.size:
            self._segment.begun_at = time.monotonic()
        return self._segment

    def _write(self, segment: _Segment, content: bytes) -> None:
        written = 0
        try:
            while written < len(content):  # once, unless the disk is full, which the second call reports
                written += os.write(segment.descriptor, content[written:] if written else content)
        except OSError as error:
            self._undo(segment)
            raise LogUnavailable(self._folder, error) from error
        segment.size += len(content)
        if segment.size >= self._max_bytes:
            self._retire()

    def _undo(self, segment: _Segment) -> None:
        """Remove the part of a record that was written; give the segment up if that fails."""
        try:
            os.ftruncate(segment.descriptor, segment.size)
        except OSError:
            os.close(segment.descriptor)  # without its lock, a reader seals it and keeps the part aside
            self._segment = None

    def _retire(self) -> None:
        if self._segment:
            self._retired.append(self._segment)
            self._segment = None
            self._wake.notify()

    def _maintain(self) -> None:
        """Sync, and seal segments, until the writer is closed."""
        is_closed = False
        while not is_closed:
            with self._wake:
                self._wake.wait_for(self._has_work, self._seconds_to_wait())
                is_requested = self._is_seal_requested()
                recorded = self._segment if self._segment and self._segment.size else None
                if recorded and (is_requested or self._age(recorded) >= self._max_age_seconds):
                    self._retire()
                waiters, self._waiters = self._waiters, []
                retired, self._retired = self._retired, []
                current, is_closed = self._segment, self._is_closed
            refusal = self._sync_all([*retired, *([current] if current and waiters else [])])
            for each in retired:
                self._seal(each)
            _release(waiters, refusal)

    def _has_work(self) -> bool:
        return bool(self._waiters or self._retired or self._is_closed)

    def _seconds_to_wait(self) -> float:
        begun = self._segment if self._segment and self._segment.size else None
        return min(max(self._max_age_seconds - (self._age(begun) if begun else 0), 0), _REQUEST_SECONDS)

    def _is_seal_requested(self) -> bool:
        before, self._seen_request = self._seen_request, newest_request(self._folder)
        return self._seen_request != before

    @staticmethod
    def _age(segment: _Segment) -> float:
        return time.monotonic() - segment.begun_at

    def _sync_all(self, unsynced: Sequence[_Segment]) -> LogUnavailable | None:
        if self._sync == "disk":
            try:
                for segment in unsynced:
                    os.fdatasync(segment.descriptor)
                    self._sync_entry(segment)
            except OSError as error:
                # Linux forgets the pages it could not write: a later sync would succeed without them.
                self._failure = LogUnavailable(self._folder, error, "repair the disk and restart the endpoint")
        return self._failure

    def _sync_entry(self, segment: _Segment) -> None:
        """Sync the folder, from which a loss of power would otherwise remove a new segment."""
        if not segment.has_synced_entry:
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            segment.has_synced_entry = True

    def _seal(self, segment: _Segment) -> None:
        try:
            seal_segment(self._folder, segment.name)
        except OSError:
            pass  # it stays open without a lock: the next `seal_ended` seals it
        finally:
            os.close(segment.descriptor)


def _release(waiters: Sequence[_Waiter], failure: LogUnavailable | None) -> None:
    """Resume the coroutines that wait, with one call for each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for loop, synced in waiters:
        by_loop.setdefault(loop, []).append(synced)
    for loop, group in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed, and its coroutines with it
            loop.call_soon_threadsafe(_resolve, group, failure)


def _resolve(group: Sequence["asyncio.Future[None]"], failure: LogUnavailable | None) -> None:
    for synced in group:
        if synced.done():  # its request was cancelled
            continue
        if failure:
            synced.set_exception(failure)
        else:
            synced.set_result(None)
