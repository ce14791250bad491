"""A tail returns each line once and in order, also of segments sealed or removed meanwhile."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_tail import LoggedLine, LogTail
from taxi_assets.serving.prediction_log.log_writer import LogWriter


def ids(lines: Sequence[LoggedLine]) -> list[str]:
    """The ids of the lines, which name the lines' own positions."""
    found = [str(json.loads(line.content)["request_id"]) for line in lines]
    assert found == [segments.record_id(line.segment, line.offset) for line in lines]
    return found


def by_segment(ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in ids:
        found.setdefault(each.partition("-")[0], []).append(each)
    return found


def test_a_tail_reads_lines_of_every_writer_once(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    assert tail.read() == []
    writers = [LogWriter(tmp_path / "log") for _ in range(2)]
    appended = [writer.append({"number": number}) for number in range(3) for writer in writers]
    assert sorted(ids(tail.read())) == sorted(appended)
    assert tail.read() == []
    later = writers[0].append({"number": 4})
    assert ids(tail.read()) == [later]
    for writer in writers:
        writer.close()
    assert tail.read() == []
    assert sorted(ids(LogTail(tmp_path / "log").read())) == sorted([*appended, later])
    tail.close()


def test_a_tail_skips_segments_sealed_before_its_time(tmp_path: Path) -> None:
    for age in (100, 0):
        writer = LogWriter(tmp_path)
        kept = writer.append({"age": age})
        writer.close()
        path = tmp_path / f"{kept.partition('-')[0]}{segments.SEALED}"
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert ids(LogTail(tmp_path, since=path.stat().st_mtime - 50).read()) == [kept]


def test_a_tail_waits_for_the_end_of_a_line(tmp_path: Path) -> None:
    name, descriptor = segments.create_segment(tmp_path)
    tail = LogTail(tmp_path)
    for part in (b'{"a":', b"1", b"}"):
        os.write(descriptor, part)
        assert tail.read() == []
    os.write(descriptor, b'\n{"b":')
    assert tail.read() == [LoggedLine(name, 0, b'{"a":1}')]
    os.close(descriptor)
    segments.seal_ended(tmp_path)
    assert tail.read() == []
    tail.close()


def test_a_tail_passes_bytes_without_an_end_of_line(tmp_path: Path) -> None:
    name = segments.new_name()
    (tmp_path / f"{name}{segments.SEALED}").write_bytes(b'{"a":1}\n' + bytes(5))
    tail = LogTail(tmp_path)
    assert [line.content for _ in range(4) for line in tail.read()] == [b'{"a":1}']
    assert tail.read() == []


def test_a_removed_segment_is_read_to_its_end(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    first = writer.append({"number": 1})
    tail = LogTail(tmp_path)
    assert ids(tail.read()) == [first]
    second = writer.append({"number": 2})
    writer.close()
    for path in tmp_path.iterdir():
        path.unlink()
    assert ids(tail.read()) == [second]
    assert tail.read() == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 12)),
        st.tuples(st.just("end"), st.integers(0, 2), st.binary(max_size=40).map(lambda tail: tail.replace(b"\n", b""))),
        st.tuples(st.sampled_from(["read", "seal"]), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([150, 1000]))
@settings(max_examples=60, deadline=None)
def test_every_line_is_read_once_in_order(steps: list[tuple[str, int, int | bytes]], max_bytes: int) -> None:
    with TemporaryDirectory() as name:
        folder, appended, read = Path(name), list[str](), list[str]()
        writers = [LogWriter(folder, max_bytes=max_bytes) for _ in range(3)]
        tail = LogTail(folder)
        for step, which, value in steps:
            if step == "append" and isinstance(value, int):
                appended += writers[which].append_many([{"n": n} for n in range(value)])
            elif step == "end" and isinstance(value, bytes):
                writers[which].close()
                leave_torn(folder, value)
                writers[which] = LogWriter(folder, max_bytes=max_bytes)
            elif step == "seal":
                segments.seal_ended(folder)
            else:
                read += ids(tail.read())
        for writer in writers:
            writer.close()
        segments.seal_ended(folder)
        read += ids(tail.read())
        assert by_segment(read) == by_segment(appended)
        assert all(segments.read_record(folder, each) for each in appended)
        assert sum(1 for _ in LogTail(folder).read()) == len(appended)
        assert segments.names(folder, segments.OPEN) == []


def leave_torn(folder: Path, content: bytes) -> None:
    """Leave the open segment of a process that was killed within its first record."""
    _, descriptor = segments.create_segment(folder)
    os.write(descriptor, content)
    os.close(descriptor)
