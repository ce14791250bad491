"""TLC's file names, and the inspection of a month's file."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tlc_files import JANUARY, NAME, parquet, zipped

from taxi_assets.errors import TaxiError
from taxi_assets.months import FIRST_MONTH, Month, month_range, newest_month
from taxi_assets.tlc.month_file import check_content, file_name, is_synthetic_file, parse_file_name, read_file_name
from taxi_assets.tlc.services import SERVICES


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / NAME).write_bytes(parquet())
    return tmp_path


# Names


months = st.sampled_from(month_range(FIRST_MONTH, newest_month()))


@given(st.sampled_from(sorted(SERVICES)), months)
def test_a_written_name_is_read_back(service: str, month: Month) -> None:
    assert parse_file_name(file_name(service, month)) == (service, month)


def near_names() -> st.SearchStrategy[str]:
    """Names one edit away from a valid one, and names built of valid, odd or hostile parts."""
    odd = st.sampled_from(["..", "/", "\\", "\n", "\0", " ", ".", "%2e", "\u0661", "\uff11", "\u202e", "'"])
    services = st.sampled_from([*SERVICES, "fhv", "GREEN", "Green", "../green", "gre\u200ben", ""])
    numbers = st.sampled_from(["2023", "01", "1", "13", "00", "2008", "٢٠٢٣", "-1", "2023-01", ""])
    built = st.tuples(services, st.just("_tripdata_"), numbers, st.just("-"), numbers, st.just(".parquet"))
    insert = st.builds(lambda at, text: NAME[:at] + text + NAME[at:], st.integers(0, len(NAME)), odd)
    return insert | built.map("".join) | st.text(max_size=40)


@given(near_names())
@example("green_tripdata_2023-01.parquet\n")
@example("../green_tripdata_2023-01.parquet")
@example("GREEN_tripdata_2023-01.parquet")
@example("green_tripdata_2023-13.parquet")
@example("green_tripdata_2008-12.parquet")
@example("green_tripdata_\uff12\uff10\uff12\uff13-01.parquet")
@example("fhv_tripdata_2023-01.parquet")
@example(".green_tripdata_2023-01.parquet.part")
def test_only_tlcs_exact_names_are_accepted(name: str) -> None:
    parsed = parse_file_name(name)
    assert parsed is None or file_name(*parsed) == name


@pytest.mark.parametrize("service", ["fhv", "GREEN", "../../etc/passwd", ""])
def test_unknown_service_has_no_file_name(service: str) -> None:
    with pytest.raises(TaxiError, match="is not a service: name one of green, yellow, fhvhv"):
        file_name(service, JANUARY)


# Inspection of files


@pytest.mark.parametrize("value", ["true", "seed 1", ""])
def test_synthetic_file_is_recognised_by_its_footer(source: Path, value: str) -> None:
    (source / NAME).write_bytes(parquet(footer={"taxi.synthetic": value}))
    assert is_synthetic_file(source / NAME)


def test_misnamed_file_is_rejected() -> None:
    with pytest.raises(TaxiError, match=r"trips\.parquet is not named as TLC names a month"):
        read_file_name("trips.parquet")


@given(st.integers(0, len(parquet()) - 1))
def test_a_truncated_parquet_file_is_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.getbasetemp() / NAME
    path.write_bytes(parquet()[:cut])
    with pytest.raises(TaxiError, match="is not a whole parquet file"):
        is_synthetic_file(path)


damages = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8)


@given(st.sampled_from([NAME, "taxi_zones.zip"]), damages)
def test_damaged_bytes_are_accepted_or_refused_with_a_taxi_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, damage: list[tuple[int, int]]
) -> None:
    content = bytearray(parquet() if name == NAME else zipped())
    for at, value in damage:
        content[at % len(content)] = value
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        check_content(path, name, name)
    except TaxiError as error:
        assert "is not a whole" in str(error)  # noqa: PT017, accepting is correct too
