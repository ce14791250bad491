"""The picture and the summary of a back-test, of figures written here."""

from typing import Any

import pytest

from taxi_assets.plots.backtest import draw_backtest
from taxi_assets.scoring.backtest import summarise


def month(name: str, rmse: float, inside: int = 900) -> dict[str, Any]:
    baselines = {"linear_pu_do": {"rmse": 8.0, "mae": 5.0}, "pair_median": {"rmse": 6.0, "mae": 4.0}}
    return {
        "month": name,
        "model": {"rmse": rmse, "mae": 3.0, "coverage_90": inside / 1000},
        "baselines": baselines,
        "share_below": {key: 1 - rmse / each["rmse"] for key, each in baselines.items()},
        "nothing_known_of_now": {"rmse": rmse + 0.1},
        "coverage": [
            {"borough": 1, "band": "midday 10-16", "rides": 1000, "inside": inside},
            {"borough": 2, "band": "midday 10-16", "rides": 100, "inside": 1},
        ],
    }


MONTHS = [month("2023-02", 4.8), month("2023-03", 5.0, inside=940)]


def test_means_and_the_least_margin_are_told() -> None:
    facts = summarise(MONTHS)
    assert facts["mean"]["rmse"] == pytest.approx(4.9)
    assert facts["mean"]["coverage_90"] == pytest.approx(0.92)
    assert facts["mean"]["rmse_nothing_known_of_now"] == pytest.approx(5.0)
    assert facts["least_share_below"] == pytest.approx({"linear_pu_do": 3 / 8, "pair_median": 1 / 6})


def test_coverage_is_told_of_places_with_rides_enough() -> None:
    assert summarise(MONTHS)["coverage_by_borough_and_band"] == pytest.approx([0.92, 0.92])
    assert summarise([month("2023-02", 4.8) | {"coverage": []}])["coverage_by_borough_and_band"] == []


def test_the_picture_says_what_it_shows() -> None:
    png = draw_backtest({"months": MONTHS} | summarise(MONTHS))
    assert png.startswith(b"\x89PNG")
    assert b"Over 2 months, each scored by a model of the months before it, the RMSE is 4.90 minutes" in png
    assert draw_backtest({"months": MONTHS} | summarise(MONTHS)) == png
