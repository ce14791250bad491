"""For each kind of file, the table, Dagster's page and the folders agree."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from platform_harness import ROWS, SEED, PlatformHarness, settings_in

from taxi_assets import synthetic
from taxi_assets.cli import status_report
from taxi_assets.definitions import build
from taxi_assets.defs.instance import open_instance
from taxi_assets.ingestion.file_stability import ScanPolicy
from taxi_assets.ingestion.scan_landing import scan_landing
from taxi_assets.months import Month, month_range
from taxi_assets.synthetic import parse_shift
from taxi_assets.tlc.tlc_source import ZONE_FILE_NAMES


def land(platform: PlatformHarness, month: Month, *shifts: str) -> Path:
    parsed = [parse_shift(shift) for shift in shifts]
    return synthetic.write_month(platform.settings.landing, "green", month, ROWS, SEED, None, parsed)


def repeat_scan(platform: PlatformHarness, times: int = 3) -> None:
    for _ in range(times):
        scan_landing(platform.warehouse, ScanPolicy(seconds_between=0))


def good(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    land(platform, month)
    return platform.materialise(month, "raw_trips")


def partial(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    file = land(platform, month)
    file.write_bytes(file.read_bytes()[:-100])
    return platform.materialise(month, "raw_trips")


def duplicate(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    good(platform, month)
    return good(platform, month)


def republished(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    good(platform, month)
    land(platform, month, "null_burst=0.2")
    return platform.materialise(month, "raw_trips")


def corrupt(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    file = land(platform, month)
    file.write_bytes(file.read_bytes()[:-100])
    repeat_scan(platform)
    return platform.materialise(month, "raw_trips")


def unknown_schema(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    file = land(platform, month)
    pq.write_table(pq.read_table(file).drop_columns(["DOLocationID"]), file)
    return platform.materialise(month, "raw_trips")


def refused(platform: PlatformHarness, month: Month) -> dg.ExecuteInProcessResult:
    land(platform, month, "slower_city=0.1")
    return platform.materialise(month, "raw_trips")


# The scenario, whether its last run succeeds, and the final state and reason of each file.
SCENARIOS: dict[
    str, tuple[Callable[[PlatformHarness, Month], dg.ExecuteInProcessResult], bool, list[tuple[str, str]]]
] = {
    "good": (good, True, [("ingested", "")]),
    "partial": (partial, False, [("arriving", "its end is missing")]),
    "duplicate": (duplicate, True, [("ingested", ""), ("quarantined", "it has the same bytes as")]),
    "republished": (republished, True, [("ingested", ""), ("superseded", "replaced by")]),
    "corrupt": (corrupt, False, [("quarantined", "is not a whole parquet file")]),
    "unknown schema": (unknown_schema, False, [("quarantined", "it does not meet the contract")]),
    "refused": (refused, False, [("quarantined", "median_duration_is_plausible")]),
}
MONTHS = dict(zip(SCENARIOS, month_range(Month(2023, 1), Month(2023, len(SCENARIOS))), strict=True))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, months_folder: Path) -> Iterator[PlatformHarness]:
    """A platform whose source has only the zones; each scenario has its own month."""
    source = tmp_path_factory.mktemp("zones")
    settings = settings_in(tmp_path_factory.mktemp("scenarios"), source)
    settings.landing.mkdir(parents=True)
    for name in ZONE_FILE_NAMES:
        shutil.copy(months_folder / name, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(settings.dagster_home))
        with open_instance(settings) as instance:
            platform = PlatformHarness(settings, build(settings), instance)
            run = platform.definitions.resolve_job_def("train_month").execute_in_process(
                asset_selection=[dg.AssetKey("taxi_zones")], partition_key="2023-01", instance=instance
            )
            assert run.success
            yield platform


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in {"duplicate", "republished"})) for name in SCENARIOS],
)
def test_table_page_and_folders_agree(platform: PlatformHarness, scenario: str) -> None:
    happens, succeeds, expected = SCENARIOS[scenario]
    name = f"green_tripdata_{MONTHS[scenario]}.parquet"
    result = happens(platform, MONTHS[scenario])
    assert result.success == succeeds

    everything = status_report.file_summaries(platform.settings)
    files = sorted((each for each in everything if each["file_name"] == name), key=lambda each: each["state"])
    for (state, reason), each in zip(expected, files, strict=True):
        assert (each["state"], reason in "; ".join(each["reasons"])) == (state, True)
    json.dumps(files, default=str)

    check = platform.checks(platform.find(result.run_id), "raw_trips")["no_file_is_in_quarantine"]
    shown = [record.data for record in check.metadata["source_files"].records]
    listed = {(each["file_name"], each["state"], "; ".join(each["reasons"]), each["path"]) for each in everything}
    assert {(row["file"], row["state"], row["reasons"], row["path"]) for row in shown} == listed
    to_be_mended = [
        each
        for each in everything
        if each["state"] == "quarantined" and not each["reasons"][0].startswith("it has the same bytes as")
    ]
    assert check.passed == (not to_be_mended)

    for each in files:
        path = platform.settings.root / each["path"]
        assert path.is_file()
        note = path.with_name(f"{path.name}.reason.txt")
        assert note.is_file() == (each["state"] == "quarantined")
        if note.is_file():
            assert path.parent == platform.settings.quarantine
            assert all(reason in note.read_text() for reason in each["reasons"])
    for file in platform.settings.landing.glob("*.parquet"):
        file.unlink()


@pytest.mark.slow
def test_republished_month_shows_its_changes(platform: PlatformHarness) -> None:
    month = Month(2023, 9)
    run = platform.find(republished(platform, month).run_id)
    shown = platform.metadata(run, "raw_trips", month)
    assert "0 rows added, 0 removed, " in str(shown["republished"].value)
    assert "| mean_duration_minutes |" in str(shown["republished"].value)
    (file,) = [record.data for record in shown["files"].records]  # type: ignore[attr-defined]
    events = platform.events(run, dg.DagsterEventType.ASSET_MATERIALIZATION)
    (event,) = (event for event in events if event.asset_key == dg.AssetKey("raw_trips"))
    version = event.step_materialization_data.materialization.tags["dagster/data_version"]
    assert version == file["sha256"]
