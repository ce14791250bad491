"""A command whose reader has ended prints no traceback and ends with the shells' exit code."""

import io
import os
import sys
from pathlib import Path

import pytest
import typer

from taxi_assets import __main__ as script
from taxi_assets import cli
from taxi_assets.cli.terminal import console

NAMES = sorted(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["status"], ["status", "--json", "-"], ["--help"], *([name, "--help"] for name in NAMES)],
)
def test_a_closed_pipe_ends_every_kind_of_output_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """As `taxi status | head -0` does."""
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "argv", ["taxi", *arguments])
    monkeypatch.setattr("gc.freeze", lambda: None)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(sys, "stderr", sys.stderr)  # Typer would replace it
        with pytest.raises(SystemExit) as ended:
            script.main()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with console.capture():  # drops what was not printed: a later test would print it
        pass
    assert (ended.value.code, capsys.readouterr().err) == (141, "")
