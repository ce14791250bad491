"""Decisions by figures written in the test, in a real warehouse and a real MLflow registry."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal

import pytest
import registered_models
from promotion_evidence import CHALLENGER, CHAMPION, EVIDENCE, PROMOTION_POLICY, compared
from registered_models import connect

from taxi_assets.months import Month
from taxi_assets.promotion.approval import Approval, Verdict, decide_waiting
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.decision import read_decision
from taxi_assets.promotion.evidence import Evidence
from taxi_assets.promotion.record_decision import Proposal, record_decision
from taxi_assets.registry import model_versions
from taxi_assets.registry.model_files import Version
from taxi_assets.settings import Settings
from taxi_assets.warehouse import fault_points
from taxi_assets.warehouse.connection import Warehouse

Row = dict[str, Any]
State = tuple[sqlite3.Connection, dict[str, Any]]
DECIDED_AT = {"promotions": "decided_at", "approvals": "decided_at", "champion_changes": "changed_at"}
DECIDED_AT |= {"retraining_decisions": "decided_at"}
FACTS = ("source_files", "published_months", "drift_reports", "drift_verdicts", "champion_performance")
FACTS += ("evaluations", "interval_coverage")
TABLES = (*DECIDED_AT, *FACTS)
MARCH, APRIL, MAY = (Month(2023, number) for number in (3, 4, 5))
WORSE = Interval(0.1, 0.05, 0.15)
_numbers = count()


class Killed(BaseException):
    """Stands for a killed process."""


@contextmanager
def killed_at(point_name: str | None) -> Iterator[list[str]]:
    """Raises `Killed` at the fault point during the block, and swallows it; yields the points reached."""
    reached: list[str] = []

    def fault_point(name: str) -> None:
        reached.append(name)
        if name == point_name:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fault_points, "fault_point", fault_point)
        try:
            yield reached
        except Killed:
            assert point_name in reached


@dataclass(frozen=True)
class PromotionHarness:
    """A warehouse and a registry, with functions that decide and read."""

    settings: Settings
    warehouse: Warehouse

    def register(self, month: Month) -> Version:
        """A new version, trained for the month."""
        tags = {"window": "2023-01..2023-02", "months": "2023-01,2023-02", "services": "green"}
        tags |= {"scored_month": str(month), "data_snapshot": str(self.warehouse.snapshot())}
        return registered_models.register(self.settings, f"key {next(_numbers)}", **tags)

    def evidence(self, version: int, month: Month, *, is_better: bool = True) -> Evidence:
        """Figures of the version against the current champion."""
        champion = self.champion
        return replace(
            EVIDENCE,
            challenger=replace(CHALLENGER, version=str(version)),
            champion=replace(CHAMPION, version=str(champion)) if champion else None,
            comparison=compared() if is_better else compared(WORSE),
            scored_month=month,
            snapshot=self.warehouse.snapshot(),
        )

    def record(self, evidence: Evidence, mode: Literal["auto", "approve"] = "approve") -> Row | None:
        """Decides by the evidence and records it."""
        settings = self.settings.model_copy(update={"promotion": mode})
        version = model_versions.require(settings, int(evidence.challenger.version))
        return record_decision(settings, self.warehouse, Proposal(version, evidence, PROMOTION_POLICY, "the test"))

    def decide(
        self, version: int, month: Month, mode: Literal["auto", "approve"] = "approve", *, is_better: bool = True
    ) -> str:
        """Compares the version with the current champion, decides, and returns the state."""
        row = self.record(self.evidence(version, month, is_better=is_better), mode)
        assert row
        return str(row["state"])

    def judge(
        self, version: int, verdict: Verdict, month: Month | None = None, by: str = "ann", why: str = "Seen."
    ) -> Row:
        """A person's decision."""
        return decide_waiting(self.settings, self.warehouse, Approval(version, verdict, by, why, month))

    @property
    def champion(self) -> int | None:
        """The registry's champion."""
        found = model_versions.champion(self.settings)
        return found.version if found else None

    def row(self, version: int, month: Month | None = None) -> Row:
        with self.warehouse.reading() as connection:
            found = read_decision(connection, version, month)
        assert found
        return found

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, in the order of their times."""
        with self.warehouse.reading() as connection:
            found = connection.execute(f"SELECT * FROM {table} ORDER BY {DECIDED_AT[table]}")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def tags(self, version: int) -> dict[str, str]:
        return dict(model_versions.require(self.settings, version).tags)

    def copy(self) -> State:
        """The registry's database and the tables' rows, for `restore`."""
        registry = sqlite3.connect(":memory:")
        with closing(connect(self.settings)) as database:
            database.backup(registry)
        with self.warehouse.reading() as connection:
            return registry, {name: connection.execute(f"FROM {name}").to_arrow_table() for name in TABLES}

    def restore(self, state: State) -> None:
        """Makes registry and tables as they were at a `copy`."""
        with closing(connect(self.settings)) as database:
            state[0].backup(database)
        with self.warehouse.publishing("as before") as connection:
            for name, rows in state[1].items():
                connection.execute(f"DELETE FROM {name}")
                if rows.num_rows:
                    connection.register("kept", rows)
                    connection.execute(f"INSERT INTO {name} BY NAME FROM kept")
