"""Data quality: Great Expectations, evaluated in the warehouse on the connection that is about to commit.

Importing this package imports no Great Expectations, which takes seconds; calling it does.
"""

from taxi_assets.quality.docs import write_data_docs
from taxi_assets.quality.validation import validate
from taxi_assets.quality.verdict import Outcome, Verdict

__all__ = ["Outcome", "Verdict", "validate", "write_data_docs"]
