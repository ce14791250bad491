"""Tables of people's decisions on waiting versions, and of every change of the champion."""

from taxi_assets.warehouse.table_definition import Column, Table

_RUN = Column("run_id", "VARCHAR", "Dagster run that wrote it; NULL outside Dagster")
_WHY = Column("why", "VARCHAR", "Reason that the person gave, or reasons of the decision")
_REPLACED = "NULL if there was none"

PROMOTION_TABLES = (
    Table(
        "approvals",
        (
            Column("month", "DATE", "First day of the month whose trips decided"),
            Column("model_version", "BIGINT", "The challenger's version"),
            Column("champion_version", "BIGINT", f"The champion that it was compared with; {_REPLACED}"),
            Column("decision", "VARCHAR", "`approved` or `rejected`"),
            Column("decided_by", "VARCHAR", "Name of the person, as given"),
            _WHY,
            Column("decided_at", "TIMESTAMP", "Time of the decision, UTC"),
            _RUN,
        ),
    ),
    Table(
        "champion_changes",
        (
            Column("changed_at", "TIMESTAMP", "Time from which the version was champion, UTC"),
            Column("model_version", "BIGINT", "The new champion's version"),
            Column("replaced_version", "BIGINT", f"The champion before; {_REPLACED}"),
            Column("change", "VARCHAR", "`promoted`, `approved` by a person, or `rolled_back`"),
            Column("month", "DATE", "Month of its row in `promotions`; NULL for a rollback"),
            Column("decided_by", "VARCHAR", "Asset, command or person that made the change"),
            _WHY,
            _RUN,
        ),
    ),
)
