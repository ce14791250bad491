"""A killed training's folder is deleted by the next training, and no other one's."""

import subprocess
import sys
from pathlib import Path

import pytest

from taxi_assets.training.scratch_folder import scratch_folder

_TRAINING = """
import sys
from pathlib import Path
from taxi_assets.training.scratch_folder import scratch_folder

with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "rows-0.npz").write_text("encoded trips")
    print(folder, flush=True)
    sys.stdin.read()
"""


def folders(parent: Path) -> set[Path]:
    return set(parent.glob("training-*"))


def test_a_folder_is_deleted_after_its_training_and_after_a_failed_one(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "spill") as folder:
        (folder / "rows-0.npz").write_text("encoded trips")
        assert folders(tmp_path / "spill") == {folder}
    with pytest.raises(ValueError, match="no room"), scratch_folder(tmp_path / "spill"):
        raise ValueError("no room")
    assert not folders(tmp_path / "spill")


def test_the_folder_of_an_earlier_training_is_deleted_and_what_duckdb_wrote_is_kept(tmp_path: Path) -> None:
    left, other = tmp_path / "training-left", tmp_path / "duckdb_temp_storage_DEFAULT-0.tmp"
    (left / "binned").mkdir(parents=True)
    (left / "rows-0.npz").write_text("encoded trips")
    other.write_text("spilled")
    with scratch_folder(tmp_path) as folder:
        assert folders(tmp_path) == {folder}
    assert other.read_text() == "spilled"


def test_the_folder_of_a_training_at_work_is_kept(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as first:
        with scratch_folder(tmp_path) as second:
            assert folders(tmp_path) == {first, second}
        assert folders(tmp_path) == {first}


@pytest.mark.slow
def test_the_folder_of_a_killed_training_is_deleted_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _TRAINING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout
        left = Path(training.stdout.readline().strip())
        with scratch_folder(tmp_path):
            assert left in folders(tmp_path)
        training.kill()
    assert folders(tmp_path) == {left}
    with scratch_folder(tmp_path) as folder:
        assert folders(tmp_path) == {folder}
    assert not folders(tmp_path)
