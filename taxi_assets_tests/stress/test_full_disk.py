"""A disk that fills up during ingestion: published data stays readable; with more room work resumes.

Needs a small disk of its own, which only the administrator can mount; elsewhere these tests are skipped.
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from crash_scenarios import LakeReader, Scenario, assert_as_undisturbed, scenarios
from lake_state import file_checksums, row_hashes
from reported_counts import ReportCounts
from sample_files import SampleFiles, close
from simulated_sensor import publish_pending, scan

from taxi_assets.errors import TaxiError
from taxi_assets.warehouse.connection import Warehouse

DISK = 24 * 1024 * 1024
KIB = 1024
ROOMS = (0, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512)  # KiB; a month of a few hundred rows needs about 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"not run, since no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(disk: Path, room: int) -> Path:
    """Leaves only so many bytes on the disk."""
    ballast = disk / "ballast"
    size = int(subprocess.run(["stat", "-f", "-c", "%a", disk], capture_output=True, text=True, check=True).stdout)
    with ballast.open("wb") as file:
        left = max(size * 4 * KIB - room, 0)
        while left > 0:
            left -= file.write(bytes(min(left, KIB * KIB)))
    return ballast


def run_out_of_room(
    scenario: Scenario, sample_files: SampleFiles, disk: Path, uninterrupted: Warehouse, room: int
) -> bool:
    """Publishes with so little room, then with enough; returns True if the room was too little."""
    warehouse = scenario.home(sample_files, disk)
    reader = LakeReader(warehouse, (row_hashes(warehouse), row_hashes(uninterrupted)))
    ballast = fill_up(disk, room)
    try:
        errors = _try(warehouse)
        close(warehouse)  # a new connection reads the old state, too
        reader.scan()
        assert reader.wrong == []
        _assert_kept(warehouse, scenario)
    finally:
        ballast.unlink()
    assert _try(warehouse) == []
    reader.scan()
    assert reader.wrong == []
    assert_as_undisturbed(warehouse, uninterrupted)
    close(warehouse)
    subprocess.run(["rm", "-rf", warehouse.settings.home], check=True)
    return bool(errors)


def _try(warehouse: Warehouse) -> list[str]:
    """The message of the error that ends the work."""
    try:
        scan(warehouse)
        return publish_pending(warehouse)
    except (TaxiError, duckdb.Error, OSError) as error:
        return [str(error) or repr(error)]


def _assert_kept(warehouse: Warehouse, scenario: Scenario) -> None:
    kept = file_checksums(warehouse, *(warehouse.settings.root / name for name in ("landing", "files", "quarantine")))
    assert {sample_file.sha256 for sample_file in (*scenario.before, *scenario.landing)} <= set(kept.values())


def run_levels(
    sample_files: SampleFiles, disk: Path, scratch: Path, rooms: Sequence[int], number: int
) -> tuple[int, int]:
    """Runs a scenario with each size of room; returns how often, and how often the room was too little."""
    scenario = scenarios(sample_files)[number]
    uninterrupted = scenario.home(sample_files, scratch)
    assert _try(uninterrupted) == []
    full = sum(run_out_of_room(scenario, sample_files, disk, uninterrupted, room * KIB) for room in rooms)
    close(uninterrupted)
    return len(rooms), full


@pytest.mark.slow
def test_full_disk_keeps_published_data_readable(sample_files: SampleFiles, small_disk: Path, scratch: Path) -> None:
    assert run_levels(sample_files, small_disk, scratch, [0], 1) == (1, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [0, 1])
def test_every_size_of_free_space(
    sample_files: SampleFiles, small_disk: Path, scratch: Path, report_counts: ReportCounts, number: int
) -> None:
    trials, full = run_levels(sample_files, small_disk, scratch, ROOMS, number)
    assert full >= trials // 4
    report_counts(
        "trials on a full disk, old state readable, all recovered", {"trials": trials, "of too little room": full}
    )
