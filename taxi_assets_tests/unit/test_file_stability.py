"""Detection of complete files: no writer, unchanged between two scans."""

import os
from pathlib import Path

import pytest

from taxi_assets.ingestion.file_stability import (
    Observation,
    ScanPolicy,
    has_temporary_name,
    is_open_for_writing,
    read_observations,
    signature_of,
    write_observations,
)

NO_WAIT = ScanPolicy(seconds_between=0)


def test_observations_of_an_unchanged_file_are_counted() -> None:
    seen = Observation.first((1, 2, 3, 4))
    assert [seen.count, seen.observe_again((1, 2, 3, 4), NO_WAIT).count] == [1, 2]
    assert seen.observe_again((1, 2, 3, 5), NO_WAIT).count == 1


def test_observations_in_quick_succession_count_once() -> None:
    seen = Observation.first((1, 2, 3, 4))
    assert seen.observe_again((1, 2, 3, 4), ScanPolicy(seconds_between=60)) == seen


def test_counting_continues_after_a_reboot() -> None:
    before_the_restart = Observation((1, 2, 3, 4), 1, at=1e12)
    assert before_the_restart.observe_again((1, 2, 3, 4), ScanPolicy(seconds_between=60)).count == 2


@pytest.mark.parametrize("change", ["append", "rewrite", "replace", "touch back"])
def test_every_change_changes_the_signature(tmp_path: Path, change: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")
    os.utime(file, ns=(10**9, 10**9))
    before = signature_of(file.stat())
    if change == "append":
        with file.open("ab") as more:
            more.write(b"er")
    elif change == "rewrite":
        file.write_bytes(b"new")
    elif change == "replace":
        (tmp_path / "other").write_bytes(b"new")
        (tmp_path / "other").replace(file)
    else:
        file.write_bytes(b"new")
        os.utime(file, ns=(10**9, 10**9))
    assert signature_of(file.stat()) != before


def test_writer_of_an_open_file_is_detected(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with file.open("rb") as reader:
        assert not is_open_for_writing(reader.fileno())
        with file.open("ab"):
            assert is_open_for_writing(reader.fileno())
        assert not is_open_for_writing(reader.fileno())


@pytest.mark.parametrize("name", [".hidden", "a.part", "a.parquet.PART", "a.crdownload", "a.csv~", "a.tmp"])
def test_names_of_unfinished_files_are_recognised(name: str) -> None:
    assert has_temporary_name(name)


@pytest.mark.parametrize("name", ["green_tripdata_2023-01.parquet", "part.csv", "tmp", "a.partial.parquet"])
def test_other_names_are_not_taken_as_unfinished(name: str) -> None:
    assert not has_temporary_name(name)


def test_observations_are_stored_under_any_file_name(tmp_path: Path) -> None:
    observations = {
        os.fsdecode(b"\xff\n"): Observation((1, 2, 3, 4), 2, 5.5),
        "plain": Observation((5, 6, 7, 8), 1, 0.0),
    }
    write_observations(tmp_path / "observations.json", observations)
    assert read_observations(tmp_path / "observations.json") == observations


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [[1], 2, 3]}'])
def test_truncated_observations_file_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "observations.json").write_text(text)
    assert read_observations(tmp_path / "observations.json") == {}
    assert read_observations(tmp_path / "missing.json") == {}
