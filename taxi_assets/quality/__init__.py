"""Data quality: suites of Great Expectations, evaluated on the connection that is about to commit.

Great Expectations takes seconds to import, so it is imported on first use.
"""

from taxi_assets.quality.data_docs import write_data_docs
from taxi_assets.quality.results import ExpectationResult, SuiteResult
from taxi_assets.quality.validation import count_rows, evaluate, validate

__all__ = ["ExpectationResult", "SuiteResult", "count_rows", "evaluate", "validate", "write_data_docs"]
