"""Scenarios of killed processes: their files, a concurrent reader, and the state expected afterwards."""

import json
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lake_state import Hashes, assert_consistent, row_hashes
from sample_files import SLOTS, SampleFile, SampleFiles, close, land
from simulated_sensor import publish_pending, scan

from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.warehouse.connection import Warehouse

SECONDS = 120.0
TABLES = ("raw_trips", "rejected_trips", "clean_trips", "trip_features")


@dataclass(frozen=True)
class Scenario:
    """Files ingested before the disturbance, and files that land during it."""

    name: str
    before: Sequence[SampleFile]
    landing: Sequence[SampleFile]

    def home(self, sample_files: SampleFiles, folder: Path) -> Warehouse:
        """A home in which the scenario's files have just landed."""
        warehouse = sample_files.home(folder)
        for sample_file in self.before:
            land(sample_file, warehouse.settings.landing)
            scan(warehouse)
            publish_pending(warehouse)
        for sample_file in self.landing:
            land(sample_file, warehouse.settings.landing)
        return warehouse


def scenarios(sample_files: SampleFiles) -> tuple[Scenario, ...]:
    first, second, *_ = sample_files.good[SLOTS[0]]
    misfiled = sample_files.bad[0]
    return (
        Scenario("a new month", (), (first,)),
        Scenario("a month published again", (first,), (second,)),
        Scenario("two services at once", (), (first, sample_files.good[SLOTS[2]][0])),
        Scenario("a month that is refused", (first,), (misfiled,)),
        Scenario("the same bytes again", (first,), (first,)),
    )


@dataclass
class ForkServer:
    """Client of the fork server: runs one process for each trial."""

    process: "subprocess.Popen[str]"
    counts: Path

    def run(self, warehouse: Warehouse, kill_at: tuple[str, int] | None = None, group: bool = False) -> dict[str, Any]:
        """Ingests and publishes the landed files in its own process; kills it at a fault point on request.

        Returns:
            How often each fault point was reached, and the errors of runs; stale if the process was killed.
        """
        settings = warehouse.settings.model_dump(mode="json")
        request = {"settings": settings, "kill_at": kill_at, "group": group, "counts": str(self.counts)}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.answer()
        killed = answer["status"] == signal.SIGKILL
        assert killed or answer["status"] == 0, f"the process failed: {answer}"
        assert killed == (kill_at is not None), f"{kill_at} was {'not ' if kill_at else ''}reached"
        passed: dict[str, Any] = answer["passed"]
        return passed

    def answer(self) -> Any:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        assert ready, "the process hangs"
        return json.loads(self.process.stdout.readline())


@contextmanager
def fork_server(sample_files: SampleFiles, folder: Path) -> Iterator[ForkServer]:
    warm = Scenario("warm", (), (sample_files.good[SLOTS[0]][0],)).home(sample_files, folder)
    close(warm)
    command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), warm.settings.model_dump_json()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            started = ForkServer(process, folder / "counts.json")
            assert started.answer() == "ready"
            yield started
        finally:
            process.kill()


@dataclass
class LakeReader:
    """Reads every table of a home in a loop until stopped."""

    warehouse: Warehouse
    whole: Sequence[Hashes]  # the allowed states of the months, in order
    polls: int = 0
    wrong: list[str] = field(default_factory=list)
    latest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TABLES, 0))
    _has_read: threading.Condition = field(default_factory=threading.Condition, repr=False)

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.is_set():
                self.scan()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert not self.wrong, "\n".join(self.wrong)

    def scan(self) -> None:
        """Reads all tables once; one thread only: a second one could record an earlier state last."""
        try:
            hashes = row_hashes(self.warehouse, TABLES)
            for table in TABLES:
                self._check(table, hashes[table])
        except Exception as error:  # the trial checks that readers see no error
            self.wrong.append(repr(error))
        with self._has_read:
            self.polls += 1
            self._has_read.notify_all()

    def await_read(self) -> None:
        """While watching: waits for a read that began after this call, so for the second one to end."""
        with self._has_read:
            enough = self.polls + 2
            assert self._has_read.wait_for(lambda: self.polls >= enough, SECONDS), "the reader has stopped"

    def _check(self, table: str, hashes: Mapping[Any, tuple[int, str]]) -> None:
        """Checks that every month of the table is whole and never returns to an earlier state."""
        for slot in SLOTS:
            key = slot[0], str(slot[1])
            shown = [of[table].get(key) for of in self.whole]
            seen = f"{table} {key}"
            since = self.latest.get(seen, 0)
            if hashes.get(key) not in shown[since:]:
                self.wrong.append(f"{seen}: {hashes.get(key)} is none of {shown[since:]}")
            else:
                self.latest[seen] = since + shown[since:].index(hashes.get(key))


def file_rows(warehouse: Warehouse) -> list[tuple[object, ...]]:
    """The rows of `source_files`, without times and numbers that a disturbance may change."""
    return sorted(
        (r.path, r.file_name, r.state, str(r.service), str(r.month), r.bytes, r.sha256, r.rows, r.reasons, r.columns)
        for r in list_source_files(warehouse)
    )


def assert_as_undisturbed(warehouse: Warehouse, uninterrupted: Warehouse) -> None:
    assert_consistent(warehouse)
    assert row_hashes(warehouse) == row_hashes(uninterrupted)
    assert file_rows(warehouse) == file_rows(uninterrupted)
