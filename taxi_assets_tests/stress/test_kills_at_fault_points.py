"""Processes killed at every fault point up to publication: no month is lost or half visible."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from crash_scenarios import TABLES, ForkServer, LakeReader, Scenario, assert_as_undisturbed, fork_server, scenarios
from lake_state import Hashes, file_checksums, row_hashes
from reported_counts import ReportCounts
from sample_files import SampleFiles, close

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.fault_points import FAULT_POINTS

# Least kills a scenario: at every fault point, of the process and of its group.
KILLS = (38, 38, 60, 46, 20)


@dataclass(frozen=True)
class UndisturbedRun:
    """A scenario's run without a kill."""

    scenario: Scenario
    before: Hashes
    warehouse: Warehouse
    reached: dict[str, int]

    @property
    def points(self) -> list[tuple[str, int]]:
        return [(point_name, nth + 1) for point_name in FAULT_POINTS for nth in range(self.reached.get(point_name, 0))]


@pytest.fixture(scope="module")
def killer(sample_files: SampleFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with fork_server(sample_files, tmp_path_factory.mktemp("fork_server")) as started:
        yield started


def run_undisturbed(scenario: Scenario, sample_files: SampleFiles, folder: Path, killer: ForkServer) -> UndisturbedRun:
    warehouse = scenario.home(sample_files, folder)
    before = row_hashes(warehouse)
    passed = killer.run(warehouse)
    return UndisturbedRun(scenario, before, warehouse, passed["reached"])


def kill_once(
    way: UndisturbedRun,
    point: tuple[str, int],
    group: bool,
    sample_files: SampleFiles,
    folder: Path,
    killer: ForkServer,
) -> int:
    """Kills at the fault point, checks what is left, goes on; returns how often the reader read meanwhile."""
    warehouse = way.scenario.home(sample_files, folder)
    after = row_hashes(way.warehouse)
    reader = LakeReader(warehouse, (way.before, after))
    with reader.watching():
        killer.run(warehouse, point, group)
        reader.await_read()
        assert_nothing_lost(warehouse, way, point)
        killer.run(warehouse)
        reader.await_read()
    assert_as_undisturbed(warehouse, way.warehouse)
    close(warehouse)
    shutil.rmtree(warehouse.settings.home)
    return reader.polls


def assert_nothing_lost(warehouse: Warehouse, way: UndisturbedRun, point: tuple[str, int]) -> None:
    """Checks that every file is kept and each committed transaction is visible."""
    kept = file_checksums(warehouse, *(warehouse.settings.root / name for name in ("landing", "files", "quarantine")))
    assert {sample_file.sha256 for sample_file in (*way.scenario.before, *way.scenario.landing)} <= set(kept.values())
    if point[0] == "published" and way.scenario.landing:
        month = sorted(sample_file.slot for sample_file in way.scenario.landing)[point[1] - 1]
        shown, after, key = row_hashes(warehouse), row_hashes(way.warehouse), (month[0], str(month[1]))
        for table in TABLES:
            assert shown[table][key] == after[table][key], f"{table} of {month} was committed and is lost"


@pytest.mark.slow
def test_a_few_kills(sample_files: SampleFiles, scratch: Path, killer: ForkServer) -> None:
    way = run_undisturbed(scenarios(sample_files)[1], sample_files, scratch, killer)
    for number, point in enumerate([("recorded", 2), ("filled", 1)]):
        assert kill_once(way, point, number % 2 == 0, sample_files, scratch, killer) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(len(KILLS)))
def test_kills_at_every_fault_point(
    sample_files: SampleFiles, scratch: Path, killer: ForkServer, report_counts: ReportCounts, number: int
) -> None:
    way = run_undisturbed(scenarios(sample_files)[number], sample_files, scratch, killer)
    kills = [(point, group) for point in way.points for group in (False, True)]
    assert len(kills) >= KILLS[number]
    scans = sum(kill_once(way, point, group, sample_files, scratch, killer) for point, group in kills)
    report_counts(
        "kills from landing to publication, 0 committed months lost, 0 half", {"kills": len(kills), "reads": scans}
    )


@pytest.mark.slow
def test_every_fault_point_is_reached(sample_files: SampleFiles, scratch: Path, killer: ForkServer) -> None:
    assert sum(KILLS) >= 200
    ways = [run_undisturbed(scenario, sample_files, scratch, killer) for scenario in scenarios(sample_files)]
    assert {point_name for way in ways for point_name in way.reached} == set(FAULT_POINTS)
