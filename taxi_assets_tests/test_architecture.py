"""The rules of the architecture: who may import whom, and what loading it costs."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "taxi_assets"

# Frameworks, and the only modules that may import each.
HOMES = {
    "dagster": ("taxi_assets.defs", "taxi_assets.definitions"),
    "dagster_mlflow": ("taxi_assets.defs",),
    "mlflow": ("taxi_assets.registry", "taxi_assets.defs.mlflow_resource"),
    "great_expectations": ("taxi_assets.quality",),
    "bentoml": ("taxi_assets.serving.bento_build",),
    "typer": ("taxi_assets.cli",),
}
# Who may start what Dagster knows: the last asks only for its newest run.
STARTS_DAGSTER = (
    "taxi_assets.defs",
    "taxi_assets.definitions",
    "taxi_assets.cli",
    "taxi_assets.cli.run_pipeline",
    "taxi_assets.cli.status_report",
)
# Data in, data out. What touches the world (adapters) and what starts it (the edge) is for others.
MIDDLE = (
    "taxi_assets.errors",
    "taxi_assets.months",
    "taxi_assets.tlc.local_time",
    "taxi_assets.quality.suites",
    "taxi_assets.plots",
    "taxi_assets.synthetic",
    "taxi_assets.features",
    "taxi_assets.tlc.columns",
    "taxi_assets.tlc.contract",
    "taxi_assets.ingestion.file_columns",
    "taxi_assets.tlc.file_kinds",
    "taxi_assets.ingestion.text_lines",
    "taxi_assets.ingestion.file_times",
    "taxi_assets.ingestion.unreadable_values",
    "taxi_assets.ingestion.time_formats",
    "taxi_assets.ingestion.casting",
    "taxi_assets.ingestion.csv_lines",
    "taxi_assets.tlc.projection",
    "taxi_assets.ingestion.point_zones",
    "taxi_assets.ingestion.row_stream",
    "taxi_assets.quality.cleaning_rules",
    "taxi_assets.monitoring.overdue_months",
    "taxi_assets.tlc.polling_plan",
    "taxi_assets.warehouse.schema",
    "taxi_assets.ingestion.taxi_zones",
    "taxi_assets.training.training_set",
    "taxi_assets.training.estimators",
    "taxi_assets.training.random_forest",
    "taxi_assets.training.model",
    "taxi_assets.monitoring.drift",
    "taxi_assets.evaluation.baselines",
    "taxi_assets.promotion.bootstrap",
    "taxi_assets.promotion.promotion_input",
    "taxi_assets.promotion.paired_comparison",
    "taxi_assets.evaluation.conditions",
    "taxi_assets.evaluation.diagnostics",
    "taxi_assets.evaluation.metrics",
    "taxi_assets.promotion.policy",
    "taxi_assets.promotion.guards",
    "taxi_assets.evaluation.predict",
    "taxi_assets.promotion.decision",
)
HEAVY = ("mlflow", "great_expectations", "sklearn", "bentoml", "pandas", "matplotlib", "onnxruntime")

Imports = Mapping[str, set[str]]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The package's modules by their dotted names."""
    paths = sorted((root / PACKAGE).rglob("*.py"))
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports(module: str, path: Path, *, only_at_load: bool = False) -> set[str]:
    """What a module imports, by dotted names; on request without what functions and type checkers import."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in _nodes(ast.parse(path.read_text()), only_at_load=only_at_load):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *filter(None, [node.module])])
            found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return found


def _nodes(tree: ast.AST, *, only_at_load: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        is_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not (only_at_load and (is_later or is_for_types)):
            yield node
            yield from _nodes(node, only_at_load=only_at_load)


def all_imports(root: Path = ROOT, *, only_at_load: bool = False) -> Imports:
    return {name: imports(name, path, only_at_load=only_at_load) for name, path in modules(root).items()}


def is_within(name: str, homes: tuple[str, ...]) -> bool:
    return any(name == home or name.startswith(f"{home}.") for home in homes)


def importers(of: Imports, what: str) -> set[str]:
    """The modules that import `what`, or something of it."""
    return {name for name, found in of.items() if any(is_within(each, (what,)) for each in found)}


def strangers(of: Imports, what: str, homes: tuple[str, ...]) -> set[str]:
    """The modules that import `what` and may not."""
    return {name for name in importers(of, what) if not is_within(name, homes)}


def outside_middle(of: Imports) -> dict[str, set[str]]:
    """What of the package the middle imports though it is not of the middle; packages only hold modules."""
    packages = {name.rpartition(".")[0] for name in of}
    middle = {name: found & set(of) - packages for name, found in of.items() if is_within(name, MIDDLE)}
    strange = {name: {each for each in found if not is_within(each, MIDDLE)} for name, found in middle.items()}
    return {name: found for name, found in strange.items() if found}


@pytest.fixture(scope="module")
def everything() -> Imports:
    return all_imports()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package of one's own to break rules in."""
    for name in ("__init__", "rides/__init__", "lake/__init__"):
        path = tmp_path / PACKAGE / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    (tree / PACKAGE / f"{name}.py").write_text(text)


# Who imports whom


@pytest.mark.parametrize("framework", HOMES)
def test_a_framework_is_known_to_its_own_modules_only(everything: Imports, framework: str) -> None:
    assert strangers(everything, framework, HOMES[framework]) == set()


def test_only_who_starts_dagster_knows_its_edge(everything: Imports) -> None:
    for edge in ("taxi_assets.defs", "taxi_assets.definitions"):
        assert strangers(everything, edge, STARTS_DAGSTER) == set()
    report = {each for each in everything["taxi_assets.cli.status_report"] if each.startswith("taxi_assets.defs")}
    assert report <= {"taxi_assets.defs.instance", "taxi_assets.defs.instance.last_run"}


@pytest.mark.parametrize("framework", [*HOMES, "httpx", "filelock", "rich"])
def test_the_middle_knows_no_framework(everything: Imports, framework: str) -> None:
    assert {name for name in importers(everything, framework) if is_within(name, MIDDLE)} == set()


def test_the_middle_imports_only_the_middle(everything: Imports) -> None:
    assert outside_middle(everything) == {}


def test_every_module_the_rules_name_is_there(everything: Imports) -> None:
    named = {*MIDDLE, *STARTS_DAGSTER, *(home for homes in HOMES.values() for home in homes)}
    assert named <= set(everything)


def circle(of: Imports) -> list[str]:
    """Modules that import each other at load, the first named again at the end; a package may hold who imports it."""
    others = {n: {e for e in found & set(of) if not is_within(n, (e,))} for n, found in of.items()}
    try:
        TopologicalSorter(others).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_in_a_circle() -> None:
    assert circle(all_imports(only_at_load=True)) == []


def test_a_circle_is_found(tree: Path) -> None:
    write(tree, "rides/features", "from taxi_assets.features.zone_geometry import x\n")
    write(tree, "rides/places", "def later():\n    from taxi_assets.features.trip_features import y\n")
    assert circle(all_imports(tree, only_at_load=True)) == []
    write(tree, "rides/places", "from .features import y\n")
    assert set(circle(all_imports(tree, only_at_load=True))) == {
        "taxi_assets.features.trip_features",
        "taxi_assets.features.zone_geometry",
    }


def test_the_service_knows_only_rides_and_its_own() -> None:
    found = imports("service", ROOT / "bento" / "service.py")
    ours = {each for each in found if is_within(each, (PACKAGE,))}
    assert ours
    assert all(is_within(each, ("taxi_assets.serving", "taxi_assets.errors")) for each in ours), ours


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
def test_a_module_that_knows_a_framework_is_found(tree: Path, line: str) -> None:
    write(tree, "rides/features", line)
    write(tree, "rides/places", "import dagsterly\n")
    assert strangers(all_imports(tree), "dagster", HOMES["dagster"]) == {"taxi_assets.features.trip_features"}


@pytest.mark.parametrize(
    "line",
    [
        "from taxi_assets.warehouse import connection as warehouse",
        "from taxi_assets.warehouse.connection import sql",
        "import taxi_assets.warehouse.connection",
        "from ..lake import warehouse",
        "from ..lake.warehouse import sql",
        "def later():\n    from taxi_assets.warehouse.connection import sql\n",
    ],
)
def test_a_middle_that_touches_the_world_is_found(tree: Path, line: str) -> None:
    write(tree, "lake/warehouse", "")
    write(tree, "rides/features", line)
    write(tree, "rides/places", "from taxi_assets.features import trip_features as features\nfrom . import features\n")
    assert outside_middle(all_imports(tree)) == {
        "taxi_assets.features.trip_features": {"taxi_assets.warehouse.connection"}
    }


# What loading costs


def load(statement: str, folder: Path) -> list[str]:
    """The modules there are in a fresh process once it has run the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
    environment |= {"TAXI_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_the_code_location_loads_nothing_heavy_and_makes_nothing(tmp_path: Path) -> None:
    loaded = load("import taxi_assets.definitions", tmp_path)
    assert "dagster" in loaded
    assert [name for name in HEAVY if name in loaded] == []
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_loads_neither_dagster_nor_anything_heavy(tmp_path: Path) -> None:
    loaded = load("import taxi_assets.cli", tmp_path)
    assert [name for name in (*HEAVY, "dagster", "duckdb") if name in loaded] == []


def test_what_answers_rides_loads_no_library_of_training(tmp_path: Path) -> None:
    loaded = load("import taxi_assets.serving.served_model, taxi_assets.serving.ride_request", tmp_path)
    strange = ("mlflow", "sklearn", "dagster", "great_expectations", "pandas", "duckdb", "matplotlib")
    assert [name for name in strange if name in loaded] == []


@pytest.mark.parametrize("heavy", ["pandas", "sklearn"])
def test_what_is_loaded_is_seen(tmp_path: Path, heavy: str) -> None:
    assert heavy in load(f"import {heavy}", tmp_path)
