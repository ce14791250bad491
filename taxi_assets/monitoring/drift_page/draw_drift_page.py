"""Draws Evidently's page of two samples of trips: `python -m … SAMPLES PAGE`.

A process of its own: importing Evidently takes seconds and 3,000 modules, and replaces a name inside NumPy.
"""

import sys
from pathlib import Path


def draw_drift_page(samples: Path, page: Path) -> None:
    """Writes the page.

    Args:
        samples: Parquet with the trips of both sides; `is_current_month` is true for those of the month.
        page: The HTML file to write.
    """
    import pandas as pd

    trips = pd.read_parquet(samples)
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    sides = [trips[trips["is_current_month"] == side].drop(columns="is_current_month") for side in (True, False)]
    names = sides[0].columns
    numeric = [name for name in names if pd.api.types.is_numeric_dtype(trips[name])]
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in names if name not in numeric]
    )
    month, reference = (Dataset.from_pandas(side, definition) for side in sides)
    Report([DataDriftPreset()]).run(month, reference).save_html(str(page))


if __name__ == "__main__":
    draw_drift_page(*map(Path, sys.argv[1:]))
