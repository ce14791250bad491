"""How the code is cut: nothing too long, nothing vague, every module with a word on what it is for."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("taxi_assets", "taxi_assets_tests", "bento", "benchmarks")
LONGEST_FUNCTION, LONGEST_FILE = 45, 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def too_long(path: Path) -> list[str]:
    """The file, where it has too many lines, and each of its functions that has."""
    text = path.read_text()
    found = [path.name] if len(text.splitlines()) > LONGEST_FILE else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            found += [node.name] if node.end_lineno - node.lineno >= LONGEST_FUNCTION else []
    return found


def test_no_file_and_no_function_is_too_long() -> None:
    assert {str(path.relative_to(ROOT)): found for path in sources() if (found := too_long(path))} == {}


def test_what_is_too_long_is_found(tmp_path: Path) -> None:
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


def test_names_say_what_is_inside() -> None:
    assert [str(path.relative_to(ROOT)) for path in sources() if is_vague(path)] == []


def test_a_name_that_says_nothing_is_found() -> None:
    assert is_vague(Path("lake/sql_helpers.py"))
    assert is_vague(Path("common/tables.py"))
    assert not is_vague(Path("warehouse/schema.py"))


def is_silent(path: Path) -> bool:
    """It holds code and does not say what for."""
    tree = ast.parse(path.read_text())
    return bool(tree.body) and not ast.get_docstring(tree)


def test_every_module_says_what_it_is_for() -> None:
    assert [str(path.relative_to(ROOT)) for path in sources() if is_silent(path)] == []


def test_a_module_that_says_nothing_is_found(tmp_path: Path) -> None:
    for text, silent in (("x = 1\n", True), ('"""Holds x."""\nx = 1\n', False), ("", False)):
        (tmp_path / "a.py").write_text(text)
        assert is_silent(tmp_path / "a.py") is silent
