"""The imports of the package's modules, read from their source, and a small package to break rules in."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "taxi_assets"

Imports = Mapping[str, set[str]]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The package's modules by their dotted names."""
    paths = sorted((root / PACKAGE).rglob("*.py"))
    return {".".join(p.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports(module: str, path: Path, *, only_at_load: bool = False) -> set[str]:
    """The dotted names a module imports; with `only_at_load`, without those in functions and type checks."""
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


def small_package(tmp_path: Path) -> Path:
    """A small package to break rules in."""
    for name in ("__init__", "features/__init__", "warehouse/__init__"):
        path = tmp_path / PACKAGE / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    (tree / PACKAGE / f"{name}.py").write_text(text)
