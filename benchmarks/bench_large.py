"""Publishes a month of 50,000,000 rows while DuckDB may use 2 GB of memory only.

`python -m benchmarks.bench_large [--rows N] [--times N]`; takes a quarter of an hour and 15 GB of disk.
"""

import tempfile
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, options, report, subprocess_timer
from benchmarks.publish_pipelines import prepare_large_source

_LIMIT_GB = 2
_PART = 3_000_000


def publish_large(source: Path, times: int) -> tuple[Comparison, list[Figure]]:
    """Publishes the large month several times and measures the peak memory."""
    run = subprocess_timer(
        "benchmarks.publish_pipelines", "publish_month", source=str(source), memory_limit=f"{_LIMIT_GB}GB"
    )
    runs = [run() for _ in range(times)]
    peak = max(each.peak_bytes or 0 for each in runs)
    # Python, Great Expectations, pandas and their libraries take about half a gigabyte beside DuckDB.
    meaning = f"peak memory of the process, libraries included, divided by the {_LIMIT_GB} GB that DuckDB may use"
    return Comparison(runs, runs), [Figure("large_memory", peak / (_LIMIT_GB * 1e9), Goal("≤", 1.5), meaning)]


def main() -> None:
    arguments = options("bench_large", rows=50_000_000, times=1)
    with tempfile.TemporaryDirectory(prefix="bench-large-") as folder:
        found, figures = publish_large(prepare_large_source(Path(folder), arguments.rows, _PART), arguments.times)
    seconds = found.ours[0].seconds
    print(f"{arguments.rows:,} rows in {seconds:.0f} s, {arguments.rows / seconds:,.0f} a second")
    report("bench_large", vars(arguments), {"large": found}, figures)


if __name__ == "__main__":
    main()
