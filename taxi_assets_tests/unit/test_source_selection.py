"""The source of a run's months: TLC's, the landing folder, or the synthetic city."""

import shutil
from pathlib import Path

import pytest
from sample_lake import inspect_file

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import source_selection
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.month_file import file_name

MONTHS = (Month(2023, 1), Month(2023, 2))


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_selection, "_SYNTHETIC_ROWS", 300)


@pytest.fixture
def closed() -> str:
    """A local address with a closed port."""
    return f"http://127.0.0.1:{free_port('127.0.0.1')}"


@pytest.fixture
def settings(tmp_path: Path, closed: str) -> Settings:
    return Settings(home=tmp_path / "home", tlc_source=closed)


@pytest.fixture(scope="module")
def synthetic_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of synthetic months."""
    folder = tmp_path_factory.mktemp("synthetic_months")
    synthetic.write_zones(folder, 1)
    for month in MONTHS:
        synthetic.write_month(folder, "green", month, 300, 1)
    return folder


@pytest.fixture(scope="module")
def unmarked_months(synthetic_months: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same months without the mark of synthetic data."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("unmarked_months")
    for file in synthetic_months.iterdir():
        if file.suffix == ".parquet":
            pq.write_table(pq.read_table(file).replace_schema_metadata(None), folder / file.name)
        else:
            shutil.copy(file, folder)
    return folder


def with_source(settings: Settings, source: Path) -> Settings:
    return settings.model_copy(update={"tlc_source": str(source)})


def test_a_source_of_real_months_is_used_unchanged(settings: Settings, unmarked_months: Path) -> None:
    choice = source_selection.select_source(with_source(settings, unmarked_months), MONTHS)
    assert choice.notice is None
    assert choice.settings.data_kind == "real"
    assert choice.settings.tlc_source == str(unmarked_months)


def test_a_source_of_synthetic_months_uses_the_synthetic_home(settings: Settings, synthetic_months: Path) -> None:
    choice = source_selection.select_source(with_source(settings, synthetic_months), MONTHS)
    assert choice.settings.data_kind == "synthetic"
    assert choice.notice is None
    real = settings.model_copy(update={"data_kind": "real"})
    assert not list(real.landing.glob("*.parquet"))


def test_without_a_source_the_months_are_synthetic_with_a_notice(settings: Settings, closed: str) -> None:
    choice = source_selection.select_source(settings, MONTHS)
    assert choice.settings.data_kind == "synthetic"
    assert choice.notice
    assert choice.notice.startswith(f"{closed} cannot be reached")
    assert choice.notice.endswith("Using SYNTHETIC months.")
    assert "\n" not in choice.notice
    files = {file.name for file in Path(choice.settings.tlc_source).iterdir()}
    assert files == {*tlc_source.ZONE_FILE_NAMES, *(file_name("green", month) for month in MONTHS)}
    path = tlc_source.fetch_month(choice.settings.tlc_source, "green", MONTHS[0], settings.landing)
    assert inspect_file(path).is_synthetic


def test_a_missing_folder_is_an_error(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match=r"nowhere.*correct the path, or name another source"):
        source_selection.select_source(with_source(settings, tmp_path / "nowhere"), MONTHS)
    assert not settings.home.exists()


def test_synthetic_months_are_made_once(settings: Settings) -> None:
    choice = source_selection.select_source(settings, MONTHS)
    file = Path(choice.settings.tlc_source, file_name("green", MONTHS[0]))
    made = file.stat().st_mtime_ns
    source_selection.select_source(settings, MONTHS)
    assert file.stat().st_mtime_ns == made


def test_every_requested_service_is_made(settings: Settings) -> None:
    both = settings.model_copy(update={"services": ("green", "yellow")})
    folder = Path(source_selection.select_source(both, MONTHS[:1]).settings.tlc_source)
    assert (folder / file_name("yellow", MONTHS[0])).is_file()


def test_requested_synthetic_months_need_no_notice(settings: Settings, unmarked_months: Path) -> None:
    requested = with_source(settings, unmarked_months).model_copy(update={"data_kind": "synthetic"})
    choice = source_selection.select_source(requested, MONTHS)
    assert choice.notice is None
    assert choice.settings.tlc_source != str(unmarked_months)


def test_requested_real_months_are_never_synthetic(settings: Settings, closed: str) -> None:
    with pytest.raises(TaxiError, match=f"{closed} cannot be reached"):
        source_selection.select_source(settings.model_copy(update={"data_kind": "real"}), MONTHS)


def test_landed_real_months_are_used(settings: Settings, unmarked_months: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(unmarked_months, real.landing)
    choice = source_selection.select_source(settings, MONTHS)
    assert choice.settings.data_kind == "real"
    assert choice.settings.tlc_source == str(real.landing)
    assert str(choice.notice).endswith("Using the files that are already here.")


def test_a_month_that_landed_as_csv_is_available(settings: Settings, unmarked_months: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(unmarked_months, real.landing)
    (real.landing / file_name("green", MONTHS[0])).with_suffix(".csv").write_text("VendorID\n1\n")
    (real.landing / file_name("green", MONTHS[0])).unlink()
    assert source_selection.select_source(settings, MONTHS).settings.data_kind == "real"


def test_a_source_of_csv_files_has_real_months(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / file_name("green", MONTHS[0], "csv")).write_text("VendorID\n1\n")
    assert source_selection.select_source(with_source(settings, tmp_path), MONTHS).settings.data_kind == "real"


def test_a_missing_month_makes_landed_months_insufficient(settings: Settings, unmarked_months: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(unmarked_months, real.landing)
    (real.landing / file_name("green", MONTHS[1])).unlink()
    assert source_selection.select_source(settings, MONTHS).settings.data_kind == "synthetic"


def test_a_source_without_the_month_is_an_error(settings: Settings, unmarked_months: Path) -> None:
    choice = source_selection.select_source(with_source(settings, unmarked_months), [Month(2020, 5)])
    assert choice.settings.data_kind == "real"
    with pytest.raises(TaxiError, match=r"green_tripdata_2020-05\.parquet"):
        tlc_source.fetch_month(choice.settings.tlc_source, "green", Month(2020, 5), choice.settings.landing)


def test_files_in_the_landing_folder_are_not_overwritten(settings: Settings, unmarked_months: Path) -> None:
    """The landed month has the kind of the others; without others in the source, months are real."""
    real = settings.model_copy(update={"data_kind": "real"})
    real.landing.mkdir(parents=True)
    mine = real.landing / file_name("green", MONTHS[0])
    mine.write_bytes(b"mine")
    for months in (MONTHS, MONTHS[:1], (MONTHS[0], Month(2020, 5))):
        assert (
            source_selection.select_source(with_source(settings, unmarked_months), months).settings.data_kind == "real"
        )
        assert mine.read_bytes() == b"mine"
