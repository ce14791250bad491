"""Of every kind of file, the table, Dagster's page and the folders tell the same."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from town import JANUARY, ROWS, SEED, Town

from taxi_assets import report, synthetic
from taxi_assets.errors import TaxiError
from taxi_assets.receiving.looks import Pace
from taxi_assets.receiving.receive import look
from taxi_assets.synthetic import parse_shift

NAME = "green_tripdata_2023-01.parquet"


def land(town: Town, *shifts: str) -> Path:
    town.settings.landing.mkdir(parents=True, exist_ok=True)
    parsed = [parse_shift(shift) for shift in shifts]
    return synthetic.write_month(town.settings.landing, "green", JANUARY, ROWS, SEED, None, parsed)


def looks(town: Town, times: int = 3) -> None:
    for _ in range(times):
        look(town.warehouse, Pace(seconds_between=0))


def good(town: Town) -> None:
    land(town)
    town.run("ingest_months", [JANUARY])


def partial(town: Town) -> None:
    good(town)
    (town.settings.landing / "green_tripdata_2023-02.parquet").write_bytes(b"PAR1 and more to come")
    looks(town, 1)
    town.run("ingest_months", [JANUARY])


def duplicate(town: Town) -> None:
    good(town)
    land(town)
    looks(town)
    town.run("ingest_months", [JANUARY])


def republished(town: Town) -> None:
    good(town)
    land(town, "null_burst=0.2")
    town.run("ingest_months", [JANUARY])


def corrupt(town: Town) -> None:
    file = land(town)
    file.write_bytes(file.read_bytes()[:-100])
    looks(town)
    with pytest.raises(TaxiError, match=r"is in quarantine: .* is not a whole parquet file"):
        town.run("ingest_months", [JANUARY])


def unknown_schema(town: Town) -> None:
    import pyarrow.parquet as pq

    file = land(town)
    pq.write_table(pq.read_table(file).drop_columns(["DOLocationID"]), file)
    with pytest.raises(TaxiError, match=r"is in quarantine: .*dropoff_zone_id"):
        town.run("ingest_months", [JANUARY])


STORIES: dict[str, tuple[Callable[[Town], None], list[tuple[str, str]]]] = {
    "good": (good, [("ingested", "")]),
    "partial": (partial, [("ingested", ""), ("waiting", "its end is missing")]),
    "duplicate": (duplicate, [("ingested", ""), ("quarantined", "it has the same bytes as")]),
    "republished": (republished, [("ingested", ""), ("superseded", "replaced by")]),
    "corrupt": (corrupt, [("quarantined", "is not a whole parquet file")]),
    "unknown schema": (unknown_schema, [("quarantined", "it does not meet the contract")]),
}


@pytest.fixture
def town(empty_town: Town, tmp_path: Path) -> Town:
    """A platform whose source has the zones only."""
    source = tmp_path / "zones only"
    source.mkdir()
    for name in ("taxi_zone_lookup.csv", "taxi_zones.zip"):
        shutil.copy(Path(empty_town.settings.tlc_source) / name, source)
        empty_town.settings.landing.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, empty_town.settings.landing)
    from taxi_assets.definitions import build

    settings = empty_town.settings.model_copy(update={"tlc_source": str(source)})
    return Town(settings, build(settings), empty_town.instance)


@pytest.mark.parametrize("story", STORIES)
def test_table_page_and_folders_tell_the_same(town: Town, story: str) -> None:
    happens, expected = STORIES[story]
    happens(town)

    told, notice = report.arrival_facts(town.settings)
    assert notice is None
    listed = {(each["file_name"], each["state"], "; ".join(each["reasons"]), each["path"]) for each in told}
    assert len(told) == len(expected)
    for (state, reason), each in zip(expected, sorted(told, key=lambda each: each["state"]), strict=True):
        assert (each["state"], reason in "; ".join(each["reasons"])) == (state, True)
    json.dumps(told, default=str)

    check = town.checks(town.last_run(), "raw_trips")["no_file_is_in_quarantine"]
    shown = [record.data for record in check.metadata["arrivals"].records]
    assert {(row["file"], row["state"], row["reasons"], row["path"]) for row in shown} == listed
    assert check.passed == all(each["state"] != "quarantined" for each in told)

    for each in told:
        assert (town.settings.root / each["path"]).is_file()
    aside = {each["path"]: each for each in told if each["state"] == "quarantined"}
    notes = {path.name: path.read_text() for path in town.settings.quarantine.glob("*.reason.txt")}
    assert set(notes) == {f"{Path(path).name}.reason.txt" for path in aside}
    for path, each in aside.items():
        assert "; ".join(each["reasons"]) in notes[f"{Path(path).name}.reason.txt"]


def test_a_republished_month_shows_what_it_changed(town: Town) -> None:
    republished(town)
    shown = town.metadata(town.last_run(), "raw_trips", JANUARY)
    assert "0 rows added, 0 removed" in str(shown["republished"].value)
    assert "| mean_duration_minutes |" in str(shown["republished"].value)
    (file,) = [record.data for record in shown["files"].records]  # type: ignore[attr-defined]
    versions = [
        event.step_materialization_data.materialization.tags["dagster/data_version"]
        for event in town.events(town.last_run(), dg.DagsterEventType.ASSET_MATERIALIZATION)
        if event.asset_key == dg.AssetKey("raw_trips")
    ]
    assert versions == [file["sha256"]]


def test_a_good_month_that_follows_a_refused_one_is_taken(town: Town) -> None:
    land(town, "slower_city=0.1")
    with pytest.raises(TaxiError, match="median_duration_is_plausible"):
        town.run("ingest_months", [JANUARY])
    land(town)
    town.run("ingest_months", [JANUARY])
    assert sorted(each["state"] for each in report.arrival_facts(town.settings)[0]) == ["ingested", "quarantined"]
