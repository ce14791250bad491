"""Every third-party package that the product imports is declared in pyproject.toml."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def imported_packages(source: str) -> set[str]:
    """Top-level packages that a module imports, without those of the standard library."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def declared_distributions(pyproject: str) -> set[str]:
    """Names of the project's dependencies, in their normal form."""
    dependencies = tomllib.loads(pyproject)["project"]["dependencies"]
    return {normal_name(re.split(r"[^\w.-]", dependency)[0]) for dependency in dependencies}


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(packages: set[str], declared: set[str]) -> set[str]:
    """Packages that no declared distribution provides."""
    providers = packages_distributions()
    return {name for name in packages if not {normal_name(each) for each in providers.get(name, ())} & declared}


def test_every_imported_package_is_declared() -> None:
    paths = [*(ROOT / "taxi_assets").rglob("*.py"), *(ROOT / "bento").rglob("*.py")]
    packages = set[str]().union(*(imported_packages(path.read_text()) for path in paths)) - {"taxi_assets"}
    assert packages > {"dagster", "duckdb", "mlflow"}
    pyproject = (ROOT / "pyproject.toml").read_text()
    extras = tomllib.loads(pyproject)["project"]["optional-dependencies"]
    extra = {each for name in ("scale", "large") for each in extras[name]}  # not installed by default
    names = (normal_name(re.split(r"[^\w.-]", each)[0]) for each in extra)
    optional = {name.removesuffix("-cpu").removesuffix("-python").replace("-", "_") for name in names}
    assert undeclared(packages - optional, declared_distributions(pyproject)) == set()


def test_an_undeclared_package_is_found() -> None:
    packages = imported_packages("import os\nimport scipy.sparse\nfrom pydantic import Field\n")
    assert undeclared(packages, declared_distributions('[project]\ndependencies = ["pydantic>=2"]')) == {"scipy"}
