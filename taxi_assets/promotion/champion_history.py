"""The history of champions: each change adds a row to the table `champion_changes`.

MLflow keeps only the current alias. Rows of `promotions` are replaced when a month is decided on again.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection

Change = Literal["promoted", "approved", "rolled_back"]

_RECORDED = (
    "SELECT changed_at, model_version, replaced_version, change, month, decided_by, why, run_id FROM champion_changes"
)
# Of releases without this table: a promotion is a row without a state. One of the champion itself changed nothing.
_OLDER = (
    "SELECT decided_at, model_version, champion_version, 'promoted', month, decided_by, "
    "array_to_string(reasons, ' '), run_id FROM promotions "
    "WHERE is_promoted AND state IS NULL AND decided_at IS NOT NULL "
    "QUALIFY model_version IS DISTINCT FROM lag(model_version) OVER (ORDER BY decided_at)"
)


@dataclass(frozen=True)
class ChampionChange:
    """A change of the champion.

    Attributes:
        changed_at: Time of the change, UTC, without a zone.
        model_version: The new champion.
        replaced_version: The champion before; None if there was none.
        change: Kind of the change.
        month: Month of the decision; None for a rollback.
        decided_by: Asset, command or person that made it.
        why: The reasons.
        run_id: The Dagster run, if there was one.
    """

    changed_at: datetime
    model_version: int
    replaced_version: int | None
    change: Change
    month: "date | None"
    decided_by: str
    why: str
    run_id: str | None = None


def read_changes(connection: "DuckDBPyConnection") -> tuple[ChampionChange, ...]:
    """Every change of the champion, oldest first; also the promotions of older releases."""
    rows = connection.execute(f"{_RECORDED} UNION ALL ({_OLDER}) ORDER BY changed_at").fetchall()
    return tuple(ChampionChange(*row) for row in rows)


def champion_at(connection: "DuckDBPyConnection", at: datetime | None = None) -> ChampionChange | None:
    """The last change of the champion until a time, UTC; by default the last of all."""
    changes = [each for each in read_changes(connection) if at is None or each.changed_at <= at]
    return changes[-1] if changes else None


def last_recorded_change(connection: "DuckDBPyConnection") -> ChampionChange | None:
    """The last row of `champion_changes`; None in a home of an older release."""
    row = connection.execute(f"{_RECORDED} ORDER BY changed_at DESC LIMIT 1").fetchone()
    return ChampionChange(*row) if row else None


def record_change(connection: "DuckDBPyConnection", change: ChampionChange) -> None:
    """Adds a row, in an open transaction of the process that has the publish lock."""
    connection.execute(
        "INSERT INTO champion_changes (changed_at, model_version, replaced_version, change, month, decided_by, why, "
        "run_id) VALUES ($changed_at, $model_version, $replaced_version, $change, $month, $decided_by, $why, $run_id)",
        asdict(change),
    )


def next_change_time(connection: "DuckDBPyConnection") -> datetime:
    """The time now, UTC, or just after the last change if the clock was set back."""
    now, last = datetime.now(UTC).replace(tzinfo=None), champion_at(connection)
    return max(now, last.changed_at + timedelta(microseconds=1)) if last else now
