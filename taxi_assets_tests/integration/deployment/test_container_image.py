"""Lints the Dockerfile; the slow tests build the image and run it with a read-only root."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import small_model
import yaml
from image_store import CHECKOUT, Image, ImageStore, base_tags, missing_tools, running

from taxi_assets.cli.supervisor.ports import free_port
from taxi_assets.serving.packaging.bento_build import build_bento
from taxi_assets.settings import Settings

DOCKERFILE = CHECKOUT / "Dockerfile"
COMPOSE = CHECKOUT / "deploy" / "compose.yaml"
HADOLINT = Path(sys.executable).with_name("hadolint")
USER = 10001


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


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if reason := missing_tools():
        pytest.skip(reason)
    store = ImageStore(tmp_path_factory.mktemp("images"))
    try:
        for tag in base_tags(DOCKERFILE):
            store.make_base(tag)
        yield store.build("0123456789abcdef")
    finally:
        store.remove()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a Bento, owned by the image's user."""
    folder = tmp_path_factory.mktemp("home") / "home"
    model = small_model.write(tmp_path_factory.mktemp("model") / "serving")
    build_bento(Settings(home=folder, data_kind="synthetic"), model, {"version": "3"}, small_model.drawn_city())
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, USER, USER)
    return folder


def request(address: str) -> int | None:
    try:
        return httpx.get(address, timeout=2).status_code
    except httpx.HTTPError:
        return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_image_answers_as_an_ordinary_user_with_a_read_only_root(
    image: Image, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port("127.0.0.1")
    command = image.command(home, TAXI_DATA_KIND="synthetic", TAXI_BENTO_PORT=str(port))
    log, started = tmp_path / "log", time.monotonic()
    with running(command, log) as process:
        while request(f"http://127.0.0.1:{port}/readyz") != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - started < 60, log.read_text()
        cold_start = time.monotonic() - started
        root = psutil.Process(process.pid)
        owners = {each.uids().real for each in (root, *root.children(recursive=True))}
        body = {"pickup_zone_id": 74, "dropoff_zone_id": 75, "pickup_at": "2023-03-01T08:30"}
        prediction = httpx.post(f"http://127.0.0.1:{port}/predict", json=body, timeout=10)
    assert owners == {USER}
    assert prediction.status_code == 200, prediction.text
    with capsys.disabled():
        sys.stdout.write(
            f"\nimage {image.megabytes:.0f} MB, built in {image.seconds:.0f} s, cold start {cold_start:.1f} s\n"
        )


@pytest.mark.slow
def test_the_image_has_its_commit_and_a_health_check(image: Image, home: Path) -> None:
    assert (image.root / "app" / "COMMIT").read_text() == "0123456789abcdef\n"
    assert image.config["User"] == f"{USER}:{USER}"
    assert image.config["Healthcheck"]["Test"][0] == "CMD"
    done = subprocess.run(image.command(home, "--version"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("taxi ")
    where = image.command(home, "serve", "nothing")
    refused = subprocess.run(where, capture_output=True, text=True, check=False)
    assert (refused.returncode, "no program is named nothing" in refused.stderr) == (1, True)
