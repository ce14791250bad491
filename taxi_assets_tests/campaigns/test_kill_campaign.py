"""Processes killed at every named moment between arrival and publication: no month is lost, none is seen half."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from lake_state import Hashes, files_of, row_hashes
from little_months import Shelf
from thrift import Tell, close
from trials import TABLES, Reader, Scenario, Zygote, assert_as_undisturbed, scenarios, zygote

from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.fault_points import MOMENTS

pytestmark = pytest.mark.usefixtures("thrift")

KILLS = (46, 46, 76, 40, 20)  # at least, of each scenario: at every moment it has, of the process and of its group


@dataclass(frozen=True)
class Undisturbed:
    """A scenario's way when nobody is killed."""

    scenario: Scenario
    before: Hashes
    warehouse: Warehouse
    moments: dict[str, int]

    @property
    def points(self) -> list[tuple[str, int]]:
        return [(moment, nth + 1) for moment in MOMENTS for nth in range(self.moments.get(moment, 0))]


@pytest.fixture(scope="module")
def killer(shelf: Shelf, thrift: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with zygote(shelf, tmp_path_factory.mktemp("zygote")) as started:
        yield started


def go_undisturbed(scenario: Scenario, shelf: Shelf, folder: Path, killer: Zygote) -> Undisturbed:
    warehouse = scenario.home(shelf, folder)
    before = row_hashes(warehouse)
    passed = killer.run(warehouse)
    return Undisturbed(scenario, before, warehouse, passed["moments"])


def kill_once(way: Undisturbed, point: tuple[str, int], group: bool, shelf: Shelf, folder: Path, killer: Zygote) -> int:
    """Kill at the point, look at what is left, go on; returns how often the reader looked meanwhile."""
    warehouse = way.scenario.home(shelf, folder)
    after = row_hashes(way.warehouse)
    reader = Reader(warehouse, (way.before, after))
    with reader.watching():
        killer.run(warehouse, point, group)
        reader.await_look()
        assert_nothing_lost(warehouse, way, point)
        killer.run(warehouse)
        reader.await_look()
    assert_as_undisturbed(warehouse, way.warehouse)
    close(warehouse)
    shutil.rmtree(warehouse.settings.home)
    return reader.polls


def assert_nothing_lost(warehouse: Warehouse, way: Undisturbed, point: tuple[str, int]) -> None:
    """Every file is somewhere, and each transaction the process knew to be committed is seen."""
    kept = files_of(warehouse, *(warehouse.settings.root / name for name in ("landing", "arrived", "quarantine")))
    assert {little.sha256 for little in (*way.scenario.before, *way.scenario.landing)} <= set(kept.values())
    if point[0] == "published" and way.scenario.landing:
        month = sorted(little.slot for little in way.scenario.landing)[(point[1] - 1) // 3]
        shown, after, key = row_hashes(warehouse), row_hashes(way.warehouse), (month[0], str(month[1]))
        done = {"raw_trips": 1, "rejected_trips": 2, "clean_trips": 2, "trip_features": 3}
        for table in TABLES:
            if done[table] <= (point[1] - 1) % 3 + 1:
                assert shown[table][key] == after[table][key], f"{table} of {month} was acknowledged and is lost"


@pytest.mark.slow
def test_a_few_kills(shelf: Shelf, scratch: Path, killer: Zygote) -> None:
    way = go_undisturbed(scenarios(shelf)[1], shelf, scratch, killer)
    for number, point in enumerate([("recorded", 2), ("filled", 1)]):
        assert kill_once(way, point, number % 2 == 0, shelf, scratch, killer) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(len(KILLS)))
def test_kills_at_every_moment(shelf: Shelf, scratch: Path, killer: Zygote, tell: Tell, number: int) -> None:
    way = go_undisturbed(scenarios(shelf)[number], shelf, scratch, killer)
    kills = [(point, group) for point in way.points for group in (False, True)]
    assert len(kills) >= KILLS[number]
    looks = sum(kill_once(way, point, group, shelf, scratch, killer) for point, group in kills)
    tell("kills from arrival to publication, 0 acknowledged months lost, 0 half", {"kills": len(kills), "looks": looks})


@pytest.mark.slow
def test_every_moment_comes(shelf: Shelf, scratch: Path, killer: Zygote) -> None:
    assert sum(KILLS) >= 200
    ways = [go_undisturbed(scenario, shelf, scratch, killer) for scenario in scenarios(shelf)]
    assert {moment for way in ways for moment in way.moments} == set(MOMENTS)
