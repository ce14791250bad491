"""Results of a validation, as JSON-serializable values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from taxi_assets.quality.suites import Severity


@dataclass(frozen=True)
class ExpectationResult:
    """One expectation's result.

    `observed` is the measured value or, for row-level expectations, the share of rows as expected, 0 to 1; None
    without rows. `unexpected_count` and `unexpected_percent`, 0 to 100 of the rows with a value, are None for
    column-level expectations.
    """

    name: str
    severity: Severity
    passed: bool
    observed: Any
    unexpected_count: int | None
    unexpected_percent: float | None
    description: str

    def sentence(self, rows: int) -> str:
        """One line: the expectation, the observed value and the number of rows."""
        if self.unexpected_count is None:
            return f"{self.name}: observed {_readable(self.observed)} over {rows:,} rows ({self.description})"
        return (
            f"{self.name}: {_readable(100 * self.observed)} % as expected, {self.unexpected_count:,} of "
            f"{rows:,} rows not ({self.description})"
        )


@dataclass(frozen=True)
class SuiteResult:
    """Results of one table's suite on one month, in the suite's order.

    `document` is Great Expectations' own result, for the Data Docs.
    """

    table: str
    rows: int
    outcomes: tuple[ExpectationResult, ...]
    document: Any = field(default=None, repr=False, compare=False)

    def failed_errors(self) -> tuple[ExpectationResult, ...]:
        """Failed expectations that block publishing."""
        return tuple(o for o in self.outcomes if o.severity == "error" and not o.passed)

    def failed_warnings(self) -> tuple[ExpectationResult, ...]:
        """Failed expectations that do not block publishing."""
        return tuple(o for o in self.outcomes if o.severity == "warning" and not o.passed)

    def summary(self) -> tuple[str, ...]:
        """A sentence for each failed error; empty if the month can be published."""
        return tuple(outcome.sentence(self.rows) for outcome in self.failed_errors())

    def as_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {"table": self.table, "rows": self.rows, "outcomes": [asdict(o) for o in self.outcomes]}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "SuiteResult":
        """The result from `as_json`, without Great Expectations' document."""
        return cls(found["table"], found["rows"], tuple(ExpectationResult(**each) for each in found["outcomes"]))


def json_safe(value: Any) -> Any:
    """Converts a value to JSON types; NaN and infinite floats become None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Decimal):
        value = float(value) if value.is_finite() else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [json_safe(item) for item in value]
    return str(value)


def _readable(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else "nothing" if value is None else str(value)
