"""Lints the Dockerfile; the slow tests build the image and run it with a read-only root.

`TEST_IMAGE_STARTS` is the number of timed starts, by default one.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
import small_model
import yaml
from image_store import CHECKOUT, BaseUnavailable, Image, ImageStore, base_tags, missing_tools, running

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings

DOCKERFILE = CHECKOUT / "Dockerfile"
COMPOSE = CHECKOUT / "deploy" / "compose.yaml"
HADOLINT = Path(sys.executable).with_name("hadolint")
USER = 10001
STARTS = int(os.environ.get("TEST_IMAGE_STARTS", "1"))
BUILD_SECONDS = 480


def lint(dockerfile: Path) -> str:
    return subprocess.run([HADOLINT, "--no-color", dockerfile], capture_output=True, text=True, check=False).stdout


def test_the_dockerfile_breaks_no_rule(tmp_path: Path) -> None:
    assert lint(DOCKERFILE) == ""
    planted = tmp_path / "Dockerfile"
    planted.write_text(DOCKERFILE.read_text().replace("python:3.11.13-slim-bookworm", "python:latest"))
    assert "DL3007" in lint(planted)


def test_base_images_are_pinned_to_a_patch_release() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    foreign = {each["image"] for each in services.values() if not each["image"].startswith("taxi-assets:")}
    tags = {*base_tags(DOCKERFILE), *foreign}
    assert {tag for tag in tags if not re.search(r":v?\d+\.\d+(\.\d+)?", tag)} == set()
    assert len(base_tags(DOCKERFILE)) == 1


def test_the_images_packages_are_those_of_the_tested_lock() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==\S+)", (CHECKOUT / name).read_text(), re.MULTILINE))

    image, tested = pins("deploy/image/requirements.lock"), pins("requirements.lock")
    names = {pin.partition("==")[0] for pin in tested}
    assert {pin for pin in image - tested if pin.partition("==")[0] in names} == set()
    assert len(image & tested) > 150


def test_compose_starts_everything_with_a_read_only_root_on_loopback() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    own = {name for name, each in services.items() if each["image"].startswith("taxi-assets:")}
    assert own == {"dagster", "daemon", "mlflow", "bento", "reports"}
    assert set(services) - own == {"postgres", "s3", "bucket", "prometheus", "grafana"}
    assert all((services[name]["read_only"], services[name]["cap_drop"]) == (True, ["ALL"]) for name in own)
    ports = [port for each in services.values() for port in each.get("ports", ())]
    assert len(ports) == 5
    assert {port for port in ports if not port.startswith("127.0.0.1:")} == set()


def test_compose_names_no_password() -> None:
    text = COMPOSE.read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == {"POSTGRES_PASSWORD", "S3_SECRET_KEY", "GRAFANA_PASSWORD"}
    assert re.findall(r"(?:PASSWORD|SECRET\w*KEY): *\"?(?!\$)\w+", text) == []


def test_the_daemons_health_check_finds_dagsters_home() -> None:
    daemon = yaml.safe_load(COMPOSE.read_text())["services"]["daemon"]
    assert daemon["healthcheck"]["test"] == ["CMD", "dagster-daemon", "liveness-check"]
    home = daemon["environment"]["DAGSTER_HOME"].replace("${TAXI_DATA_KIND:-real}", "real")
    assert Path(home) == Settings(home=Path("/data"), data_kind="real").dagster_home


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if reason := missing_tools():
        pytest.skip(reason)
    store = ImageStore(tmp_path_factory.mktemp("images"), BUILD_SECONDS)
    try:
        for tag in base_tags(DOCKERFILE):
            store.make_base(tag)
        yield store.build("0123456789abcdef")
    except BaseUnavailable as unavailable:
        pytest.skip(str(unavailable))
    finally:
        store.remove()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two equal homes with a Bento, one of them owned by the image's user."""
    folder = tmp_path_factory.mktemp("homes")
    model = small_model.write(tmp_path_factory.mktemp("model") / "serving")
    build_bento(Settings(home=folder / "own", data_kind="synthetic"), model, {"version": "3"}, small_model.drawn_city())
    shutil.copytree(folder / "own", folder / "image")
    for path in (folder / "image", *(folder / "image").rglob("*")):
        shutil.chown(path, USER, USER)
    return folder / "image", folder / "own"


def request(address: str) -> int | None:
    try:
        return httpx.get(address, timeout=2).status_code
    except httpx.HTTPError:
        return None


@contextmanager
def ready(command: list[str], port: str, log: Path, env: dict[str, str] | None = None) -> Iterator[tuple[int, float]]:
    """The process of a started endpoint, and the seconds until it was ready."""
    started = time.monotonic()
    with running(command, log, env) as process:
        while request(f"http://127.0.0.1:{port}/readyz") != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - started < 60, log.read_text()
            time.sleep(0.02)
        yield process.pid, time.monotonic() - started


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_answers_as_an_ordinary_user_with_a_read_only_root(
    image: Image, homes: tuple[Path, Path], tmp_path: Path
) -> None:
    port = str(free_port("127.0.0.1"))
    command = image.command(homes[0], TAXI_DATA_KIND="synthetic", TAXI_BENTO_PORT=port)
    with ready(command, port, tmp_path / "log") as (pid, _):
        root = psutil.Process(pid)
        owners = {each.uids().real for each in (root, *root.children(recursive=True))}
        body = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
        prediction = httpx.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=10)
    assert owners == {USER}
    assert prediction.status_code == 200, prediction.text


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_starts_as_fast_as_the_environment(
    image: Image, homes: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds: list[tuple[float, float]] = []
    for _ in range(STARTS + 1):  # the first start of each reads its files, and does not count
        port = str(free_port("127.0.0.1"))
        settings = {"TAXI_DATA_KIND": "synthetic", "TAXI_BENTO_PORT": port}
        with ready(image.command(homes[0], **settings), port, tmp_path / "log") as (_, inside):
            pass
        taxi = [str(Path(sys.executable).with_name("taxi")), "serve", "bento"]
        env = {**os.environ, **settings, "TAXI_HOME": str(homes[1])}
        with ready(taxi, port, tmp_path / "log", env) as (_, outside):
            pass
        seconds.append((inside, outside))
    inside, outside = (statistics.median(each) for each in zip(*seconds[1:], strict=True))
    ratio = statistics.median(first / second for first, second in seconds[1:])
    environment = megabytes(Path(sys.prefix))
    with capsys.disabled():
        sys.stdout.write(
            f"\nimage_size ratio={image.megabytes / environment:.2f}: {image.megabytes:.0f} MB, the environment "
            f"{environment:.0f}; built in {image.seconds:.0f} s\n"
            f"image_start ratio={ratio:.2f}: ready in {inside:.1f} s, `taxi serve bento` of the environment in "
            f"{outside:.1f}, {STARTS} turns\n"
        )
    assert ratio < 4, seconds


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bytecode_in_the_image_is_valid_whatever_its_sources_times_are(image: Image) -> None:
    compiled = [path for folder in ("app", "opt/venv") for path in (image.root / folder).rglob("*.pyc")]
    unchecked_hash = (1).to_bytes(4, "little")
    assert len(compiled) > 10_000
    assert [path for path in compiled if path.read_bytes()[4:8] != unchecked_hash] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_has_its_commit_and_a_health_check(image: Image, homes: tuple[Path, Path]) -> None:
    assert (image.root / "app" / "COMMIT").read_text() == "0123456789abcdef\n"
    assert image.config["User"] == f"{USER}:{USER}"
    assert image.config["Healthcheck"]["Test"][0] == "CMD"
    done = subprocess.run(image.command(homes[0], "--version"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("taxi ")
    where = image.command(homes[0], "serve", "nothing")
    refused = subprocess.run(where, capture_output=True, text=True, check=False)
    assert (refused.returncode, "no program is named nothing" in refused.stderr) == (1, True)
