"""Of every kind of file, the table, Dagster's page and the folders tell the same."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from town import ROWS, SEED, Town, settings_in

from taxi_assets import synthetic
from taxi_assets.cli import status_report
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.ingestion.file_stability import Pace
from taxi_assets.ingestion.scan_landing import look
from taxi_assets.months import Month, month_range
from taxi_assets.synthetic import parse_shift
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES


def land(town: Town, month: Month, *shifts: str) -> Path:
    parsed = [parse_shift(shift) for shift in shifts]
    return synthetic.write_month(town.settings.landing, "green", month, ROWS, SEED, None, parsed)


def looks(town: Town, times: int = 3) -> None:
    for _ in range(times):
        look(town.warehouse, Pace(seconds_between=0))


def good(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    land(town, month)
    return town.materialise(month, "raw_trips")


def partial(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    file = land(town, month)
    file.write_bytes(file.read_bytes()[:-100])
    return town.materialise(month, "raw_trips")


def duplicate(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    good(town, month)
    return good(town, month)


def republished(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    good(town, month)
    land(town, month, "null_burst=0.2")
    return town.materialise(month, "raw_trips")


def corrupt(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    file = land(town, month)
    file.write_bytes(file.read_bytes()[:-100])
    looks(town)
    return town.materialise(month, "raw_trips")


def unknown_schema(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    file = land(town, month)
    pq.write_table(pq.read_table(file).drop_columns(["DOLocationID"]), file)
    return town.materialise(month, "raw_trips")


def refused(town: Town, month: Month) -> dg.ExecuteInProcessResult:
    land(town, month, "slower_city=0.1")
    return town.materialise(month, "raw_trips")


# What happens, whether its last run succeeds, and state and reason of each file afterwards.
STORIES: dict[str, tuple[Callable[[Town, Month], dg.ExecuteInProcessResult], bool, list[tuple[str, str]]]] = {
    "good": (good, True, [("ingested", "")]),
    "partial": (partial, False, [("arriving", "its end is missing")]),
    "duplicate": (duplicate, True, [("ingested", ""), ("quarantined", "it has the same bytes as")]),
    "republished": (republished, True, [("ingested", ""), ("superseded", "replaced by")]),
    "corrupt": (corrupt, False, [("quarantined", "is not a whole parquet file")]),
    "unknown schema": (unknown_schema, False, [("quarantined", "it does not meet the contract")]),
    "refused": (refused, False, [("quarantined", "median_duration_is_plausible")]),
}
MONTHS = dict(zip(STORIES, month_range(Month(2023, 1), Month(2023, len(STORIES))), strict=True))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, months_folder: Path) -> Iterator[Town]:
    """A platform whose source has the zones only; each story has a month of its own."""
    source = tmp_path_factory.mktemp("zones")
    settings = settings_in(tmp_path_factory.mktemp("stories"), source)
    settings.landing.mkdir(parents=True)
    for name in ZONE_FILE_NAMES:
        shutil.copy(months_folder / name, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            town = Town(settings, build(settings), instance)
            run = town.definitions.resolve_job_def("month").execute_in_process(
                asset_selection=[dg.AssetKey("taxi_zones")], partition_key="2023-01", instance=instance
            )
            assert run.success
            yield town


@pytest.mark.parametrize("story", STORIES)
def test_table_page_and_folders_tell_the_same(town: Town, story: str) -> None:
    happens, succeeds, expected = STORIES[story]
    name = f"green_tripdata_{MONTHS[story]}.parquet"
    result = happens(town, MONTHS[story])
    assert result.success == succeeds

    everything = status_report.arrival_facts(town.settings)
    told = sorted((each for each in everything if each["file_name"] == name), key=lambda each: each["state"])
    for (state, reason), each in zip(expected, told, strict=True):
        assert (each["state"], reason in "; ".join(each["reasons"])) == (state, True)
    json.dumps(told, default=str)

    check = town.checks(town.find(result.run_id), "raw_trips")["no_file_is_in_quarantine"]
    shown = [record.data for record in check.metadata["arrivals"].records]
    listed = {(each["file_name"], each["state"], "; ".join(each["reasons"]), each["path"]) for each in everything}
    assert {(row["file"], row["state"], row["reasons"], row["path"]) for row in shown} == listed
    to_be_mended = [
        each
        for each in everything
        if each["state"] == "quarantined" and not each["reasons"][0].startswith("it has the same bytes as")
    ]
    assert check.passed == (not to_be_mended)

    for each in told:
        path = town.settings.root / each["path"]
        assert path.is_file()
        note = path.with_name(f"{path.name}.reason.txt")
        assert note.is_file() == (each["state"] == "quarantined")
        if note.is_file():
            assert path.parent == town.settings.quarantine
            assert all(reason in note.read_text() for reason in each["reasons"])
    for file in town.settings.landing.glob("*.parquet"):
        file.unlink()


def test_a_republished_month_shows_what_it_changed(town: Town) -> None:
    month = Month(2023, 9)
    run = town.find(republished(town, month).run_id)
    shown = town.metadata(run, "raw_trips", month)
    assert "0 rows added, 0 removed, " in str(shown["republished"].value)
    assert "| mean_duration_minutes |" in str(shown["republished"].value)
    (file,) = [record.data for record in shown["files"].records]  # type: ignore[attr-defined]
    (event,) = town.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    version = event.step_materialization_data.materialization.tags["dagster/data_version"]
    assert version == file["sha256"]
