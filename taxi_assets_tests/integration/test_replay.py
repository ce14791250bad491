"""A replay predicts each month by the champion before it, and trains as its policy says."""

from typing import Any

import pytest

from taxi_assets.errors import TaxiError
from taxi_assets.evaluation.backtest import BacktestSpec, backtest
from taxi_assets.monitoring.replay.replay import replay
from taxi_assets.months import Month, month_range

pytestmark = pytest.mark.slow  # six trainings

FEW: dict[str, Any] = {"max_iter": 20, "max_leaf_nodes": 15}
FIGURES = {"policy", "mean_rmse", "retrains", "promotions", "alarms", "seconds", "months", "missing"}


@pytest.fixture(scope="module")
def replayed(lake: Any) -> tuple[dict[str, dict[str, Any]], list[str]]:
    messages = list[str]()
    first, *_, last = lake.source.months
    months = month_range(first.plus(1), last.plus(1))
    found = replay(lake.warehouse, months, ["never", "monthly", "drift"], messages.append, FEW)
    return {each["policy"]: each for each in found}, messages


def test_each_policy_has_its_figures_and_a_row_for_each_month(lake: Any, replayed: Any) -> None:
    policies, _ = replayed
    _, *later = lake.source.months
    assert list(policies) == ["never", "monthly", "drift"]
    for each in policies.values():
        assert set(each) == FIGURES
        assert [row["month"] for row in each["months"]] == [str(month) for month in later]
        assert each["missing"] == [str(later[-1].plus(1))]
        errors = [row["rmse"] for row in each["months"]]
        assert each["mean_rmse"] == pytest.approx(sum(errors) / len(errors))
        assert each["retrains"] == sum(row["retrained"] for row in each["months"][1:])
        assert each["promotions"] <= each["retrains"]


def test_never_trains_once_and_monthly_each_month(replayed: Any) -> None:
    policies, _ = replayed
    assert policies["never"]["retrains"] == 0
    assert {row["champion"] for row in policies["never"]["months"]} == {policies["never"]["months"][0]["month"]}
    assert policies["monthly"]["retrains"] == len(policies["monthly"]["months"]) - 1
    assert policies["drift"]["retrains"] <= policies["monthly"]["retrains"]


def test_a_month_is_predicted_by_the_champion_before_it(replayed: Any) -> None:
    for each in replayed[0].values():
        champion = each["months"][0]["month"]
        for row in each["months"]:
            assert row["champion"] == champion
            champion = row["month"] if row["promoted"] else champion


def test_policies_share_the_training_of_a_month(replayed: Any) -> None:
    trainings = [line for line in replayed[1] if ": train on" in line]
    assert len(trainings) == len(set(trainings)) == len(replayed[0]["monthly"]["months"])


def test_a_shared_training_costs_each_policy_its_seconds(replayed: Any) -> None:
    first = [each["months"][0]["seconds"] for each in replayed[0].values()]
    assert first == [first[0]] * 3
    assert first[0] > 0
    assert replayed[0]["drift"]["seconds"] <= replayed[0]["monthly"]["seconds"]


def test_the_first_months_error_is_that_of_the_back_test(lake: Any, replayed: Any, tmp_path: Any) -> None:
    month = Month.parse(replayed[0]["drift"]["months"][0]["month"])
    scored = backtest(BacktestSpec(lake.warehouse, tmp_path, lambda _: None, FEW), [month])["months"][0]["model"]
    row = replayed[0]["drift"]["months"][0]
    assert (row["rmse"], row["mae"], row["bias"]) == pytest.approx((scored["rmse"], scored["mae"], scored["bias"]))
    assert row["coverage_90"] == pytest.approx(scored["coverage_90"])


def test_every_refusal_has_reasons(replayed: Any) -> None:
    for each in replayed[0].values():
        assert all(row["promotion_reasons"] for row in each["months"] if row["retrained"])
        assert all(row["training_reason"] for row in each["months"])


def test_months_that_cannot_be_replayed_are_an_error(lake: Any) -> None:
    with pytest.raises(TaxiError, match=r"no month of 2031-01\.\.2031-02 is in the warehouse: add --source"):
        replay(lake.warehouse, month_range(Month(2031, 1), Month(2031, 2)), ["drift"], print)
    with pytest.raises(TaxiError, match=r"no month before .* is available to train on"):
        replay(lake.warehouse, lake.source.months, ["drift"], print)
