"""The settings of one run, as configured in Dagster's launchpad."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from taxi_assets.definitions import build
from taxi_assets.defs.resources import platform_resources
from taxi_assets.settings import Settings
from taxi_assets.warehouse.connection import Warehouse


@dg.asset
def shown(settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult:
    assert warehouse.settings == settings
    values = {"services": ",".join(settings.services), "threads": settings.threads or 0, "home": str(settings.home)}
    return dg.MaterializeResult(metadata={**values, "promotion": settings.promotion})


def run(folder: Path, **config: Any) -> dict[str, Any]:
    resources = platform_resources(Settings(home=folder, threads=2))
    run_config = {
        "resources": {"settings": {"config": config}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([shown], resources=resources, run_config=run_config, instance=instance)
    (made,) = result.asset_materializations_for_node("shown")
    return {name: value.value for name, value in made.metadata.items()}


def test_a_run_uses_the_platforms_settings(tmp_path: Path) -> None:
    assert run(tmp_path) == {"services": "green", "threads": 2, "home": str(tmp_path), "promotion": "auto"}


def test_a_run_overrides_some_settings(tmp_path: Path) -> None:
    found = run(tmp_path, services=["green", "yellow"], threads=1, promotion="approve")
    assert found == {"services": "green,yellow", "threads": 1, "home": str(tmp_path), "promotion": "approve"}


def test_wrong_settings_of_a_run_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as error:
        run(tmp_path, services=["blue"])
    assert "name each service once, of green, yellow, fhvhv" in str(error.value.__cause__)


def test_a_run_cannot_use_another_home(tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run(tmp_path, home="/elsewhere")


def test_a_job_is_the_same_under_other_settings(tmp_path: Path) -> None:
    # Else Dagster's UI warns of runs of `taxi run --services yellow` that their job differs.
    snapshots = {
        build(Settings(home=tmp_path, services=(service,), threads=threads))
        .resolve_job_def("train_month")
        .get_job_snapshot_id()
        for service, threads in (("green", None), ("yellow", 2))
    }
    assert len(snapshots) == 1
