"""Rules of the architecture: which modules may import which."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from import_graph import PACKAGE, ROOT, Imports, all_imports, imports, is_within, small_package, write

# Frameworks, and the only modules that may import each.
HOMES = {
    "dagster": ("taxi_assets.defs", "taxi_assets.definitions"),
    "dagster_mlflow": ("taxi_assets.defs",),
    "mlflow": ("taxi_assets.registry", "taxi_assets.defs.mlflow_resource"),
    "great_expectations": ("taxi_assets.quality",),
    "bentoml": ("taxi_assets.serving.packaging.bento_build",),
    "typer": ("taxi_assets.cli",),
    "evidently": ("taxi_assets.monitoring.drift_page.draw_drift_page",),
}
# Modules that may start Dagster's definitions.
DAGSTER_STARTERS = (
    "taxi_assets.defs",
    "taxi_assets.definitions",
    "taxi_assets.cli",
)
# Pure modules: data in, data out. Adapters and the edge, which have side effects, are not listed.
PURE = (
    "taxi_assets.errors",
    "taxi_assets.files",
    "taxi_assets.months",
    "taxi_assets.tlc.local_time",
    "taxi_assets.quality.suites",
    "taxi_assets.plots.canvas",
    "taxi_assets.plots.error_plots",
    "taxi_assets.plots.month_plots",
    "taxi_assets.plots.promotion_plots",
    "taxi_assets.plots.tuning_plots",
    "taxi_assets.plots.backtest_plot",
    "taxi_assets.plots.zone_maps",
    "taxi_assets.synthetic",
    "taxi_assets.features",
    "taxi_assets.tlc.columns",
    "taxi_assets.tlc.services",
    "taxi_assets.tlc.contract",
    "taxi_assets.ingestion.file_columns",
    "taxi_assets.tlc.file_kinds",
    "taxi_assets.ingestion.text_lines",
    "taxi_assets.ingestion.file_times",
    "taxi_assets.ingestion.unreadable_values",
    "taxi_assets.ingestion.casting",
    "taxi_assets.ingestion.csv_lines",
    "taxi_assets.tlc.projection",
    "taxi_assets.ingestion.point_zones",
    "taxi_assets.ingestion.row_stream",
    "taxi_assets.quality.cleaning_rules",
    "taxi_assets.monitoring.overdue_months",
    "taxi_assets.warehouse.schema",
    "taxi_assets.warehouse.monitoring_tables",
    "taxi_assets.warehouse.promotion_tables",
    "taxi_assets.warehouse.serving_tables",
    "taxi_assets.warehouse.table_definition",
    "taxi_assets.warehouse.sql_quotes",
    "taxi_assets.ingestion.taxi_zones",
    "taxi_assets.training.weighted_bins",
    "taxi_assets.training.evaluation_scope",
    "taxi_assets.training.intervals",
    "taxi_assets.training.predictions",
    "taxi_assets.training.conditions",
    "taxi_assets.training.training_set",
    "taxi_assets.training.estimators",
    "taxi_assets.training.random_forest",
    "taxi_assets.training.monthly_trips",
    "taxi_assets.training.monthly_encoding",
    "taxi_assets.training.xgboost_model",
    "taxi_assets.training.xgboost_trees",
    "taxi_assets.training.distributed_model",
    "taxi_assets.training.model",
    "taxi_assets.training.weighted_bins",
    "taxi_assets.monitoring.drift.false_alarms",
    "taxi_assets.monitoring.drift.drift_verdict",
    "taxi_assets.monitoring.drift.measure_drift",
    "taxi_assets.monitoring.drift.daily_counts",
    "taxi_assets.warehouse.queries",
    "taxi_assets.evaluation.baselines",
    "taxi_assets.promotion.bootstrap",
    "taxi_assets.promotion.evidence",
    "taxi_assets.promotion.paired_comparison",
    "taxi_assets.evaluation.diagnostics",
    "taxi_assets.evaluation.metrics",
    "taxi_assets.promotion.policy",
    "taxi_assets.promotion.guards",
    "taxi_assets.promotion.decision",
)


def importers(of: Imports, what: str) -> set[str]:
    """The modules that import `what` or something of it."""
    return {name for name, found in of.items() if any(is_within(each, (what,)) for each in found)}


def forbidden_importers(of: Imports, what: str, homes: tuple[str, ...]) -> set[str]:
    """The modules that import `what` without permission."""
    return {name for name in importers(of, what) if not is_within(name, homes)}


def impure_imports(of: Imports) -> dict[str, set[str]]:
    """Imports of pure modules from modules of the package that are not pure; packages only hold modules."""
    packages = {name.rpartition(".")[0] for name in of}
    middle = {name: found & set(of) - packages for name, found in of.items() if is_within(name, PURE)}
    strange = {name: {each for each in found if not is_within(each, PURE)} for name, found in middle.items()}
    return {name: found for name, found in strange.items() if found}


@pytest.fixture(scope="module")
def everything() -> Imports:
    return all_imports()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_package(tmp_path)


# Rules of imports


@pytest.mark.parametrize("framework", HOMES)
def test_a_framework_is_imported_by_its_own_modules_only(everything: Imports, framework: str) -> None:
    assert forbidden_importers(everything, framework, HOMES[framework]) == set()


def test_only_dagster_starters_import_the_edge(everything: Imports) -> None:
    for edge in ("taxi_assets.defs", "taxi_assets.definitions"):
        assert forbidden_importers(everything, edge, DAGSTER_STARTERS) == set()


@pytest.mark.parametrize("framework", [*HOMES, "httpx", "filelock", "rich"])
def test_pure_modules_import_no_framework(everything: Imports, framework: str) -> None:
    assert {name for name in importers(everything, framework) if is_within(name, PURE)} == set()


def test_pure_modules_import_only_pure_modules(everything: Imports) -> None:
    assert impure_imports(everything) == {}


def test_every_module_the_rules_name_exists(everything: Imports) -> None:
    named = {*PURE, *DAGSTER_STARTERS, *(home for homes in HOMES.values() for home in homes)}
    assert named <= set(everything)


def import_cycle(of: Imports) -> list[str]:
    """A cycle of imports at load, the first module named twice; packages may import their members."""
    others = {n: {e for e in found & set(of) if not is_within(n, (e,))} for n, found in of.items()}
    try:
        TopologicalSorter(others).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_modules_have_no_import_cycle() -> None:
    assert import_cycle(all_imports(only_at_load=True)) == []


def test_an_import_cycle_is_found(tree: Path) -> None:
    write(tree, "features/trip_features", "from taxi_assets.features.zone_geometry import x\n")
    write(tree, "features/zone_geometry", "def later():\n    from taxi_assets.features.trip_features import y\n")
    assert import_cycle(all_imports(tree, only_at_load=True)) == []
    write(tree, "features/zone_geometry", "from .trip_features import y\n")
    assert set(import_cycle(all_imports(tree, only_at_load=True))) == {
        "taxi_assets.features.trip_features",
        "taxi_assets.features.zone_geometry",
    }


def test_the_bento_service_imports_only_serving_and_errors() -> None:
    found = imports("service", ROOT / "bento" / "service.py")
    ours = {each for each in found if is_within(each, (PACKAGE,))}
    assert ours
    assert all(is_within(each, ("taxi_assets.serving", "taxi_assets.errors")) for each in ours), ours


def test_the_endpoint_imports_no_module_of_packaging(everything: Imports) -> None:
    packaging = importers(everything, "taxi_assets.serving.packaging")
    assert packaging
    assert {name for name in packaging if is_within(name, ("taxi_assets.serving.endpoint",))} == set()


@pytest.mark.parametrize(
    "line",
    [
        "import dagster",
        "import dagster as dg",
        "from dagster import asset",
        "import dagster._core.events",
        "from dagster._core import events",
        "def later():\n    import dagster\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import dagster\n",
        "try:\n    import dagster\nexcept ImportError:\n    pass\n",
    ],
)
def test_a_forbidden_framework_import_is_found(tree: Path, line: str) -> None:
    write(tree, "features/trip_features", line)
    write(tree, "features/zone_geometry", "import dagsterly\n")
    assert forbidden_importers(all_imports(tree), "dagster", HOMES["dagster"]) == {"taxi_assets.features.trip_features"}


@pytest.mark.parametrize(
    "line",
    [
        "from taxi_assets.warehouse import connection",
        "from taxi_assets.warehouse.connection import sql",
        "import taxi_assets.warehouse.connection",
        "from ..warehouse import connection",
        "from ..warehouse.connection import sql",
        "def later():\n    from taxi_assets.warehouse.connection import sql\n",
    ],
)
def test_an_impure_import_is_found(tree: Path, line: str) -> None:
    write(tree, "warehouse/connection", "")
    write(tree, "features/trip_features", line)
    write(
        tree, "features/zone_geometry", "from taxi_assets.features import trip_features\nfrom . import trip_features\n"
    )
    assert impure_imports(all_imports(tree)) == {
        "taxi_assets.features.trip_features": {"taxi_assets.warehouse.connection"}
    }
