"""The benchmarks run and report on small sizes; the figures themselves are not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import (
    bench_data,
    bench_large,
    bench_train,
    peers,
    publish_pipelines,
    training_sample,
    training_workloads,
)
from benchmarks import subprocess_timer as timer_process
from benchmarks.harness import (
    Comparison,
    Figure,
    Goal,
    Run,
    TimedRun,
    alternate,
    in_process,
    options,
    report,
    subprocess_timer,
)
from taxi_assets.errors import TaxiError
from taxi_assets.quality.suites import SUITES

TENTH = [Run(1.0, peak_bytes=100), Run(2.0, peak_bytes=100), Run(9.0, peak_bytes=100)]
WHOLE = [Run(10.0, peak_bytes=50), Run(10.0, peak_bytes=50), Run(10.0, peak_bytes=50)]


def seconds(run: Run) -> float:
    return run.seconds


def figure(ratio: float, goal: Goal) -> Figure:
    return Figure("some_time", ratio, goal, "theirs divided by ours")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAXI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_pipelines.prepare_source(tmp_path_factory.mktemp("source"), 3_000)


def test_a_figure_is_the_median_ratio_of_paired_runs() -> None:
    found = Comparison(ours=TENTH, theirs=WHOLE)
    assert found.times_better("t", Goal("≥", 5), "", seconds).ratio == 5
    assert found.share("t", Goal("≤", 1), "", seconds).ratio == 0.2
    assert found.share("m", Goal("≤", 1), "", lambda run: run.peak_bytes or 0).ratio == 2


def test_runs_alternate_and_warm_ups_are_not_counted() -> None:
    calls: list[str] = []

    def recorded(name: str) -> TimedRun:
        def run() -> Run:
            calls.append(name)
            return Run(len(calls))

        return run

    found = alternate(recorded("A"), recorded("B"), times=2, warm_ups=1)
    assert calls == ["A", "B"] * 3
    assert [run.seconds for run in (*found.ours, *found.theirs)] == [3, 5, 4, 6]


def test_a_line_shows_ratio_goal_and_result() -> None:
    assert figure(5.25, Goal("≥", 5)).line() == "some_time ratio=5.25 goal=≥5 ok"
    assert figure(4.9, Goal("≥", 5)).line() == "some_time ratio=4.9 goal=≥5 short"
    assert figure(0.3, Goal("≤", 1 / 3)).line() == "some_time ratio=0.3 goal=≤0.333 ok"
    assert figure(1.31, Goal("≤", 1.3)).line() == "some_time ratio=1.31 goal=≤1.3 short"


def test_figures_are_printed_and_saved_with_the_machine(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = Comparison(TENTH, WHOLE)
    paths = {report("bench_some", {"rows": 1}, {"some": runs}, [figure(r, Goal("≥", 5))]) for r in (1.0, 7.0)}
    assert paths == {home / "bench" / "bench_some.json"}
    assert capsys.readouterr().out == "some_time ratio=1 goal=≥5 short\nsome_time ratio=7 goal=≥5 ok\n"
    short, ok = json.loads(paths.pop().read_text())
    assert [short["figures"][0]["is_ok"], ok["figures"][0]["is_ok"]] == [False, True]
    assert {"processor", "cores", "memory_gib", "python", "libraries", "load_average"} <= short["machine"].keys()
    assert short["runs"]["some"]["ours"][0]["peak_bytes"] == 100


def test_a_file_that_is_not_a_list_of_figures_is_not_overwritten(home: Path) -> None:
    path = home / "bench" / "bench_some.json"
    path.parent.mkdir(parents=True)
    for text in ("{}", "not json"):
        path.write_text(text)
        with pytest.raises(TaxiError, match="move it away"):
            report("bench_some", {}, {}, [])
        assert path.read_text() == text


def test_a_fresh_process_reports_time_and_peak_memory() -> None:
    run = subprocess_timer("benchmarks.subprocess_timer", "importing", module="decimal")()
    assert run.seconds > 0
    assert 5e6 < (run.peak_bytes or 0) < 2e8


def test_peak_memory_of_a_fresh_process_excludes_its_parent() -> None:
    ballast = b"x" * 300_000_000
    peak = subprocess_timer("benchmarks.subprocess_timer", "importing", module="decimal")().peak_bytes
    assert (peak or 0) < len(ballast)


def test_a_failed_process_reports_its_last_error_line() -> None:
    with pytest.raises(TaxiError, match="no_such_module"):
        subprocess_timer("benchmarks.subprocess_timer", "importing", module="no_such_module")()


def test_work_in_this_process_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []
    assert in_process(lambda: done.append(1))().seconds >= 0
    timer_process.main("benchmarks.subprocess_timer", "importing", '{"module": "decimal"}')
    assert json.loads(capsys.readouterr().out).keys() == {"seconds", "cpu_seconds", "peak_bytes"}
    assert done == [1]


def test_an_option_overrides_the_variable_and_that_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench"])
    assert options("bench", rows=3).rows == 3
    monkeypatch.setenv("BENCH_ROWS", "4")
    assert options("bench", rows=3).rows == 4
    monkeypatch.setattr("sys.argv", ["bench", "--rows", "5"])
    assert options("bench", rows=3).rows == 5


@pytest.mark.slow
def test_a_month_is_published_and_is_prepared_in_pandas(source: Path) -> None:
    publish_pipelines.publish_month(str(source))()
    publish_pipelines.prepare_as_course(str(source))()
    prepared = pd.read_parquet(source / "as_course_2023-01.pq")
    assert prepared["duration"].between(1, 60).all()
    assert prepared["PULocationID"].map(type).eq(str).all()
    assert 2_000 < len(prepared) <= 3_000


@pytest.mark.slow
def test_every_peer_makes_the_tables_of_the_platform(tmp_path: Path) -> None:
    source = publish_pipelines.prepare_source(tmp_path, 3_000)
    bench_data.require_same_work(source)
    path = source / "polars" / "2023-01" / "clean_trips.parquet"
    pd.read_parquet(path).assign(passenger_count=9).to_parquet(path)
    warehouse = publish_pipelines.published_lake(str(source))
    with pytest.raises(TaxiError, match="polars has other clean_trips"):
        peers.require_equal_tables(warehouse, source)


def test_a_busy_turn_is_marked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report("bench_some", {}, {"some": Comparison([Run(1.0, load=3.2)], [Run(1.0, load=0.1)])}, [])
    assert capsys.readouterr().out == "note: a turn began at a load of 3.2: repeat it on a quiet machine\n"


@pytest.mark.slow
def test_many_months_are_published(tmp_path: Path) -> None:
    source = publish_pipelines.prepare_months(tmp_path, 2, 1_000)
    publish_pipelines.publish_months(str(source), 2)()
    assert sorted(path.name[-15:-8] for path in source.glob("*.parquet")) == ["2022-12", "2023-01", "2023-02"]


@pytest.mark.slow
def test_a_large_month_has_distinct_parts_and_is_published_in_1_gb(tmp_path: Path) -> None:
    source = publish_pipelines.prepare_large_source(tmp_path, 5_000, 2_000)
    trips = pd.read_parquet(source / "yellow_tripdata_2023-01.parquet")
    assert len(trips) == 5_000
    assert trips.duplicated().mean() < 0.1
    publish_pipelines.publish_month(str(source), memory_limit="1GB")()


@pytest.mark.slow
def test_warehouse_and_pandas_give_the_same_suite_results(source: Path) -> None:
    in_warehouse = publish_pipelines.validate_in_warehouse(str(source), "raw_trips")()
    document = publish_pipelines.validate_in_pandas(str(source), "raw_trips")()
    in_pandas = {result.expectation_config.meta["name"]: result.success for result in document.results}
    assert in_pandas == {outcome.name: outcome.passed for outcome in in_warehouse.outcomes}  # type: ignore[attr-defined]
    assert len(in_pandas) == len(SUITES["raw_trips"].expectations)


@pytest.mark.slow
def test_data_benchmarks_report_time_memory_suite_and_backfill(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions: list[str] = []

    def quick(_module: str, function: str, /, **_: object) -> TimedRun:
        functions.append(function)
        return lambda: Run(1.0, cpu_seconds=1.0, peak_bytes=1)

    monkeypatch.setattr(bench_data, "subprocess_timer", quick)
    figures = [*bench_data.compare_publishing(source, 1)[1], *bench_data.compare_suites(source, 1)[1]]
    figures += [*bench_data.compare_backfill(source, 4, 1)[1], *bench_large.publish_large(source, 1)[1]]
    assert [figure.name for figure in figures] == [
        *("data_time", "data_vs_polars", "data_vs_polars_wall", "data_vs_script", "data_vs_course"),
        "data_memory",
        "suite_time",
        "backfill_cost",
        "large_memory",
    ]
    assert figures[7].ratio == 0.25
    modules = (publish_pipelines, peers)
    assert all(any(callable(getattr(each, function, None)) for each in modules) for function in functions)


def test_fit_comparison_uses_the_models_training_matrix() -> None:
    trips, zones = training_sample.sample_trips(1, 2_000)
    week = trips[trips["pickup_at"] < "2022-01-03"]
    (matrix, target), fit_kwargs = training_workloads.training_matrix(week, zones)
    assert len(matrix) == len(target) == len(fit_kwargs["sample_weight"]) == len(week)
    found, figures = bench_train.compare_fits(week, zones, times=1, warm_ups=0)
    assert figures[0].line().startswith("fit_time ratio=")
    assert found.ours[0].seconds > 0


@pytest.mark.slow
def test_materialising_the_model_is_compared_with_fitting_its_trees(tmp_path: Path) -> None:
    found, figures = bench_train.compare_assets(str(tmp_path), 1, 1_500, times=2)
    assert figures[0].line().startswith("asset_time ratio=")
    assert all(ours.seconds > theirs.seconds > 0 for ours, theirs in zip(found.ours, found.theirs, strict=True))


def test_growth_is_drawn() -> None:
    png = bench_train.draw_growth({3: Run(5.0, peak_bytes=2**30), 12: Run(20.0, peak_bytes=2**31)}, 60_000)
    assert b"Training on 12 months of 60,000 trips, with evaluation, takes 20 s and 2.0 GiB" in png


def test_the_import_is_compared_with_dagsters(monkeypatch: pytest.MonkeyPatch) -> None:
    modules: list[object] = []

    def quick(*_: str, module: str) -> TimedRun:
        modules.append(module)
        return lambda: Run(1.0)

    monkeypatch.setattr(bench_train, "subprocess_timer", quick)
    assert bench_train.compare_imports(1)[1][0].line() == "import_time ratio=1 goal=≤1.5 ok"
    assert modules == ["taxi_assets.definitions", "dagster"]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["data", "large", "page", "run", "serve", "train"])
def test_each_benchmark_is_a_command(part: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.bench_{part}", "--help"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert "--times" in done.stdout
