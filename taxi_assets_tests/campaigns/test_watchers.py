"""Whoever watches a campaign sees what is wrong: each of their checks fails where it should."""

from collections.abc import Iterator

import pytest
from arrival_machine import Fresh
from expected_arrivals import Expected
from lake_state import assert_at_rest, ingestions, row_hashes
from little_months import SLOTS, Little, Shelf, land, publish_month
from thrift import close
from trials import Reader

from taxi_assets.ingestion.scan_landing import records_of
from taxi_assets.warehouse.connection import Warehouse

pytestmark = pytest.mark.usefixtures("thrift")

SLOT = SLOTS[0]


@pytest.fixture
def held(shelf: Shelf, thrift: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A lake that holds one of the months."""
    warehouse = shelf.home(tmp_path_factory.mktemp("held"))
    land(shelf.good[SLOT][0], warehouse.settings.landing)
    publish_month(warehouse, SLOT)
    yield warehouse
    close(warehouse)


def test_files_and_rows_that_differ_are_seen(held: Warehouse, shelf: Shelf) -> None:
    assert_at_rest(held)
    stray = held.settings.quarantine / "0123456789abcdef-stray.parquet"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"")
    with pytest.raises(AssertionError, match="no row knows"):
        assert_at_rest(held)
    stray.unlink()
    (stored,) = [held.settings.root / r.path for r in records_of(held) if r.sha256 == shelf.good[SLOT][0].sha256]
    stored.chmod(0o644)
    stored.write_bytes(b"other")
    with pytest.raises(AssertionError, match="other bytes"):
        assert_at_rest(held)
    stored.unlink()
    with pytest.raises(AssertionError, match="has no file"):
        assert_at_rest(held)
    assert_at_rest(held, {shelf.good[SLOT][0].sha256})


def test_half_a_month_and_a_lost_one_are_seen(held: Warehouse, shelf: Shelf) -> None:
    whole = row_hashes(held)
    reader = Reader(held, (whole,))
    with reader.watching():
        reader.await_look()

    def halve_while_watched() -> None:
        with reader.watching():
            with held.publishing("half") as connection:
                connection.execute("DELETE FROM clean_trips WHERE source_row < 100 AND month = DATE '2023-01-01'")
            reader.await_look()

    with pytest.raises(AssertionError, match=r"clean_trips .* is none of"):
        halve_while_watched()
    reader.wrong.clear()
    reader.look()
    assert [text.partition(":")[0] for text in reader.wrong] == ["clean_trips ('green', '2023-01')"]
    going_back = Reader(held, (row_hashes(held), whole))
    going_back.latest["clean_trips ('green', '2023-01')"] = 1
    going_back.look()
    assert len(going_back.wrong) == 1


def test_raw_trips_of_no_file_are_seen(held: Warehouse, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = Fresh(shelf, tmp_path_factory.mktemp("fresh"))
    raw = row_hashes(held)["raw_trips"][SLOT[0], str(SLOT[1])]
    assert fresh.file_of(SLOT, raw) == shelf.good[SLOT][0]
    assert fresh.file_of(SLOT, None) is None
    with pytest.raises(AssertionError, match="half a month"):
        fresh.file_of(SLOT, (1, "x"))


def test_two_ingestions_are_counted(held: Warehouse, shelf: Shelf) -> None:
    first, second, *_ = shelf.good[SLOT]
    publish_month(held, SLOT)  # the same again is no other ingestion
    land(second, held.settings.landing)
    publish_month(held, SLOT)
    assert ingestions(held)[SLOT] == [first.sha256, second.sha256]


@pytest.fixture
def two(shelf: Shelf) -> tuple[Little, Little]:
    return shelf.good[SLOT][0], shelf.good[SLOT][1]


def test_what_is_expected_of_one_file_after_the_other(two: tuple[Little, Little]) -> None:
    first, second = two
    month = Expected(accepted=[first, second])
    month.settle()
    assert month.waiting == second
    month.remove(second)
    month.settle()
    assert month.waiting == first
    month.publish()
    month.accepted = [first, second, second]
    month.settle()
    assert (month.published, month.waiting, month.chances[first.sha256]) == (first, second, 1)


def test_a_month_nobody_expected_is_seen(two: tuple[Little, Little]) -> None:
    first, second = two
    month = Expected(accepted=[first])
    with pytest.raises(AssertionError, match="was due"):
        month.found_published(second)
    month.found_published(first)
    assert month.published == first
