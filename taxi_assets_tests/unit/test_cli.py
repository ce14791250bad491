"""The command line: its help, its errors of one line, and the commands that need no servers."""

import json
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from sample_lake import inspect_file
from typer.testing import CliRunner

from taxi_assets import cli
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings

COMMANDS = (
    "run",
    "status",
    "predict",
    "replica",
    "worker",
    "deploy",
    "undeploy",
    "route",
    "rollback",
    "synth",
    "up",
    "serve",
    "maintain",
    "baselines",
    "backtest",
    "replay",
    "approve",
    "reject",
    "audit",
    "lineage",
    "reproduce",
    "trace",
)


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `taxi` with these arguments, run in this process."""
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def error(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr, without its label."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return tmp_path / "home"


def test_every_command_is_listed_and_has_help() -> None:
    names = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    assert names == set(COMMANDS)
    for name in COMMANDS:
        done = CliRunner().invoke(cli.app, [name, "--help"])
        assert done.exit_code == 0
        assert "Usage:" in done.output


@pytest.mark.parametrize(
    "name", ["run", "status", "predict", "deploy", "undeploy", "route", "rollback", "lineage", "reproduce"]
)
def test_reports_can_be_written_as_json(name: str) -> None:
    assert "--json" in CliRunner().invoke(cli.app, [name, "--help"], env={"COLUMNS": "200"}).output


def test_a_users_mistake_is_reported_in_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "run", "--months", "2023-13") == 1
    assert error(capsys).startswith("'2023-13' is not a month")


def test_markup_in_an_error_is_printed_unchanged(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "run", "--months", "[bold]2023") == 1
    assert error(capsys).startswith("'[bold]2023' is not a month")


@pytest.mark.parametrize(
    ("name", "value", "expected_message"),
    [
        ("TAXI_SERVICES", "blue", "TAXI_SERVICES is 'blue': name each service once"),
        ("TAXI_BENTO_PORT", "0", "TAXI_BENTO_PORT is '0': Input should be greater than or equal to 1"),
        ("TAXI_DATA_KIND", "invented", "TAXI_DATA_KIND is 'invented': Input should be 'real' or 'synthetic'"),
    ],
)
def test_a_wrong_setting_is_named(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    expected_message: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(monkeypatch, "status") == 1
    assert error(capsys).startswith(expected_message)


def test_an_option_overrides_the_variable(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAXI_SERVICES", "green")
    assert main(monkeypatch, "run", "--months", "2023-01..2023-02", "--services", "blue") == 1
    assert "TAXI_SERVICES is 'blue'" in error(capsys)


def test_predict_without_an_endpoint_says_how_to_start_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TAXI_BENTO_PORT", str(free_port("127.0.0.1")))
    assert main(monkeypatch, "predict", "--pickup", "74", "--dropoff", "75", "--at", "2023-03-01T08:30") == 1
    assert "start it with `make up`" in error(capsys)


def test_status_of_an_empty_home_is_json_alone_on_stdout(home: Path) -> None:
    done = CliRunner().invoke(cli.app, ["status", "--json", "-"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["months"] == []
    assert done.stderr == ""


def test_a_watched_status_has_no_json(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "status", "--watch", "--json", "-") == 1
    assert "leave out --json" in error(capsys)


def test_status_writes_json_beside_the_table(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "status.json"
    done = CliRunner().invoke(cli.app, ["status", "--json", str(file)])
    assert "Months in the warehouse" in done.stdout
    assert json.loads(file.read_text())["champion"] is None


def test_a_folder_as_json_file_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "run", "--months", "2023-01..2023-02", "--json", str(tmp_path)) == 1
    assert error(capsys) == f"cannot write JSON to {tmp_path} (Is a directory): name a file, or - to print it"
    assert not home.exists()


def test_synth_writes_months_that_can_be_ingested(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["synth", "--months", "2023-01,2023-03", "--rows", "40", "--out", str(out), "--shift", "zone_mix=0.5"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0
    files = sorted(out.glob("*.parquet"))
    assert [str(inspect_file(file).month) for file in files] == ["2023-01", "2023-03"]
    assert all(inspect_file(file).is_synthetic for file in files)
    assert [name for name in done.stdout.split() if name.endswith(".parquet")] == [str(file) for file in files]


def test_synth_lists_the_available_shifts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["synth", "--months", "2023-01", "--out", str(tmp_path), "--shift", "faster=2"]
    assert main(monkeypatch, *arguments) == 1
    assert "slower_city=1.3" in error(capsys)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        CliRunner().invoke(cli.app, ["synth", "--months", "2023-01", "--rows", "40", "--out", str(tmp_path / name)])
        files.append((tmp_path / name / "green_tripdata_2023-01.parquet").read_bytes())
    assert files[0] == files[1]


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"taxi {metadata.version('taxi-assets')}\n")


def test_settings_default_to_the_documented_values(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().services == ("green",)


PRESSED = """
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from taxi_assets.__main__ import main
main()
"""


def test_ctrl_c_while_the_command_line_is_loading_prints_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"taxi": "taxi_assets.__main__:main"}


ENDED = """
import atexit, gc, sys
atexit.register(lambda: print("frozen" if gc.get_freeze_count() else "not frozen"))
sys.argv = ["taxi", "--version"]
from taxi_assets.__main__ import main
main()
"""


def test_a_command_ends_without_a_last_garbage_collection() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"taxi {metadata.version('taxi-assets')}", "frozen"]


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("files",),
        ("files", "retry", "x"),
        ("files", "accept", "x"),
        ("files", "dismiss", "x"),
        ("lineage", "1"),
        ("reproduce", "1"),
        ("deploy", "1"),
        ("undeploy", "1"),
        ("route",),
        ("rollback",),
        ("maintain", "--dry-run"),
        ("baselines",),
        ("backtest", "--from", "2023-05", "--to", "2023-06"),
        ("replay", "--from", "2023-05", "--to", "2023-06"),
        ("audit",),
    ],
)
def test_a_command_on_a_missing_home_creates_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    code = main(monkeypatch, *command)
    if command in {("status",), ("files",)}:
        assert code == 0
    else:
        assert code == 1
        remedy = "add --source" if command[0] in {"baselines", "backtest", "replay"} else "run `make run` first"
        assert error(capsys).startswith(f"{home / 'real'} does not exist yet: {remedy}")
    assert not home.exists()


def test_baselines_without_their_months_name_them_and_the_remedy(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "real").mkdir(parents=True)
    assert main(monkeypatch, "baselines") == 1
    missing = "2021-01, 2021-02, 2023-01, 2023-02 of green"
    assert error(capsys) == f"the warehouse lacks {missing}: add --source, or ingest these months first"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TAXI_KIND", "did you mean TAXI_DATA_KIND? "),
        ("taxi_servces", "did you mean TAXI_SERVICES? "),
        ("TAXI_XYZZY_QUUX_PLUGH_FROTZ", ""),
    ],
)
def test_unknown_variable_is_named_with_the_nearest_setting(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "x")
    assert main(monkeypatch, "status", "--json", "-") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["months"] == []
    assert shown.err == f"warning: {name} is no setting: {hint}see docs/settings.md\n"


def test_alias_of_files_lists_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    listed = [CliRunner().invoke(cli.app, [name, "--json", "-"]) for name in ("files", "arrivals")]
    assert [each.exit_code for each in listed] == [0, 0]
    assert listed[0].output == listed[1].output
    assert "arrivals" not in CliRunner().invoke(cli.app, ["--help"]).output
