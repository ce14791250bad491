"""A section of the operator's page: figures with states and links, a table, a problem."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "watch", "bad", "unknown"]


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        label: Its name.
        value: Its value with the unit, as text.
        state: `bad` needs a person, `watch` may soon.
        url: The page behind it; None if there is none.
    """

    label: str
    value: str
    state: State = "ok"
    url: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows of figures, the newest first; a row has a figure for each column."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Figure]]


@dataclass(frozen=True)
class Section:
    """A part of the platform.

    Attributes:
        name: Its name, such as `data`.
        figures: Its figures.
        table: Its history, if it has one.
        problem: Why it could not be read; empty if it was.
    """

    name: str
    figures: Sequence[Figure] = ()
    table: Table | None = None
    problem: str = ""

    @property
    def state(self) -> State:
        """The worst state of its figures; `unknown` if it could not be read."""
        if self.problem:
            return "unknown"
        states = {figure.state for figure in self.figures}
        return next((state for state in ("bad", "watch") if state in states), "ok")
