"""The benchmark of training beyond memory trains both estimators at each size, reports and draws."""

import pytest

from benchmarks import bench_scale
from benchmarks.harness import Run, TimedRun

MONTHS = {"xgboost": (3, 6, 12, 24), "xgboost_distributed": (3, 24)}


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Trainings asked for: estimator, months and trees. A row costs 2 µs, two processes 3."""
    found: list[tuple[str, int, int]] = []

    def timer(_module: str, _function: str, /, *, estimator: str, months: int, trees: int, **_: object) -> TimedRun:
        found.append((estimator, months, trees))
        rows, distributed = months * 1_000_000, estimator == "xgboost_distributed"
        extra = {"rows": rows, "training_peak_bytes": 1e9 if distributed else 2e9, "rmse": 5.0 + distributed}
        return lambda: Run(1.0, cpu_seconds=rows * (3e-6 if distributed else 2e-6), extra=extra)

    monkeypatch.setattr(bench_scale, "subprocess_timer", timer)
    return found


def test_cost_and_memory_are_measured_by_size_and_drawn(fitted: list[tuple[str, int, int]]) -> None:
    growth = bench_scale.measure_growth("home", 24, 30)
    one, two = ([(name, months, 30) for months in sizes] for name, sizes in MONTHS.items())
    assert fitted == [*one, *two]
    figures = {figure.name: figure.ratio for figure in bench_scale.growth_figures(growth)}
    assert figures == pytest.approx(
        {
            "scale_memory": 2 / 3,
            "scale_cost": 1,
            "scale_distributed_memory": 1 / 3,
            "scale_distributed_cost": 1,
        }
    )
    picture = bench_scale.draw_growth(growth, 30)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000


def test_errors_are_compared_with_training_in_memory(fitted: list[tuple[str, int, int]]) -> None:
    _, figures = bench_scale.compare_errors("home", 3, 24, 130)
    assert fitted == [(name, 3, 130) for name in ("boosted_trees", "xgboost", "xgboost_distributed")]
    assert [(figure.name, figure.ratio, figure.is_ok) for figure in figures] == [
        ("scale_error", 1.0, True),
        ("scale_distributed_error", 1.2, False),
    ]
