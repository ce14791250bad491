"""Documents and code agree: each name in a document exists, and each public name is documented."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import typer
from markdown_reader import code, headings, prose, spans, table, tree

from taxi_assets.cli import app
from taxi_assets.definitions import defs
from taxi_assets.quality.cleaning_rules import REASONS
from taxi_assets.settings import Settings
from taxi_assets.synthetic import SHIFTS
from taxi_assets.warehouse.schema import TABLES

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bento/README.md")
PATHS = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").rglob("*.md"))]
DOCUMENTS = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PATHS}
IMAGES = sorted((ROOT / "docs" / "images").iterdir())
MAX_IMAGE_BYTES = 300_000
MAX_DECISION_CHARACTERS = 3_000

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = {name for line in re.findall(r"^([a-z -]+):[^=\n]*##", MAKEFILE, re.MULTILINE) for name in line.split()}
SETTINGS = {f"TAXI_{name.upper()}": field for name, field in Settings.model_fields.items()}
PORTS = {field.default for name, field in SETTINGS.items() if name.endswith("_PORT")}
HOSTS = {"127.0.0.1", "keepachangelog.com", "semver.org", "github.com"}
HOME = Path(".taxi")


@cache
def commands() -> Mapping[str, set[str]]:
    """The options of each command of `taxi`, and of its own commands."""
    group = typer.main.get_command(app)
    shown = {name: each for name, each in group.commands.items() if not each.hidden}
    every = {name: (each, *getattr(each, "commands", {}).values()) for name, each in shown.items()}
    return {
        name: {"--help", *(o for each in them for p in each.params for o in p.opts)} for name, them in every.items()
    }


@cache
def source() -> str:
    """The text of all files except tests and documents."""
    folders = ("taxi_assets", "bento", "benchmarks")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".sql"}]
    paths += [*(ROOT / "deploy").rglob("*.yaml"), ROOT / "pyproject.toml", ROOT / "Makefile", ROOT / "Dockerfile"]
    return "\n".join(path.read_text() for path in paths)


@cache
def words() -> set[str]:
    """Every word of the code."""
    return {*re.findall(r"\w+", source()), *SETTINGS}


@cache
def home_folders() -> set[str]:
    settings = Settings(home=HOME, data_kind="real")
    folders = (settings.landing, settings.file_store, settings.quarantine, settings.warehouse)
    folders += (settings.dagster_home, settings.mlflow_home)
    return {
        (HOME / folder.relative_to(HOME.absolute())).as_posix()
        for folder in (settings.root, *folders, settings.bentoml_home, settings.reports)
    }


# Errors a document may have; each check returns the wrong texts


def unknown_settings(_name: str, text: str) -> set[str]:
    return {name for name in re.findall(r"TAXI_[A-Z_]*[A-Z]", text) if name not in SETTINGS}


def home_tree() -> set[str]:
    """The documented tree of the home."""
    return tree(DOCUMENTS["docs/layout.md"], f"{HOME}/")


def named_targets(text: str) -> set[str]:
    return set(re.findall(r"(?:^|[ =])make ((?!\.)[a-z][a-z-]*)", code(text), re.MULTILINE))


def unknown_targets(_name: str, text: str) -> set[str]:
    return named_targets(text) - TARGETS


def named_commands(text: str) -> list[tuple[str, str]]:
    """Each command of `taxi` with the words after it."""
    return re.findall(r"(?:^|[ /])taxi ([a-z]+)(.*)", code(text), re.MULTILINE)


def unknown_commands(_name: str, text: str) -> set[str]:
    wrong = set()
    for name, rest in named_commands(text):
        options = set(re.findall(r"--[a-z-]+", rest))
        wrong |= {f"{name} {option}" for option in options - commands()[name]} if name in commands() else {name}
    return wrong


def unknown_names(_name: str, text: str) -> set[str]:
    """Identifiers that occur nowhere in the code."""
    names = {span for span in spans(text) if re.fullmatch(r"[A-Za-z]\w*[A-Z_]\w*|[A-Z]\w+", span)}
    return names - words()


def unknown_paths(_name: str, text: str) -> set[str]:
    paths = {span.rstrip("/") for span in spans(text) if re.fullmatch(r"[\w.][\w.-]*/[\w./-]*", span)}
    ours = {path for path in paths if not path.startswith(("..", f"{HOME}/", ".venv/"))}
    home = {path for path in paths if path.startswith(f"{HOME}/") and path not in source()}
    missing = {path for path in ours if not (ROOT / path).exists() and path not in source()}
    return {path for path in missing if f"{HOME}/{path.split('/')[0]}" not in home_tree()} | (home - home_folders())


def broken_links(name: str, text: str) -> set[str]:
    broken = set()
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in headings(text if not path else target.read_text())):
            broken.add(link)
    return broken


def unknown_ports(_name: str, text: str) -> set[str]:
    return {port for port in re.findall(r"127\.0\.0\.1:([0-9]+)", text) if int(port) not in PORTS}


def unknown_hosts(_name: str, text: str) -> set[str]:
    return {host for host in re.findall(r"https?://([\w.-]+)", text) if host not in HOSTS} - {
        str(SETTINGS["TAXI_TLC_SOURCE"].default).removeprefix("https://")
    }


def machine_paths(_name: str, text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.~/-])/(?:work|tmp|root|home|data|mnt|Users|opt|usr)\b[\w./-]*", text))


Check = Callable[[str, str], set[str]]

# Each check with a text in which it finds an error, and the error.
CHECKS: list[tuple[Check, str, set[str]]] = [
    (unknown_settings, "set `TAXI_HOME` or `TAXI_HOUSE`", {"TAXI_HOUSE"}),
    (unknown_targets, "`make run` or\n\n    TAXI_HOME=x make walk\n\nto make it", {"walk"}),
    (unknown_commands, "`taxi fly`, `taxi run --json -`, `.venv/bin/taxi run --fast`", {"fly", "run --fast"}),
    (unknown_names, "`raw_trips`, `row_trips`, `Settings`, `Sittings`, `zones`", {"row_trips", "Sittings"}),
    (unknown_paths, "`bento/service.py`, `bento/servant.py`", {"bento/servant.py"}),
    (unknown_paths, "`.taxi/real/landing/`, `.taxi/real/lending`", {".taxi/real/lending"}),
    (
        broken_links,
        "# A b\n[a](#a-b), [b](#b), [c](CHANGELOG.md), ![d](docs/images/d.png)",
        {"#b", "docs/images/d.png"},
    ),
    (broken_links, "[a](CHANGELOG.md#unreleased) [b](CHANGELOG.md#released)", {"CHANGELOG.md#released"}),
    (unknown_ports, "http://127.0.0.1:3000 and http://127.0.0.1:3999", {"3999"}),
    (unknown_hosts, "https://pypi.example.org/simple and https://semver.org/", {"pypi.example.org"}),
    (machine_paths, "from /home/me/tlc, not ~/tlc nor .taxi/data/", {"/home/me/tlc"}),
]


@pytest.mark.parametrize("check", dict.fromkeys(check for check, _, _ in CHECKS), ids=lambda check: check.__name__)
def test_documents_name_only_existing_things(check: Check) -> None:
    assert {name: found for name, text in DOCUMENTS.items() if (found := check(name, text))} == {}


@pytest.mark.parametrize(("check", "text", "faults"), CHECKS, ids=[check.__name__ for check, _, _ in CHECKS])
def test_a_wrong_name_is_found(check: Check, text: str, faults: set[str]) -> None:
    assert check("README.md", text) == faults


# Names the documents must have


def settings_rows() -> list[list[str]]:
    """The expected table of settings."""

    def shown(default: object) -> str:
        return "unset" if default is None else f"`{','.join(default) if isinstance(default, tuple) else default}`"

    return [[f"`{name}`", shown(field.default), str(field.description)] for name, field in SETTINGS.items()]


def make_rows() -> list[list[str]]:
    variables = re.findall(r"^([A-Z]+) \?= (.*)$", MAKEFILE, re.MULTILINE)
    return [[f"`{name}`", f"`{default}`"] for name, default in variables]


def test_the_table_of_settings_agrees_with_the_code() -> None:
    assert table(DOCUMENTS["docs/settings.md"], "Variable") == settings_rows()


def test_the_table_of_make_variables_agrees_with_the_makefile() -> None:
    rest = DOCUMENTS["docs/settings.md"].partition("## Variables of make")[2]
    assert [row[:2] for row in table(rest, "Variable")] == make_rows()


def test_a_wrong_row_of_settings_is_found() -> None:
    text = "\n".join(["| Variable |", "|---|", *(f"| {' | '.join(row)} |" for row in settings_rows())])
    assert table(text, "Variable") == settings_rows()
    assert table(text.replace("`.taxi`", "`.cab`"), "Variable") != settings_rows()


def first_names(text: str, header: str) -> set[str]:
    return {re.split(r"[`=]", row[0])[1] for row in table(text, header)}


@pytest.mark.parametrize(
    ("document", "header", "exist"),
    [
        ("docs/layout.md", "Asset", {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}),
        ("docs/how-to/synthetic-months.md", "Shift", set(SHIFTS)),
        ("docs/architecture.md", "Table of the warehouse", set(TABLES)),
        ("docs/architecture.md", "Reason", set(REASONS)),
        (
            "docs/architecture.md",
            "Name",
            {each.name for each in (*(defs.jobs or ()), *(defs.sensors or ()), *(defs.schedules or ()))}
            - {"check_freshness_daily"},  # in the row of its job
        ),
    ],
)
def test_tables_are_complete(document: str, header: str, exist: set[str]) -> None:
    assert first_names(DOCUMENTS[document], header) == exist


def test_rows_of_a_table_are_read() -> None:
    text = "| A | B |\n|---|---:|\n| `x=1` | 2 |\n| `y` | `p` or `q` |\n\n| C | D |\n|---|---|\n| `z` | |\n"
    assert table(text, "A") == [["`x=1`", "2"], ["`y`", "`p` or `q`"]]
    assert (first_names(text, "A"), first_names(text, "C"), first_names(text, "E")) == ({"x", "y"}, {"z"}, set())


def in_any(named: Callable[[str], Iterator[str] | set[str]]) -> set[str]:
    return {each for text in DOCUMENTS.values() for each in named(text)}


def test_every_task_and_command_is_named() -> None:
    assert in_any(named_targets) == TARGETS
    assert in_any(lambda text: {name for name, _ in named_commands(text)}) == set(commands())
    assert in_any(lambda text: set(re.findall(r"127\.0\.0\.1:([0-9]+)", text))) == {str(port) for port in PORTS}


def test_the_tree_of_the_code_agrees_with_the_code() -> None:
    named = tree(DOCUMENTS["docs/layout.md"], "taxi_assets/")
    folders = {path.relative_to(ROOT).as_posix() for path in (ROOT / "taxi_assets").iterdir() if path.is_dir()}
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert {folder for folder in folders if not folder.endswith("__pycache__")} - named == set()


def test_the_tree_of_the_home_agrees_with_the_settings() -> None:
    assert home_folders() - home_tree() == set()
    assert {path for path in home_tree() - home_folders() if path.rpartition("/")[2] not in source()} == set()


def test_a_folder_tree_is_read() -> None:
    assert tree("```text\na/\n  b/   it\n    c.py\n  d.py\ne/\n```\n", "a/") == {"a", "a/b", "a/b/c.py", "a/d.py", "e"}


def too_large(images: list[Path]) -> set[str]:
    return {image.name for image in images if image.stat().st_size > MAX_IMAGE_BYTES}


def test_every_image_is_shown_and_small() -> None:
    shown = {Path(link).name for text in DOCUMENTS.values() for link in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)}
    assert {image.name for image in IMAGES} == shown
    assert too_large(IMAGES) == set()


def test_a_large_image_is_found(tmp_path: Path) -> None:
    for name, size in (("a.png", MAX_IMAGE_BYTES), ("b.png", MAX_IMAGE_BYTES + 1)):
        (tmp_path / name).write_bytes(bytes(size))
    assert too_large(list(tmp_path.iterdir())) == {"b.png"}


def is_of_form(decision: str) -> bool:
    """True if the decision is short and has its four parts."""
    parts = re.findall(r"^## (.+)$", decision, re.MULTILINE)
    return parts == ["Context", "Decision", "Evidence", "Consequences"] and len(decision) <= MAX_DECISION_CHARACTERS


def test_decisions_are_listed_and_short_and_have_four_parts() -> None:
    files = sorted(path for path in (ROOT / "docs" / "decisions").iterdir() if path.name != "README.md")
    rows = table(DOCUMENTS["docs/decisions/README.md"], "No.")
    listed = [
        (f"# {number}. {title}", file) for number, link in rows for title, file in re.findall(r"\[(.+)\]\((.+)\)", link)
    ]
    assert [(file.read_text().splitlines()[0], file.name) for file in files] == listed
    assert [file.name for file in files if not is_of_form(file.read_text())] == []


def test_a_decision_without_its_four_parts_is_found() -> None:
    whole = "# 1. A\n\n## Context\n\n## Decision\n\n## Evidence\n\n## Consequences\n"
    assert is_of_form(whole)
    assert not is_of_form(whole.replace("## Evidence\n", ""))
    assert not is_of_form(whole + "x" * MAX_DECISION_CHARACTERS)
