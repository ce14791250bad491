"""A model of XGBoost goes through registry, evaluation, promotion and rebuild."""

import pytest
from platform_harness import MARCH, PlatformHarness
from test_champion import decide, decided

from taxi_assets.monitoring.reproduce import reproduce
from taxi_assets.registry import model_versions

pytest.importorskip("xgboost", reason="XGBoost is not installed: make env-large")
pytestmark = pytest.mark.slow


@pytest.fixture
def version(platform: PlatformHarness) -> model_versions.Version:
    weak = platform.train(MARCH, max_iter=1, learning_rate=0.01)
    model_versions.promote(platform.settings, weak.version, "To be beaten.")
    return platform.train(MARCH, estimator="xgboost", max_iter=20)


def test_a_better_challenger_is_promoted_and_rebuilt_exactly(
    platform: PlatformHarness, version: model_versions.Version
) -> None:
    assert version.tags["estimator"] == "xgboost"
    assert version.tags["servable"] == "true"
    assert "xgboost 3" in version.tags["libraries"]
    assert platform.train(MARCH, estimator="xgboost", max_iter=20).version == version.version
    decision = decide(platform)
    assert decision.promote, decision.reasons
    assert decided(platform, MARCH, version)["is_promoted"]
    champion = model_versions.champion(platform.settings)
    assert champion is not None
    assert champion.version == version.version
    rebuilt = reproduce(platform.settings, platform.warehouse, version.version)
    assert rebuilt.is_same, rebuilt
