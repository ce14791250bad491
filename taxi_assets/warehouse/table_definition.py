"""The definition of a table: its name, columns, types and descriptions."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Table:
    """A table of the warehouse, or a view if it has a `query`."""

    name: str
    columns: tuple[Column, ...]
    query: str | None = None

    def ddl(self) -> str:
        """The statement that creates it as a table."""
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"
