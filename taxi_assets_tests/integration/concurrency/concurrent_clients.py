"""Programs that use one home concurrently: `python concurrent_clients.py PROGRAM HOME ...`.

Writers are Dagster runs as `taxi run` makes them, or the functions it calls. Readers poll until their standard input
ends, and check that each state they see was published.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse

TRIPS = ("raw_trips", "rejected_trips", "clean_trips", "trip_features")
_POLL_SECONDS = 0.3


def start(what: str, *arguments: object) -> subprocess.Popen[str]:
    """Starts one of `PROGRAMS` in its own process."""
    command = [sys.executable, __file__, what, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def run_together(programs: Sequence[Sequence[object]]) -> float:
    """Runs all programs concurrently and returns the seconds. All must succeed without a lock message."""
    begun = time.monotonic()
    processes = [start(str(program[0]), *program[1:]) for program in programs]
    errors = [_end(process)[1] for process in processes]
    assert not [text for text in errors if "locked" in text]
    return time.monotonic() - begun


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Closes the process's standard input, waits for its end and returns its output."""
    try:
        output, errors = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output, errors


@contextmanager
def running_readers(*readers: str, home: Path) -> Iterator[dict[str, int]]:
    """Runs readers during the block. Yields their number of polls, filled in at the end; all must succeed."""
    processes = {reader: start(reader, home) for reader in readers}
    polls: dict[str, int] = {}
    try:
        yield polls
    finally:
        ended = {reader: _end(process) for reader, process in processes.items()}
    polls |= {reader: int(output) for reader, (output, _) in ended.items()}


def _settings(home: str, source: str = "tlc") -> Settings:
    return Settings(home=Path(home), data_kind="synthetic", tlc_source=source, threads=1, memory_limit="1GB")


def _backfill(home: str, source: str, *months: str) -> None:
    """Runs the job `ingest_months` for a range of months."""
    from taxi_assets.definitions import build
    from taxi_assets.defs.instance import open_instance
    from taxi_assets.defs.runs import run_job

    settings = _settings(home, source)
    parsed = [Month.parse(month) for month in months]
    with open_instance(settings) as instance:
        run_job(build(settings), instance, "ingest_months", parsed, {}, lambda *_: None)


def publish_month(home: Path, source: Path, month: Month) -> None:
    """Publishes a month from file to features with the functions that the assets call."""
    from taxi_assets.ingestion.ingest import ingest_month

    ingest_month(Warehouse(_settings(str(home), str(source))), "green", month)


def _publish(home: str, source: str, *months: str) -> None:
    for month in months:
        publish_month(Path(home), Path(source), Month.parse(month))


def _require_whole_months(connection: duckdb.DuckDBPyConnection) -> None:
    """Checks that each month is complete or absent, and that clean plus rejected trips equal raw trips."""
    query = "SELECT month, count(*) FROM {} GROUP BY month"
    raw, rejected, clean, features = (dict(connection.execute(query.format(t)).fetchall()) for t in TRIPS)
    listed = dict(connection.execute("SELECT month, rows FROM source_files WHERE state = 'ingested'").fetchall())
    assert raw == listed, (raw, listed)
    for month, rows in clean.items():
        assert rows + rejected.get(month, 0) == raw[month], month
    for month, rows in features.items():
        assert rows == clean[month], month


def _read(home: str) -> None:
    warehouse = Warehouse(_settings(home))

    def read_once() -> None:
        with warehouse.reading() as connection:
            _require_whole_months(connection)

    _poll(read_once)


def _shell(home: str) -> None:
    """Attaches and detaches the DuckLake on each poll, as the README's `duckdb` shell does."""
    from taxi_assets.warehouse.extensions import extension_file

    folder = _settings(home).warehouse

    def read_once() -> None:
        if not (folder / "tables.json").is_file():
            return
        with duckdb.connect() as connection:
            for extension in ("ducklake", "sqlite_scanner"):
                connection.load_extension(str(extension_file(extension)))
            connection.execute(f"ATTACH 'ducklake:sqlite:{folder}/catalog.sqlite' AS lake (READ_ONLY)")
            connection.execute("USE lake")
            connection.execute("BEGIN TRANSACTION")
            _require_whole_months(connection)

    _poll(read_once)


def _status(home: str) -> None:
    """Repeats `taxi status`."""
    from taxi_assets.cli import status_report

    _poll(lambda: status_report.status_summary(_settings(home)), pause=1)


def _maintain(home: str) -> None:
    """Runs maintenance every few seconds; the usual interval is a week."""
    from datetime import UTC, datetime, timedelta

    from taxi_assets.warehouse.maintenance import maintain

    warehouse = Warehouse(_settings(home))
    _poll(lambda: maintain(warehouse, (), timedelta(days=30), datetime.now(UTC)), pause=3)


def _poll(read_once: Callable[[], object], pause: float = _POLL_SECONDS) -> None:
    over = threading.Event()
    threading.Thread(target=_set_at_end, args=(over,), daemon=True).start()
    polls = 0
    while True:
        last = over.wait(pause)
        read_once()
        polls += 1
        if last:
            break
    sys.stdout.write(str(polls))


def _set_at_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


PROGRAMS: dict[str, Callable[..., None]] = {
    "backfill": _backfill,
    "publish": _publish,
    "read": _read,
    "shell": _shell,
    "status": _status,
    "tidy": _maintain,
}

if __name__ == "__main__":
    os.environ["DAGSTER_HOME"] = ""
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
