"""The plot and the summary of a backtest, from figures written here."""

import io
from typing import Any

import pytest
from rich.console import Console

from taxi_assets.cli import model_commands
from taxi_assets.evaluation.backtest import summarise
from taxi_assets.plots.backtest_plot import draw_backtest


def month(name: str, rmse: float, inside: int = 900) -> dict[str, Any]:
    baselines = {
        "one_hot_linear_regression": {"rmse": 8.0, "mae": 5.0, "bias": 0.0},
        "zone_pair_median": {"rmse": 6.0, "mae": 4.0, "bias": -0.5},
    }
    ours = {"rmse": rmse, "mae": 3.0, "bias": 0.2, "coverage_90": inside / 1000}
    return {
        "month": name,
        "model": ours,
        "baselines": baselines,
        "relative_improvement": {key: 1 - rmse / each["rmse"] for key, each in baselines.items()},
        "other_conditions": {"with_recent_traffic": {**ours, "rmse": rmse - 0.1}},
        "coverage": [
            {"pickup_borough": "Queens", "hour_band": "midday 10-16", "trips": 1000, "inside": inside},
            {"pickup_borough": "Bronx", "hour_band": "midday 10-16", "trips": 100, "inside": 1},
        ],
    }


MONTHS = [month("2023-02", 4.8), month("2023-03", 5.0, inside=940)]
FACTS = {"months": MONTHS, "condition": "without_recent_traffic"} | summarise(MONTHS)


def test_summary_states_means_and_smallest_margin() -> None:
    facts = summarise(MONTHS)
    assert facts["mean"]["rmse"] == pytest.approx(4.9)
    assert facts["mean"]["coverage_90"] == pytest.approx(0.92)
    assert facts["mean_other_conditions"]["with_recent_traffic"]["rmse"] == pytest.approx(4.8)
    assert facts["mean_baselines"]["zone_pair_median"] == pytest.approx({"rmse": 6.0, "mae": 4.0, "bias": -0.5})
    assert facts["min_relative_improvement"] == pytest.approx(
        {"one_hot_linear_regression": 3 / 8, "zone_pair_median": 1 / 6}
    )


def test_coverage_is_stated_for_places_with_enough_trips() -> None:
    assert summarise(MONTHS)["coverage_range"] == pytest.approx([0.92, 0.92])
    assert summarise([month("2023-02", 4.8) | {"coverage": []}])["coverage_range"] == []


def test_plot_states_its_findings() -> None:
    png = draw_backtest(FACTS)
    assert png.startswith(b"\x89PNG")
    assert b"Over 2 months, each scored by a model of earlier months, the RMSE is 4.90 minutes" in png
    assert draw_backtest(FACTS) == png


def test_table_shows_each_month_in_full_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {name: {"rmse": 6.0, "mae": 4.0, "bias": 0.0} for name in ("zone_pair_hour_median", "one", "two")}
    months = [{**each, "baselines": wide} for each in MONTHS]
    facts = {**FACTS, "months": months, "mean_baselines": wide, "scope": "1_to_60_minutes", "missing": []}
    narrow = Console(width=80, record=True, file=io.StringIO())
    monkeypatch.setattr(model_commands, "console", narrow)
    model_commands._print_months(
        {**facts, "scopes": {"1_to_60_minutes": "trips of 1-60 minutes"}, "trained_on": "two months"}
    )
    printed = narrow.export_text()
    assert [name for name in ("2023-02", "2023-03") if name in printed] == ["2023-02", "2023-03"]
