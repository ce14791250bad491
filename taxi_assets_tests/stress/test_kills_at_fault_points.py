"""Processes killed at every named point_name between arrival and publication: no month is lost, none is seen half."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from crash_scenarios import TABLES, ForkServer, LakeReader, Scenario, assert_as_undisturbed, fork_server, scenarios
from lake_state import Hashes, file_checksums, row_hashes
from sample_files import SampleFiles
from validation_cache import ReportCounts, close

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.fault_points import FAULT_POINTS

pytestmark = pytest.mark.usefixtures("validation_cache")

KILLS = (46, 46, 76, 40, 20)  # at least, of each scenario: at every point_name it has, of the process and of its group


@dataclass(frozen=True)
class UndisturbedRun:
    """A scenario's way when nobody is killed."""

    scenario: Scenario
    before: Hashes
    warehouse: Warehouse
    moments: dict[str, int]

    @property
    def points(self) -> list[tuple[str, int]]:
        return [(point_name, nth + 1) for point_name in FAULT_POINTS for nth in range(self.moments.get(point_name, 0))]


@pytest.fixture(scope="module")
def killer(
    sample_files: SampleFiles, validation_cache: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ForkServer]:
    with fork_server(sample_files, tmp_path_factory.mktemp("zygote")) as started:
        yield started


def go_undisturbed(scenario: Scenario, sample_files: SampleFiles, folder: Path, killer: ForkServer) -> UndisturbedRun:
    warehouse = scenario.home(sample_files, folder)
    before = row_hashes(warehouse)
    passed = killer.run(warehouse)
    return UndisturbedRun(scenario, before, warehouse, passed["moments"])


def kill_once(
    way: UndisturbedRun,
    point: tuple[str, int],
    group: bool,
    sample_files: SampleFiles,
    folder: Path,
    killer: ForkServer,
) -> int:
    """Kill at the point, look at what is left, go on; returns how often the reader looked meanwhile."""
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
    """Every file is somewhere, and each transaction the process knew to be committed is seen."""
    kept = file_checksums(warehouse, *(warehouse.settings.root / name for name in ("landing", "files", "quarantine")))
    assert {sample_file.sha256 for sample_file in (*way.scenario.before, *way.scenario.landing)} <= set(kept.values())
    if point[0] == "published" and way.scenario.landing:
        month = sorted(sample_file.slot for sample_file in way.scenario.landing)[(point[1] - 1) // 3]
        shown, after, key = row_hashes(warehouse), row_hashes(way.warehouse), (month[0], str(month[1]))
        done = {"raw_trips": 1, "rejected_trips": 2, "clean_trips": 2, "trip_features": 3}
        for table in TABLES:
            if done[table] <= (point[1] - 1) % 3 + 1:
                assert shown[table][key] == after[table][key], f"{table} of {month} was acknowledged and is lost"


@pytest.mark.slow
def test_a_few_kills(sample_files: SampleFiles, scratch: Path, killer: ForkServer) -> None:
    way = go_undisturbed(scenarios(sample_files)[1], sample_files, scratch, killer)
    for number, point in enumerate([("recorded", 2), ("filled", 1)]):
        assert kill_once(way, point, number % 2 == 0, sample_files, scratch, killer) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(len(KILLS)))
def test_kills_at_every_moment(
    sample_files: SampleFiles, scratch: Path, killer: ForkServer, report_counts: ReportCounts, number: int
) -> None:
    way = go_undisturbed(scenarios(sample_files)[number], sample_files, scratch, killer)
    kills = [(point, group) for point in way.points for group in (False, True)]
    assert len(kills) >= KILLS[number]
    scans = sum(kill_once(way, point, group, sample_files, scratch, killer) for point, group in kills)
    report_counts(
        "kills from arrival to publication, 0 acknowledged months lost, 0 half", {"kills": len(kills), "looks": scans}
    )


@pytest.mark.slow
def test_every_fault_point_is_reached(sample_files: SampleFiles, scratch: Path, killer: ForkServer) -> None:
    assert sum(KILLS) >= 200
    ways = [go_undisturbed(scenario, sample_files, scratch, killer) for scenario in scenarios(sample_files)]
    assert {point_name for way in ways for point_name in way.moments} == set(FAULT_POINTS)
