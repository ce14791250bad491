"""Drift verdicts on synthetic cities: few alarms without a shift, the right verdict on a planted one.

`TEST_DRIFT_SEEDS` is the number of cities, by default two. A city takes half a minute.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from sample_lake import ZONE_FILES, insert_raw_trips

from taxi_assets import synthetic
from taxi_assets.features.trip_features import holiday_dates
from taxi_assets.ingestion.canonical_rows import canonical_trips
from taxi_assets.ingestion.publish_month import reject_trips, view_month_trips
from taxi_assets.ingestion.taxi_zones import read_zones
from taxi_assets.monitoring.drift.measure_drift import DriftReport, measure_drift
from taxi_assets.months import Month, month_range
from taxi_assets.synthetic import parse_shift
from taxi_assets.warehouse.connection import define_macros, month_key
from taxi_assets.warehouse.queries import sql
from taxi_assets.warehouse.schema import TABLES

SEEDS = range(1, 1 + int(os.environ.get("TEST_DRIFT_SEEDS", "2")))
TRAINING = month_range(Month(2022, 1), Month(2022, 12))
CLEAN = month_range(Month(2023, 1), Month(2024, 12))
FULL, TENTH = 20_000, 2_000  # trips of a month, about a third of those of a green month of TLC
PLANTED = {
    "slower_city=1.15": "retrain",
    "zone_mix=0.5": "retrain",
    "shifted_clock=1": "fix data",
    "changed_unit=1.609": "fix data",
    "null_burst=0.2": "fix data",
}
RIGHT_SHARE = 0.95

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 200 * len(SEEDS))]


@dataclass(frozen=True)
class City:
    """The tables of one synthetic city that drift reads, in memory."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    seed: int

    def add(self, month: Month, trips: int = FULL, shift: str | None = None) -> None:
        """Adds a month, cleaned as when a month is published."""
        shifts = (parse_shift(shift),) if shift else ()
        file = synthetic.write_month(self.folder, "green", month, trips, self.seed, None, shifts)
        with canonical_trips(self.connection, file, "green"):
            insert_raw_trips(self.connection, month_key("green", month))
            view_month_trips(self.connection, "green", month, "canonical_trips")
            reject_trips(self.connection, month)
            self.connection.execute("INSERT INTO rejections BY NAME FROM month_rejections")
            query = f"INSERT INTO kept_trips BY NAME {sql('trip_features')}"
            self.connection.execute(query, {"holidays": list(holiday_dates())})

    def drift(self, month: Month, trips: int = FULL, shift: str | None = None) -> DriftReport:
        """Measures a month that is then removed again."""
        self.connection.execute("BEGIN TRANSACTION")
        self.add(month, trips, shift)
        report = measure_drift(self.connection, ["green"], [each.first_day for each in TRAINING], month.first_day)
        self.connection.execute("ROLLBACK")
        return report


@contextmanager
def built_city(folder: Path, seed: int) -> Iterator[City]:
    """A city with its training months."""
    with duckdb.connect(config={"threads": 1}) as connection:
        define_macros(connection)
        for name in ("taxi_zones", "raw_trips", "rejections", "kept_trips"):
            connection.execute(TABLES[name].ddl())
        query = "INSERT INTO taxi_zones BY NAME SELECT unnest(zone) FROM (SELECT unnest($zones) AS zone)"
        synthetic.write_zones(folder, seed)
        connection.execute(query, {"zones": read_zones(*(folder / name for name in ZONE_FILES))})
        city = City(connection, folder, seed)
        for month in TRAINING:
            city.add(month)
        yield city


@dataclass(frozen=True)
class Findings:
    """Alarms by city, and verdicts by shift and number of trips."""

    alarms: dict[int, list[str]]
    verdicts: dict[tuple[str, int], Counter[str]]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Findings:
    """Measures each city, and prints what it found."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{line}")
            sys.stdout.flush()

    found = Findings({}, {(shift, trips): Counter() for shift in PLANTED for trips in (FULL, TENTH)})
    for seed in SEEDS:
        with built_city(tmp_path_factory.mktemp("city"), seed) as city:
            measure_city(city, found, show)
    alarms = sum(len(each) for each in found.alarms.values())
    show(f"{alarms} alarms in {len(CLEAN)} clean months of each of {len(SEEDS)} cities")
    for (shift, trips), verdicts in found.verdicts.items():
        show(f"{shift}, {trips} trips: {verdicts[PLANTED[shift]]} of {verdicts.total()} right")
    return found


def measure_city(city: City, found: Findings, show: Callable[[str], None]) -> None:
    """Measures the clean months of a city, and each shift in a month that differs from city to city."""
    reports = [city.drift(month) for month in CLEAN]
    found.alarms[city.seed] = [
        f"{report.month:%Y-%m} {report.verdict}: {'; '.join(report.facts[:2])}" for report in reports if report.is_alarm
    ]
    show(f"city {city.seed}: {found.alarms[city.seed] or 'no alarm'}")
    for place, (shift, expected) in enumerate(PLANTED.items()):
        month = CLEAN[(5 * city.seed + place) % len(CLEAN)]
        for trips in (FULL, TENTH):
            report = city.drift(month, trips, shift)
            found.verdicts[shift, trips][report.verdict] += 1
            if report.verdict != expected:
                show(f"city {city.seed}: {shift} of {trips} trips in {month} is {report.verdict}: {report.facts}")


def test_clean_months_alarm_at_most_once_in_two_years(findings: Findings) -> None:
    assert sum(len(alarms) for alarms in findings.alarms.values()) <= len(SEEDS), findings.alarms


@pytest.mark.parametrize("trips", [FULL, TENTH])
@pytest.mark.parametrize("shift", PLANTED)
def test_a_shift_has_its_verdict_in_its_first_month(findings: Findings, shift: str, trips: int) -> None:
    verdicts = findings.verdicts[shift, trips]
    assert verdicts[PLANTED[shift]] >= RIGHT_SHARE * len(SEEDS), verdicts
