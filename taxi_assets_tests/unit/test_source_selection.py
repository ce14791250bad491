"""Where a run's months come from: the source, what has landed before, or the synthetic city."""

import shutil
from pathlib import Path

import pytest

from taxi_assets import synthetic
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.errors import TaxiError
from taxi_assets.ingestion import source_selection
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.tlc import tlc_source
from taxi_assets.tlc.month_file import file_name, inspect_file

MONTHS = (Month(2023, 1), Month(2023, 2))


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_selection, "_SYNTHETIC_ROWS", 300)


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    return f"http://127.0.0.1:{free_port('127.0.0.1')}"


@pytest.fixture
def settings(tmp_path: Path, closed: str) -> Settings:
    return Settings(home=tmp_path / "home", tlc_source=closed)


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of synthetic months."""
    folder = tmp_path_factory.mktemp("made_up")
    synthetic.write_zones(folder, 1)
    for month in MONTHS:
        synthetic.write_month(folder, "green", month, 300, 1)
    return folder


@pytest.fixture(scope="module")
def genuine(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same months without the mark that they were made up."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("genuine")
    for file in made_up.iterdir():
        if file.suffix == ".parquet":
            pq.write_table(pq.read_table(file).replace_schema_metadata(None), folder / file.name)
        else:
            shutil.copy(file, folder)
    return folder


def with_source(settings: Settings, source: Path) -> Settings:
    return settings.model_copy(update={"tlc_source": str(source)})


def test_a_source_of_real_months_is_used_as_it_is(settings: Settings, genuine: Path) -> None:
    choice = source_selection.select_source(with_source(settings, genuine), MONTHS)
    assert choice.notice is None
    assert choice.settings.data_kind == "real"
    assert choice.settings.tlc_source == str(genuine)


def test_a_source_of_synthetic_months_gets_the_home_of_those(settings: Settings, made_up: Path) -> None:
    choice = source_selection.select_source(with_source(settings, made_up), MONTHS)
    assert choice.settings.data_kind == "synthetic"
    assert choice.notice is None
    real = settings.model_copy(update={"data_kind": "real"})
    assert not list(real.landing.glob("*.parquet"))


def test_without_a_source_the_months_are_synthetic_and_that_is_said(settings: Settings, closed: str) -> None:
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


def test_a_folder_that_is_not_there_is_an_error_not_synthetic_months(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match=r"nowhere.*correct the path, or name another source"):
        source_selection.select_source(with_source(settings, tmp_path / "nowhere"), MONTHS)
    assert not settings.home.exists()


def test_synthetic_months_are_made_once(settings: Settings) -> None:
    choice = source_selection.select_source(settings, MONTHS)
    file = Path(choice.settings.tlc_source, file_name("green", MONTHS[0]))
    made = file.stat().st_mtime_ns
    source_selection.select_source(settings, MONTHS)
    assert file.stat().st_mtime_ns == made


def test_every_service_asked_for_is_made(settings: Settings) -> None:
    both = settings.model_copy(update={"services": ("green", "yellow")})
    folder = Path(source_selection.select_source(both, MONTHS[:1]).settings.tlc_source)
    assert (folder / file_name("yellow", MONTHS[0])).is_file()


def test_synthetic_months_that_are_asked_for_need_no_notice(settings: Settings, genuine: Path) -> None:
    asked = with_source(settings, genuine).model_copy(update={"data_kind": "synthetic"})
    choice = source_selection.select_source(asked, MONTHS)
    assert choice.notice is None
    assert choice.settings.tlc_source != str(genuine)


def test_real_months_that_are_insisted_on_are_not_made_up(settings: Settings, closed: str) -> None:
    with pytest.raises(TaxiError, match=f"{closed} cannot be reached"):
        source_selection.select_source(settings.model_copy(update={"data_kind": "real"}), MONTHS)


def test_real_months_that_have_landed_are_gone_on_with(settings: Settings, genuine: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(genuine, real.landing)
    choice = source_selection.select_source(settings, MONTHS)
    assert choice.settings.data_kind == "real"
    assert choice.settings.tlc_source == str(real.landing)
    assert str(choice.notice).endswith("Using the files that are already here.")


def test_a_month_that_has_landed_as_text_is_there(settings: Settings, genuine: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(genuine, real.landing)
    (real.landing / file_name("green", MONTHS[0])).with_suffix(".csv").write_text("VendorID\n1\n")
    (real.landing / file_name("green", MONTHS[0])).unlink()
    assert source_selection.select_source(settings, MONTHS).settings.data_kind == "real"


def test_a_source_of_text_is_one_of_real_months(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / file_name("green", MONTHS[0], "csv")).write_text("VendorID\n1\n")
    assert source_selection.select_source(with_source(settings, tmp_path), MONTHS).settings.data_kind == "real"


def test_real_months_of_which_one_has_not_landed_are_not_enough(settings: Settings, genuine: Path) -> None:
    real = settings.model_copy(update={"data_kind": "real"})
    shutil.copytree(genuine, real.landing)
    (real.landing / file_name("green", MONTHS[1])).unlink()
    assert source_selection.select_source(settings, MONTHS).settings.data_kind == "synthetic"


def test_a_source_without_the_month_is_an_error_not_a_reason_to_make_one_up(settings: Settings, genuine: Path) -> None:
    choice = source_selection.select_source(with_source(settings, genuine), [Month(2020, 5)])
    assert choice.settings.data_kind == "real"
    with pytest.raises(TaxiError, match=r"green_tripdata_2020-05\.parquet"):
        tlc_source.fetch_month(choice.settings.tlc_source, "green", Month(2020, 5), choice.settings.landing)


def test_what_lies_in_the_landing_folder_is_not_written_over(settings: Settings, genuine: Path) -> None:
    """The kind of the months is told by another; where the source has none, they are real."""
    real = settings.model_copy(update={"data_kind": "real"})
    real.landing.mkdir(parents=True)
    mine = real.landing / file_name("green", MONTHS[0])
    mine.write_bytes(b"mine")
    for months in (MONTHS, MONTHS[:1], (MONTHS[0], Month(2020, 5))):
        assert source_selection.select_source(with_source(settings, genuine), months).settings.data_kind == "real"
        assert mine.read_bytes() == b"mine"
