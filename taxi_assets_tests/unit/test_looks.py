"""When a file counts as whole."""

import os
from pathlib import Path

import pytest

from taxi_assets.ingestion.file_stability import (
    Look,
    Pace,
    is_open_for_writing,
    is_temporary,
    read_looks,
    signature_of,
    write_looks,
)

QUICK = Pace(seconds_between=0)


def test_looks_at_what_has_not_changed_are_counted() -> None:
    seen = Look.first((1, 2, 3, 4))
    assert [seen.count, seen.again((1, 2, 3, 4), QUICK).count] == [1, 2]
    assert seen.again((1, 2, 3, 5), QUICK).count == 1


def test_looks_in_quick_succession_are_one() -> None:
    seen = Look.first((1, 2, 3, 4))
    assert seen.again((1, 2, 3, 4), Pace(seconds_between=60)) == seen


def test_a_machine_started_anew_counts_on() -> None:
    before_the_restart = Look((1, 2, 3, 4), 1, at=1e12)
    assert before_the_restart.again((1, 2, 3, 4), Pace(seconds_between=60)).count == 2


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


def test_who_has_a_file_open_for_writing_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with file.open("rb") as reader:
        assert not is_open_for_writing(reader.fileno())
        with file.open("ab"):
            assert is_open_for_writing(reader.fileno())
        assert not is_open_for_writing(reader.fileno())


@pytest.mark.parametrize("name", [".hidden", "a.part", "a.parquet.PART", "a.crdownload", "a.csv~", "a.tmp"])
def test_names_of_files_on_their_way_are_known(name: str) -> None:
    assert is_temporary(name)


@pytest.mark.parametrize("name", ["green_tripdata_2023-01.parquet", "part.csv", "tmp", "a.partial.parquet"])
def test_other_names_are_not_taken_for_them(name: str) -> None:
    assert not is_temporary(name)


def test_looks_are_kept_under_any_name(tmp_path: Path) -> None:
    looks = {os.fsdecode(b"\xff\n"): Look((1, 2, 3, 4), 2, 5.5), "plain": Look((5, 6, 7, 8), 1, 0.0)}
    write_looks(tmp_path / "looks.json", looks)
    assert read_looks(tmp_path / "looks.json") == looks


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [[1], 2, 3]}'])
def test_torn_notes_are_no_looks(tmp_path: Path, text: str) -> None:
    (tmp_path / "looks.json").write_text(text)
    assert read_looks(tmp_path / "looks.json") == {}
    assert read_looks(tmp_path / "missing.json") == {}
