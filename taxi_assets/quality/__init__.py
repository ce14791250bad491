"""Data quality: Great Expectations, evaluated in the warehouse on the connection that is about to commit.

Importing this package imports no Great Expectations, which takes seconds; calling it does.
"""

from taxi_assets.quality.data_docs import write_data_docs
from taxi_assets.quality.results import ExpectationResult, SuiteResult
from taxi_assets.quality.validation import validate

__all__ = ["ExpectationResult", "SuiteResult", "validate", "write_data_docs"]
