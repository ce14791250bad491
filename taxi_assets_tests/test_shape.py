"""Limits on the code: length of files and functions, specific names, a docstring for every module."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("taxi_assets", "taxi_assets_tests", "bento", "benchmarks", "deploy", "docs")
LONGEST_FUNCTION, LONGEST_FILE = 45, 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def too_long(path: Path) -> list[str]:
    """The file and the functions that have too many lines."""
    text = path.read_text()
    found = [path.name] if len(text.splitlines()) > LONGEST_FILE else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            found += [node.name] if node.end_lineno - node.lineno >= LONGEST_FUNCTION else []
    return found


def test_files_and_functions_are_short() -> None:
    assert {str(path.relative_to(ROOT)): found for path in sources() if (found := too_long(path))} == {}


def test_a_long_file_and_a_long_function_are_found(tmp_path: Path) -> None:
    def lines(count: int) -> str:
        return "def f():\n" + "    x = 1\n" * (count - 1)

    for text, found in (
        (lines(45), []),
        (lines(46), ["f"]),
        ("async " + lines(46), ["f"]),
        ("x = 1\n" * 300, []),
        ("x = 1\n" * 301, ["a.py"]),
    ):
        (tmp_path / "a.py").write_text(text)
        assert too_long(tmp_path / "a.py") == found


def is_vague(path: Path) -> bool:
    return bool(VAGUE & {*path.stem.split("_"), path.parent.name})


def test_module_names_are_specific() -> None:
    assert [str(path.relative_to(ROOT)) for path in sources() if is_vague(path)] == []


def test_a_vague_module_name_is_found() -> None:
    assert is_vague(Path("lake/sql_helpers.py"))
    assert is_vague(Path("common/tables.py"))
    assert not is_vague(Path("warehouse/schema.py"))


def lacks_docstring(path: Path) -> bool:
    """True if the module has code and no docstring."""
    tree = ast.parse(path.read_text())
    return bool(tree.body) and not ast.get_docstring(tree)


def test_every_module_has_a_docstring() -> None:
    assert [str(path.relative_to(ROOT)) for path in sources() if lacks_docstring(path)] == []


def test_a_module_without_a_docstring_is_found(tmp_path: Path) -> None:
    for text, silent in (("x = 1\n", True), ('"""Holds x."""\nx = 1\n', False), ("", False)):
        (tmp_path / "a.py").write_text(text)
        assert lacks_docstring(tmp_path / "a.py") is silent
