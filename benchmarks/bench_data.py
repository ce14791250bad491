"""Compares publishing a month, and validating it, with the same work in polars, in SQL and in pandas.

`python -m benchmarks.bench_data [--rows N] [--times N] [--months N] [--month_rows N]`; the months are synthetic.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.harness import Comparison, Figure, Goal, alternate, options, report, subprocess_timer, take_turns
from benchmarks.peers import PEERS, require_equal_tables, run_peer
from benchmarks.publish_pipelines import prepare_months, prepare_source, published_lake
from taxi_assets.quality.suites import SUITES

_PIPELINES, _PEERS = "benchmarks.publish_pipelines", "benchmarks.peers"
_SUITE = "raw_trips"


def compare_publishing(source: Path, times: int, warm_ups: int = 0) -> tuple[dict[str, Comparison], list[Figure]]:
    """Compares publishing a month with the same work by each peer, and with the Zoomcamp's preparation.

    All warm up in their process with a small month, so that no import is timed.
    """
    peers = {peer: subprocess_timer(_PEERS, "run_peer", source=str(source), peer=peer) for peer in PEERS}
    runs = take_turns(
        {
            "platform": subprocess_timer(_PIPELINES, "publish_month", source=str(source)),
            **peers,
            "course": subprocess_timer(_PIPELINES, "prepare_as_course", source=str(source)),
        },
        times,
        warm_ups,
    )
    found = {name: Comparison(runs["platform"], theirs) for name, theirs in runs.items() if name != "platform"}
    return found, [
        _speed_up(found["pandas"], "data_time", 8, "pandas with Great Expectations"),
        _speed_up(found["polars"], "data_vs_polars", 1.15, "polars"),
        _wall_speed_up(found["polars"], "data_vs_polars_wall", 1.05, "polars"),
        _speed_up(found["duckdb"], "data_vs_script", 1.3, "a plain DuckDB script"),
        _speed_up(found["course"], "data_vs_course", 0, "the Zoomcamp's preparation, a quarter of the work"),
        found["pandas"].share(
            "data_memory",
            Goal("≤", 1 / 3),
            "our peak memory divided by that of pandas for the same work, libraries included",
            lambda run: run.peak_bytes or 0,
        ),
    ]


def require_same_work(source: Path) -> None:
    """Runs the platform and every peer once, untimed, and compares their tables.

    Raises:
        TaxiError: a peer's rows, reasons or values differ.
    """
    warehouse = published_lake(str(source))
    for peer in PEERS:
        run_peer(str(source), peer)()
    require_equal_tables(warehouse, source)


def _speed_up(found: Comparison, name: str, goal: float, peer: str) -> Figure:
    meaning = f"processor seconds of {peer} divided by ours, for the same tables and numbers of a month"
    return found.times_better(name, Goal("≥", goal), meaning, lambda run: run.cpu_seconds or 0)


def _wall_speed_up(found: Comparison, name: str, goal: float, peer: str) -> Figure:
    meaning = f"seconds of {peer} divided by ours, for the same tables and numbers of a month"
    return found.times_better(name, Goal("≥", goal), meaning, lambda run: run.seconds)


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


def compare_republishing(source: Path, times: int, warm_ups: int = 0) -> tuple[dict[str, Comparison], list[Figure]]:
    """Compares publishing a month again, changed and unchanged, with publishing it."""
    names = {"again": "publish_again", "unchanged": "publish_unchanged", "first": "publish_month"}
    ways = {name: subprocess_timer(_PIPELINES, function, source=str(source)) for name, function in names.items()}
    runs = take_turns(ways, times, warm_ups)
    found = {name: Comparison(runs[name], runs["first"]) for name in ("again", "unchanged")}
    meaning = "processor seconds of publishing a month again, {}, divided by those of publishing it"

    def cost(name: str, figure: str, goal: float, how: str) -> Figure:
        return found[name].share(figure, Goal("≤", goal), meaning.format(how), lambda run: run.cpu_seconds or 0)

    return found, [
        cost("again", "again_cost", 1.2, "after a change of code"),
        cost("unchanged", "unchanged_cost", 0.1, "of the same file and code"),
    ]


def disk_use(source: Path) -> Figure:
    """Measures the files that a month takes beside the source's own file."""
    warehouse = published_lake(str(source))
    data = warehouse.settings.warehouse / "data"
    used = sum(path.stat().st_size for path in data.rglob("*.parquet") if path.stat().st_nlink == 1)
    return Figure("disk_mebibytes", used / 2**20, Goal("≤", 60), "MiB of a month in the warehouse beside its own file")


def compare_backfill(source: Path, months: int, times: int, warm_ups: int = 0) -> tuple[Comparison, list[Figure]]:
    """Compares publishing many months with publishing one of the same size."""
    ours = subprocess_timer(_PIPELINES, "publish_months", source=str(source), months=months)
    theirs = subprocess_timer(_PIPELINES, "publish_months", source=str(source), months=1)
    found = alternate(ours, theirs, times, warm_ups)
    meaning = f"seconds of {months} months, divided by {months} times those of one month of as many rows"
    ratios = [our.seconds / their.seconds / months for our, their in zip(found.ours, found.theirs, strict=True)]
    return found, [Figure("backfill_cost", statistics.median(ratios), Goal("≤", 1.3), meaning)]


def main() -> None:
    arguments = options("bench_data", rows=3_000_000, times=5, months=36, month_rows=60_000)
    with tempfile.TemporaryDirectory(prefix="bench-data-") as folder:
        large, many, small = Path(folder, "large"), Path(folder, "many"), Path(folder, "small")
        large.mkdir()
        many.mkdir()
        source = prepare_source(large, arguments.rows)
        require_same_work(source)
        publishing, figures = compare_publishing(source, arguments.times)
        suites, more = compare_suites(source, arguments.times)
        months = prepare_months(many, arguments.months, arguments.month_rows)
        backfill, most = compare_backfill(months, arguments.months, arguments.times)
        small.mkdir()
        again, rest = compare_republishing(prepare_source(small, arguments.month_rows), arguments.times)
        figures += [*more, *most, *rest, disk_use(source)]
    report("bench_data", vars(arguments), {**publishing, "suites": suites, "backfill": backfill, **again}, figures)


if __name__ == "__main__":
    main()
