"""Records are read by their ids, in whole lines; segments are sealed by size, age, request and close."""

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from log_programs import append_to_limit

from taxi_assets.errors import TaxiError
from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_writer import LogUnavailable, LogWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LogWriter]:
    writer = LogWriter(tmp_path)
    yield writer
    writer.close()


def wait_until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < deadline
        os.sched_yield()


def logged_ids(folder: Path) -> Counter[str]:
    """Counts each id in the sealed segments; every line is whole."""
    lines = [line for name in segments.names(folder, segments.SEALED) for line in sealed_lines(folder, name)]
    return Counter(json.loads(line)["request_id"] for line in lines)


def sealed_lines(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}{segments.SEALED}").read_text().splitlines()


def test_a_record_is_read_by_its_id_while_open_and_once_sealed(writer: LogWriter, tmp_path: Path) -> None:
    ids = [writer.append({"minutes": minutes}) for minutes in (7.5, 8, 9)]
    for _ in ("open", "sealed"):
        lines = [segments.read_record(tmp_path, each) for each in ids]
        assert [json.loads(line or b"") for line in lines] == [
            {"request_id": each, "minutes": minutes} for each, minutes in zip(ids, (7.5, 8, 9), strict=True)
        ]
        writer.close()


def test_a_long_record_is_read_whole(writer: LogWriter, tmp_path: Path) -> None:
    long = writer.append({"text": "x" * 100_000})
    assert len(json.loads(segments.read_record(tmp_path, long) or b"")["text"]) == 100_000


def test_records_written_together_are_adjacent(writer: LogWriter, tmp_path: Path) -> None:
    ids = writer.append_many([{"number": number} for number in range(5)])
    lines = [json.loads(segments.read_record(tmp_path, each) or b"") for each in ids]
    assert [line["number"] for line in lines] == list(range(5))
    assert len({each.partition("-")[0] for each in ids}) == 1


@pytest.mark.parametrize("wrong", ["", "x", "0123456789abcdef", "0123456789ABCDEF-0", "../../etc/passwd-0", "a" * 99])
def test_a_text_that_is_no_id_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(TaxiError, match="no request id"):
        segments.read_record(tmp_path, wrong)


def test_an_unknown_id_has_no_record(writer: LogWriter, tmp_path: Path) -> None:
    name, _, offset = writer.append({"minutes": 1}).partition("-")
    assert segments.read_record(tmp_path, f"{'0' * 16}-{offset}") is None  # no such segment
    assert segments.read_record(tmp_path, f"{name}-1") is None  # the middle of a record
    assert segments.read_record(tmp_path, f"{name}-fff") is None  # past the end


def test_a_segment_is_sealed_by_size(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, max_bytes=1000)
    ids = [writer.append({"number": number}) for number in range(100)]
    writer.close()
    assert logged_ids(tmp_path) == Counter(ids)
    assert len(segments.names(tmp_path, segments.SEALED)) >= 4
    assert segments.names(tmp_path, segments.OPEN) == []


def test_a_segment_is_sealed_by_age_although_nothing_follows(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, max_age_seconds=0.05)
    ids = [writer.append({"number": 1})]
    wait_until(lambda: segments.names(tmp_path, segments.SEALED))
    ids.append(writer.append({"number": 2}))  # in a new segment
    writer.close()
    assert logged_ids(tmp_path) == Counter(ids)
    assert len(segments.names(tmp_path, segments.SEALED)) == 2


def test_a_reader_has_the_segments_of_running_writers_sealed(tmp_path: Path) -> None:
    writers = [LogWriter(tmp_path) for _ in range(3)]
    ids = [writer.append({"number": 1}) for writer in writers[:2]]  # the third has nothing to seal
    segments.request_seal(tmp_path)
    wait_until(lambda: len(segments.names(tmp_path, segments.SEALED)) == 2)
    assert logged_ids(tmp_path) == Counter(ids)
    later = LogWriter(tmp_path)
    ids += [writer.append({"number": 2}) for writer in (*writers, later)]
    segments.request_seal(tmp_path)
    wait_until(lambda: len(segments.names(tmp_path, segments.SEALED)) == 6)
    assert logged_ids(tmp_path) == Counter(ids)
    for writer in (*writers, later):
        writer.close()


def test_a_request_before_the_first_record_makes_no_folder(tmp_path: Path) -> None:
    segments.request_seal(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_without_records_leaves_no_segment(writer: LogWriter, tmp_path: Path) -> None:
    writer.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LogUnavailable, match="closed"):
        writer.append({"number": 1})


def test_an_open_segment_of_a_live_writer_is_not_sealed(writer: LogWriter, tmp_path: Path) -> None:
    writer.append({"number": 1})
    assert segments.seal_ended(tmp_path) == ()
    assert len(segments.names(tmp_path, segments.OPEN)) == 1


def test_torn_bytes_of_an_ended_writer_are_kept_aside(tmp_path: Path) -> None:
    name, descriptor = segments.create_segment(tmp_path)
    os.write(descriptor, b'{"a":1}\n{"a":2}\n{"a":')
    os.close(descriptor)
    assert segments.seal_ended(tmp_path) == (name,)
    assert sealed_lines(tmp_path, name) == ['{"a":1}', '{"a":2}']
    assert (tmp_path / f"{name}{segments.TORN}").read_bytes() == b'{"a":'


def test_a_segment_of_torn_bytes_only_is_sealed_empty(tmp_path: Path) -> None:
    name, descriptor = segments.create_segment(tmp_path)
    os.write(descriptor, b"x" * (segments.MAX_LINE_BYTES + 5))
    os.close(descriptor)
    segments.seal_ended(tmp_path)
    assert sealed_lines(tmp_path, name) == []
    assert (tmp_path / f"{name}{segments.TORN}").stat().st_size == segments.MAX_LINE_BYTES + 5


def test_a_draft_of_an_ended_process_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.new").touch()
    assert segments.seal_ended(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_refuses_records_and_keeps_no_part_of_them(tmp_path: Path) -> None:
    ids, refusals = json.loads(append_to_limit(tmp_path))
    assert len(ids) + len(refusals) == 41
    assert len(refusals) > 10
    assert all("make room" in refusal for refusal in refusals)
    assert logged_ids(tmp_path) == Counter(ids)
    assert list(tmp_path.glob(f"*{segments.TORN}")) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    with pytest.raises(LogUnavailable, match="cannot be written"):
        LogWriter(tmp_path / "log")


def test_threads_append_whole_lines(tmp_path: Path) -> None:
    writer, ids = LogWriter(tmp_path, max_bytes=20_000), [list[str]() for _ in range(4)]

    def append(own: list[str]) -> None:
        own += [writer.append({"number": number}) for number in range(500)]

    threads = [threading.Thread(target=append, args=[own]) for own in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert logged_ids(tmp_path) == Counter(each for own in ids for each in own)


def test_waiting_requests_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    async def answer(writer: LogWriter, number: int) -> str:
        request_id = writer.append({"number": number})
        await writer.durable()
        return request_id

    async def main() -> list[str]:
        writer = LogWriter(tmp_path, "disk")
        ids = await asyncio.gather(*(answer(writer, number) for number in range(200)))
        writer.close()
        return list(ids)

    ids = asyncio.run(main())
    assert logged_ids(tmp_path) == Counter(ids)
    assert 1 <= len(synced) < 100


def test_a_failed_sync_refuses_its_requests_and_all_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)

    async def main() -> None:
        writer = LogWriter(tmp_path, "disk")
        writer.append({"number": 1})
        with pytest.raises(LogUnavailable, match="Input/output error"):
            await writer.durable()
        monkeypatch.undo()
        with pytest.raises(LogUnavailable, match=r"Input/output error.*restart the endpoint"):
            writer.append({"number": 2})
        writer.close()

    asyncio.run(main())
