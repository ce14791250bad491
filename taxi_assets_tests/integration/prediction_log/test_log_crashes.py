"""After kill -9 among thousands of appends, each acknowledged record is in the log exactly once."""

import json
import os
import signal
from pathlib import Path

import pytest
from log_programs import start_appending

from taxi_assets.serving.prediction_log import segments
from taxi_assets.serving.prediction_log.log_tail import LogTail


def acknowledged(folder: Path, sync: str, max_bytes: int, kill_after: int) -> list[str]:
    """The ids acknowledged by a process that is killed while it goes on appending."""
    process = start_appending(folder, sync, max_bytes)
    assert process.stdout
    ids = [process.stdout.readline().strip() for _ in range(kill_after)]
    os.kill(process.pid, signal.SIGKILL)
    ids += [line.strip() for line in process.stdout if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    return ids


@pytest.mark.parametrize(
    ("sync", "max_bytes", "kill_after"),
    [("process", 1_000_000, 3000), ("process", 20_000, 5000), ("process", 5_000, 50), ("disk", 100_000, 300)],
)
def test_acknowledged_records_survive_a_kill(tmp_path: Path, sync: str, max_bytes: int, kill_after: int) -> None:
    ids = acknowledged(tmp_path, sync, max_bytes, kill_after)
    assert len(ids) >= kill_after
    assert all(segments.read_record(tmp_path, each) for each in ids)
    segments.seal_ended(tmp_path)
    tail = LogTail(tmp_path)
    lines = [line for _ in range(3) for line in tail.read()]
    logged = [json.loads(line.content) for line in lines]
    # The process was killed between its last append and the acknowledgement, if at all.
    assert [each["request_id"] for each in logged][: len(ids)] == ids
    assert len(logged) - len(ids) <= 1
    assert [each["number"] for each in logged] == list(range(len(logged)))
    assert all(segments.read_record(tmp_path, each) for each in ids)
    assert segments.names(tmp_path, segments.OPEN) == []
    tail.close()
