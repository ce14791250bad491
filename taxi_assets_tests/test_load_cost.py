"""The code location, the command line and the service load no heavy library and write no file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENDPOINT = ROOT / "taxi_assets" / "serving" / "endpoint"
HEAVY = ("mlflow", "great_expectations", "sklearn", "bentoml", "pandas", "matplotlib", "onnxruntime")


def load(statement: str, folder: Path) -> list[str]:
    """The modules loaded in a fresh process by a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TAXI_", "DAGSTER_"))}
    environment |= {"TAXI_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_the_code_location_loads_no_heavy_library_and_writes_nothing(tmp_path: Path) -> None:
    loaded = load("import taxi_assets.definitions", tmp_path)
    assert "dagster" in loaded
    assert [name for name in HEAVY if name in loaded] == []
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_loads_neither_dagster_nor_heavy_libraries(tmp_path: Path) -> None:
    loaded = load("import taxi_assets.cli", tmp_path)
    assert [name for name in (*HEAVY, "dagster", "duckdb") if name in loaded] == []


def test_the_service_loads_no_library_of_training(tmp_path: Path) -> None:
    modules = [f"taxi_assets.serving.endpoint.{path.stem}" for path in ENDPOINT.glob("[!_]*.py")]
    loaded = load(f"import taxi_assets.serving.served_model, {', '.join(modules)}", tmp_path)
    assert set(modules) <= set(loaded)
    strange = ("mlflow", "sklearn", "dagster", "great_expectations", "pandas", "duckdb", "matplotlib")
    assert [name for name in strange if name in loaded] == []


@pytest.mark.parametrize("heavy", ["pandas", "sklearn"])
def test_a_loaded_module_is_seen(tmp_path: Path, heavy: str) -> None:
    assert heavy in load(f"import {heavy}", tmp_path)
