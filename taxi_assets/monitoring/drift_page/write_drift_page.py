"""Writes Evidently's page of a month's drift, from samples drawn in the warehouse. Imports no Dagster."""

import subprocess
import sys
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from taxi_assets.errors import TaxiError
from taxi_assets.files import write_atomically
from taxi_assets.monitoring.drift.measure_drift import DriftReport
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse
from taxi_assets.warehouse.queries import sql

ROWS = 10_000  # of each side; the page has the same size for any number of trips
_SECONDS = 300
_DRAW = "taxi_assets.monitoring.drift_page.draw_drift_page"


def write_drift_page(settings: Settings, warehouse: Warehouse, report: DriftReport) -> str:
    """Writes the page of a measured month; replaces an earlier one.

    Returns:
        The page's path below the reports, such as `drift_report/2023-03-evidently.html`.

    Raises:
        TaxiError: Evidently failed.
    """
    page = settings.reports / "drift_report" / f"{report.month:%Y-%m}-evidently.html"
    with TemporaryDirectory() as folder:
        samples, drawn = Path(folder, "samples.parquet"), Path(folder, "page.html")
        _write_samples(settings, warehouse, report, samples)
        _draw(samples, drawn)
        html = drawn.read_text()
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, html.replace("<body>", f"<body>{_introduction(report)}", 1))
    return page.relative_to(settings.reports).as_posix()


def _write_samples(settings: Settings, warehouse: Warehouse, report: DriftReport, samples: Path) -> None:
    import pyarrow.parquet as pq

    months = [*report.reference_months, report.month]
    values = {"services": sorted(settings.services), "months": months, "month": report.month, "rows": ROWS}
    with warehouse.reading() as connection:
        pq.write_table(connection.execute(sql("drift_sample"), values).to_arrow_table(), samples)


def _draw(samples: Path, page: Path) -> None:
    command = [sys.executable, "-m", _DRAW, str(samples), str(page)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TaxiError(
            f"Evidently did not finish its page in {_SECONDS} s: repeat it, or unset TAXI_EVIDENTLY"
        ) from None
    if result.returncode or not page.is_file():
        last = (result.stderr.strip() or f"exit code {result.returncode}").splitlines()[-1]
        raise TaxiError(f"Evidently did not write its page ({last}): unset TAXI_EVIDENTLY to go without it")


def _introduction(report: DriftReport) -> str:
    """The platform's verdict above Evidently's, whose limits know neither season nor size."""
    facts = ". ".join(report.facts)
    return (
        f'<p style="font: 15px/1.45 system-ui, sans-serif; margin: 1rem">The platform says of {report.month:%Y-%m}: '
        f"<b>{escape(report.verdict)}</b>. {escape(facts)}. Below is Evidently's comparison of at most {ROWS:,} trips "
        "of the month with as many of the training months, by Evidently's own limits. They decide nothing.</p>"
    )
