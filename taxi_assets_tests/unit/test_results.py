"""Suite results survive JSON, and their summaries are one line."""

import json
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.quality.results import ExpectationResult, SuiteResult, json_safe

ROW_BY_ROW = ExpectationResult("zones_are_known", "error", False, 0.25, 1500, 75.0, "Every zone is known")
MEASURED = ExpectationResult("median_is_plausible", "warning", False, 708.25, None, None, "The median is 4 to 45")
PASSED = ExpectationResult("month_has_rows", "error", True, 2000, None, None, "The month has rows")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.booleans().map(np.bool_)
    | st.floats(width=32).map(np.float32)
    | st.integers(0, 255).map(np.uint8)
)


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_any_observed_value_becomes_json(value: object) -> None:
    safe = json_safe(value)
    assert json.loads(json.dumps(safe, allow_nan=False)) == safe


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        (np.True_, True),
        (np.float64("nan"), None),
        (float("inf"), None),
        (Decimal("1.5"), 1.5),
        (date(2023, 1, 2), "2023-01-02"),
        (datetime(2023, 1, 2, 3, 4), "2023-01-02T03:04:00"),
        (np.array([1, 2]), [1, 2]),
        ({1: (np.int64(2), "x")}, {"1": [2, "x"]}),
    ],
)
def test_values_keep_their_meaning(value: object, safe: object) -> None:
    assert json_safe(value) == safe
    assert type(json_safe(value)) is type(safe)


def test_a_result_sums_up_its_failed_errors_only() -> None:
    suite_result = SuiteResult("raw_trips", 2000, (ROW_BY_ROW, MEASURED, PASSED))
    assert suite_result.failed_errors() == (ROW_BY_ROW,)
    assert suite_result.failed_warnings() == (MEASURED,)
    assert suite_result.summary() == (
        "zones_are_known: 25 % as expected, 1,500 of 2,000 rows not (Every zone is known)",
    )


def test_a_passed_result_has_no_summary() -> None:
    assert SuiteResult("raw_trips", 2000, (PASSED, MEASURED)).summary() == ()


@pytest.mark.parametrize(
    ("observed", "said"), [(708.25, "708.2"), (1234567, "1,234,567"), (None, "nothing"), ("low", "low")]
)
def test_a_measured_outcome_states_its_value_and_row_count(observed: object, said: str) -> None:
    outcome = ExpectationResult("median_is_plausible", "error", False, observed, None, None, "The median is 4 to 45")
    assert outcome.sentence(2000) == f"median_is_plausible: observed {said} over 2,000 rows (The median is 4 to 45)"


def test_a_result_as_json_leaves_the_document_out() -> None:
    suite_result = SuiteResult("raw_trips", 2000, (ROW_BY_ROW,), document=object())
    assert json.loads(json.dumps(suite_result.as_json()))["outcomes"][0]["unexpected_count"] == 1500
