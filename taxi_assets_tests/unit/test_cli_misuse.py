"""Every option of every command misused: one line with the error, exit code 1 or 2, no traceback.

The commands and options are read from the command line itself: a new one without a line here fails a test.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from wrong_settings import WRONG_SETTINGS

from taxi_assets import cli
from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.settings import Settings

MISSING = "{tmp}/missing"
NO_FILES = ("", "{tmp}", "{tmp}/file/below", "/proc/none/x")
NO_MONTHS = ("", "2023-13", "2008-12", "9999-12")  # more in test_months
NO_LISTS = (*NO_MONTHS, "2023-02..2023-01", "2023-01..", "2023-01,2023-01..2023-02", "2023-01,,2023-02")
NO_SOURCES = ("", MISSING, "{tmp}/file", "ftp://example.org", "http://", "http://[::1", "http://127.0.0.1:99999")
NO_ZONES = ("0", "-1", "266", "74.5", "x", "", str(10**400))
NO_VERSIONS = ("0", "-1", "x", "", "1.5", "1", str(10**400))
DECIDED = {"VERSION": "1", "--by": "Ann", "--why": "It is better."}
NOT_DECIDED = {
    "VERSION": NO_VERSIONS,
    "--by": ("", " "),
    "--why": ("", " "),
    "--month": NO_MONTHS,
    "--json": NO_FILES,
}
RIDE = {"--pickup": "74", "--dropoff": "75", "--at": "2023-03-01T08:30"}


@dataclass(frozen=True)
class Use:
    """A correct call of a command, and wrong values of each of its options and arguments."""

    right: dict[str, str]
    wrong: dict[str, tuple[str, ...]]


NAMED = {"--by": "Ada", "--why": "planned"}
NOT_RELEASED = {"--to": ("", "dev", "x"), "--by": ("",), "--why": ("",), "--json": NO_FILES}
USES = {
    "run": Use(
        {"--months": "2023-01..2023-02", "--source": MISSING},
        {
            "--months": (*NO_LISTS, "2023-01", "[bold]"),
            "--services": ("", "blue", "green,green", "green,", "GREEN", "fhv"),
            "--source": NO_SOURCES,
            "--json": NO_FILES,
        },
    ),
    "status": Use({}, {"--json": NO_FILES}),
    "predict": Use(
        RIDE,
        {
            "--pickup": NO_ZONES,
            "--dropoff": NO_ZONES,
            "--at": ("", "x"),
            "--service": ("", "x"),
            "--rider-key": ("",),
            "--vendor": ("-1", "x", "", str(10**400)),
            "--json": NO_FILES,
        },
    ),
    "deploy": Use({"VERSION": "1"}, {"VERSION": NO_VERSIONS, "--json": NO_FILES}),
    "undeploy": Use({"VERSION": "1"}, {"VERSION": NO_VERSIONS, "--json": NO_FILES}),
    "route": Use(
        {"--champion": "1"},
        {
            "--champion": NO_VERSIONS,
            "--challenger": ("", "x", "2", "2=", "=0.1", "2=x", "2=0", "2=nan", "0=0.1", "1=0.1"),
            "--shadow": NO_VERSIONS,
            "--json": NO_FILES,
        },
    ),
    **dict.fromkeys(("replica", "rollback"), Use({}, {"--json": NO_FILES})),
    "synth": Use(
        {"--months": "2023-01", "--out": "{tmp}/out", "--rows": "5"},
        {
            "--months": (*NO_MONTHS, "2023-02..2023-01"),
            "--out": ("", " ", "{tmp}/file", "{tmp}/file/below", "/proc/none/x"),
            "--service": ("", "blue", "green,yellow"),
            "--rows": ("0", "-1", "", "x", "1.5", str(10**20)),
            "--seed": ("-1", "", "x"),
            "--era": ("", "1999", "../A"),
            "--shift": ("", "slower_city", "slower_city=0", "slower_city=nan", "zone_mix=-1", "x=1"),
        },
    ),
    **dict.fromkeys(("up", "worker"), Use({}, {})),
    "serve": Use({"PROGRAM": "bento"}, {"PROGRAM": ("", "endpoint", "[bold]")}),
    "maintain": Use({}, {"--json": NO_FILES}),
    "baselines": Use({"--source": MISSING}, {"--source": NO_SOURCES, "--json": NO_FILES}),
    "backtest": Use(
        {"--from": "2023-05", "--to": "2023-05", "--source": MISSING},
        {
            "--from": (*NO_MONTHS, "2023-06"),
            "--to": (*NO_MONTHS, "2023-04"),
            "--source": NO_SOURCES,
            "--picture": NO_FILES,
            "--json": NO_FILES,
        },
    ),
    "replay": Use(
        {"--from": "2023-05", "--to": "2023-05", "--source": MISSING},
        {
            "--from": (*NO_MONTHS, "2023-06"),
            "--to": (*NO_MONTHS, "2023-04"),
            "--policy": ("", "weekly", "[bold]"),
            "--source": NO_SOURCES,
            "--record": ("", "{tmp}", "{tmp}/file", "/proc/none/x"),
            "--picture": NO_FILES,
            "--json": NO_FILES,
        },
    ),
    "approve": Use(DECIDED, NOT_DECIDED),
    "reject": Use(DECIDED, NOT_DECIDED),
    "audit": Use({}, {"--at": ("", "x", "2023-13-01", "9999-99-99"), "--json": NO_FILES}),
    "lineage": Use({"VERSION": "1"}, {"VERSION": NO_VERSIONS, "--json": NO_FILES}),
    "reproduce": Use({"VERSION": "1"}, {"VERSION": NO_VERSIONS, "--json": NO_FILES}),
    "trace": Use(
        {"REQUEST_ID": f"{'0' * 16}-0"},
        {"REQUEST_ID": ("", "x", f"{'0' * 16}-0", "[bold]"), "--file": ("", "x", "0" * 64), "--json": NO_FILES},
    ),
    "release": Use({}, {"--json": NO_FILES}),
    "release verify": Use(NAMED, {"--by": ("",), "--why": ("",), "--image": ("", "latest"), "--json": NO_FILES}),
    "release promote": Use({"--to": "test", **NAMED}, NOT_RELEASED),
    "release undo": Use({"--to": "test", **NAMED}, NOT_RELEASED),
    "files": Use({}, {"--json": NO_FILES}),
    "files retry": Use({"FILE": "x"}, {"FILE": ("", "../../etc/[bold]")}),
    "files accept": Use({"FILE": "x"}, {"FILE": ("", "../../etc/[bold]")}),
    "files dismiss": Use({"FILE": "x"}, {"FILE": ("", "../../etc/[bold]")}),
}
MISUSES = [
    pytest.param(name, option, value, id=f"{name} {option} {value[:30]!r}")
    for name, use in USES.items()
    for option, values in use.wrong.items()
    for value in values
]


def commands() -> Iterator[tuple[str, Any]]:
    """Every command of `taxi`, also those of a group, by the words that call it; without aliases."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(cli.app))]
    while waiting:
        name, command = waiting.pop()
        below = getattr(command, "commands", {})
        waiting += [(f"{name} {word}".strip(), each) for word, each in below.items() if not each.hidden]
        if name:
            yield name, command


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file in it; a home that does not exist yet; no endpoint."""
    (tmp_path / "file").write_text("no folder\n")
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TAXI_BENTO_PORT", str(free_port("127.0.0.1")))
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, int]:
    """The one line `taxi` prints for this misuse, and its exit code."""
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert ended.value.code in {1, 2}, shown
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in line
    return line.removeprefix("error: "), int(str(ended.value.code))


def arguments_of(name: str, place: Path, **changed: str) -> list[str]:
    given = [*name.split()]
    # Options first: after `--` everything is an argument.
    for option, value in sorted({**USES[name].right, **changed}.items(), key=lambda each: not each[0].startswith("-")):
        shown = value.replace("{tmp}", str(place))
        given += [f"{option}={shown}"] if option.startswith("-") else ["--", shown]
    return given


def test_every_command_and_option_is_misused_here() -> None:
    known = {}
    for name, command in commands():
        valued = [p for p in command.params if not getattr(p, "is_flag", False)]
        known[name] = {p.opts[0] if p.param_type_name == "option" else (p.metavar or p.name).upper() for p in valued}
    assert {name: set(use.wrong) for name, use in USES.items()} == known


@pytest.mark.parametrize(("name", "option", "value"), MISUSES)
def test_a_wrong_value_is_refused_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, option: str, value: str
) -> None:
    line, _ = refusal(monkeypatch, capsys, *arguments_of(name, place, **{option: value}))
    assert ": " in line  # the error, then the remedy
    assert not (place / "home" / "real" / "warehouse" / "data" / "raw_trips").exists()


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("extra", ["extra", "--no-such-option"])
def test_an_unknown_option_is_refused_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, extra: str
) -> None:
    line, code = refusal(monkeypatch, capsys, *name.split(), extra, *arguments_of(name, place)[len(name.split()) :])
    assert code == 2
    assert extra in line
    assert line.endswith(f"see `taxi {name} --help`")


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, use in USES.items() for option in use.right if option in RIDE]
)
def test_a_missing_argument_is_refused_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, option: str
) -> None:
    given = [each for each in arguments_of(name, place) if not each.startswith(f"{option}=")]
    line, code = refusal(monkeypatch, capsys, *given)
    assert (code, option in line) == (2, True)


@pytest.mark.parametrize(("setting", "value"), [(key, value) for key, them in WRONG_SETTINGS.items() for value in them])
def test_a_wrong_setting_is_refused_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    line, code = refusal(monkeypatch, capsys, "files")
    assert code == 1
    shown = (
        "..."
        if setting.endswith(
            ("_TOKEN", "_WEBHOOK", "_CATALOG", "_STORAGE", "_BROKER", "_DATA_PATH", "_URL", "_SERVING_STORE", "_FILES")
        )
        or (setting.startswith("TAXI_MLFLOW_") and not setting.endswith("_PORT"))
        else value
    )
    assert line.startswith(f"{setting} is '{shown}': ")


@pytest.mark.parametrize("name", [name for name in USES if name != "synth"])  # needs no setting
def test_every_command_checks_the_settings(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("TAXI_SERVICES", "blue")
    assert refusal(monkeypatch, capsys, *arguments_of(name, place))[0].startswith("TAXI_SERVICES is 'blue': ")


@pytest.mark.parametrize("home", ["file", "file/below"])
@pytest.mark.parametrize("name", [name for name in USES if name not in {"synth", "predict"}])  # need no home
def test_an_impossible_home_is_refused_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, home: str
) -> None:
    monkeypatch.setenv("TAXI_HOME", str(place / home))
    line, code = refusal(monkeypatch, capsys, *arguments_of(name, place))
    assert code == 1
    assert str(place) in line or name in {"lineage", "reproduce"}  # these find no version there


@pytest.mark.parametrize("name", ["run", "predict", "up"])
def test_an_unknown_host_is_reported_in_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("TAXI_HOST", "no such host")
    assert "no such host" in refusal(monkeypatch, capsys, *arguments_of(name, place))[0]
    assert not (place / "home").exists()


def test_every_setting_is_misused_here() -> None:
    assert {f"TAXI_{name.upper()}" for name in Settings.model_fields} == set(WRONG_SETTINGS)


def test_a_full_disk_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.fail("this system has no /dev/full")
    line, code = refusal(monkeypatch, capsys, "synth", "--months=2023-01", "--rows=5", "--out=/dev/full")
    assert (code, "/dev/full" in line) == (1, True)
