"""Folders as sources of months, and invalid sources. Tests of TLC's site are in integration/tlc_http."""

from pathlib import Path

import pytest
from sample_lake import inspect_file
from tlc_files import JANUARY, NAME, parquet, zipped

from taxi_assets.errors import TaxiError
from taxi_assets.files import sha256_of
from taxi_assets.months import Month, newest_month
from taxi_assets.tlc import tlc_source


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror [a-z]*"  # characters that must not act as a pattern
    folder.mkdir()
    (folder / NAME).write_bytes(parquet())
    return folder


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    return tmp_path / "home" / "landing"


def fetch(source: Path | str, landing: Path) -> Path:
    return tlc_source.fetch_month(str(source), "green", JANUARY, landing)


@pytest.mark.parametrize("layout", [".", "trip-data"])
def test_a_month_is_fetched_from_a_flat_folder_or_the_sites_layout(source: Path, landing: Path, layout: str) -> None:
    (source / "trip-data").mkdir()
    path = (source / NAME).rename(source / layout / NAME)
    tlc_source.check_reachable(str(source))
    fetched = fetch(source, landing)
    assert fetched == landing / NAME
    assert fetched.read_bytes() == path.read_bytes()
    assert visible(landing) == {NAME}


def test_landing_has_a_copy_that_the_source_cannot_change(source: Path, landing: Path) -> None:
    original = (source / NAME).rename(source / "elsewhere")
    (source / NAME).symlink_to(original)
    path = fetch(source, landing)
    assert not path.is_symlink()
    assert not path.samefile(original)


def test_progress_is_reported_to_the_last_byte(source: Path, landing: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    for _ in range(2):
        tlc_source.fetch_month(str(source), "green", JANUARY, landing, lambda done, total: seen.append((done, total)))
    length = (source / NAME).stat().st_size
    assert seen == [(length, length)] * 2


def test_the_same_bytes_are_not_copied_again(source: Path, landing: Path) -> None:
    before = fetch(source, landing).stat()
    after = fetch(source, landing).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_other_bytes_replace_the_file_even_of_the_same_length(source: Path, landing: Path) -> None:
    first = sha256_of(fetch(source, landing))
    other = parquet(footer={"k": "1"})
    (source / NAME).write_bytes(other)
    assert sha256_of(fetch(source, landing)) != first
    same_length = other.replace(b"parquet-cpp", b"parquet-cqq")
    assert len(same_length) == len(other)
    (source / NAME).write_bytes(same_length)
    assert fetch(source, landing).read_bytes() == same_length


def test_a_file_that_is_not_parquet_does_not_replace_a_good_one(source: Path, landing: Path) -> None:
    good = inspect_file(fetch(source, landing))
    (source / NAME).write_text("<html>moved</html>")
    with pytest.raises(TaxiError, match=rf"{NAME} is not a whole parquet file: replace it") as caught:
        fetch(source, landing)
    assert "\n" not in str(caught.value)
    assert inspect_file(landing / NAME) == good
    assert not list(landing.glob(".*part"))


def test_a_truncated_earlier_copy_leaves_nothing_in_the_next(source: Path, landing: Path) -> None:
    landing.mkdir(parents=True)
    (landing / f".{NAME}.copy.part").write_bytes(b"x" * 100_000)
    assert fetch(source, landing).read_bytes() == (source / NAME).read_bytes()
    assert not list(landing.glob(".*part"))


def test_a_folder_may_be_its_own_landing_folder(source: Path) -> None:
    assert fetch(source, source) == source / NAME


@pytest.mark.parametrize(
    ("month", "is_late"), [(newest_month(), True), (Month(2014, 3), False), (Month(2009, 1), False)]
)
def test_a_folder_without_the_month_is_reported_with_the_remedy(
    source: Path, landing: Path, month: Month, is_late: bool
) -> None:
    with pytest.raises(TaxiError) as caught:
        tlc_source.fetch_month(str(source), "yellow", month, landing)
    assert not isinstance(caught.value, tlc_source.SourceUnreachable)
    for part in (str(source), f"has no yellow_tripdata_{month}.parquet or .csv", "MONTHS="):
        assert part in str(caught.value)
    assert ("two months late" in str(caught.value)) == is_late
    assert ("put the file there" in str(caught.value)) != is_late
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", [".", "trip-data"])
def test_a_folder_of_csv_files_is_a_source(source: Path, landing: Path, layout: str) -> None:
    name = "green_tripdata_2014-03.csv"
    (source / layout).mkdir(exist_ok=True)
    (source / layout / name).write_bytes(b"VendorID\n1\n")
    path = tlc_source.fetch_month(str(source), "green", Month(2014, 3), landing)
    assert path == landing / name
    assert path.read_bytes() == b"VendorID\n1\n"
    assert tlc_source.month_location(str(source), "green", Month(2014, 3)) == source / layout / name


def test_parquet_is_preferred_to_csv(source: Path, landing: Path) -> None:
    (source / NAME).with_suffix(".csv").write_bytes(b"VendorID\n1\n")
    assert fetch(source, landing) == landing / NAME


def test_a_csv_file_without_a_header_is_refused(source: Path, landing: Path) -> None:
    (source / "green_tripdata_2014-03.csv").write_bytes(b"\n")
    with pytest.raises(TaxiError, match=r"2014-03\.csv is not a table of trips"):
        tlc_source.fetch_month(str(source), "green", Month(2014, 3), landing)
    assert visible(landing) == set()


@pytest.mark.parametrize("name", ["nowhere", NAME, "nowhere\0", "n" * 5000, "~unknown-user-of-that-name"])
def test_a_missing_folder_cannot_be_reached(
    source: Path, landing: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source)
    with pytest.raises(tlc_source.SourceUnreachable, match=r"(?s)cannot be reached.*TAXI_TLC_SOURCE"):
        tlc_source.check_reachable(name)
    with pytest.raises(tlc_source.SourceUnreachable):
        fetch(name, landing)


def test_an_unwritable_landing_folder_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    with pytest.raises(TaxiError, match=r"cannot write .*Not a directory.*TAXI_HOME"):
        fetch(source, tmp_path / "home" / "landing")


@pytest.mark.parametrize("layout", [".", "misc"])
def test_zones_are_fetched_as_two_files(source: Path, landing: Path, layout: str) -> None:
    (source / "misc").mkdir()
    (source / layout / "taxi_zone_lookup.csv").write_text('"LocationID","Borough"\n1,"EWR"\n')
    (source / layout / "taxi_zones.zip").write_bytes(zipped())
    lookup, shapes = tlc_source.ensure_zone_files(str(source), landing)
    assert lookup.read_text().startswith('"LocationID"')
    assert shapes.read_bytes() == zipped()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("taxi_zone_lookup.csv", "is not a table of zones"), ("taxi_zones.zip", "is not a whole zip file")],
)
def test_files_that_are_not_zones_are_refused(source: Path, landing: Path, name: str, reason: str) -> None:
    (source / "taxi_zone_lookup.csv").write_text("LocationID\n1\n")
    (source / "taxi_zones.zip").write_bytes(zipped())
    (source / name).write_text("<html>")
    with pytest.raises(TaxiError, match=reason):
        tlc_source.ensure_zone_files(str(source), landing)
    assert name not in visible(landing)


def test_a_folder_without_zones_is_reported(source: Path, landing: Path) -> None:
    with pytest.raises(TaxiError, match=r"has no taxi_zone_lookup\.csv .*put the file there"):
        tlc_source.ensure_zone_files(str(source), landing)


# Invalid addresses


@pytest.mark.parametrize(
    "source",
    [
        "s3://bucket/trips",
        "file:///data",
        "http://",
        "https://a..b/",
        "http://h:99999",
        f"http://{'a' * 64}.b",
    ],
)
def test_an_address_that_is_neither_site_nor_folder_is_named(source: str, landing: Path) -> None:
    with pytest.raises(TaxiError, match="TAXI_TLC_SOURCE") as caught:
        tlc_source.check_reachable(source)
    assert source in str(caught.value)
    with pytest.raises(TaxiError, match="TAXI_TLC_SOURCE"):
        fetch(source, landing)


def test_a_source_is_shown_without_its_secrets() -> None:
    assert tlc_source.source_label("https://me:word@host/base?sig=token") == "https://host/base"
    assert tlc_source.source_label("data/tlc") == "data/tlc"
