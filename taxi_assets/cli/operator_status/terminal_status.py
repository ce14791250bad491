"""The operator's page in a terminal: `taxi status --watch`."""

import time
from collections.abc import Sequence
from contextlib import suppress

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from taxi_assets.cli.operator_status.operator_status import OperatorStatus
from taxi_assets.cli.operator_status.status_section import Section, State
from taxi_assets.settings import Settings

_SECONDS = 2.0
_STYLES: dict[State, str] = {"ok": "", "watch": "bold yellow", "bad": "bold red", "unknown": "bold magenta"}
_MARKS: dict[State, str] = {"ok": "●", "watch": "▲", "bad": "■", "unknown": "?"}


def watch_status(settings: Settings, console: Console) -> None:
    """Show every section, read again every two seconds, until Ctrl-C."""
    status = OperatorStatus(settings)
    shown = draw_sections(status.sections())
    with suppress(KeyboardInterrupt), Live(shown, console=console, auto_refresh=False) as live:
        while True:
            time.sleep(_SECONDS)
            live.update(draw_sections(status.sections()), refresh=True)


def draw_sections(sections: Sequence[Section]) -> Group:
    """A table for each section: its figures, or why it cannot be read."""
    return Group(*map(_draw, sections))


def _draw(section: Section) -> Table:
    title = Text(f"{_MARKS[section.state]} {section.name}", style=_STYLES[section.state] or "bold")
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if section.problem:
        table.add_row("cannot be read", Text(section.problem, style=_STYLES["unknown"]))
    for figure in section.figures:
        table.add_row(figure.label, Text(figure.value, style=_STYLES[figure.state]))
    return table
