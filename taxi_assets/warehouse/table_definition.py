"""The definition of a table: its name, columns, types and descriptions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Table:
    """A table of the warehouse, or a view if it has a `query`.

    In the query `{kept_trips}` stands for the table of that name.
    """

    name: str
    columns: tuple[Column, ...]
    query: str | None = None

    def select(self, kept_trips: str = "kept_trips") -> str:
        """The view's query, on another relation in place of `kept_trips` if asked for; empty for a table."""
        return (self.query or "").format(kept_trips=kept_trips)

    def ddl(self) -> str:
        """The statement that creates it as a table."""
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"
