"""User errors of `taxi run` end in one line with the remedy and leave published data unchanged."""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from cli_user import MONTHS, CliUser, make_cli_user, write_months
from table_digests import table_digests

from taxi_assets import cli
from taxi_assets.cli.run_pipeline import remember_data_kind
from taxi_assets.files import sha256_of
from taxi_assets.ingestion import publish_month
from taxi_assets.ingestion.ingest import ingest_month
from taxi_assets.ingestion.scan_landing import list_source_files
from taxi_assets.ingestion.source_files import SourceFile
from taxi_assets.settings import Settings
from taxi_assets.tlc.tlc_source import ensure_zone_files
from taxi_assets.warehouse.connection import Warehouse

BOTH = "2023-01..2023-02"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_months(tmp_path_factory.mktemp("source"), 300)


@pytest.fixture(scope="module")
def cli_user(source: Path, tmp_path_factory: pytest.TempPathFactory) -> CliUser:
    """A user with one month in the warehouse."""
    found = make_cli_user(tmp_path_factory.mktemp("errors"), source, "synthetic")
    settings = found.settings
    publish_month.publish_zones(Warehouse(settings), *ensure_zone_files(settings.tlc_source, settings.landing))
    ingest_month(Warehouse(settings), "green", MONTHS[0])
    remember_data_kind(settings.model_copy(update={"data_kind": "synthetic"}))
    return CliUser(found.home, found.source, found.port)


@pytest.fixture(scope="module", autouse=True)
def _nothing_published_is_harmed(cli_user: CliUser) -> Iterator[None]:
    settings = Settings(home=cli_user.home, data_kind="synthetic")
    before, published = table_digests(Warehouse(settings)), ingested(settings)
    yield
    # An earlier month may still be pending if a later one was missing.
    assert table_digests(Warehouse(settings)) | {"source_files": ""} == before | {"source_files": ""}
    assert ingested(settings) == published


def ingested(settings: Settings) -> list[SourceFile]:
    return [record for record in list_source_files(Warehouse(settings)) if record.state == "ingested"]


def refusal(cli_user: CliUser, *arguments: str, **variables: str) -> str:
    """Runs a command that must fail, and returns its one line. Recorded files must not change."""
    settings = Settings(home=cli_user.home, data_kind="synthetic")
    kept = sorted(settings.file_store.glob("green/2023-01/*.parquet"))
    before = [sha256_of(file) for file in kept]
    assert before
    code, shown = in_this_process(arguments, {**cli_user.environment, **variables})
    assert code == 1, shown
    (line,) = shown.splitlines()
    assert line.startswith("error: ")
    assert [sha256_of(file) for file in kept] == before
    return line.removeprefix("error: ")


def in_this_process(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs `taxi` in this process, which saves the imports; returns its exit code and stderr."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(shown):
        for name in [name for name in environment if name.startswith("TAXI_")]:
            patch.setenv(name, environment[name])
        patch.setenv("DAGSTER_HOME", "")
        patch.setattr(sys, "argv", ["taxi", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(str(ended.value.code)), shown.getvalue()


def test_failed_command_prints_one_line(cli_user: CliUser) -> None:
    done = cli_user.run("run", "--months", "2023-13")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: '2023-13' is not a month")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected_message"),
    [
        (["--months", "2023-01,2023-01..2023-02"], "the month 2023-01 is given twice"),
        (["--months", "2023-13"], "'2023-13' is not a month: write it as YYYY-MM"),
        (["--months", "2023-02..2023-01"], "the range '2023-02..2023-01' runs backwards"),
        (["--months", "2023-01"], "2023-01 is a single month: name two or more"),
        (["--months", ""], "'' is not a month"),
        (["--months", BOTH, "--services", "blue"], "name each service once, of green, yellow, fhvhv"),
        (["--months", BOTH, "--services", "green,green"], "name each service once"),
        (["--months", BOTH, "--source", "ftp://example.org"], "ftp://example.org"),
        (["--months", "2023-01..2023-03"], "green_tripdata_2023-03.parquet"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_invalid_argument_is_reported_with_its_remedy(
    cli_user: CliUser, arguments: list[str], expected_message: str
) -> None:
    assert expected_message in refusal(cli_user, "run", *arguments)


def test_a_file_that_is_not_parquet_is_named(cli_user: CliUser, source: Path, tmp_path: Path) -> None:
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    # A month no other test uses: a file in the landing folder is not fetched again.
    (tmp_path / "green_tripdata_2023-04.parquet").write_text("<html>503</html>")
    message = refusal(cli_user, "run", "--months", "2023-01,2023-04", "--source", str(tmp_path))
    assert "green_tripdata_2023-04.parquet is not a whole parquet file: replace it" in message


def test_a_read_only_home_is_named(cli_user: CliUser) -> None:
    cli_user.home.chmod(0o555)
    try:
        message = refusal(cli_user, "run", "--months", BOTH)
    finally:
        cli_user.home.chmod(0o755)
    assert str(cli_user.home) in message
    assert "set TAXI_HOME to a folder that is" in message


def test_a_home_that_is_a_file_is_named(cli_user: CliUser, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    message = refusal(cli_user, "run", "--months", BOTH, TAXI_HOME=str(file))
    assert str(file) in message
    assert "set TAXI_HOME" in message


def test_folder_as_json_path_is_rejected(cli_user: CliUser, tmp_path: Path) -> None:
    message = refusal(cli_user, "run", "--months", BOTH, "--json", str(tmp_path))
    assert message == f"cannot write JSON to {tmp_path} (Is a directory): name a file, or - to print it"


def test_setting_that_is_not_a_port_is_named(cli_user: CliUser) -> None:
    assert "TAXI_MLFLOW_PORT is 'many'" in refusal(cli_user, "status", TAXI_MLFLOW_PORT="many")


def test_predict_without_an_endpoint_shows_how_to_start_it(cli_user: CliUser) -> None:
    asked = ["--pickup", "74", "--dropoff", "75", "--at", "2023-03-01T08:30"]
    assert "start it with `make up`" in refusal(cli_user, "predict", *asked)
