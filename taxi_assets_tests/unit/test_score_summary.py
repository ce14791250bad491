"""Printed scores and decision: the served condition first, and the metric of the decision."""

from typing import Any

import duckdb
import pytest
from score_rows import DECISION, OTHER, SERVED, scored

from taxi_assets.evaluation.score_summary import decision_line, score_facts, score_lines
from taxi_assets.months import Month
from taxi_assets.promotion.decision import read_decision

FEBRUARY = Month(2023, 2)


@pytest.fixture
def recorded(memory: duckdb.DuckDBPyConnection, put: Any) -> duckdb.DuckDBPyConnection:
    rows = [scored("duration_model", 4.0), scored("zone_pair_median", 5.0), scored("duration_model", 3.5, OTHER)]
    rows += [scored("duration_model", 8.0, scope="all"), scored("duration_model", 9.0, model_version=1)]
    rows += [scored("duration_model", 3.0, slice="borough", value="Queens")]
    put(memory, "evaluations", *rows)
    put(memory, "promotions", DECISION)
    return memory


def test_the_served_condition_is_the_headline_and_the_other_a_separate_line(
    recorded: duckdb.DuckDBPyConnection,
) -> None:
    facts = score_facts(recorded, FEBRUARY, 2, SERVED)
    assert (facts["condition"], facts["scope"]) == (SERVED, "1_to_60_minutes")
    assert facts["model"] == {"rmse": 4.0, "mae": 2.0, "bias": -0.25}
    assert facts["baselines"] == {"zone_pair_median": {"rmse": 5.0, "mae": 2.5, "bias": -0.25}}
    assert facts["other_conditions"][OTHER]["rmse"] == 3.5
    assert score_lines(facts) == [
        ("model on 2023-02", "RMSE 4.000, MAE 2.000 minutes (trips of 1-60 minutes)"),
        ("", "bias -0.25, without recent traffic"),
        ("zone_pair_median", "RMSE 5.000, MAE 2.500"),
        ("model with recent traffic", "RMSE 3.500, MAE 1.750"),
    ]


def test_the_deciding_metric_is_shown_with_its_figures(recorded: duckdb.DuckDBPyConnection) -> None:
    assert decision_line(read_decision(recorded, 2, FEBRUARY)) == (
        "RMSE on trips of 1-60 minutes, without recent traffic: 4.000 minutes; champion 1 had 3.900: +0.100, "
        "between -0.100 and +0.300"
    )


def test_without_a_comparison_no_figure_of_the_champion_is_shown(memory: duckdb.DuckDBPyConnection, put: Any) -> None:
    figures = ("champion_rmse", "difference_minutes", "difference_low", "difference_high")
    put(memory, "promotions", DECISION | dict.fromkeys(figures) | {"rmse": None})
    assert decision_line(read_decision(memory, 2, FEBRUARY)) == "RMSE on trips of 1-60 minutes, without recent traffic"
    assert decision_line(read_decision(memory, 3, FEBRUARY)) == "no decision yet: materialise champion_model"
