"""The assertions of the stress tests fail where they should."""

from collections.abc import Iterator

import pytest
from crash_scenarios import LakeReader
from expected_state import ExpectedMonth
from file_sequence_machine import ReferenceLakes
from lake_state import assert_consistent, ingestions, row_hashes
from sample_files import SLOTS, SampleFile, SampleFiles, close, land, publish_month

from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.warehouse.connection import Warehouse

SLOT = SLOTS[0]


@pytest.fixture
def ingested(sample_files: SampleFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse with one of the months."""
    warehouse = sample_files.home(tmp_path_factory.mktemp("ingested"))
    land(sample_files.good[SLOT][0], warehouse.settings.landing)
    publish_month(warehouse, SLOT)
    yield warehouse
    close(warehouse)


def test_differing_files_and_rows_are_reported(ingested: Warehouse, sample_files: SampleFiles) -> None:
    assert_consistent(ingested)
    stray = ingested.settings.quarantine / "0123456789abcdef-stray.parquet"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"")
    with pytest.raises(AssertionError, match="no row names"):
        assert_consistent(ingested)
    stray.unlink()
    (stored,) = [
        ingested.settings.root / r.path
        for r in list_source_files(ingested)
        if r.sha256 == sample_files.good[SLOT][0].sha256
    ]
    stored.chmod(0o644)
    stored.write_bytes(b"other")
    with pytest.raises(AssertionError, match="other bytes"):
        assert_consistent(ingested)
    stored.unlink()
    with pytest.raises(AssertionError, match="has no file"):
        assert_consistent(ingested)
    assert_consistent(ingested, {sample_files.good[SLOT][0].sha256})


def test_half_published_and_lost_months_are_reported(ingested: Warehouse, sample_files: SampleFiles) -> None:
    whole = row_hashes(ingested)
    reader = LakeReader(ingested, (whole,))
    with reader.watching():
        reader.await_read()

    def halve_while_watched() -> None:
        with reader.watching():
            with ingested.publishing("half") as connection:
                connection.execute("DELETE FROM kept_trips WHERE source_row < 100 AND month = DATE '2023-01-01'")
            reader.await_read()

    with pytest.raises(AssertionError, match=r"clean_trips .* is none of"):
        halve_while_watched()
    reader.wrong.clear()
    reader.scan()
    halved = [f"{table} ('green', '2023-01')" for table in ("clean_trips", "trip_features")]
    assert [text.partition(":")[0] for text in reader.wrong] == halved
    reverting = LakeReader(ingested, (row_hashes(ingested), whole))
    reverting.latest["clean_trips ('green', '2023-01')"] = 1
    reverting.scan()
    assert len(reverting.wrong) == 1


@pytest.mark.slow
def test_raw_trips_of_no_file_are_reported(
    ingested: Warehouse, sample_files: SampleFiles, reference_lakes: ReferenceLakes
) -> None:
    raw = row_hashes(ingested)["raw_trips"][SLOT[0], str(SLOT[1])]
    assert reference_lakes.file_of(SLOT, raw) == sample_files.good[SLOT][0]
    assert reference_lakes.file_of(SLOT, None) is None
    with pytest.raises(AssertionError, match="half a month"):
        reference_lakes.file_of(SLOT, (1, "x"))


def test_two_ingestions_are_counted(ingested: Warehouse, sample_files: SampleFiles) -> None:
    first, second, *_ = sample_files.good[SLOT]
    publish_month(ingested, SLOT)  # publishing the same file again is no new ingestion
    land(second, ingested.settings.landing)
    publish_month(ingested, SLOT)
    assert ingestions(ingested)[SLOT] == [first.sha256, second.sha256]


@pytest.fixture
def two(sample_files: SampleFiles) -> tuple[SampleFile, SampleFile]:
    return sample_files.good[SLOT][0], sample_files.good[SLOT][1]


def test_second_file_of_a_month_is_expected_after_the_first(two: tuple[SampleFile, SampleFile]) -> None:
    first, second = two
    month = ExpectedMonth(accepted=[first, second])
    month.finish_scan()
    assert month.waiting == second
    month.remove(second)
    month.finish_scan()
    assert month.waiting == first
    month.publish()
    month.accepted = [first, second, second]
    month.finish_scan()
    assert (month.published, month.waiting, month.allowed_ingestions[first.sha256]) == (first, second, 1)


def test_unexpected_month_is_reported(two: tuple[SampleFile, SampleFile]) -> None:
    first, second = two
    month = ExpectedMonth(accepted=[first])
    with pytest.raises(AssertionError, match="was due"):
        month.found_published(second)
    month.found_published(first)
    assert month.published == first
