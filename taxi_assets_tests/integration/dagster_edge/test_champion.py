"""Which version is champion: a better challenger becomes it, a worse one is refused with its reasons."""

from typing import Any

import pytest
from town import FEBRUARY, JANUARY, MARCH, Town

from taxi_assets.errors import TaxiError
from taxi_assets.mlflow_store import registry
from taxi_assets.months import Month
from taxi_assets.scoring import judging
from taxi_assets.scoring.champion import choose_champion

# Trees that have hardly begun to learn, and such that have learned for longer than the champion's.
POOR: dict[str, Any] = {"max_iter": 1, "learning_rate": 0.01}
GOOD: dict[str, Any] = {"max_iter": 20}


def fresh(town: Town, month: Month, seed: int, **model: Any) -> registry.Version:
    """A version nobody trained before, the newest for its month, and scored."""
    version = town.train(month, **model, random_state=seed)
    judging.keep_evaluation(town.warehouse, judging.evaluate(town.settings, town.warehouse, month))
    return version


def decided(town: Town, month: Month, version: registry.Version) -> tuple[Any, ...]:
    with town.warehouse.reading() as connection:
        query = "SELECT champion_version, is_promoted, reasons FROM promotions WHERE month = ? AND model_version = ?"
        (row,) = connection.execute(query, [month.first_day, version.version]).fetchall()
    return tuple(row)


def champion(town: Town) -> registry.Version:
    found = registry.champion(town.settings)
    assert found
    return found


def test_the_first_version_became_champion(town: Town) -> None:
    with town.warehouse.reading() as connection:
        query = "SELECT is_promoted, reasons FROM promotions WHERE month = ? ORDER BY model_version LIMIT 1"
        ((is_promoted, reasons),) = connection.execute(query, [MARCH.first_day]).fetchall()
    assert is_promoted
    assert "There was no champion." in reasons


def test_a_better_challenger_becomes_champion(town: Town) -> None:
    before = champion(town)
    good = fresh(town, MARCH, 102, **GOOD)
    decision = choose_champion(town.settings, town.warehouse, MARCH)
    assert decision.promote
    assert champion(town).version == good.version
    assert champion(town).tags["replaced_version"] == str(before.version)
    assert champion(town).tags["promotion_reason"] == " ".join(decision.reasons)
    assert decided(town, MARCH, good) == (before.version, True, list(decision.reasons))


def test_a_worse_challenger_is_refused_with_its_reason(town: Town) -> None:
    good = champion(town)
    poor = fresh(town, MARCH, 104, **POOR)
    decision = choose_champion(town.settings, town.warehouse, MARCH)
    assert not decision.promote
    assert f"Champion {good.version} is better" in " ".join(decision.reasons)
    assert champion(town).version == good.version
    refused = registry.newest_for(town.settings, MARCH)
    assert refused
    assert refused.version == poor.version
    assert refused.tags["refusal"] == " ".join(decision.reasons)
    assert decided(town, MARCH, poor) == (good.version, False, list(decision.reasons))


def test_a_champion_that_saw_the_rides_is_not_compared_on_them(town: Town) -> None:
    seen = champion(town)  # learned from January and February
    challenger = fresh(town, FEBRUARY, 106, **GOOD)  # is scored on February
    decision = choose_champion(town.settings, town.warehouse, FEBRUARY)
    assert not decision.promote
    assert "may have seen the rides of 2023-02" in " ".join(decision.reasons)
    assert champion(town).version == seen.version != challenger.version


def test_deciding_again_changes_nothing(town: Town) -> None:
    fresh(town, MARCH, 107, **GOOD)
    first = choose_champion(town.settings, town.warehouse, MARCH)
    rows, tags = town.content()["promotions"], champion(town)
    assert choose_champion(town.settings, town.warehouse, MARCH) == first
    assert town.content()["promotions"] == rows
    assert champion(town) == tags


def test_a_decision_cut_off_before_the_alias_is_taken_again(town: Town) -> None:
    before = champion(town)
    good = fresh(town, MARCH, 109, **GOOD)
    first = choose_champion(town.settings, town.warehouse, MARCH)
    registry.promote(town.settings, before.version, "as if the process had died before it named the new one")
    assert choose_champion(town.settings, town.warehouse, MARCH) == first
    assert champion(town).version == good.version


def test_without_a_version_there_is_nothing_to_decide(town: Town) -> None:
    with pytest.raises(TaxiError, match="no model was trained for 2023-01"):
        choose_champion(town.settings, town.warehouse, JANUARY)


def test_the_asset_shows_the_decision(town: Town) -> None:
    good = fresh(town, MARCH, 111, **GOOD)
    result = town.materialise(MARCH, "champion_model")
    shown = town.metadata(town.find(result.run_id), "champion_model")
    assert shown["is_promoted"].value is True
    assert shown["champion"].value == good.version
    assert str(shown["mlflow_version"].value).startswith("http://127.0.0.1:5000/#/models/taxi-duration/versions/")
    assert "RMSE" in str(shown["reasons"].value)
