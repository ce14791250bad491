"""Each machine's records are in the source's warehouse exactly once, also after kills."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sample_predictions import prediction

from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.ingest_log import ingest_log
from taxi_assets.serving.prediction_log.log_tables import PREDICTION_LOG
from taxi_assets.serving.prediction_log.log_writer import LogWriter
from taxi_assets.serving.replication.log_exchange import SHARED, delete_ingested, exchange_segments, remove_old
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.shared_store import SharedStore

pytestmark = pytest.mark.slow

KEY = PREDICTION_LOG.name
DAY = 86_400


@pytest.fixture
def logs(home: Callable[[str], Settings]) -> dict[str, Path]:
    """The folder of the prediction log of the source and of two replicas."""
    return {name: home(name).prediction_log for name in ("source", "one", "two")}


@pytest.fixture
def warehouse(home: Callable[[str], Settings]) -> Warehouse:
    return Warehouse(home("source"))


def append(log: Path, *numbers: int) -> list[str]:
    """Log a prediction for each number in one sealed segment."""
    writer = LogWriter(log)
    ids = [writer.append(prediction(number)) for number in numbers]
    writer.close()
    return ids


def ingested(warehouse: Warehouse) -> Counter[str]:
    ingest_log(warehouse)
    with warehouse.reading() as connection:
        return Counter(each for (each,) in connection.execute("SELECT request_id FROM predictions").fetchall())


def exchange(store: SharedStore, logs: dict[str, Path]) -> None:
    for log in (*logs.values(), *logs.values()):
        exchange_segments(store, log, KEY)


def make_old(log: Path, name: str) -> None:
    path = log / f"{name}{segments.SEALED}"
    os.utime(path, (path.stat().st_mtime - 30 * DAY,) * 2)


def test_every_machines_records_are_ingested_once(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    ids = [each for number, log in enumerate(logs.values()) for each in append(log, number, number + 10)]
    exchange(store, logs)
    assert ingested(warehouse) == Counter(ids)
    assert [segments.names(log, segments.SEALED) for log in logs.values()] == [sorted(i[:16] for i in ids[::2])] * 3
    exchange(store, logs)
    assert ingested(warehouse) == Counter(ids)
    for log in logs.values():  # so that any machine takes feedback on any answer
        assert all(segments.read_record(log, each) for each in ids)


def test_old_segments_are_removed_everywhere_once_they_are_in_the_warehouse(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    (first,), (second,) = append(logs["one"], 1), append(logs["two"], 2)
    exchange(store, logs)
    assert delete_ingested(store, warehouse, logs["source"], KEY).deleted == ()
    ingested(warehouse)
    for log in logs.values():
        make_old(log, first[:16])
    ingested(warehouse)  # removes what is old here
    assert remove_old(logs["one"], 7) == (first[:16],)
    assert segments.names(logs["source"], segments.SEALED) == [second[:16]]
    exchange(store, logs)  # not downloaded again
    assert segments.names(logs["one"], segments.SEALED) == [second[:16]]
    assert delete_ingested(store, warehouse, logs["source"], KEY).deleted == (first[:16],)
    assert store.names(KEY) == {f"{second[:16]}{segments.SEALED}"}
    exchange(store, logs)  # machine two still has its file, and does not upload it again
    assert remove_old(logs["two"], 7) == (first[:16],)
    exchange(store, logs)
    assert [segments.names(log, SHARED) for log in logs.values()] == [[second[:16]]] * 3
    assert store.names(KEY) == {f"{second[:16]}{segments.SEALED}"}
    assert ingested(warehouse) == Counter([first, second])


def test_a_replica_that_was_cut_off_for_long_loses_nothing(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    (late,) = append(logs["one"], 1)
    make_old(logs["one"], late[:16])
    assert remove_old(logs["one"], 7) == ()
    exchange(store, logs)
    assert ingested(warehouse) == Counter([late])


def test_a_kill_between_a_download_and_its_marker_changes_nothing(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    ids = append(logs["one"], 1, 2)
    exchange(store, logs)
    (logs["source"] / f"{ids[0][:16]}{SHARED}").unlink()
    exchange(store, logs)
    assert store.names(KEY) == {f"{ids[0][:16]}{segments.SEALED}"}
    assert ingested(warehouse) == Counter(ids)


def test_a_file_lost_before_its_ingestion_is_downloaded_again(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    ids = append(logs["one"], 1, 2)
    exchange(store, logs)
    (logs["source"] / f"{ids[0][:16]}{segments.SEALED}").unlink()
    assert delete_ingested(store, warehouse, logs["source"], KEY).deleted == ()
    exchange(store, logs)
    assert ingested(warehouse) == Counter(ids)


def test_torn_bytes_of_a_killed_writer_are_counted_at_the_source(
    store: SharedStore, logs: dict[str, Path], warehouse: Warehouse
) -> None:
    ids = append(logs["one"], 1)
    sealed = logs["one"] / f"{ids[0][:16]}{segments.SEALED}"
    sealed.rename(sealed.with_suffix(segments.OPEN))
    with sealed.with_suffix(segments.OPEN).open("ab") as file:
        file.write(b'{"request_id":"half')
    exchange(store, logs)
    found = ingest_log(warehouse)
    assert (found.records, found.torn_lines) == (1, 1)
