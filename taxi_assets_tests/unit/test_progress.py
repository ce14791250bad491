"""Long commands show their steps, with a terminal and without."""

import io

import pytest
from rich.console import Console

from taxi_assets.cli import terminal

STEPS = ("2023-01: predict", "2023-02: train on 2022-02..2023-01")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_steps_are_shown(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    written = io.StringIO()
    monkeypatch.setattr(terminal, "error_console", Console(file=written, force_terminal=is_terminal))
    with terminal.progress() as show:
        for step in STEPS:
            show(step)
    if is_terminal:
        assert STEPS[-1] in written.getvalue()
    else:
        assert written.getvalue().splitlines() == list(STEPS)
