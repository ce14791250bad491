"""The glossary, the list of tasks and the hooks name files and programs that exist."""

import re
from pathlib import Path

import pytest
import yaml
from markdown_reader import table

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
TASKS = (ROOT / "docs" / "contributing" / "where.md").read_text()


def forms(term: str) -> set[str]:
    """The term as prose, in snake_case and in CamelCase, all in lower case."""
    words = term.lower().split()
    return {" ".join(words), "_".join(words), "-".join(words), "".join(words)}


def misplaced_terms(text: str) -> set[str]:
    """Terms whose module is missing or contains no form of the term, neither in its path nor in its text."""
    found = set()
    for term, _, span in table(text, "Term"):
        path = ROOT / span.strip("`")
        content = f"{path}\n{path.read_text()}".lower() if path.is_file() else ""
        if not any(form in content for form in forms(term)):
            found.add(term)
    return found


def missing_files(text: str) -> set[str]:
    """Files in the second column of the tasks that do not exist."""
    spans = {span for _, files in table(text, "Task") for span in re.findall(r"`([^`]+)`", files)}
    return {span for span in spans if not (ROOT / span).is_file()}


def test_each_module_of_the_glossary_contains_its_term() -> None:
    assert misplaced_terms(GLOSSARY) == set()


def test_terms_are_sorted_and_unique() -> None:
    terms = [term for term, _, _ in table(GLOSSARY, "Term")]
    assert len(terms) >= 25
    assert terms == sorted(set(terms))


def test_each_term_has_one_sentence() -> None:
    meanings = [meaning for _, meaning, _ in table(GLOSSARY, "Term")]
    assert [each for each in meanings if not re.fullmatch(r"[A-Z][^.]*\.", each)] == []


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("fault point | A point. | `taxi_assets/warehouse/fault_points.py`", set()),
        ("source file | A file. | `taxi_assets/ingestion/source_files.py`", set()),
        ("zebra crossing | A road. | `taxi_assets/warehouse/fault_points.py`", {"zebra crossing"}),
        ("fault point | A point. | `taxi_assets/warehouse/no_module.py`", {"fault point"}),
    ],
)
def test_a_misplaced_term_is_found(row: str, found: set[str]) -> None:
    assert misplaced_terms(f"| Term | Meaning | Module |\n|---|---|---|\n| {row} |\n") == found


def test_each_file_of_the_tasks_exists() -> None:
    assert len(table(TASKS, "Task")) >= 20
    assert missing_files(TASKS) == set()


def test_a_missing_file_of_a_task_is_found() -> None:
    text = "| Task | File |\n|---|---|\n| a | `README.md`, `taxi_assets/nothing.py` |\n"
    assert missing_files(text) == {"taxi_assets/nothing.py"}


def foreign_hooks(text: str) -> list[str]:
    """Hooks that would download something or run a program outside the environment."""
    repos = yaml.safe_load(text)["repos"]
    found = [repo["repo"] for repo in repos if repo["repo"] != "local"]
    hooks = [hook for repo in repos for hook in repo["hooks"] if repo["repo"] == "local"]
    return found + [hook["id"] for hook in hooks if not hook["entry"].startswith(".venv/bin/")]


def test_hooks_run_the_programs_of_the_environment() -> None:
    assert foreign_hooks((ROOT / ".pre-commit-config.yaml").read_text()) == []


def test_a_foreign_hook_is_found() -> None:
    text = "repos: [{repo: a, hooks: []}, {repo: local, hooks: [{id: b, entry: b}, {id: c, entry: .venv/bin/c}]}]"
    assert foreign_hooks(text) == ["a", "b"]
