"""A Bento is built completely or not at all, once per content, and contains only what it needs."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import small_model
import yaml

from taxi_assets.errors import TaxiError
from taxi_assets.serving.packaging import bento_build
from taxi_assets.serving.packaging.bento_build import BENTO_NAME, BuiltBento, build_bento, latest
from taxi_assets.settings import Settings

CITY = small_model.drawn_city()
LABELS = {"version": "3", "run_id": "0f3c", "synthetic": "true"}
HEAVY = ("mlflow", "sklearn", "dagster", "pandas", "pyarrow", "great_expectations", "duckdb", "matplotlib", "scipy")
# Kills the build with SIGKILL when it calls the function `{victim}`.
KILLED = """
import os, signal, sys
from pathlib import Path
from taxi_assets.serving.packaging import bento_build as packaging
from taxi_assets.settings import Settings
packaging.{victim} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
settings = Settings(home=Path(sys.argv[1]), data_kind="synthetic")
packaging.build_bento(settings, Path(sys.argv[2]), {labels!r}, sys.argv[3])
"""

CONTAINERFILE = """
import shutil, sys
from bentoml._internal.bento.bento import Bento
from bentoml._internal.container import construct_containerfile
with construct_containerfile(Bento.from_path(sys.argv[1])) as (_, dockerfile):
    shutil.copy(dockerfile, sys.argv[2])
"""
# Rules of hadolint that BentoML's own template breaks, whatever the Bento.
TEMPLATE_RULES = {
    "DL3008": "versions of Debian's packages are not pinned",
    "DL3009": "the lists of packages stay in the image",
    "DL3013": "the version of uv is not pinned; those of the Bento's requirements are",
    "DL3042": "pip caches uv",
    "DL3046": "useradd without -l",
    "DL3066": "the user is named",
    "SC3020": "&> in sh",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model.write(tmp_path_factory.mktemp("model") / "serving")


@pytest.fixture(scope="module")
def built(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with one Bento, built by BentoML while the environment names another store."""
    home = tmp_path_factory.mktemp("built") / ".hidden"  # BentoML has problems with hidden folders
    settings = Settings(home=home, data_kind="synthetic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(home / "elsewhere"))
        build_bento(settings, model, LABELS, CITY)
    return settings


@pytest.fixture
def quick_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces BentoML's build by a copy, to test the steps around it."""

    def copy(context: Path, home: Path, bento_version: str) -> Path:
        return Path(shutil.copytree(context, home / bento_version / "src")).parent

    monkeypatch.setattr(bento_build, "_run_bentoml", copy)


def folder(settings: Settings) -> Path:
    """The folder of the newest Bento."""
    bento = latest(settings)
    assert bento
    return settings.bentoml_home / "bentos" / bento.tag.replace(":", "/")


def bentos(settings: Settings) -> list[str]:
    """The versions in the store."""
    store = settings.bentoml_home / "bentos" / BENTO_NAME
    return sorted(path.name for path in store.iterdir() if path.is_dir()) if store.is_dir() else []


def kill_build(settings: Settings, model: Path, victim: str) -> None:
    script = KILLED.format(victim=victim, labels=LABELS)
    done = subprocess.run([sys.executable, "-c", script, str(settings.home), str(model), CITY], check=False)
    assert done.returncode == -9


def test_the_tag_names_the_models_version(built: Settings) -> None:
    bento = latest(built)
    assert bento
    assert bento.tag.startswith(f"{BENTO_NAME}:v3-")


def test_bentoml_finds_the_bento_and_its_labels(built: Settings) -> None:
    bento = yaml.safe_load((folder(built) / "bento.yaml").read_text())
    assert f"{bento['name']}:{bento['version']}" == folder(built).parent.name + ":" + folder(built).name
    assert bento["labels"] == LABELS
    assert latest(built) == BuiltBento(f"{BENTO_NAME}:{folder(built).name}", LABELS)


def test_build_leaves_no_temporary_files(built: Settings) -> None:
    assert {path.name for path in built.bentoml_home.iterdir()} <= {"bentos", "build.lock"}
    assert not (built.home / "elsewhere").exists()


def test_the_bento_pins_what_it_imports(built: Settings) -> None:
    required = (folder(built) / "env" / "python" / "requirements.txt").read_text().split()
    names = ("bentoml", "holidays", "msgspec", "numpy", "onnxruntime", "tzdata")
    assert sorted(required) == [f"{name}=={version(name)}" for name in names]


def test_every_import_is_pinned_or_a_dependency_of_bentoml(built: Settings) -> None:
    imported = set()
    for path in (folder(built) / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"taxi_assets"}
    distributions = {name for module in others for name in packages_distributions()[module]}
    pinned = {"bentoml", "holidays", "msgspec", "numpy", "onnxruntime"}
    assert distributions == pinned | {"prometheus_client", "starlette"}


def test_service_runs_without_heavy_libraries(built: Settings) -> None:
    script = (
        "import sys, service\n"
        "service.TaxiDuration.inner.check_model()\n"  # in BentoML's first process
        "print([name for name in ('numpy', 'onnxruntime') if name in sys.modules])\n"
        "service.TaxiDuration.inner()\n"  # predicts an example
        f"print([name for name in {(*HEAVY, 'holidays')} if name in sys.modules])\n"
        "print(sys.modules['taxi_assets'].__file__)\n"
    )
    source = folder(built) / "src"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", str(source / "taxi_assets" / "__init__.py")]


@pytest.fixture(scope="module")
def dockerfile(built: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Dockerfile by which `bentoml containerize` builds an image of the Bento."""
    path = tmp_path_factory.mktemp("container") / "Dockerfile"
    subprocess.run([sys.executable, "-c", CONTAINERFILE, str(folder(built)), str(path)], check=True)
    return path


def lint(dockerfile: Path) -> set[str]:
    """Codes of the rules that a Dockerfile breaks."""
    command = [Path(sys.executable).with_name("hadolint"), "--no-color", "--format", "json", "--no-fail", dockerfile]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {each["code"] for each in json.loads(done.stdout)}


def instructions(dockerfile: Path, name: str) -> list[str]:
    return [
        line.removeprefix(f"{name} ") for line in dockerfile.read_text().splitlines() if line.startswith(f"{name} ")
    ]


@pytest.mark.slow
def test_the_container_breaks_no_rule_but_those_of_bentomls_template(dockerfile: Path) -> None:
    assert lint(dockerfile) <= set(TEMPLATE_RULES)


def test_the_container_runs_the_pinned_python_as_an_ordinary_user(dockerfile: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert instructions(dockerfile, "FROM") == [f"python:{python}-slim AS base-container"]
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert [line.split()[0] for line in lines[-2:]] == ["USER", "ENTRYPOINT"]
    assert instructions(dockerfile, "USER") == ["bentoml"]


def test_the_container_contains_no_secret(built: Settings, dockerfile: Path) -> None:
    names = {each.partition("=")[0] for name in ("ARG", "ENV") for each in instructions(dockerfile, name)}
    assert "BENTOML_HOME" in names
    assert not {name for name in names if any(word in name.lower() for word in ("token", "secret", "password", "key"))}
    # Another test may have imported the service, which leaves its bytecode.
    assert {path.name for path in (folder(built) / "src").iterdir()} - {"__pycache__"} <= {
        *("README.md", "bentofile.yaml", "model", "packaged.json", "page", "release.json", "service.py", "taxi_assets")
    }


def test_a_bad_dockerfile_is_found(dockerfile: Path, tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    text = dockerfile.read_text().replace("USER bentoml", "USER root")
    bad.write_text(re.sub(r"FROM \S+", "FROM python:latest", text))
    assert {"DL3002", "DL3007"} <= lint(bad) - set(TEMPLATE_RULES)


def test_repeated_build_changes_nothing(built: Settings, model: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder(built).rglob("*") if path.is_file()}
    assert build_bento(built, model, LABELS, CITY) == f"{BENTO_NAME}:{folder(built).name}"
    assert {path: path.stat().st_mtime_ns for path in folder(built).rglob("*") if path.is_file()} == before


def test_new_home_has_no_bento(settings: Settings) -> None:
    assert latest(settings) is None


@pytest.mark.usefixtures("quick_build")
def test_last_requested_bento_is_the_latest(settings: Settings, model: Path) -> None:
    first = build_bento(settings, model, LABELS, CITY)
    second = build_bento(settings, model, {**LABELS, "data_snapshot": "13"}, CITY)
    assert len(bentos(settings)) == 2
    assert latest(settings) == BuiltBento(second, {**LABELS, "data_snapshot": "13"})
    assert build_bento(settings, model, LABELS, CITY) == first
    assert latest(settings) == BuiltBento(first, LABELS)
    release = settings.bentoml_home / "bentos" / BENTO_NAME / first.partition(":")[2] / "src" / "release.json"
    whole = release.read_text()
    for text in (whole[:20], "", "[]", "{}"):
        release.write_text(text)
        for read in (latest, lambda of: bento_build.bento_tags(of, 3)):
            with pytest.raises(TaxiError, match=r"release.json is damaged .*: delete \S+, and `taxi run` packages"):
                read(settings)


@pytest.mark.usefixtures("quick_build")
def test_a_bento_enters_the_store_beside_the_latest(settings: Settings, model: Path) -> None:
    build_bento(settings, model, LABELS, CITY, is_latest=False)
    assert (len(bentos(settings)), latest(settings)) == (1, None)
    newest = build_bento(settings, model, {**LABELS, "data_snapshot": "13"}, CITY)
    build_bento(settings, model, LABELS, CITY, is_latest=False)
    assert latest(settings) == BuiltBento(newest, {**LABELS, "data_snapshot": "13"})


@pytest.mark.slow
@pytest.mark.usefixtures("quick_build")
def test_killed_build_leaves_no_bento(settings: Settings, model: Path) -> None:
    kill_build(settings, model, "_run_bentoml")
    assert list(settings.bentoml_home.glob("building-*"))
    assert (bentos(settings), latest(settings)) == ([], None)
    tag = build_bento(settings, model, LABELS, CITY)
    assert bentos(settings) == [tag.partition(":")[2]]
    assert not list(settings.bentoml_home.glob("building-*"))


@pytest.mark.slow
def test_build_killed_at_its_end_is_completed_by_the_next(settings: Settings, model: Path, built: Settings) -> None:
    shutil.copytree(built.bentoml_home / "bentos", settings.bentoml_home / "bentos")
    (settings.bentoml_home / "bentos" / BENTO_NAME / "latest").unlink()
    kill_build(settings, model, "set_latest")
    assert latest(settings) is None
    assert build_bento(settings, model, LABELS, CITY) == f"{BENTO_NAME}:{bentos(settings)[0]}"
    assert latest(settings) == latest(built)


def test_incomplete_model_folder_is_not_packaged(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TaxiError, match="not a complete model"):
        build_bento(settings, tmp_path, LABELS, CITY)
    assert bentos(settings) == []


def test_service_that_fails_to_load_is_reported_and_leaves_nothing(
    settings: Settings, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service.py").write_text("import bentoml\nraise RuntimeError('a wrong line')\n")
    (tmp_path / "README.md").touch()
    shutil.copytree(small_model.PAGE, tmp_path / "page")
    monkeypatch.setattr(bento_build, "_SERVICE", tmp_path / "service.py")
    with pytest.raises(TaxiError, match=r"could not build.*a wrong line") as caught:
        build_bento(settings, model, LABELS, CITY)
    assert "\n" not in str(caught.value)
    assert (bentos(settings), latest(settings)) == ([], None)


def test_build_outside_a_checkout_is_an_error(settings: Settings, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bento_build, "_SERVICE", Path("/nowhere/bento/service.py"))
    with pytest.raises(TaxiError, match="from a checkout"):
        build_bento(settings, model, LABELS, CITY)
