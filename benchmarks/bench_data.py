"""Compares publishing a month, and validating it, with the usual code in pandas.

`python -m benchmarks.bench_data [--rows N] [--times N] [--months N] [--month_rows N]`; the months are synthetic.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, alternate, options, report, subprocess_timer
from benchmarks.publish_pipelines import prepare_months, prepare_source
from taxi_assets.quality.suites import SUITES

__all__ = ["compare_backfill", "compare_publishing", "compare_suites", "main"]

_PIPELINES = "benchmarks.publish_pipelines"
_SUITE = "raw_trips"


def compare_publishing(source: Path, times: int, warm_ups: int = 0) -> tuple[Comparison, list[Figure]]:
    """Compares publishing raw, clean and feature tables with the Zoomcamp's preparation in pandas.

    Both warm up in their process with a small month, so that no import is timed.
    """
    ours = subprocess_timer(_PIPELINES, "publish_month", source=str(source))
    theirs = subprocess_timer(_PIPELINES, "prepare_as_course", source=str(source))
    found = alternate(ours, theirs, times, warm_ups)
    return found, [
        found.times_better(
            "data_time",
            Goal("≥", 5),
            "seconds pandas needs to read, filter, cast and write, divided by those we need to validate and publish "
            "the raw, clean and feature tables",
            lambda run: run.seconds,
        ),
        found.share(
            "data_memory",
            Goal("≤", 1 / 3),
            "our peak memory divided by that of pandas for the same work, libraries included",
            lambda run: run.peak_bytes or 0,
        ),
    ]


def compare_suites(source: Path, times: int, warm_ups: int = 0) -> tuple[Comparison, list[Figure]]:
    """Compares a suite in the warehouse with Great Expectations on a pandas frame of the same rows."""
    ours = subprocess_timer(_PIPELINES, "validate_in_warehouse", source=str(source), table=_SUITE)
    theirs = subprocess_timer(_PIPELINES, "validate_in_pandas", source=str(source), table=_SUITE)
    found = alternate(ours, theirs, times, warm_ups)
    meaning = (
        f"seconds of the {len(SUITES[_SUITE].expectations)} expectations of {_SUITE} on a pandas frame that already "
        "has its derived columns, divided by those in the warehouse, which derives them"
    )
    return found, [found.times_better("suite_time", Goal("≥", 8), meaning, lambda run: run.seconds)]


def compare_backfill(source: Path, months: int, times: int, warm_ups: int = 0) -> tuple[Comparison, list[Figure]]:
    """Compares publishing many months with publishing one of the same size."""
    ours = subprocess_timer(_PIPELINES, "publish_months", source=str(source), months=months)
    theirs = subprocess_timer(_PIPELINES, "publish_months", source=str(source), months=1)
    found = alternate(ours, theirs, times, warm_ups)
    meaning = f"seconds of {months} months, divided by {months} times those of one month of as many rows"
    ratios = [our.seconds / their.seconds / months for our, their in zip(found.ours, found.theirs, strict=True)]
    return found, [Figure("backfill_cost", statistics.median(ratios), Goal("≤", 1.3), meaning)]


def main() -> None:
    arguments = options("bench_data", rows=3_000_000, times=3, months=36, month_rows=60_000)
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        large, many = Path(folder, "large"), Path(folder, "many")
        large.mkdir()
        many.mkdir()
        source = prepare_source(large, arguments.rows)
        publishing, figures = compare_publishing(source, arguments.times)
        suites, more = compare_suites(source, arguments.times)
        backfill, most = compare_backfill(
            prepare_months(many, arguments.months, arguments.month_rows), arguments.months, arguments.times
        )
    found = {"publishing": publishing, "suites": suites, "backfill": backfill}
    report("bench_data", vars(arguments), found, [*figures, *more, *most])


if __name__ == "__main__":
    main()
